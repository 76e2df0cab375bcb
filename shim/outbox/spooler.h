/*
 * The outbox's spool (spool.h), written without waiting for the disk: what the journal holds
 * meanwhile is handed, as a copy, to a thread that writes it and ends. Where no thread can be had,
 * or nothing else holds the frames, the caller writes them itself. Scribe thread only, but for that
 * thread.
 */
#pragma once

#include <stdatomic.h>

#include "span/column.h"
#include "parcels.h"
#include "spool.h"

struct spooler {
    struct spool spool;      /* the thread's while it runs */
    _Atomic uint32_t thread; /* futex: enum spooler_thread */
    _Atomic uint32_t place;  /* enum own_thread_place */
    /* What the thread was given, and what came of it. */
    struct span_buffer frames;
    bool close;
    uint64_t now_ns;
    uint64_t written; /* number of the last frame that went into the spool; 0: none */
};

/* Whether no thread has the spool, nor has left anything to be taken over. */
bool spooler_idle(const struct spooler *spooler);
/* Takes over what a thread did that has ended: what went into the spool leaves the queue, but for a
 * frame half on the wire. */
void spooler_end(struct spooler *spooler, struct parcels *queue);
/* The same, after waiting for the thread's end. */
void spooler_wait(struct spooler *spooler, struct parcels *queue);

/* Hands the oldest frames of the queue, which is not empty, to a thread: `bytes` of them, but one
 * at least. They stay in the queue. False: none can be had, and nothing was done. Only where
 * spooler_idle. */
bool spooler_begin(struct spooler *spooler, const struct parcels *queue, size_t bytes, uint64_t now_ns);
/* Closes the spool's file, by a thread if `aside`. False: a thread has it. */
bool spooler_close(struct spooler *spooler, bool aside);

/* By the caller, at once. The oldest frame that is not half on the wire; false when there is none
 * or the spool does not take it. Waits for a thread. */
bool spooler_oldest(struct spooler *spooler, struct parcels *queue, uint64_t now_ns);
/* As many from the first on as it takes; none where a thread has it. */
void spooler_all(struct spooler *spooler, struct parcels *queue, uint64_t now_ns);
