/*
 * Lines of a buffer, see text_lines.h: line ends are looked up and bytes are hashed 64 at a time.
 * Called by text_features.c on the scribe's thread. Must never depend on the machine.
 */
#include "text_lines.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    CUT_LOOKBACK = 64, /* how far before the limit of a line a word is looked for to cut at */
    BLOCK = 16,
    GROUP = 4 * BLOCK,
};

typedef uint8_t block __attribute__((vector_size(BLOCK)));
typedef uint64_t halves __attribute__((vector_size(BLOCK)));

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

static uint64_t line_ends(const uint8_t *p)
{
    uint64_t ends = 0;
    block all = {0};
    for (size_t i = 0; i < GROUP; i += BLOCK) {
        const block b = load_block(p + i);
        ends |= bits_of(equal(b, '\n') | equal(b, '.') | equal(b, '!') | equal(b, '?')) << i;
        all |= b;
    }
    if (!bits_of(all))
        return ends;
    for (size_t i = 0; i < GROUP; i += BLOCK)
        ends |= bits_of(equal(load_block(p + i), 0x82) & equal(load_block(p + i - 1), 0x80) &
                        equal(load_block(p + i - 2), 0xe3))
                << i;
    return ends;
}

static uint64_t digit_bits(const uint8_t *p)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < GROUP; i += BLOCK)
        bits |= bits_of(digits_of(load_block(p + i))) << i;
    return bits;
}

void text_lines_init(struct text_lines *ret, const uint8_t *buffer, size_t end)
{
    ret->buffer = buffer;
    ret->end = end;
    ret->group = SIZE_MAX;
}

/* The first line end from `at` on, or at least `end`. */
static size_t end_from(struct text_lines *lines, size_t at, size_t end)
{
    uint64_t from = UINT64_MAX << at % GROUP;
    for (size_t group = at / GROUP; group * GROUP < end; group++, from = UINT64_MAX) {
        if (group != lines->group)
            lines->ends = line_ends(lines->buffer + group * GROUP);
        lines->group = group;
        if (lines->ends & from)
            return group * GROUP + (size_t)__builtin_ctzll(lines->ends & from);
    }
    return end;
}

struct text_line text_lines_next(struct text_lines *lines, size_t at, size_t least)
{
    const size_t left = lines->end - at, most = left > TEXT_LINE_BYTES ? at + TEXT_LINE_BYTES : lines->end;
    const size_t last = end_from(lines, at + least, most);
    if (last < most)
        return (struct text_line){.bytes = last + 1 - at, .ended = true};
    const uint8_t *const end = lines->buffer + most;
    const uint8_t *const cut = left > TEXT_LINE_BYTES ? text_words_start(end - CUT_LOOKBACK, end) : end;
    return (struct text_line){.bytes = (size_t)(cut - lines->buffer) - at};
}

enum { BLOCKS = GROUP / BLOCK };

/* 64 bytes and, where fewer count, what makes the others zero. */
struct group {
    const uint8_t *p, *mask;
    uint64_t key, high; /* the key, another one for each group, and the one of all */
};

static inline uint64_t word_of(const struct group *of, size_t at)
{
    const uint64_t word = text_load(of->p + at);
    return of->mask == NULL ? word : word & text_load(of->mask + at);
}

static inline block block_of(const struct group *of, size_t at)
{
    const block b = load_block(of->p + at);
    return of->mask == NULL ? b : b & load_block(of->mask + at);
}

static inline uint64_t product(uint64_t low, uint64_t high, const struct group *of, size_t at)
{
    return text_multiply(low ^ (of->key + at / BLOCK * TEXT_ODD), high ^ of->high);
}

static inline uint64_t sum_of(const struct group *of)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < GROUP; at += BLOCK)
        sum += product(word_of(of, at), word_of(of, at + BLOCK / 2), of, at);
    return sum;
}

/* With the digits as '0'. */
static inline uint64_t alike_of(const struct group *of)
{
    uint64_t sum = 0;
    for (size_t at = 0; at < GROUP; at += BLOCK) {
        const block b = block_of(of, at);
        const halves both = (halves)(b & ~(digits_of(b) & 15));
        sum += product(le64toh(both[0]), le64toh(both[1]), of, at);
    }
    return sum;
}

static inline bool has_digit(const struct group *of)
{
    block any = {0};
    for (size_t at = 0; at < GROUP; at += BLOCK)
        any |= digits_of(block_of(of, at));
    const halves both = (halves)any;
    return both[0] | both[1];
}

static inline void add_group(struct text_hash_pair *sums, const struct group *of)
{
    const uint64_t sum = sum_of(of);
    sums->exact += sum;
    if (has_digit(of)) {
        sums->alike += alike_of(of) - sum;
        sums->digits = true;
    }
}

struct text_hash_pair text_lines_hash(const uint8_t *p, size_t bytes, const struct text_seed *seed)
{
    static const uint8_t masks[2 * GROUP] = {[0 ... GROUP - 1] = 255};
    struct text_hash_pair sums = {bytes, 0, false};
    struct group group = {p, NULL, seed->a, seed->b};
    for (; bytes > GROUP; bytes -= GROUP) {
        add_group(&sums, &group);
        group.p += GROUP;
        group.key += BLOCKS * TEXT_ODD;
    }
    group.mask = masks + GROUP - bytes;
    add_group(&sums, &group);
    sums.alike += sums.exact;
    sums.exact = text_multiply(sums.exact ^ seed->b, seed->a ^ TEXT_ODD);
    sums.alike = text_multiply(sums.alike ^ seed->b, seed->a ^ TEXT_ODD);
    return sums;
}

/* As many bytes as there are, and some more that count for nothing. */
static size_t copy(uint8_t *to, const uint8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += BLOCK)
        memcpy(to + i, from + i, BLOCK);
    return bytes;
}

uint64_t text_lines_masked(const uint8_t *p, size_t bytes, const struct text_seed *seed)
{
    uint8_t text[TEXT_LINE_BYTES + TEXT_SLACK];
    size_t used = 0, copied = 0;
    for (size_t at = 0; at < bytes;) {
        const uint64_t digits = digit_bits(p + at);
        if (!digits) {
            at += GROUP;
            continue;
        }
        at += (size_t)__builtin_ctzll(digits);
        if (at >= bytes)
            break;
        const struct text_run run = text_run_around(p + at, p, p + bytes);
        used += copy(text + used, p + copied, (size_t)(run.begin - p) - copied);
        text[used++] = '0';
        at = copied = (size_t)(run.end - p);
    }
    used += copy(text + used, p + copied, bytes - copied);
    const uint64_t hash = text_lines_hash(text, used, seed).exact;
    explicit_bzero(text, bytes + BLOCK);
    return hash;
}
