/*
 * The sparse form of a sketch: only the buckets in use, sorted, each with its count in one word.
 *
 * Called by rollup.c for every span (a binary search) and by the store when it loads and saves. Touches nothing else.
 */
#include "rollup.h"

#include <stdlib.h>
#include <string.h>

#include "../span/varint.h"

enum { ROLLUP_BUCKET_SHIFT = 48 };

int rollup_sketch_add(struct rollup_sketch *sketch, unsigned bucket, uint64_t times)
{
    uint64_t low = (uint64_t)bucket << ROLLUP_BUCKET_SHIFT;
    uint32_t from = 0;
    uint32_t to = sketch->n;

    while (from < to) {
        uint32_t middle = (from + to) / 2;

        if (sketch->cell[middle] < low)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == sketch->n || sketch->cell[from] >> ROLLUP_BUCKET_SHIFT != bucket) {
        if (sketch->n == sketch->capacity) {
            uint32_t capacity = sketch->capacity == 0 ? 8 : sketch->capacity * 2;
            uint64_t *cell = realloc(sketch->cell, capacity * sizeof *cell);

            if (cell == NULL)
                return -1;
            sketch->cell = cell;
            sketch->capacity = capacity;
        }
        memmove(sketch->cell + from + 1, sketch->cell + from, (sketch->n - from) * sizeof *sketch->cell);
        sketch->cell[from] = low;
        sketch->n++;
    }
    /* A count never reaches 2^48, but a damaged file may say so; it must not spill into the bucket's number. */
    if ((sketch->cell[from] - low) + times < 1ull << ROLLUP_BUCKET_SHIFT && times < 1ull << ROLLUP_BUCKET_SHIFT)
        sketch->cell[from] += times;
    return 0;
}

int rollup_sketch_join(struct rollup_sketch *to, const struct rollup_sketch *from)
{
    for (uint32_t i = 0; i < from->n; i++) {
        unsigned bucket = (unsigned)(from->cell[i] >> ROLLUP_BUCKET_SHIFT);

        if (rollup_sketch_add(to, bucket, from->cell[i] & ((1ull << ROLLUP_BUCKET_SHIFT) - 1)) != 0)
            return -1;
    }
    return 0;
}

int rollup_sketch_fill(struct rollup_sketch *to, const struct span_sketch *from)
{
    for (unsigned bucket = 0; bucket < SPAN_SKETCH_BUCKETS; bucket++)
        if (from->bucket[bucket] != 0 && rollup_sketch_add(to, bucket, from->bucket[bucket]) != 0)
            return -1;
    return 0;
}

int rollup_sketch_write(struct span_buffer *out, const struct rollup_sketch *sketch)
{
    unsigned next = sketch->n == 0 ? 0 : (unsigned)(sketch->cell[0] >> ROLLUP_BUCKET_SHIFT);

    span_put_varint(out, next);
    for (uint32_t i = 0; i < sketch->n; i++) {
        unsigned bucket = (unsigned)(sketch->cell[i] >> ROLLUP_BUCKET_SHIFT);

        for (; next < bucket; next++)
            span_put_varint(out, 0);
        span_put_varint(out, sketch->cell[i] & ((1ull << ROLLUP_BUCKET_SHIFT) - 1));
        next = bucket + 1;
    }
    return out->failed ? -1 : 0;
}
