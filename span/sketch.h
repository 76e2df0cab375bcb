/*
 * A log-linear histogram: mergeable by addition, eight buckets in each power of two, each 2^(1/8)
 * wide, so that a value read from it is off by at most 4.5 % (or 1). Counts are 64 bits. Fixed
 * size, no allocation.
 *
 * The gaps between the events of a call (field gap_sketch, from which counts and quantiles of gaps
 * are read: they are stored nowhere else) and the latencies of a rollup. Called by the scribe, the
 * collector and the commands, each on sketches of its own; pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "column.h"

enum { SPAN_SKETCH_PER_POWER = 8, SPAN_SKETCH_BUCKETS = 8 + 61 * SPAN_SKETCH_PER_POWER };

struct span_sketch {
    uint64_t count;
    uint64_t bucket[SPAN_SKETCH_BUCKETS];
};

void span_sketch_init(struct span_sketch *sketch);
void span_sketch_add(struct span_sketch *sketch, uint64_t value, uint64_t times);
void span_sketch_merge(struct span_sketch *into, const struct span_sketch *from);
/* The value below which the share q (0 to 1) of the values lies: a bucket's middle. 0 when empty
 * (ask `count` first: unknown is not zero). */
uint64_t span_sketch_quantile(const struct span_sketch *sketch, double q);

/* Which of `count` values in order (from 1) is the one below which the share q lies; a NaN asks for
 * the first. */
uint64_t span_sketch_rank(uint64_t count, double q);

unsigned span_sketch_bucket(uint64_t value);
uint64_t span_sketch_middle(unsigned bucket);

/* The value of the field, FORMAT.md, section "Sketches". Returns 0, or -1 when it is empty or the
 * buffer failed. */
int span_sketch_write(struct span_buffer *out, const struct span_sketch *sketch);
/* Adds what was written so. -1: the bytes are damaged; `into` is as it was. */
int span_sketch_merge_bytes(struct span_sketch *into, const uint8_t *data, size_t bytes);

/* What is told of a call's gaps: X("exported name", "meaning", quantile; below 0: the count). */
#define SPAN_GAP_FACTS(X)                                                                                              \
    X("pprof.gap.count", "gaps between events with generated content", -1)                                             \
    X("pprof.gap.p50_ns", "median gap (inter-token latency as the application saw it); up to 5 % off, as all of them", \
      0.5)                                                                                                             \
    X("pprof.gap.p99_ns", "99th percentile gap", 0.99)                                                                 \
    X("pprof.gap.max_ns", "largest gap", 1)

/* column_sketch.c: appends a column of sketches; like span_column_encode_text, and smaller where
 * all values are as span_sketch_write writes them. */
int span_column_encode_sketch(struct span_buffer *out, const struct span_text *values, const uint64_t *present,
                              size_t n, int zstd_level);
