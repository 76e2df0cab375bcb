/*
 * The outbox: finished spans on their way out of the process, as blocks in frames, to the
 * collector's socket or, when nobody listens, to a bounded spool file. Scribe thread only.
 *
 * A frame is kept until it is acknowledged (bounded by OUTBOX_UNACKED_BYTES_MAX) and sent again on
 * a new connection. What is here is in the journal too, where there is one, so that a death of this
 * process at any moment loses nothing.
 */
#pragma once

#include "span/frame.h"
#include "span/paths.h"
#include "journal.h"

enum { OUTBOX_NAMED_MAX = SPAN_PATH_RUNTIMES + 1 };

struct outbox_config {
    const char *socket_path;
    const char *socket_path_else; /* tried where nobody listens on the first; NULL: none */
    /* Paths of sockets, of which the abstract names alone are tried where nobody listens on these
     * two (paths.h); NULL at the end. */
    const char *named_sockets[OUTBOX_NAMED_MAX + 1];
    const char *spool_dir;                        /* NULL: no spool */
    struct journal_place journal[JOURNAL_PLACES]; /* where the journal may be, the best first */
    bool journal_disk_first;                      /* see struct journal */
    bool spool_said;                              /* spool_dir was named by LIBPPROF_SPOOL */
    struct span_journal_owner owner;              /* this process, for its journal */
    struct span_process process;                  /* who sends; process_info.h */
};

enum {
    OUTBOX_AGE_MAX_MS = 20, /* a span leaves the process at most this long after it was finished */
    OUTBOX_UNACKED_BYTES_MAX = 1024 * 1024,
    OUTBOX_SPOOL_BYTES_MAX = 64 * 1024 * 1024, /* per process */
    OUTBOX_RECONNECT_MS = 1000,
    OUTBOX_RECONNECT_IDLE_MS_MAX = 16 * 1000, /* an idle process asks less and less often for a collector */
    OUTBOX_RESTART_MS = 2000, /* frames wait in memory so long for a collector that was there and is gone */
    OUTBOX_RESTART_RETRY_MS = 100,
    OUTBOX_STALLED_MS = 10 * 1000, /* a collector that acknowledges nothing for so long is as good as none */
    OUTBOX_SPOOL_AFTER_MS = 1000,  /* what the journal holds waits so long before it is written to the spool */
    OUTBOX_LOSS_MS = 1000,         /* frames that only report loss: at most one in this time */
};

/* Takes a copy of everything. In a forked child it forgets what the parent had queued (the parent
 * sends that) and closes the parent's descriptors. Returns 0, or a negative errno: then spans are
 * counted as lost. */
int outbox_start(const struct outbox_config *config);
/* Takes a copy; sets the span's sequence number. Never fails: a span that cannot be kept is counted
 * as lost. now_ns: tape_now_ns(). The call was flight number `flight` (0: none) and had `slot` in
 * the journal. */
void outbox_add(uint64_t now_ns, struct span *span, uint64_t flight, struct journal_slot *slot);
/* What is known by now of a call in flight that began at begin_ns, for the case that the process
 * dies. False: there is no place for it now. */
bool outbox_flight(uint64_t now_ns, struct journal_slot *slot, uint64_t flight, uint64_t begin_ns,
                   const struct span *so_far);
/* It turned out to be no call of a model. */
void outbox_flight_end(struct journal_slot *slot);
/* The process lives, and has calls in flight. */
void outbox_alive(uint64_t now_ns);
/* Does what is due (cuts blocks, connects, sends, reads acknowledgements, spools) without blocking.
 * Returns the milliseconds until it wants to be called again, -1 when it has nothing to do. `loss`
 * is what others counted; the outbox adds its own. */
int outbox_turn(uint64_t now_ns, const struct span_loss *loss);
/* Process is ending: everything out, waiting at most `wait_ms` for the socket; what is then
 * unacknowledged goes to the spool. The outbox can be used on after it. */
void outbox_finish(unsigned wait_ms, const struct span_loss *loss);
/* Whether somebody will hear of this process however it ends: its journal stands, its spool has
 * something of it, or a collector has acknowledged something. */
bool outbox_is_known(void);
/* Whether there is nothing here that has not been told. */
bool outbox_is_empty(void);
/* Spans lost in here so far. */
uint64_t outbox_lost_spans(void);
