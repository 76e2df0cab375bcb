/*
 * Bit packing. Called by the column codecs on any thread; pure. Must never touch a byte outside
 * what the header promises: the bytes may end at the end of a mapping.
 */
#include "codec.h"

void span_bits_pack(uint8_t *to, const uint64_t *values, size_t count, unsigned width)
{
    if (width == 0)
        return;
    const uint64_t mask = UINT64_MAX >> (64 - width);
    uint64_t pending = 0;
    unsigned fill = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t value = values[i] & mask;
        pending |= value << fill;
        fill += width;
        if (fill >= 64) {
            span_store64(to, pending);
            to += 8;
            fill -= 64;
            pending = fill == 0 ? 0 : value >> (width - fill);
        }
    }
    if (fill > 0)
        span_store64(to, pending);
}

/* One value when at least 9 bytes may be read from where it begins. */
static inline uint64_t bits_at(const uint8_t *data, size_t bit, unsigned width, uint64_t mask)
{
    const uint8_t *at = data + (bit >> 3);
    const unsigned shift = bit & 7;
    uint64_t value = span_load64(at) >> shift;
    if (width > 56 && shift != 0)
        value |= (uint64_t)at[8] << (64 - shift);
    return value & mask;
}

/* Eight values of up to eight bits are `width` whole bytes, and one load: as many of them as `safe`
 * values hold. Returns how many values were unpacked. */
static size_t unpack_eights(uint64_t *to, const uint8_t *data, size_t safe, unsigned width, uint64_t mask)
{
    size_t done = 0;
    for (; done + 8 <= safe; done += 8, data += width) {
        uint64_t eight = span_load64(data);
        for (unsigned i = 0; i < 8; i++, eight >>= width)
            to[done + i] = eight & mask;
    }
    return done;
}

void span_bits_unpack(uint64_t *to, const uint8_t *data, size_t count, unsigned width)
{
    if (width == 0) {
        memset(to, 0, count * sizeof(*to));
        return;
    }
    const uint64_t mask = UINT64_MAX >> (64 - width);
    const size_t bytes = span_packed_bytes(count, width);
    /* Values that begin before this bit have 9 readable bytes. */
    const size_t safe_bits = bytes > 9 ? (bytes - 9) * 8 : 0;
    size_t safe = safe_bits / width;
    if (safe > count)
        safe = count;
    const size_t eights = width <= 8 ? unpack_eights(to, data, safe, width, mask) : 0;
    size_t bit = eights * width;
    for (size_t i = eights; i < safe; i++, bit += width)
        to[i] = bits_at(data, bit, width, mask);
    if (safe == count)
        return;
    /* The rest, at most 9 bytes and a value, from a copy with zeros after it. */
    uint8_t tail[40] = {0};
    const size_t from = bit >> 3;
    memcpy(tail, data + from, bytes - from);
    bit &= 7;
    for (size_t i = safe; i < count; i++, bit += width)
        to[i] = bits_at(tail, bit, width, mask);
}
