/*
 * The sparse form of a sketch: only the buckets in use, sorted, each with its count in one word.
 *
 * Called by rollup.c for every span (a binary search) and by the store when it loads and saves.
 * Touches nothing else.
 */
#include "rollup.h"

#include <stdlib.h>
#include <string.h>

#include "../../span/varint.h"

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
            uint64_t *cell = realloc(sketch->cell, capacity * sizeof(*cell));

            if (cell == NULL)
                return -1;
            sketch->cell = cell;
            sketch->capacity = capacity;
        }
        memmove(sketch->cell + from + 1, sketch->cell + from, (sketch->n - from) * sizeof(*sketch->cell));
        sketch->cell[from] = low;
        sketch->n++;
    }
    /* A count never reaches 2^48, but a damaged file may say so; it must not spill into the
     * bucket's number. */
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

/* Counts below sixteen, as nearly all of an hour's are, lie two in a byte. */
static bool fits_nibbles(const struct rollup_sketch *sketch)
{
    for (uint32_t i = 0; i < sketch->n; i++)
        if ((sketch->cell[i] & ((1ull << ROLLUP_BUCKET_SHIFT) - 1)) > 15)
            return false;
    return true;
}

/* varint: twice the first bucket, one more where two counts share a byte (the first in its low
 * half); then the counts of all buckets from it on, in the order of buckets. */
int rollup_sketch_write(struct span_buffer *out, const struct rollup_sketch *sketch)
{
    const bool nibbles = fits_nibbles(sketch);
    const unsigned first = sketch->n == 0 ? 0 : (unsigned)(sketch->cell[0] >> ROLLUP_BUCKET_SHIFT);
    unsigned next = first;
    unsigned half = 0;

    span_put_varint(out, (uint64_t)first * 2 + nibbles);
    for (uint32_t i = 0; i < sketch->n; next++) {
        const unsigned bucket = (unsigned)(sketch->cell[i] >> ROLLUP_BUCKET_SHIFT);
        const uint64_t count = next == bucket ? sketch->cell[i++] & ((1ull << ROLLUP_BUCKET_SHIFT) - 1) : 0;

        if (!nibbles) {
            span_put_varint(out, count);
        } else if ((next - first) % 2 == 0) {
            half = (unsigned)count;
            if (i == sketch->n)
                span_put_byte(out, half);
        } else {
            span_put_byte(out, half | (unsigned)count << 4);
        }
    }
    return out->failed ? -1 : 0;
}

int rollup_sketch_read(struct rollup_sketch *to, const uint8_t *data, size_t bytes)
{
    struct span_reader reader = {data, data + bytes, false};
    const uint64_t head = span_take_varint(&reader);
    const bool nibbles = head % 2 == 1;

    for (uint64_t bucket = head / 2; !reader.bad && reader.at < reader.end;) {
        const uint64_t said = nibbles ? span_take_byte(&reader) : span_take_varint(&reader);

        for (unsigned part = 0; !reader.bad && part < 1u + nibbles; part++, bucket++) {
            const uint64_t count = !nibbles ? said : part == 0 ? said & 15 : said >> 4;

            if (count == 0)
                continue;
            if (bucket >= SPAN_SKETCH_BUCKETS)
                return -1;
            if (rollup_sketch_add(to, (unsigned)bucket, count) != 0)
                return -2;
        }
    }
    return reader.bad ? -1 : 0;
}
