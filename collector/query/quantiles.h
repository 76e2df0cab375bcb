/*
 * The distribution of some times: the values themselves while they are few, then a histogram (at
 * most 1.6 % off). So a report over very many small groups stays small, and a short recording is
 * exact. Of gaps there is nothing but the sketch of each call (span/sketch.h, at most 4.5 % off).
 * Owner: the caller; one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../span/sketch.h"
#include "histogram.h"

enum { QUANTILES_EXACT_MAX = 512 };

struct quantiles {
    uint64_t *value; /* until there are more than QUANTILES_EXACT_MAX */
    uint32_t n;
    uint32_t capacity;
    bool failed; /* memory ran out: there is no quantile, and the caller must not say that there are no values */
    bool sorted;
    struct histogram *histogram;
    struct span_sketch *gaps; /* then there are no values */
};

void quantiles_done(struct quantiles *quantiles);
void quantiles_add(struct quantiles *quantiles, uint64_t value);
/* Merges the gaps of a span as they lie in its column; what cannot be read is left out. */
void quantiles_add_gaps(struct quantiles *quantiles, const uint8_t *data, size_t bytes);
/* Adds the values of another. */
void quantiles_merge(struct quantiles *into, const struct quantiles *from);
/* The value that the share q of the values does not exceed. False when there are none. */
bool quantiles_at(struct quantiles *quantiles, double q, uint64_t *ret_value);
