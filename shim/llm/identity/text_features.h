/*
 * The features of a text of instructions (span/prompt_features.h) and digests of its masked lines
 * and of all its bytes, while it passes in pieces; the same however it is cut.
 *
 * Words are made of the first PROMPT_FEATURES_HEAD and of what stands in the last TEXT_TAIL_BYTES
 * of a part; lines are hashed as they are, but for what holds digits, and the digest of all bytes
 * is made of the same hashes: so 100 KB of text cost little more than copying them. Several parts
 * (messages) are one text, a mark between them.
 *
 * Scribe's thread, within an exchange; bounded, no memory. Text lies here only while a part is
 * under way; what stays are keyed hashes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span/prompt_features.h"
#include "text_lines.h"
#include "text_pairs.h"

enum {
    TEXT_TAIL_BYTES = 512,  /* of a part, in which its last words are looked for */
    TEXT_SHORT_LINES = 256, /* of a text; those after them are longer: */
    TEXT_FAR_LINE_BYTES = 384,
    TEXT_DIGIT_LINES = 128, /* lines in which numbers and ids count as "0", however long */
};

/* What is known of the text so far; no text. */
struct text_state {
    uint64_t whole[2];                 /* of all lines in order */
    uint64_t exact;                    /* of all bytes and of where parts end */
    uint64_t before;                   /* hash of the line before, or of the mark where a part begins */
    uint64_t line_end;                 /* hash of the one that stands by itself behind that line; 0: none does */
    uint64_t bytes;                    /* of the text */
    uint16_t digit_lines, lines_taken; /* up to TEXT_DIGIT_LINES, TEXT_SHORT_LINES */
    uint8_t heads, tails;
    uint8_t tail_at; /* the oldest of tail[], where that is full */
    bool has_between;
    uint32_t head[PROMPT_FEATURES_HEAD];
    uint32_t tail[PROMPT_FEATURES_TAIL];
    uint8_t head_look[PROMPT_FEATURES_HEAD], tail_look[PROMPT_FEATURES_TAIL];
    struct text_pairs pairs;
};

/* All zero bytes before its first use. */
struct text_features {
    struct text_seed seed;
    struct text_state now;
    struct text_state before; /* the part, if that was begun in earnest: it may turn out to be none */
    bool has_before;
    bool after_line; /* what blank comes next belongs to a line end */
    bool tail_whole; /* all of the part that follows the head lies in the buffer, from tail_from */
    uint16_t tail_from;
    uint16_t used, at; /* of the buffer; where the next line begins */
    uint16_t touched;  /* of the buffer: what lies behind it and behind `used` is zero */
    uint32_t parts;
    uint64_t part_bytes;
    uint64_t moved; /* bytes of the part that were in the buffer and are not now */
    uint8_t buffer[TEXT_BUFFER_BYTES + 2 * TEXT_SLACK];
};

void text_features_init(struct text_features *features, const struct text_seed *seed);
void text_features_part_begin(struct text_features *features);
void text_features_push(struct text_features *features, const void *text, size_t bytes);
void text_features_part_end(struct text_features *features);
/* Instead, where it was no part of the instructions. */
void text_features_part_drop(struct text_features *features);

/* Of the parts that have ended. Scope and setup are the caller's: 0. */
void text_features_get(const struct text_features *features, struct prompt_features *ret);
/* Zeroes what no longer matters. */
void text_features_tidy(struct text_features *features);
