/*
 * The distribution of many times, finer than what is stored (span/sketch.h): relative error at most
 * 1/64 (1.6 %).
 *
 * Values below 64 are exact; above, each power of two has 32 buckets. Counts are 64 bits and stop
 * at their maximum. Fixed size, no allocation. Owner: struct quantiles; one thread.
 */
#pragma once

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 64 + 58 * 32 };

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value below which the share q (0 to 1) of the values lies: a bucket's middle, never above
 * `max`. 0 when empty (ask `count` first: unknown is not zero). */
uint64_t histogram_quantile(const struct histogram *histogram, double q);

unsigned histogram_bucket(uint64_t value);
uint64_t histogram_middle(unsigned bucket);
