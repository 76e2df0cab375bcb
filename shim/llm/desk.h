/*
 * Where exchanges lie while they are worked on. There are few desks, each holds one piece of work
 * at a time; work that waits while another needs its desk is packed (runs of zeros left out) and
 * unpacked to the very same place, so that pointers within it stay true.
 *
 * So a process with few calls at a time never packs anything, and ten thousand calls that wait cost
 * what is known of them and not ten thousand times the room that an answer may need.
 *
 * Scribe's thread only (or a test's). Memory: malloc, DESKS times the size of the work and one
 * packet per piece of work that lies elsewhere. Where there is no memory for a packet, the work
 * that was to be packed is given up and counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DESKS = 32,
    DESKS_IDLE_MAX = 4, /* kept for the next ones */
};

struct desk;

/* All zero bytes: none yet. */
struct desk_work {
    struct desk *desk;
    uint8_t *packed; /* NULL: it lies on the desk, or was given up */
    bool given_up;
};

struct desk_kind {
    size_t bytes;              /* of the work; a multiple of 8 below 512 KB */
    void (*tidy)(void *place); /* before work is packed: zeroes what no longer matters */
    void (*wipe)(void *place); /* when work is closed: zeroes all that is not zero */
};

/* `kind` is the same for all callers. Returns the place, all zero bytes, or NULL: no memory. */
void *desk_open(struct desk_work *work, const struct desk_kind *kind);
/* Brings it to its desk. NULL: it was given up. */
void *desk_bring(struct desk_work *work);
void desk_close(struct desk_work *work);

/* Once in each process, before its first exchange: what lies on the desks of a process that forked
 * is not its child's.
 */
void desk_new_process(void);

/* How many pieces of work were given up for want of memory since the process (or its forked parent)
 * began. */
uint64_t desk_given_up(void);
/* Whether every desk where nobody's work lies is all zero, as it must be: nothing of work outlives
 * it. For tests. */
bool desk_idle_is_empty(void);
/* Bytes of all desks and packets now. */
size_t desk_memory(void);
