/*
 * The outbox's state, shared by outbox.c, which works on it, and outbox_look.c, which looks at it.
 * Scribe thread only.
 */
#pragma once

#include "outbox.h"
#include "parcels.h"
#include "spooler.h"
#include "wire.h"

#define NS_PER_MS 1000000U

/* Owner: the scribe's thread. A forked child inherits a snapshot of it, possibly torn, and trusts
 * only the descriptors, which are checked. */
struct outbox {
    bool configured, started;
    struct span_process process;
    char socket_path[2][128]; /* the second is tried where nobody listens on the first */
    char named_socket[OUTBOX_NAMED_MAX][SPAN_PATH_ABSTRACT_BYTES]; /* "" at the end, unless all are there */
    uint8_t identity[16];
    uint8_t greeting[SPAN_JOURNAL_GREETING_BYTES]; /* the PROCESS frame */
    size_t greeting_bytes;
    size_t greeting_sent; /* on this connection */

    struct span *pending[SPAN_BLOCK_ROWS_SHIM];
    size_t n_pending;
    size_t pending_text_bytes;
    uint64_t pending_since_ns;
    uint64_t span_sequence;

    struct parcels queue;
    uint64_t frame_sequence;

    struct wire wire;
    bool useful;              /* this connection has acknowledged something */
    bool heard;               /* a collector has, or will find something in the spool */
    uint64_t connect_ns;      /* not before */
    uint64_t connect_wait_ms; /* grows while nobody listens */
    uint64_t grace_ns;    /* until then a collector that was there is expected back, and frames wait for it in memory */
    uint64_t progress_ns; /* last acknowledgement, or since when there is something to acknowledge */
    struct spooler spooler;
    bool spool_over; /* its file is to be closed: a collector has come */
    struct journal journal;

    struct span_loss loss;      /* everybody's, as last told, and our own spans */
    struct span_loss loss_told; /* as of the last frame */
    bool finishing;             /* the process ends: the next frame is its last, and says so; nothing is done aside */
    bool final_told;            /* the last frame did */
    uint64_t loss_told_ns;
};
extern struct outbox box;

/* Some counter is higher than the last frame says. */
bool outbox_loss_untold(void);
/* Milliseconds from now, rounded up; 0 when it has passed. */
int outbox_ms_until(uint64_t now_ns, uint64_t then_ns);
/* What outbox_turn returns. */
int outbox_next_turn_ms(uint64_t now_ns);
