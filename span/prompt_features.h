/*
 * What tells one text of instructions from another without its words: keyed hashes of its first and
 * last words and of the lines between them, and what kinds of words and how long they are. The
 * scribe makes it once an hour for each distinct text of a process
 * (shim/llm/identity/text_features.c), it travels in the span that brought the text
 * (SPAN_prompt_features), and the collector learns templates from it (collector/prompts/).
 *
 * Pure; any thread. No text can be read from it without the key; it never leaves the collector.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span_limits.h"

enum {
    PROMPT_FEATURES_HEAD = 64,  /* words at the beginning */
    PROMPT_FEATURES_TAIL = 24,  /* words at the end */
    PROMPT_FEATURES_LINES = 76, /* the lowest hashes of pairs of neighbouring lines */
    PROMPT_FEATURES_BITS = 24,  /* of each hash */
};

/* What a word looks like, 4 bits; no text. Of those with digits, which all have one hash, the
 * lowest bit is a keyed one of the value: two texts of which it differs have other values there. */
enum prompt_word_kind {
    PROMPT_WORD_UNKNOWN,
    PROMPT_WORD_LINE,     /* a line end, or where one message ends and the next begins */
    PROMPT_WORD_MARK,     /* a byte that is no letter */
    PROMPT_WORD_JOINT,    /* one that joins: . , - + ' */
    PROMPT_WORD_AT,       /* @ */
    PROMPT_WORD_LETTERS,  /* in a row */
    PROMPT_WORD_CAPITAL,  /* the same, the first one a capital */
    PROMPT_WORD_CALENDAR, /* the name of a month or a day of the week, English or German */
    PROMPT_WORD_WIDE,     /* one character of three or four bytes */
    PROMPT_WORD_SLASH,    /* what joins dates and times: / : */
    PROMPT_WORD_DATE = 10,
    PROMPT_WORD_NUMBER = 12,
    PROMPT_WORD_ID = 14, /* digits with letters, or very many digits */
};

struct prompt_features {
    uint32_t scope;   /* hash of what must be equal: the name that was said, how many parts there are */
    uint32_t setup;   /* hash of tools and response format; 0: none. An edit of them is a version */
    uint32_t bytes;   /* of the text */
    uint8_t heads;    /* words in head[] */
    uint8_t tails;    /* words in tail[]; 0 where the head holds the whole text */
    uint8_t lines;    /* hashes in line[] */
    bool has_between; /* words lie between head and tail: lines alone tell of them */
    uint32_t head[PROMPT_FEATURES_HEAD]; /* 1 to 2^24 - 1 */
    uint32_t tail[PROMPT_FEATURES_TAIL];
    uint32_t line[PROMPT_FEATURES_LINES]; /* ascending; when full, what is above the last one is not known */
    uint8_t head_look[PROMPT_FEATURES_HEAD], tail_look[PROMPT_FEATURES_TAIL]; /* prompt_word_look */
    uint8_t line_place[PROMPT_FEATURES_LINES]; /* where each pair's second line begins: prompt_place */
    /* Only where the span has a preview: words of head[] that follow a blank or nothing, and which
     * of these stand in it. */
    uint64_t preview_begins, preview_shown;
};

/* Kind, and bytes together with the blanks before it: exact up to 11, then 12, 14, 18, 32 and more.
 */
static inline uint8_t prompt_word_look(unsigned kind, size_t bytes)
{
    const unsigned code = bytes < 12 ? (unsigned)bytes : bytes < 14 ? 12 : bytes < 18 ? 13 : bytes < 32 ? 14 : 15;
    return (uint8_t)(kind << 4 | code);
}

static inline unsigned prompt_word_kind(uint8_t look)
{
    return look >> 4;
}

/* About. */
static inline unsigned prompt_word_bytes(uint8_t look)
{
    const unsigned code = look & 15U;
    return code < 13 ? code : code == 13 ? 15 : code == 14 ? 23 : 40;
}

/* A byte's place in a text, to a sixteenth of it: 0 for the first 68, the last one for all beyond
 * 4 MB. */
static inline uint8_t prompt_place(uint64_t at)
{
    if (at < 64)
        return 0;
    const unsigned log = 63 - (unsigned)__builtin_clzll(at);
    const uint64_t code = (uint64_t)(log - 6) * 16 + (at >> (log - 4) & 15);
    return code < UINT8_MAX ? (uint8_t)code : UINT8_MAX;
}

/* The first byte of those that have this place. */
static inline uint32_t prompt_place_byte(uint8_t place)
{
    return place == 0 ? 0 : (16U + place % 16U) << (place / 16U + 2);
}

/* Writes at most SPAN_TEXT_MAX bytes; the same features always give the same bytes. */
size_t prompt_features_write(const struct prompt_features *features, uint8_t ret_data[SPAN_TEXT_MAX]);
/* 0, or -1 where the bytes are not what prompt_features_write makes: they come from any program. */
int prompt_features_read(struct prompt_features *ret_features, const void *data, size_t bytes);
