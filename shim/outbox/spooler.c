/*
 * Writing the spool aside, see spooler.h. Called by the outbox on the scribe's thread; write_aside
 * is a thread of its own, which lives for one batch of frames. Both touch the spool, never at once:
 * the word `thread` says whose it is. Must never free or change a frame that the other one may
 * read.
 */
#include "spooler.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "span/frame.h"
#include "shim/base/own_thread.h"

enum spooler_thread { THREAD_NONE, THREAD_RUNS, THREAD_ENDED };

static void *write_aside(void *argument)
{
    static const char name[] = "pprof-spool";
    struct spooler *spooler = argument;
    const uint8_t *data = spooler->frames.data;
    size_t left = spooler->frames.bytes;
    struct span_frame frame;
    (void)pthread_setname_np(pthread_self(), name);
    for (long bytes; left > 0 && (bytes = span_frame_read(&frame, data, left)) > 0; data += bytes) {
        if (spool_append(&spooler->spool, spooler->now_ns, data, (size_t)bytes) != 0)
            break;
        spooler->written = frame.sequence;
        left -= (size_t)bytes;
    }
    if (spooler->close)
        spool_close(&spooler->spool);
    const bool hidden = own_thread_is_hidden(&spooler->place);
    atomic_store(&spooler->thread, THREAD_ENDED);
    (void)syscall(SYS_futex, &spooler->thread, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    if (hidden)
        own_thread_end();
    return NULL;
}

/* Between a thread's making and the moment in which it no longer counts, the application's last one
 * would not know that it is: none is made where main() is gone already and any end may be the
 * last. */
static bool start(struct spooler *spooler)
{
    if (own_thread_main_has_ended()) {
        span_buffer_done(&spooler->frames);
        return false;
    }
    spooler->written = 0;
    atomic_store(&spooler->thread, THREAD_RUNS);
    if (own_thread_start(write_aside, spooler, &spooler->place) == 0)
        return true;
    atomic_store(&spooler->thread, THREAD_NONE);
    span_buffer_done(&spooler->frames);
    return false;
}

bool spooler_idle(const struct spooler *spooler)
{
    return atomic_load(&spooler->thread) == THREAD_NONE;
}

void spooler_end(struct spooler *spooler, struct parcels *queue)
{
    if (atomic_load(&spooler->thread) == THREAD_ENDED) {
        parcels_remove_until(queue, spooler->written);
        span_buffer_done(&spooler->frames);
        atomic_store(&spooler->thread, THREAD_NONE);
    }
}

void spooler_wait(struct spooler *spooler, struct parcels *queue)
{
    while (atomic_load(&spooler->thread) == THREAD_RUNS)
        (void)syscall(SYS_futex, &spooler->thread, FUTEX_WAIT_PRIVATE, THREAD_RUNS, NULL, NULL, 0);
    spooler_end(spooler, queue);
}

bool spooler_begin(struct spooler *spooler, const struct parcels *queue, size_t bytes, uint64_t now_ns)
{
    span_buffer_init(&spooler->frames, queue->bytes);
    const struct parcel *parcel = queue->first;
    do {
        span_buffer_append(&spooler->frames, parcel->data, parcel->bytes);
        parcel = parcel->next;
    } while (parcel != NULL && spooler->frames.bytes + parcel->bytes <= bytes);
    if (spooler->frames.failed) {
        span_buffer_done(&spooler->frames);
        return false;
    }
    spooler->close = false;
    spooler->now_ns = now_ns;
    return start(spooler);
}

bool spooler_close(struct spooler *spooler, bool aside)
{
    if (!spooler_idle(spooler))
        return false;
    if (spooler->spool.own.fd < 0)
        return true;
    span_buffer_init(&spooler->frames, 0);
    spooler->close = true;
    if (!aside || !start(spooler))
        spool_close(&spooler->spool);
    return true;
}

bool spooler_oldest(struct spooler *spooler, struct parcels *queue, uint64_t now_ns)
{
    spooler_wait(spooler, queue);
    struct parcel *before;
    struct parcel *parcel = parcels_oldest(queue, &before);
    if (parcel == NULL || spool_append(&spooler->spool, now_ns, parcel->data, parcel->bytes) != 0)
        return false;
    parcels_remove(queue, before, parcel);
    return true;
}

void spooler_all(struct spooler *spooler, struct parcels *queue, uint64_t now_ns)
{
    while (spooler_idle(spooler) && queue->first != NULL &&
           spool_append(&spooler->spool, now_ns, queue->first->data, queue->first->bytes) == 0)
        parcels_remove(queue, NULL, queue->first);
}
