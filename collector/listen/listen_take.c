/*
 * From bytes to the store: frames of one sender, within the transaction of the moment.
 *
 * Called by the connections (listen.c) and the spool (listen_spool.c). Must never acknowledge: that
 * is the caller's, after the commit.
 */
#include "listen_inner.h"

#include <stdio.h>
#include <string.h>

#include "../store/store.h"

static int begin(struct listener *listener)
{
    int status;

    if (listener->open)
        return 0;
    status = store_begin(listener->config.store);
    if (status != 0)
        return listen_because(status, "%s", store_why());
    listener->open = true;
    listener->open_ns = listen_now_ns();
    return 0;
}

int listen_note(struct listener *listener, int kind)
{
    int status = begin(listener);

    return status != 0 ? status : store_note_loss(listener->config.store, (enum store_loss_kind)kind, 1, 0);
}

int listen_note_file(struct listener *listener, int kind, const struct stat *st)
{
    char file[96];
    int status = begin(listener);

    if (status != 0)
        return status;
    (void)snprintf(file, sizeof(file), "%llx %llx %lld.%09ld", (unsigned long long)st->st_dev,
                   (unsigned long long)st->st_ino, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    status = store_note_file(listener->config.store, (enum store_loss_kind)kind, file);
    return status < 0 ? listen_because(status, "%s", store_why()) : 0;
}

static int take_process(struct listener *listener, struct listen_sender *sender, const struct span_frame *frame)
{
    struct span_process process;
    int status;

    if (span_process_read(&process, frame->payload, frame->payload_bytes) != 0)
        return listen_because(LISTEN_END, "a process frame is damaged");
    if (sender->greeted && memcmp(sender->identity, frame->identity, sizeof(sender->identity)) != 0)
        return listen_because(LISTEN_END, "one sender speaks for two processes");
    /* The header says whose frame it is; the payload may repeat it but not contradict it. */
    memcpy(process.identity, frame->identity, sizeof(process.identity));
    if (sender->has_uid) { /* who it is says the kernel */
        process.has_uid = true;
        process.uid = sender->uid;
    }
    status = begin(listener);
    if (status == 0)
        status = store_take_process(listener->config.store, &process);
    if (status != 0)
        return listen_because(status, "%s", store_why());
    memcpy(sender->identity, frame->identity, sizeof(sender->identity));
    sender->greeted = true;
    sender->away = store_times_away(listener->config.store);
    return 0;
}

/* A process whose introduction is damaged: it may be known already, else it is one of which nothing
 * is known. */
static int take_stranger(struct listener *listener, struct listen_sender *sender, const struct span_frame *frame)
{
    int status = begin(listener);

    if (status == 0)
        status = store_take_stranger(listener->config.store, frame->identity);
    if (status != 0)
        return listen_because(status, "%s", store_why());
    memcpy(sender->identity, frame->identity, sizeof(sender->identity));
    sender->greeted = true;
    sender->away = store_times_away(listener->config.store);
    return 0;
}

/* It stays where it is: who sends over a socket keeps it, and puts it into the spool in the end. */
static int too_new(struct listener *listener, const struct listen_sender *sender)
{
    if (!sender->in_file) {
        listener->stats.too_new++;
        (void)listen_note(listener, STORE_LOSS_frame_too_new);
    }
    return listen_because(LISTEN_NEWER, "a frame of a later version");
}

static int take_spans(struct listener *listener, struct listen_sender *sender, const struct span_frame *frame)
{
    struct span_block_view view;
    bool rejected = false;
    bool repeat = false;
    int status;

    if (!sender->greeted && sender->in_file) {
        status = take_stranger(listener, sender, frame);
        if (status != 0)
            return status;
    }
    if (!sender->greeted || memcmp(sender->identity, frame->identity, sizeof(sender->identity)) != 0)
        return listen_because(LISTEN_END, "a frame of a process that did not introduce itself");
    status = begin(listener);
    if (status == 0 && sender->away != store_times_away(listener->config.store))
        return listen_because(LISTEN_AGAIN, "the store was begun anew");
    if (status == 0)
        status = store_take_frame(listener->config.store, frame, &repeat);
    if (status == STORE_OTHER_VERSION)
        return too_new(listener, sender);
    if (status == STORE_DAMAGED) {
        /* The checksum fits: the sender meant it, and would send it again and again. It is counted
         * instead. */
        status = store_reject_frame(listener->config.store, frame);
        rejected = status == 0;
    }
    if (status == STORE_DAMAGED)
        return listen_because(LISTEN_END, "%s", store_why());
    if (status != 0)
        return listen_because(status, "%s", store_why());
    if (frame->sequence > sender->taken)
        sender->taken = frame->sequence;
    listener->stats.rejected += rejected;
    listener->batch_repeats += repeat;
    listener->batch_frames += !repeat;
    if (!repeat && !rejected && frame->kind == SPAN_FRAME_SPANS &&
        span_block_open(&view, frame->payload, frame->payload_bytes) == 0)
        listener->batch_spans += view.n;
    return 0;
}

static int take_one(struct listener *listener, struct listen_sender *sender, const struct span_frame *frame)
{
    switch (frame->kind) {
    case SPAN_FRAME_PROCESS:
        return take_process(listener, sender, frame);
    case SPAN_FRAME_SPANS:
    case SPAN_FRAME_LOSS:
        return take_spans(listener, sender, frame);
    default:
        return 0; /* of a later version: to be skipped */
    }
}

int listen_take(struct listener *listener, struct listen_sender *sender, const uint8_t *data, size_t bytes,
                size_t *ret_used)
{
    size_t used = 0;
    int status = 0;

    while (status == 0) {
        struct span_frame frame;
        long length = span_frame_read(&frame, data + used, bytes - used);

        if (length == SPAN_FRAME_NEED_MORE)
            break;
        if (length < 0) {
            status = length == SPAN_FRAME_TOO_NEW ? too_new(listener, sender)
                                                  : listen_because(LISTEN_END, "bytes that are not a frame");
            break;
        }
        status = take_one(listener, sender, &frame);
        if (status == 0)
            used += (size_t)length;
    }
    *ret_used = used;
    return status;
}

int listen_note_refused(struct listener *listener)
{
    return listener->stats.refused == listener->refused_told ? 0 : begin(listener);
}

int listen_commit(struct listener *listener)
{
    uint64_t begin_ns = listen_now_ns();
    uint64_t refused = listener->stats.refused;
    int status = 0;

    if (!listener->open)
        return 0;
    if (refused != listener->refused_told)
        status =
            store_note_loss(listener->config.store, STORE_LOSS_connection_refused, refused - listener->refused_told, 0);
    if (status == 0)
        status = store_commit(listener->config.store);
    listener->open = false;
    listener->commit_ns = listen_now_ns();
    listen_share_committed(listener, listener->commit_ns - begin_ns);
    if (status != 0) {
        listen_rollback(listener);
        return listen_because(status, "%s", store_why());
    }
    listener->refused_told = refused;
    listener->stats.commits++;
    listener->stats.frames += listener->batch_frames;
    listener->stats.spans += listener->batch_spans;
    listener->stats.repeats += listener->batch_repeats;
    listener->batch_frames = listener->batch_spans = listener->batch_repeats = 0;
    return 0;
}

void listen_undo(struct listener *listener)
{
    store_rollback(listener->config.store);
    listen_share_committed(listener, 0);
    listener->open = false;
    listener->batch_frames = listener->batch_spans = listener->batch_repeats = 0;
}

void listen_rollback(struct listener *listener)
{
    listen_undo(listener);
    listener->stats.store_failures++;
}
