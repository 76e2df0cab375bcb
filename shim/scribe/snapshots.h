/*
 * What the journal knows of calls in flight: written anew when something came, at bounded cost.
 * Scribe thread only; zeroed memory is "none".
 */
#pragma once

#include "flights.h"

enum {
    SNAPSHOT_AGE_MS = 20,     /* between two of one flight */
    SNAPSHOTS_PER_TURN = 128, /* of all of them; the next turn goes on */
};

/* Flights of which something came since their last snapshot, the oldest first. */
struct snapshots {
    struct flight *first, *last;
};

/* A record of the flight was read. */
void snapshots_touch(struct snapshots *snapshots, struct flight *flight);
/* The flight ends: before it is removed. */
void snapshots_forget(struct snapshots *snapshots, struct flight *flight);
void snapshots_turn(struct snapshots *snapshots, uint64_t now_ns);
