/*
 * The short form of a sketch: a count for each bucket from the lowest in use to the highest.
 *
 * Called by rollup.c for every span and by the store when it loads and saves. Touches nothing else.
 */
#include "rollup.h"

#include <stdlib.h>
#include <string.h>

#include "../../span/varint.h"

#define COUNT_LIMIT (UINT64_C(1) << 48)

/* Makes the sketch reach from bucket `first` to before `end`, both beyond what it has or as it
 * has. */
static int reach(struct rollup_sketch *sketch, unsigned first, unsigned end)
{
    const unsigned n = end - first;
    const unsigned before = sketch->n == 0 ? 0 : sketch->first - first;

    if (n > sketch->capacity) {
        const unsigned wanted = n + n / 2 < 16 ? 16 : n + n / 2;
        uint64_t *grown = realloc(sketch->count, wanted * sizeof(*grown));

        if (grown == NULL)
            return -1;
        sketch->count = grown;
        sketch->capacity = (uint16_t)wanted;
    }
    if (before > 0) {
        memmove(sketch->count + before, sketch->count, sketch->n * sizeof(*sketch->count));
        memset(sketch->count, 0, before * sizeof(*sketch->count));
    }
    memset(sketch->count + before + sketch->n, 0, (n - before - sketch->n) * sizeof(*sketch->count));
    sketch->first = (uint16_t)first;
    sketch->n = (uint16_t)n;
    return 0;
}

int rollup_sketch_add(struct rollup_sketch *sketch, unsigned bucket, uint64_t times)
{
    const unsigned first = sketch->n == 0 ? bucket : sketch->first;
    const unsigned end = first + sketch->n;

    if (times == 0 || times >= COUNT_LIMIT)
        return 0; /* no count of calls: a damaged file */
    if ((bucket < first || bucket >= end) &&
        reach(sketch, bucket < first ? bucket : first, bucket >= end ? bucket + 1 : end) != 0)
        return -1;
    if (sketch->count[bucket - sketch->first] + times < COUNT_LIMIT)
        sketch->count[bucket - sketch->first] += times;
    return 0;
}

int rollup_sketch_join(struct rollup_sketch *to, const struct rollup_sketch *from)
{
    for (unsigned i = 0; i < from->n; i++)
        if (rollup_sketch_add(to, from->first + i, from->count[i]) != 0)
            return -1;
    return 0;
}

/* Counts below sixteen, as nearly all of an hour's are, lie two in a byte. */
static bool fits_nibbles(const struct rollup_sketch *sketch)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < sketch->n; i++)
        all |= sketch->count[i];
    return all < 16;
}

/* varint: twice the first bucket, one more where two counts share a byte (the first in its low
 * half); then the counts of all buckets from it on, in the order of buckets. */
int rollup_sketch_write(struct span_buffer *out, const struct rollup_sketch *sketch)
{
    const bool nibbles = fits_nibbles(sketch);

    span_put_varint(out, (uint64_t)sketch->first * 2 + nibbles);
    for (unsigned i = 0; !nibbles && i < sketch->n; i++)
        span_put_varint(out, sketch->count[i]);
    for (unsigned i = 0; nibbles && i < sketch->n; i += 2)
        span_put_byte(out, (unsigned)(sketch->count[i] | (i + 1 < sketch->n ? sketch->count[i + 1] << 4 : 0)));
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
