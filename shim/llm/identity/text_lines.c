/*
 * Lines of a buffer, see text_lines.h: first what stands where, 16 bytes at a time, then line by
 * line. Called by text_features.c on the scribe's thread. Must never depend on the machine.
 */
#include "text_lines.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    CUT_LOOKBACK = 64, /* how far before the limit of a line a word is looked for to cut at */
    BLOCK = 16,
};

typedef uint8_t block __attribute__((vector_size(BLOCK)));

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

static uint64_t ends_of(const uint8_t *p, block b)
{
    block ends = equal(b, '\n') | equal(b, '.') | equal(b, '!') | equal(b, '?');
    if (bits_of(b))
        ends |= equal(b, 0x82) & equal(load_block(p - 1), 0x80) & equal(load_block(p - 2), 0xe3);
    return bits_of(ends);
}

/* The first bit from `at` on, or at least the end. */
static size_t next_bit(const uint64_t *bits, size_t at, size_t end)
{
    const uint64_t group = at < end ? bits[at / 64] >> at % 64 : 0;
    if (group)
        return at + (size_t)__builtin_ctzll(group);
    for (at = at / 64 + 1; at * 64 < end; at++)
        if (bits[at])
            return at * 64 + (size_t)__builtin_ctzll(bits[at]);
    return end;
}

void text_lines_init(struct text_lines *ret, const uint8_t *buffer, size_t at, size_t end)
{
    ret->buffer = buffer;
    ret->end = end;
    ret->next_digit = 0;
    for (size_t group = at / 64; group * 64 < end; group++) {
        uint64_t ends = 0, digits = 0;
        for (size_t i = 0; i < 64; i += BLOCK) {
            const uint8_t *const p = buffer + group * 64 + i;
            const block b = load_block(p);
            ends |= ends_of(p, b) << i;
            digits |= bits_of(digits_of(b)) << i;
        }
        ret->ends[group] = ends;
        ret->digits[group] = digits;
    }
}

struct text_line text_lines_next(struct text_lines *lines, size_t at, size_t least)
{
    const size_t left = lines->end - at, most = left > TEXT_LINE_BYTES ? at + TEXT_LINE_BYTES : lines->end;
    const size_t last = next_bit(lines->ends, at + least, most);
    struct text_line line = {.bytes = last + 1 - at, .ended = last < most};
    if (!line.ended) {
        const uint8_t *const end = lines->buffer + most;
        const uint8_t *const cut = left > TEXT_LINE_BYTES ? text_words_start(end - CUT_LOOKBACK, end) : end;
        line.bytes = (size_t)(cut - lines->buffer) - at;
    }
    if (lines->next_digit < at)
        lines->next_digit = next_bit(lines->digits, at, lines->end);
    line.digits = lines->next_digit < at + line.bytes;
    return line;
}

/* The line with each digit as '0'. */
static void make_alike(uint8_t *to, const uint8_t *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += BLOCK) {
        const block b = load_block(from + i), alike = b & ~(digits_of(b) & 15);
        memcpy(to + i, &alike, sizeof(alike));
    }
}

/* The line with what holds a digit as '0'. Returns its length. */
static size_t make_masked(uint8_t *to, const struct text_lines *lines, size_t at, size_t end)
{
    const uint8_t *const buffer = lines->buffer;
    size_t used = 0, digit;
    while ((digit = next_bit(lines->digits, at, end)) < end) {
        const struct text_run run = text_run_around(buffer + digit, buffer + at, buffer + end);
        const size_t before = (size_t)(run.begin - buffer) - at;
        memcpy(to + used, buffer + at, before);
        used += before;
        to[used++] = '0';
        at = (size_t)(run.end - buffer);
    }
    memcpy(to + used, buffer + at, end - at);
    return used + end - at;
}

uint64_t text_lines_hash(const struct text_lines *lines, size_t at, const struct text_line *line, bool masked,
                         const struct text_seed *seed)
{
    uint8_t text[TEXT_LINE_BYTES + TEXT_SLACK];
    const uint8_t *const from = lines->buffer + at;
    if (!line->digits)
        return text_digest(from, line->bytes, seed);
    if (!masked)
        make_alike(text, from, line->bytes);
    const size_t bytes = masked ? make_masked(text, lines, at, at + line->bytes) : line->bytes;
    const uint64_t hash = text_digest(text, bytes, seed);
    explicit_bzero(text, line->bytes);
    return hash;
}
