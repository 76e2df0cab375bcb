/*
 * Lines of a buffer, see text_lines.h: what stands where is looked up 64 bytes at a time, when it
 * is asked for. Called by text_features.c on the scribe's thread. Must never depend on the machine.
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

static void look(struct text_lines *lines, size_t group)
{
    uint64_t ends = 0, digits = 0;
    for (size_t i = 0; i < 64; i += BLOCK) {
        const uint8_t *const p = lines->buffer + group * 64 + i;
        const block b = load_block(p);
        ends |= ends_of(p, b) << i;
        digits |= bits_of(digits_of(b)) << i;
    }
    lines->bits[TEXT_LINE_ENDS][group] = ends;
    lines->bits[TEXT_DIGITS][group] = digits;
    lines->looked |= UINT64_C(1) << group;
}

/* The first place from `at` on that has it, or at least the end. */
static size_t next_of(struct text_lines *lines, unsigned what, size_t at, size_t end)
{
    for (size_t group = at / 64; group * 64 < end; group++) {
        if (!(lines->looked >> group & 1))
            look(lines, group);
        const uint64_t from = group == at / 64 ? UINT64_MAX << at % 64 : UINT64_MAX;
        const uint64_t bits = lines->bits[what][group] & from;
        if (bits)
            return group * 64 + (size_t)__builtin_ctzll(bits);
    }
    return end;
}

void text_lines_init(struct text_lines *ret, const uint8_t *buffer, size_t end)
{
    ret->buffer = buffer;
    ret->end = end;
    ret->next_digit = 0;
    ret->looked = 0;
}

struct text_line text_lines_next(struct text_lines *lines, size_t at, size_t least)
{
    const size_t left = lines->end - at, most = left > TEXT_LINE_BYTES ? at + TEXT_LINE_BYTES : lines->end;
    const size_t last = next_of(lines, TEXT_LINE_ENDS, at + least, most);
    struct text_line line = {.bytes = last + 1 - at, .ended = last < most};
    if (!line.ended) {
        const uint8_t *const end = lines->buffer + most;
        const uint8_t *const cut = left > TEXT_LINE_BYTES ? text_words_start(end - CUT_LOOKBACK, end) : end;
        line.bytes = (size_t)(cut - lines->buffer) - at;
    }
    if (!least && lines->next_digit < at)
        lines->next_digit = next_of(lines, TEXT_DIGITS, at, lines->end);
    line.digits = least || lines->next_digit < at + line.bytes;
    return line;
}

typedef uint64_t halves __attribute__((vector_size(BLOCK)));

/* As text_digest, of the line with each digit as '0'. */
static uint64_t digest_alike(const uint8_t *p, size_t bytes, const struct text_seed *seed)
{
    static const uint8_t masks[2 * BLOCK] = {255, 255, 255, 255, 255, 255, 255, 255,
                                             255, 255, 255, 255, 255, 255, 255, 255};
    uint64_t hash = bytes, key = seed->a;
    for (;; p += BLOCK, bytes -= BLOCK, key += TEXT_ODD) {
        const block b = load_block(p), last = load_block(masks + BLOCK - (bytes < BLOCK ? bytes : BLOCK));
        const halves both = (halves)(b & ~(digits_of(b) & 15) & last);
        hash += text_multiply(le64toh(both[0]) ^ key, le64toh(both[1]) ^ seed->b);
        if (bytes <= BLOCK)
            return text_multiply(hash ^ seed->b, seed->a ^ TEXT_ODD);
    }
}

/* The line with what holds a digit as '0'. Returns its length. */
static size_t make_masked(uint8_t *to, struct text_lines *lines, size_t at, size_t end)
{
    const uint8_t *const buffer = lines->buffer;
    size_t used = 0, digit;
    while ((digit = next_of(lines, TEXT_DIGITS, at, end)) < end) {
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

uint64_t text_lines_hash(struct text_lines *lines, size_t at, const struct text_line *line, bool masked,
                         const struct text_seed *seed)
{
    uint8_t text[TEXT_LINE_BYTES + TEXT_SLACK];
    const uint8_t *const from = lines->buffer + at;
    if (!line->digits)
        return text_digest(from, line->bytes, seed);
    if (!masked)
        return digest_alike(from, line->bytes, seed);
    const uint64_t hash = text_digest(text, make_masked(text, lines, at, at + line->bytes), seed);
    explicit_bzero(text, line->bytes);
    return hash;
}
