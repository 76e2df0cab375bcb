/*
 * Lines of instructions, found and hashed fast: a line goes up to and with a line end, '.', '!',
 * '?' or U+3002. A text's lines are the same whatever stands before them.
 *
 * Scribe's thread. Pure, no memory; the same on every machine. Up to TEXT_SLACK bytes before and
 * behind what is read are looked at, and count for nothing.
 */
#pragma once

#include "text_groups.h"

enum {
    TEXT_LINE_BYTES = 512,    /* a longer line counts as several */
    TEXT_BUFFER_BYTES = 2048, /* of text; TEXT_SLACK bytes lie before and behind it */
};

struct text_line {
    size_t bytes;
    bool ended; /* else it was cut, or goes on at the end */
};

/* Of a text whose lines are asked for in their order, from `from` on. */
struct text_lines {
    const uint8_t *end;
    const uint8_t *group; /* the 64 bytes that were looked at last */
    uint64_t ends;        /* a bit for each of them: a line ends there */
};

void text_lines_init(struct text_lines *ret, const uint8_t *from, const uint8_t *end);
/* The line that begins at `at`, before the end. `least`: no line end counts before that many bytes,
 * so that a long text has fewer lines. */
struct text_line text_lines_next(struct text_lines *lines, const uint8_t *at, size_t least);

/* Of a line that has digits: what holds one counts as "0" from end to end. Slower. */
uint64_t text_lines_masked(const uint8_t *p, size_t bytes, const struct text_seed *seed);
