/*
 * A log-linear histogram: mergeable by addition, relative error at most 1/64 (1.6 %).
 * The same sketch is the gap statistic of a span, the latency of a rollup and the histogram of /metrics.
 *
 * Values below 64 are exact; above, each power of two has 32 buckets. Counts are 64 bits. Fixed size, no allocation.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "column.h"

enum { SPAN_SKETCH_BUCKETS = 64 + 58 * 32 };

struct span_sketch {
    uint64_t count;
    uint64_t max;
    uint64_t bucket[SPAN_SKETCH_BUCKETS];
};

void span_sketch_init(struct span_sketch *sketch);
void span_sketch_add(struct span_sketch *sketch, uint64_t value, uint64_t times);
void span_sketch_merge(struct span_sketch *into, const struct span_sketch *from);

/* The value below which the share q (0 to 1) of the values lies: a bucket's middle, never above `max`. 0 when empty
 * (ask `count` first: unknown is not zero). */
uint64_t span_sketch_quantile(const struct span_sketch *sketch, double q);

/* Sparse bytes: varint pairs (bucket distance, count). Returns 0 or -1. */
int span_sketch_write(struct span_buffer *out, const struct span_sketch *sketch);
int span_sketch_read(struct span_sketch *ret_sketch, const uint8_t *data, size_t bytes);
/* The same, added to `into` without unpacking 15 KB first; `into` is unchanged when the bytes are damaged. */
int span_sketch_merge_bytes(struct span_sketch *into, const uint8_t *data, size_t bytes);

unsigned span_sketch_bucket(uint64_t value);
uint64_t span_sketch_middle(unsigned bucket);
