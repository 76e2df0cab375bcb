/*
 * Does time tell two kinds of texts apart? Calls of a slot's values come in any order; of an edit's
 * two sides one begins late or ends early for good. Pure; the collector's thread.
 */
#pragma once

#include "learned.h"

/* Calls of one kind of texts, and how many calls of the others lie before their first and after
 * their last. */
struct miner_times {
    double calls, before, after;
    uint64_t first_ns, last_ns; /* while they are gathered; first_ns UINT64_MAX: no text so far */
};

/* Below the first, it is no chance; above the second, it may well be; between them it is not known
 * yet. */
#define TIMES_SURELY .005
#define TIMES_PERHAPS .1

/* What a text's calls weigh: so many, but one text does not drown the others. */
double times_weight(const struct miner_text *text);
/* Of these, those before `ns`; they came evenly, as far as is known. */
double times_before(const struct miner_text *text, uint64_t ns);
/* How likely it is that chance alone lets one of the two begin so late or end so early. 1: nothing
 * is known. */
double times_chance(const struct miner_times *a, const struct miner_times *b);
