/*
 * Lines of instructions, found and hashed fast: a line goes up to and with a line end, '.', '!',
 * '?' or U+3002. A text's lines are the same whatever stands before them.
 *
 * Scribe's thread. Pure, no memory; the same on every machine.
 */
#pragma once

#include "text_words.h"

enum {
    TEXT_LINE_BYTES = 512,    /* a longer line counts as several */
    TEXT_BUFFER_BYTES = 2048, /* of text; TEXT_SLACK bytes lie before and behind it */
    TEXT_LINE_ENDS = 0,       /* of struct text_lines */
    TEXT_DIGITS = 1,
    TEXT_LINES_GROUPS = (TEXT_BUFFER_BYTES + TEXT_SLACK) / 64 + 1,
};

/* What stands where in a buffer, a bit for each byte. */
struct text_lines {
    const uint8_t *buffer;
    size_t end;
    size_t next_digit; /* of those not passed by */
    uint64_t looked;   /* a bit for each group of 64 bytes: its other bits are known */
    uint64_t bits[2][TEXT_LINES_GROUPS];
};

_Static_assert(TEXT_LINES_GROUPS <= 64, "a bit for each group");

struct text_line {
    size_t bytes;
    bool ended;  /* else it was cut, or goes on at the end */
    bool digits; /* it has one, or may have */
};

/* Offsets are those of the buffer, the slack before it included. */
void text_lines_init(struct text_lines *ret, const uint8_t *buffer, size_t end);
/* The line that begins at `at`, before the end; lines are asked for in their order. `least`: no
 * line end counts before that many bytes, so that a long text has fewer lines. */
struct text_line text_lines_next(struct text_lines *lines, size_t at, size_t least);
/* Of its bytes. What holds a digit counts as "0" from end to end where `masked`, else digits count
 * as one another and how many there are matters, which is faster where there are many. */
uint64_t text_lines_hash(struct text_lines *lines, size_t at, const struct text_line *line, bool masked,
                         const struct text_seed *seed);
