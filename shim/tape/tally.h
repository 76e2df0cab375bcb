/*
 * What this process counts before, and without, anything of ours that runs: calls that could not be
 * followed because no memory or no thread was to be had, sessions that are seen and not followed.
 * The scribe, should there ever be one, adds them to what each frame tells.
 *
 * Any thread; never locks, allocates or changes errno. A forked child counts from zero.
 */
#pragma once

#include <stdint.h>

enum tally { TALLY_CALLS, TALLY_SESSIONS, TALLY_N };

/* One system call; only where something goes wrong. Returns how many that makes. */
uint64_t tally_add(enum tally tally);
uint64_t tally_of(enum tally tally);
uint64_t tally_calls(void); /* of TALLY_CALLS */
