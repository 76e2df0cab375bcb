/*
 * Starting threads, see own_thread.h. Called on the application's thread that makes the first
 * request (the scribe) and on the scribe's (the spooler). Must never leave the application another
 * signal mask.
 */
#include "own_thread.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
#ifdef __SANITIZE_ADDRESS__
    STACK_BYTES = 1024 * 1024, /* red zones */
#else
    STACK_BYTES = 256 * 1024, /* the largest frames are process_info's 20 KiB and a few spans of 7 KiB */
#endif
    STACK_BYTES_SECOND = 2 * 1024 * 1024, /* where static thread-local storage fills the first choice */
};

_Atomic unsigned *own_thread_count;
static _Atomic int *main_thread; /* its number, 0 when it has ended; NULL: not known */

void own_thread_note_main(void)
{
    (void)syscall(SYS_prctl, PR_GET_TID_ADDRESS, &main_thread, 0, 0, 0);
}

bool own_thread_main_has_ended(void)
{
    return main_thread != NULL && atomic_load(main_thread) == 0;
}

/* By a thread that counts, the count cannot come to 0 by this. Of those that do not, it may have
 * come to 1, and to 0 by this, in the moment before: then the application's last thread has ended
 * and thought that there was another. */
static bool hide_one(void)
{
    enum { COUNT_MAX = 1 << 22 }; /* the kernel has no more; else it is not what we take it for */
    unsigned count = own_thread_count == NULL ? 0 : atomic_load(own_thread_count);
    while (count >= 2 && count <= COUNT_MAX)
        if (atomic_compare_exchange_weak(own_thread_count, &count, count - 1))
            return true;
    return false;
}

bool own_thread_is_hidden(_Atomic uint32_t *place)
{
    const struct timespec wait = {.tv_nsec = 1000000};
    while (atomic_load(place) == OWN_THREAD_UNKNOWN) /* nobody wakes: it is a moment */
        (void)syscall(SYS_futex, place, FUTEX_WAIT_PRIVATE, OWN_THREAD_UNKNOWN, &wait, NULL, 0);
    return atomic_load(place) == OWN_THREAD_HIDDEN;
}

void own_thread_end(void)
{
    unsigned count = atomic_load(own_thread_count);
    /* From 0 on the process is ending: whoever returned would be the last one, and run exit() once
     * more. */
    while (count != 0)
        if (atomic_compare_exchange_weak(own_thread_count, &count, count + 1))
            return;
    (void)syscall(SYS_exit, 0);
}

int own_thread_start(void *(*run)(void *argument), void *argument, _Atomic uint32_t *ret_place)
{
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    if (rc != 0)
        return -rc;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    atomic_store(ret_place, OWN_THREAD_UNKNOWN);
    rc = pthread_create(&thread, &attributes, run, argument);
    if (rc == EINVAL) {
        (void)pthread_attr_setstacksize(&attributes, STACK_BYTES_SECOND);
        rc = pthread_create(&thread, &attributes, run, argument);
    }
    if (rc == 0)
        atomic_store(ret_place, hide_one() ? OWN_THREAD_HIDDEN : OWN_THREAD_COUNTED);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return -rc;
}
