/*
 * Line ends and hashes of 64 bytes with AVX2, see text_groups.h; on other processors than x86 there
 * is nothing here. Called by text_groups.c on the scribe's thread, and only where the processor has
 * AVX2. Must give what text_groups.c gives.
 */
#include "text_groups.h"

#ifdef __x86_64__
#include <immintrin.h>

#define WIDE __attribute__((target("avx2")))

enum { HALF = TEXT_GROUP / 2 };

WIDE static inline __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

WIDE static inline __m256i equal(__m256i b, char value)
{
    return _mm256_cmpeq_epi8(b, _mm256_set1_epi8(value));
}

WIDE static inline uint64_t both(__m256i low, __m256i high)
{
    return (uint64_t)(unsigned)_mm256_movemask_epi8(low) | (uint64_t)(unsigned)_mm256_movemask_epi8(high) << HALF;
}

WIDE static inline __m256i ends_of(__m256i b)
{
    return _mm256_or_si256(_mm256_or_si256(equal(b, '\n'), equal(b, '.')),
                           _mm256_or_si256(equal(b, '!'), equal(b, '?')));
}

/* U+3002 */
WIDE static inline __m256i wide_ends_of(const uint8_t *p)
{
    return _mm256_and_si256(_mm256_and_si256(equal(load(p), '\x82'), equal(load(p - 1), '\x80')),
                            equal(load(p - 2), '\xe3'));
}

WIDE uint64_t text_group_ends_wide(const uint8_t *p)
{
    const __m256i low = load(p), high = load(p + HALF);
    const uint64_t ends = both(ends_of(low), ends_of(high));
    if (!_mm256_movemask_epi8(_mm256_or_si256(low, high)))
        return ends;
    return ends | both(wide_ends_of(p), wide_ends_of(p + HALF));
}

/* Sums and keys of half a group. */
struct half {
    __m256i exact, alike, key;
};

WIDE static inline __m256i sum_of(__m256i x, __m256i key)
{
    enum { SWAP_LANES = 0x4e };
    const __m256i keyed = _mm256_xor_si256(x, key);
    return _mm256_add_epi64(_mm256_shuffle_epi32(x, SWAP_LANES), _mm256_mul_epu32(keyed, _mm256_srli_epi64(keyed, 32)));
}

WIDE static inline void add_alike(struct half *half, __m256i x, __m256i sum)
{
    const __m256i value = _mm256_sub_epi8(x, _mm256_set1_epi8('0'));
    const __m256i digits = _mm256_cmpeq_epi8(_mm256_min_epu8(value, _mm256_set1_epi8(9)), value);
    const __m256i alike = _mm256_andnot_si256(_mm256_and_si256(digits, _mm256_set1_epi8(15)), x);
    half->alike = _mm256_add_epi64(half->alike, _mm256_sub_epi64(sum_of(alike, half->key), sum));
}

/* Returns whether there are digits. */
WIDE static inline bool add_group(struct half *low, struct half *high, __m256i x, __m256i y)
{
    const __m256i zero = _mm256_set1_epi8('0'), nine = _mm256_set1_epi8(9);
    const __m256i least = _mm256_min_epu8(_mm256_sub_epi8(x, zero), _mm256_sub_epi8(y, zero));
    const __m256i of_x = sum_of(x, low->key), of_y = sum_of(y, high->key);
    const bool digits = _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(least, nine), least));
    low->exact = _mm256_add_epi64(low->exact, of_x);
    high->exact = _mm256_add_epi64(high->exact, of_y);
    if (digits) {
        add_alike(low, x, of_x);
        add_alike(high, y, of_y);
    }
    return digits;
}

WIDE static inline uint64_t end_of(__m256i low, __m256i high, size_t bytes, const struct text_seed *seed)
{
    enum { SWAP_HALVES = 0xb1 };
    uint64_t sum[TEXT_SUMS];
    _mm256_storeu_si256((__m256i *)sum, _mm256_add_epi64(low, _mm256_shuffle_epi32(high, SWAP_HALVES)));
    return text_sums_end(sum, bytes, seed);
}

WIDE struct text_hash_pair text_groups_hash_wide(const uint8_t *p, size_t bytes, const struct text_seed *seed)
{
    static const uint64_t key[TEXT_LANES] = {
        0, TEXT_ODD, 2 * TEXT_ODD, 3 * TEXT_ODD, 4 * TEXT_ODD, 5 * TEXT_ODD, 6 * TEXT_ODD, 7 * TEXT_ODD};
    static const uint64_t steps[TEXT_SUMS] = {TEXT_LANES * TEXT_ODD, TEXT_LANES * TEXT_ODD, TEXT_LANES * TEXT_ODD,
                                              TEXT_LANES * TEXT_ODD};
    const __m256i step = load((const uint8_t *)steps), a = _mm256_set1_epi64x((int64_t)seed->a);
    const __m256i none = _mm256_setzero_si256();
    struct half low = {none, none, _mm256_add_epi64(a, load((const uint8_t *)key))};
    struct half high = {none, none, _mm256_add_epi64(a, load((const uint8_t *)(key + TEXT_SUMS)))};
    bool digits = false;
    size_t left = bytes;
    for (; left > TEXT_GROUP; left -= TEXT_GROUP, p += TEXT_GROUP) {
        digits |= add_group(&low, &high, load(p), load(p + HALF));
        low.key = _mm256_add_epi64(low.key, step);
        high.key = _mm256_add_epi64(high.key, step);
    }
    const uint8_t *const mask = text_group_masks + TEXT_GROUP - left;
    digits |= add_group(&low, &high, _mm256_and_si256(load(p), load(mask)),
                        _mm256_and_si256(load(p + HALF), load(mask + HALF)));
    struct text_hash_pair hash = {.exact = end_of(low.exact, high.exact, bytes, seed), .digits = digits};
    hash.alike = hash.exact;
    if (digits) {
        low.alike = _mm256_add_epi64(low.exact, low.alike);
        high.alike = _mm256_add_epi64(high.exact, high.alike);
        hash.alike = end_of(low.alike, high.alike, bytes, seed);
    }
    return hash;
}

#else

uint64_t text_group_ends_wide(const uint8_t *p)
{
    return text_group_ends_plain(p);
}

struct text_hash_pair text_groups_hash_wide(const uint8_t *p, size_t bytes, const struct text_seed *seed)
{
    return text_groups_hash_plain(p, bytes, seed);
}

#endif
