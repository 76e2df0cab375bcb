/*
 * The histogram. Called by the scribe for each event, by the collector and the commands for each
 * call; pure. Counts stop at their maximum instead of wrapping round.
 */
#include "sketch.h"
#include "varint.h"

enum { EXACT = 8, FIRST_POWER = 3, SMALL_POWER = 4 };
_Static_assert(SPAN_SKETCH_BUCKETS == EXACT + (64 - FIRST_POWER) * SPAN_SKETCH_PER_POWER, "bucket layout");

/* 2^63 · 2^(k/8): where bucket k of a power begins, when the value's top bit is shifted to bit
 * 63. */
static const uint64_t begins[SPAN_SKETCH_PER_POWER] = {
    UINT64_C(0x8000000000000000), UINT64_C(0x8b95c1e3ea8bd6e7), UINT64_C(0x9837f0518db8a970),
    UINT64_C(0xa5fed6a9b15138eb), UINT64_C(0xb504f333f9de6485), UINT64_C(0xc5672a115506dade),
    UINT64_C(0xd744fccad69d6af5), UINT64_C(0xeac0c6e7dd24392f),
};
/* 2^63 · 2^((k + 1/2)/8): as far from its bucket's beginning as from its end, in percent. */
static const uint64_t middles[SPAN_SKETCH_PER_POWER] = {
    UINT64_C(0x85aac367cc487b15), UINT64_C(0x91c3d373ab11c336), UINT64_C(0x9ef5326091a111ae),
    UINT64_C(0xad583eea42a14ac6), UINT64_C(0xbd08a39f580c36bf), UINT64_C(0xce248c151f8480e4),
    UINT64_C(0xe0ccdeec2a94e111), UINT64_C(0xf5257d152486cc2c),
};

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

unsigned span_sketch_bucket(uint64_t value)
{
    if (value < EXACT)
        return (unsigned)value;
    const unsigned power = span_bit_length(value) - 1;
    const uint64_t shifted = value << (63 - power);
    unsigned part = 0;
    for (unsigned k = 1; k < SPAN_SKETCH_PER_POWER; k++)
        part += shifted >= begins[k];
    return EXACT + (power - FIRST_POWER) * SPAN_SKETCH_PER_POWER + part;
}

uint64_t span_sketch_middle(unsigned bucket)
{
    if (bucket < EXACT)
        return bucket;
    const unsigned power = FIRST_POWER + (bucket - EXACT) / SPAN_SKETCH_PER_POWER;
    const unsigned part = (bucket - EXACT) % SPAN_SKETCH_PER_POWER;
    if (power < SMALL_POWER)
        return EXACT + part; /* one whole number each */
    return middles[part] >> (63 - power);
}

void span_sketch_init(struct span_sketch *sketch)
{
    *sketch = (struct span_sketch){0};
}

void span_sketch_add(struct span_sketch *sketch, uint64_t value, uint64_t times)
{
    uint64_t *bucket = &sketch->bucket[span_sketch_bucket(value)];
    *bucket = add_capped(*bucket, times);
    sketch->count = add_capped(sketch->count, times);
}

void span_sketch_merge(struct span_sketch *into, const struct span_sketch *from)
{
    for (size_t i = 0; i < SPAN_SKETCH_BUCKETS; i++)
        into->bucket[i] = add_capped(into->bucket[i], from->bucket[i]);
    into->count = add_capped(into->count, from->count);
}

uint64_t span_sketch_rank(uint64_t count, double q)
{
    uint64_t rank = 1;
    if (q >= 1) {
        rank = count;
    } else if (q > 0) {
        const double exact = q * (double)count;
        rank = exact >= 0x1p63 ? UINT64_C(1) << 63 : (uint64_t)exact;
        rank += (double)rank < exact;
        rank = rank == 0 ? 1 : rank > count ? count : rank;
    }
    return rank;
}

uint64_t span_sketch_quantile(const struct span_sketch *sketch, double q)
{
    if (sketch->count == 0)
        return 0;
    const uint64_t rank = span_sketch_rank(sketch->count, q);
    uint64_t below = 0;
    unsigned last = 0;
    for (unsigned i = 0; i < SPAN_SKETCH_BUCKETS && below < rank; i++) {
        below = add_capped(below, sketch->bucket[i]);
        last = sketch->bucket[i] > 0 ? i : last;
    }
    return span_sketch_middle(last);
}

int span_sketch_write(struct span_buffer *out, const struct span_sketch *sketch)
{
    unsigned first = 0;
    unsigned end = SPAN_SKETCH_BUCKETS;
    while (first < end && sketch->bucket[first] == 0)
        first++;
    while (end > first && sketch->bucket[end - 1] == 0)
        end--;
    if (first == end)
        return -1;
    span_put_varint(out, first);
    for (unsigned i = first; i < end; i++)
        span_put_varint(out, sketch->bucket[i]);
    return out->failed ? -1 : 0;
}

/* What was added of damaged bytes goes away again. */
static int take_back(struct span_sketch *into, const uint8_t *data, const uint8_t *end, unsigned first, unsigned n)
{
    struct span_reader reader = {data, end, false};
    (void)span_take_varint(&reader);
    for (unsigned i = first; i < first + n; i++)
        into->bucket[i] -= span_take_varint(&reader);
    return -1;
}

static bool all_below_128(const uint8_t *data, size_t n)
{
    uint64_t seen = 0;
    for (; n >= sizeof(seen); n -= sizeof(seen), data += sizeof(seen))
        seen |= span_load64(data);
    for (; n > 0; n--, data++)
        seen |= *data;
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

int span_sketch_merge_bytes(struct span_sketch *into, const uint8_t *data, size_t bytes)
{
    struct span_reader reader = {data, data + bytes, false};
    const uint64_t first = span_take_varint(&reader);
    if (reader.bad || first >= SPAN_SKETCH_BUCKETS || reader.at == reader.end)
        return -1;
    const size_t n = span_left(&reader);
    if (n <= SPAN_SKETCH_BUCKETS - first && all_below_128(reader.at, n)) { /* a byte each, as nearly always */
        uint64_t *bucket = &into->bucket[first];
        uint32_t sum = 0;
        for (size_t i = 0; i < n; i++) {
            bucket[i] += reader.at[i];
            sum += reader.at[i];
        }
        into->count += sum;
        return 0;
    }
    unsigned at = (unsigned)first;
    uint64_t sum = 0;
    for (; reader.at < reader.end; at++) {
        const uint64_t count = *reader.at < 0x80 ? *reader.at++ : span_take_varint(&reader);
        if (reader.bad || at == SPAN_SKETCH_BUCKETS || count > UINT32_MAX)
            return take_back(into, data, data + bytes, (unsigned)first, at - (unsigned)first);
        into->bucket[at] += count;
        sum += count;
    }
    into->count += sum;
    return 0;
}
