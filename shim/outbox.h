/*
 * The outbox: finished spans on their way out of the process, as blocks in frames, to the collector's socket or, when nobody listens,
 * to a bounded spool file. Scribe thread only, except outbox_losses (any thread).
 *
 * A frame is kept until it is acknowledged (bounded by OUTBOX_UNACKED_BYTES_MAX) and sent again on a new connection.
 */
#pragma once

#include "../span/frame.h"

struct outbox_config {
    const char *socket_path;
    const char *spool_dir; /* NULL: no spool */
    struct span_process process; /* identity is filled by outbox_start */
};

enum {
    OUTBOX_AGE_MAX_MS = 20, /* a span leaves the process at most this long after it was finished */
    OUTBOX_UNACKED_BYTES_MAX = 1024 * 1024,
    OUTBOX_SPOOL_BYTES_MAX = 64 * 1024 * 1024, /* per process */
    OUTBOX_RECONNECT_MS = 1000,
};

int outbox_start(const struct outbox_config *config);
/* Takes a copy; sets the span's sequence number. Never fails: a span that cannot be kept is counted as lost. */
void outbox_add(struct span *span);
/* Does what is due (cuts blocks, connects, sends, reads acknowledgements, spools) without blocking. Returns the milliseconds
 * until it wants to be called again, -1 when it has nothing to do. */
int outbox_turn(uint64_t now_ns, const struct span_loss *loss);
/* Process is ending: everything out, waiting at most `wait_ms` for the socket; what is then unacknowledged goes to the spool. */
void outbox_finish(unsigned wait_ms, const struct span_loss *loss);
