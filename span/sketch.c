/*
 * The log-linear histogram. Called by the scribe, the collector and the commands, each on sketches of its own; pure.
 * Counts stop at their maximum instead of wrapping round.
 */
#include "sketch.h"
#include "varint.h"

enum { EXACT = 64, PER_POWER = 32, FIRST_POWER = 6, SUB_BITS = 5 };
_Static_assert(SPAN_SKETCH_BUCKETS == EXACT + (64 - FIRST_POWER) * PER_POWER, "bucket layout");

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

unsigned span_sketch_bucket(uint64_t value)
{
    if (value < EXACT) {
        return (unsigned)value;
    }
    const unsigned power = span_bit_length(value) - 1;
    return EXACT + (power - FIRST_POWER) * PER_POWER + (unsigned)((value >> (power - SUB_BITS)) & (PER_POWER - 1));
}

uint64_t span_sketch_middle(unsigned bucket)
{
    if (bucket < EXACT) {
        return bucket;
    }
    const unsigned power = FIRST_POWER + (bucket - EXACT) / PER_POWER;
    const uint64_t width = UINT64_C(1) << (power - SUB_BITS);
    return (PER_POWER + (bucket - EXACT) % PER_POWER) * width + width / 2;
}

void span_sketch_init(struct span_sketch *sketch)
{
    *sketch = (struct span_sketch){0};
}

void span_sketch_add(struct span_sketch *sketch, uint64_t value, uint64_t times)
{
    if (times == 0) {
        return;
    }
    uint64_t *bucket = &sketch->bucket[span_sketch_bucket(value)];
    *bucket = add_capped(*bucket, times);
    sketch->count = add_capped(sketch->count, times);
    sketch->max = value > sketch->max ? value : sketch->max;
}

void span_sketch_merge(struct span_sketch *into, const struct span_sketch *from)
{
    for (size_t i = 0; i < SPAN_SKETCH_BUCKETS; i++) {
        into->bucket[i] = add_capped(into->bucket[i], from->bucket[i]);
    }
    into->count = add_capped(into->count, from->count);
    into->max = from->max > into->max ? from->max : into->max;
}

uint64_t span_sketch_quantile(const struct span_sketch *sketch, double q)
{
    if (sketch->count == 0) {
        return 0;
    }
    /* The rank of the value asked for, from 1; a NaN asks for the first. */
    uint64_t rank = 1;
    if (q >= 1) {
        rank = sketch->count;
    } else if (q > 0) {
        const double exact = q * (double)sketch->count;
        rank = exact >= 0x1p63 ? UINT64_C(1) << 63 : (uint64_t)exact;
        rank += (double)rank < exact;
        rank = rank == 0 ? 1 : rank > sketch->count ? sketch->count : rank;
    }
    uint64_t below = 0;
    for (unsigned i = 0; i < SPAN_SKETCH_BUCKETS; i++) {
        below = add_capped(below, sketch->bucket[i]);
        if (below >= rank) {
            const uint64_t middle = span_sketch_middle(i);
            return middle < sketch->max ? middle : sketch->max;
        }
    }
    return sketch->max;
}

int span_sketch_write(struct span_buffer *out, const struct span_sketch *sketch)
{
    span_put_varint(out, sketch->max);
    unsigned next = 0;
    for (unsigned i = 0; i < SPAN_SKETCH_BUCKETS; i++) {
        if (sketch->bucket[i] != 0) {
            span_put_varint(out, i - next);
            span_put_varint(out, sketch->bucket[i]);
            next = i + 1;
        }
    }
    return out->failed ? -1 : 0;
}

/* Walks the pairs, adding them to `into` unless it is NULL; *ret_max is the largest value. Returns 0 or -1. */
static int read_pairs(struct span_sketch *into, const uint8_t *data, size_t bytes, uint64_t *ret_max)
{
    struct span_reader reader = {data, data + bytes, false};
    const uint64_t max = span_take_varint(&reader);
    uint64_t next = 0;
    while (!reader.bad && reader.at < reader.end) {
        const uint64_t distance = span_take_varint(&reader);
        const uint64_t count = span_take_varint(&reader);
        if (reader.bad || count == 0 || distance >= SPAN_SKETCH_BUCKETS - next) {
            return -1;
        }
        next += distance;
        if (into != NULL) {
            into->bucket[next] = add_capped(into->bucket[next], count);
            into->count = add_capped(into->count, count);
        }
        next++;
    }
    *ret_max = max;
    /* The largest value lies in the last bucket that has any. */
    const bool fits = next == 0 ? max == 0 : span_sketch_bucket(max) == next - 1;
    return !reader.bad && fits ? 0 : -1;
}

int span_sketch_merge_bytes(struct span_sketch *into, const uint8_t *data, size_t bytes)
{
    uint64_t max;
    if (read_pairs(NULL, data, bytes, &max) != 0) {
        return -1;
    }
    (void)read_pairs(into, data, bytes, &max);
    into->max = max > into->max ? max : into->max;
    return 0;
}

int span_sketch_read(struct span_sketch *ret_sketch, const uint8_t *data, size_t bytes)
{
    span_sketch_init(ret_sketch);
    return span_sketch_merge_bytes(ret_sketch, data, bytes);
}
