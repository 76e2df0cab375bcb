/*
 * Exchanges in flight, found by the number of their transfer. Scribe thread only; the table belongs
 * to who declares it.
 *
 * Open addressing with linear probing. Zeroed memory is an empty table, so a forked child whose
 * memory was wiped has an empty one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/tape/tape.h"

struct exchange;

enum {
    FLIGHTS_MAX = 16384, /* requests at the same time in one process; more are counted as lost */
    FLIGHTS_SLOTS = 2 * FLIGHTS_MAX,
};

struct flight {
    uint64_t number;
    struct exchange *exchange;
    enum tape_source source; /* whose records they are */
    uint64_t begin_ns;
    uint64_t body_ns;                       /* when the last piece of the request body was seen */
    uint64_t last_ns;                       /* its latest record */
    uint64_t request_bytes, response_bytes; /* seen so far, headers of the request not */

    /* What the journal knows of it; snapshots.c. */
    unsigned journal_file, journal_slot; /* struct journal_slot */
    bool snapshot_due;
    uint64_t snapshot_ns;
    struct flight *due_next, *due_before;
};

struct flights {
    size_t n;
    struct flight *slot[FLIGHTS_SLOTS];
};

/* NULL when the table is full, memory ran out, or the number is in it already. */
struct flight *flights_add(struct flights *flights, uint64_t number);
/* NULL when it is not there. */
struct flight *flights_find(const struct flights *flights, uint64_t number);
/* Takes it out and frees it (not its exchange). */
void flights_remove(struct flights *flights, struct flight *flight);
/* Any flight whose latest record is not younger than `last_ns`, from *position on (start with 0),
 * or NULL. After a removal *position need not be moved: the next one may have taken its place. */
struct flight *flights_next(const struct flights *flights, size_t *position, uint64_t last_ns);
