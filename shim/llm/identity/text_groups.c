/*
 * Line ends, digits and hashes of 64 bytes, see text_groups.h: for any processor, 16 bytes in a go,
 * and which way is taken. Called by text_lines.c on the scribe's thread. Must never depend on the
 * machine.
 */
#include "text_groups.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#ifdef __x86_64__
#include <cpuid.h>
#endif

enum { BLOCK = 16 };

typedef uint8_t block __attribute__((vector_size(BLOCK)));
typedef uint64_t halves __attribute__((vector_size(BLOCK)));

const uint8_t text_group_masks[2 * TEXT_GROUP] = {[0 ... TEXT_GROUP - 1] = 255};

static block load_block(const uint8_t *p)
{
    block b;
    memcpy(&b, p, sizeof(b));
    return b;
}

static block equal(block b, uint8_t value)
{
    return (block)(b == value);
}

static block digits_of(block b)
{
    return (block)((block)(b - '0') <= 9);
}

/* A bit for each byte whose highest bit is set. */
static uint64_t bits_of(block b)
{
#ifdef __SSE2__
    return (uint64_t)(unsigned)_mm_movemask_epi8((__m128i)b);
#else
    uint64_t bits = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        bits |= (uint64_t)(b[i] >> 7) << i;
    return bits;
#endif
}

uint64_t text_group_ends_plain(const uint8_t *p)
{
    uint64_t ends = 0;
    block all = {0};
    for (size_t i = 0; i < TEXT_GROUP; i += BLOCK) {
        const block b = load_block(p + i);
        ends |= bits_of(equal(b, '\n') | equal(b, '.') | equal(b, '!') | equal(b, '?')) << i;
        all |= b;
    }
    if (!bits_of(all))
        return ends;
    for (size_t i = 0; i < TEXT_GROUP; i += BLOCK)
        ends |= bits_of(equal(load_block(p + i), 0x82) & equal(load_block(p + i - 1), 0x80) &
                        equal(load_block(p + i - 2), 0xe3))
                << i;
    return ends;
}

uint64_t text_group_digits(const uint8_t *p)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < TEXT_GROUP; i += BLOCK)
        bits |= bits_of(digits_of(load_block(p + i))) << i;
    return bits;
}

/* What a block adds to its two lanes. */
static halves sum_of(block b, halves key)
{
    const halves x = {le64toh(((halves)b)[0]), le64toh(((halves)b)[1])}, keyed = x ^ key, other = {x[1], x[0]};
#ifdef __SSE2__
    return other + (halves)_mm_mul_epu32((__m128i)keyed, (__m128i)(keyed >> 32));
#else
    return other + (keyed & UINT32_MAX) * (keyed >> 32);
#endif
}

enum { BLOCKS = TEXT_GROUP / BLOCK };

static uint64_t end_of(const halves lane[BLOCKS], size_t bytes, const struct text_seed *seed)
{
    uint64_t sum[TEXT_SUMS];
    for (unsigned i = 0; i < BLOCKS / 2; i++) {
        const halves far = lane[BLOCKS / 2 + i], both = lane[i] + (far << 32 | far >> 32);
        memcpy(sum + (size_t)2 * i, &both, sizeof(both));
    }
    return text_sums_end(sum, bytes, seed);
}

struct text_hash_pair text_groups_hash_plain(const uint8_t *p, size_t bytes, const struct text_seed *seed)
{
    halves exact[BLOCKS] = {{0}}, alike[BLOCKS] = {{0}}, key[BLOCKS];
    bool digits = false;
    for (uint64_t i = 0; i < BLOCKS; i++)
        key[i] = (halves){seed->a + 2 * i * TEXT_ODD, seed->a + (2 * i + 1) * TEXT_ODD};
    for (size_t left = bytes, now; left; left -= now, p += now) {
        now = left < TEXT_GROUP ? left : TEXT_GROUP;
        for (unsigned i = 0; i < BLOCKS; i++) {
            const block b =
                load_block(p + (size_t)i * BLOCK) & load_block(text_group_masks + TEXT_GROUP - now + (size_t)i * BLOCK);
            const block which = digits_of(b);
            const halves sum = sum_of(b, key[i]);
            exact[i] += sum;
            if (bits_of(which)) {
                alike[i] += sum_of(b & ~(which & 15), key[i]) - sum; /* what digits change */
                digits = true;
            }
            key[i] += TEXT_LANES * TEXT_ODD;
        }
    }
    const uint64_t hash = end_of(exact, bytes, seed);
    for (unsigned i = 0; i < BLOCKS; i++)
        alike[i] += exact[i];
    return (struct text_hash_pair){hash, digits ? end_of(alike, bytes, seed) : hash, digits};
}

#ifdef __x86_64__

/* Of the processor and the kernel: Intel's manual, volume 1, 14.7.1 "Detection of AVX2". */
static bool has_avx2(void)
{
    enum { XMM_AND_YMM = 6 };
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
        return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & XMM_AND_YMM) == XMM_AND_YMM && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

#else

static bool has_avx2(void)
{
    return false;
}

#endif

enum text_way text_groups_known;

enum text_way text_groups_ask(void)
{
    text_groups_known = has_avx2() ? TEXT_WAY_WIDE : TEXT_WAY_PLAIN;
    return text_groups_known;
}
