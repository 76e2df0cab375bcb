/*
 * The mark of this process (span/mark.h): it stands while there may be calls of which nothing is
 * kept anywhere yet, so that a death in between leaves a trace. The thread that makes a call sets
 * it, the scribe takes it away.
 *
 * Zeroed memory is a process without a mark, as a forked child is: it lies in memory that a fork
 * wipes.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "span/mark.h"

enum { MARK_PATH_BYTES = 64 };

struct mark {
    _Atomic uint32_t stage;    /* enum stage of mark.c */
    _Atomic uint32_t failures; /* times that none could be made */
    _Atomic bool known;        /* once, to whoever may read marks */
    /* Of whoever moved the stage on to BUSY. */
    char path[MARK_PATH_BYTES];
    char text[SPAN_MARK_TEXT_BYTES];
    bool has_identity;
    uint8_t identity[16]; /* of this process, from the first mark_set on, whether a mark could be made or not */
};

/* What is known of this process elsewhere. */
enum mark_need {
    MARK_NEEDED,  /* it has something to tell, and nobody knows of it */
    MARK_NOTHING, /* it has nothing to tell: the next call needs a mark again */
    MARK_KNOWN,   /* its journal, its spool or a collector tells of it */
};

/*
 * Makes it where there is none. Any thread, before the call is forwarded to libcurl. No lock, no
 * allocation, no descriptor, nothing on a disk; four system calls that do something (seven at most:
 * the first time after the system's start, or where a slot is taken), none where the mark stands or
 * none is needed. Preserves errno.
 */
void mark_set(struct mark *mark);

/* Keeps or takes away, or makes it, as `need` says. `unread` tells, after the stage was changed,
 * whether a call came in meanwhile. Scribe's thread, or the one that ends the process. */
void mark_turn(struct mark *mark, enum mark_need need, bool (*unread)(void));
