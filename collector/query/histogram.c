/*
 * The histogram of a report. Called by quantiles.c for each row; pure.
 */
#include "histogram.h"

#include <stddef.h>

#include "../../span/sketch.h"

enum { EXACT = 64, PER_POWER = 32, FIRST_POWER = 6, SUB_BITS = 5 };
_Static_assert(HISTOGRAM_BUCKETS == EXACT + (64 - FIRST_POWER) * PER_POWER, "bucket layout");

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

unsigned histogram_bucket(uint64_t value)
{
    if (value < EXACT)
        return (unsigned)value;
    const unsigned power = 63 - (unsigned)__builtin_clzll(value);
    return EXACT + (power - FIRST_POWER) * PER_POWER + (unsigned)((value >> (power - SUB_BITS)) & (PER_POWER - 1));
}

uint64_t histogram_middle(unsigned bucket)
{
    if (bucket < EXACT)
        return bucket;
    const unsigned power = FIRST_POWER + (bucket - EXACT) / PER_POWER;
    const uint64_t width = UINT64_C(1) << (power - SUB_BITS);
    return (PER_POWER + (bucket - EXACT) % PER_POWER) * width + width / 2;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    uint64_t *bucket = &histogram->bucket[histogram_bucket(value)];
    *bucket = add_capped(*bucket, 1);
    histogram->count = add_capped(histogram->count, 1);
    histogram->max = value > histogram->max ? value : histogram->max;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->bucket[i] = add_capped(into->bucket[i], from->bucket[i]);
    into->count = add_capped(into->count, from->count);
    into->max = from->max > into->max ? from->max : into->max;
}

uint64_t histogram_quantile(const struct histogram *histogram, double q)
{
    const uint64_t rank = span_sketch_rank(histogram->count, q);
    uint64_t below = 0;
    if (histogram->count == 0)
        return 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below = add_capped(below, histogram->bucket[i]);
        if (below >= rank) {
            const uint64_t middle = histogram_middle(i);
            return middle < histogram->max ? middle : histogram->max;
        }
    }
    return histogram->max;
}
