/*
 * Lines, see text_lines.h. Called by text_features.c on the scribe's thread. Must never depend on
 * the machine.
 */
#include "text_lines.h"

enum { CUT_LOOKBACK = 64 }; /* how far before the limit of a line a word is looked for to cut at */

static void look(struct text_lines *lines, const uint8_t *group)
{
    lines->group = group;
    lines->ends = text_group_ends(group);
}

void text_lines_init(struct text_lines *ret, const uint8_t *from, const uint8_t *end)
{
    ret->end = end;
    look(ret, from);
}

/* The first line end from `at` on, or at least `end`. */
static const uint8_t *end_from(struct text_lines *lines, const uint8_t *at, const uint8_t *end)
{
    if (at >= end)
        return end;
    if (at < lines->group) /* the line before was cut short of what was looked at */
        look(lines, at);
    size_t skipped = (size_t)(at - lines->group);
    if (skipped >= TEXT_GROUP) {
        look(lines, lines->group + skipped / TEXT_GROUP * TEXT_GROUP);
        skipped %= TEXT_GROUP;
    }
    uint64_t ends = lines->ends & UINT64_MAX << skipped;
    while (!ends) {
        if (end - lines->group <= TEXT_GROUP)
            return end;
        look(lines, lines->group + TEXT_GROUP);
        ends = lines->ends;
    }
    return lines->group + __builtin_ctzll(ends);
}

struct text_line text_lines_next(struct text_lines *lines, const uint8_t *at, size_t least)
{
    const bool longer = lines->end - at > TEXT_LINE_BYTES;
    const uint8_t *const most = longer ? at + TEXT_LINE_BYTES : lines->end;
    const uint8_t *const last = end_from(lines, at + least, most);
    if (last < most)
        return (struct text_line){.bytes = (size_t)(last + 1 - at), .ended = true};
    return (struct text_line){.bytes = (size_t)((longer ? text_words_start(most - CUT_LOOKBACK, most) : most) - at)};
}

enum { BLOCK = 16 };

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
        const uint64_t digits = text_group_digits(p + at);
        if (!digits) {
            at += TEXT_GROUP;
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
    const uint64_t hash = text_groups_hash(text, used, seed).exact;
    explicit_bzero(text, bytes + BLOCK);
    return hash;
}
