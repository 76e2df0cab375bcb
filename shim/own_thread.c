/*
 * Starting threads, see own_thread.h. Called on the application's thread that makes the first request (the scribe) and
 * on the scribe's (the spooler). Must never leave the application another signal mask.
 */
#include "own_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>

enum {
#ifdef __SANITIZE_ADDRESS__
    STACK_BYTES = 1024 * 1024, /* red zones */
#else
    STACK_BYTES = 256 * 1024, /* the largest frames are process_info's 20 KiB and a few spans of 7 KiB */
#endif
    STACK_BYTES_SECOND = 2 * 1024 * 1024, /* where static thread-local storage fills the first choice */
};

_Atomic unsigned *own_thread_count;

bool own_thread_hide(void)
{
    enum { COUNT_MAX = 1 << 22 }; /* the kernel has no more; else it is not what we take it for */
    unsigned count = own_thread_count == NULL ? 0 : atomic_load(own_thread_count);
    while (count >= 2 && count <= COUNT_MAX) {
        if (atomic_compare_exchange_weak(own_thread_count, &count, count - 1)) {
            return true;
        }
    }
    return false;
}

void own_thread_show(void)
{
    (void)atomic_fetch_add(own_thread_count, 1);
}

int own_thread_start(void *(*run)(void *argument), void *argument)
{
    pthread_attr_t attributes;
    int rc = pthread_attr_init(&attributes);
    if (rc != 0) {
        return -rc;
    }
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    rc = pthread_create(&thread, &attributes, run, argument);
    if (rc == EINVAL) {
        (void)pthread_attr_setstacksize(&attributes, STACK_BYTES_SECOND);
        rc = pthread_create(&thread, &attributes, run, argument);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return -rc;
}
