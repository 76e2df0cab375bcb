/*
 * What a version of a prompt looks like: which words all of its texts have, and what kinds of
 * values stand between them and how long these are. Learned from its texts as they come; of what
 * varies no hash stays.
 *
 * Pure; the collector's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "learned.h"

enum shape_kind { SHAPE_DATE, SHAPE_NUMBER, SHAPE_ID, SHAPE_NAME, SHAPE_TEXT, SHAPE_KINDS };

enum {
    SHAPE_SLOTS = 96,
    SHAPE_LINES = PROMPT_FEATURES_LINES,
    SHAPE_BYTES_MAX = 16384, /* as bytes */
};

/* Lengths in bytes of what was seen in a place; of `texts` texts, in which it was not empty. */
struct shape_lengths {
    uint32_t texts, least, most;
    uint64_t sum;
};

/* A word that all have. Those with a digit all have one hash: what was seen of theirs tells whether
 * they vary. */
struct shape_word {
    uint32_t hash;
    uint16_t kinds;      /* a bit for each enum prompt_word_kind that was seen, the lowest bit of these included */
    uint8_t least, most; /* bytes */
};

struct shape_slot {
    uint16_t after; /* so many words */
    bool is_middle; /* text that is seen by its lines alone lies in it */
    uint32_t empty; /* texts in which nothing stands there */
    uint32_t kind[SHAPE_KINDS];
    struct shape_lengths value;
};

/* A pair of lines that all have, and what follows it where it varies. */
struct shape_line {
    uint32_t hash;
    struct shape_lengths place, after;
};

struct prompt_shape {
    uint32_t texts;
    bool is_sparse; /* a text has more lines than are kept */
    uint16_t words, slots, lines;
    struct shape_lengths whole;
    struct shape_lengths begin;       /* where the middle begins to vary */
    uint64_t seen_bytes, seen_tokens; /* of words that were seen */
    struct shape_word word[MINER_WORDS];
    struct shape_slot slot[SHAPE_SLOTS]; /* ascending by `after` */
    struct shape_line line[SHAPE_LINES]; /* ascending by hash */
    struct shape_lengths front;          /* words of the slot that holds the middle, before it */
    struct shape_lengths before_lines;   /* what varies before the first line that all have */
};

/* Of a version that was made anew, from all of its texts. */
void shape_make(struct prompt_shape *ret_shape, const struct miner_template *learned,
                const struct prompt_features *const *texts, size_t count);
/* One more text of it. */
void shape_join(struct prompt_shape *shape, const struct prompt_features *text);
/* The version lost words or lines: what stands there varies. */
void shape_cut(struct prompt_shape *shape, const struct miner_template *learned);

/* As bytes, at most SHAPE_BYTES_MAX; the buffer says whether it failed. The other way: 0, or -1
 * where they are damaged. */
struct span_buffer;
void shape_write(const struct prompt_shape *shape, struct span_buffer *out);
int shape_read(struct prompt_shape *ret_shape, const uint8_t *data, size_t bytes);

/* The preview of a text without what varies: words that the version has and the preview shows, "…"
 * for the rest. Returns bytes; 0: nothing can be told. */
size_t shape_preview(const struct prompt_shape *shape, const struct prompt_features *text, const char *preview,
                     size_t preview_bytes, char *ret_text, size_t room);

/* ---- what is told of it ---- */

struct shape_told_slot {
    enum shape_kind kind;
    uint32_t after_bytes;          /* where it begins, about */
    bool is_optional;              /* some texts have nothing there */
    uint32_t least, typical, most; /* bytes, about */
};

struct shape_told {
    uint32_t texts;
    bool is_measured; /* else lengths of words were not told, and nothing here but the number of texts is known */
    uint32_t bytes, constant_bytes, begin_bytes; /* of a typical text, about */
    uint32_t tokens, constant_tokens, begin_tokens;
    uint16_t words, constant_words, begin_words; /* of those that are seen one by one */
    uint16_t slots;
    struct shape_told_slot slot[SHAPE_SLOTS];
};

void shape_tell(const struct prompt_shape *shape, struct shape_told *ret_told);
const char *shape_kind_name(enum shape_kind kind);
