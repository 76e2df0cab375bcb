/*
 * What the files that learn shapes share; see shape.h. The collector's thread.
 */
#pragma once

#include "shape.h"

enum {
    SHAPE_TEXT_WORDS = PROMPT_FEATURES_HEAD + PROMPT_FEATURES_TAIL + 1,
    SHAPE_NOT_THERE = -1,
    SHAPE_LONG_RUN = 4, /* words in a row that the miner looks for; fewer are looked for between them */
};

/* Words of a text, one after the other. */
struct shape_row {
    unsigned words;
    uint32_t hash[SHAPE_TEXT_WORDS]; /* 0: the middle, which is seen by lines alone */
    uint8_t look[SHAPE_TEXT_WORDS];
    uint32_t middle_bytes;
};

void shape_row_of(struct shape_row *ret_row, const struct prompt_features *text);
/* Where each word of the shape is in the text, or SHAPE_NOT_THERE. */
void shape_align(const struct prompt_shape *shape, const struct shape_row *row, int ret_place[MINER_WORDS]);
/* How many words from `at` on stand together. */
unsigned shape_run(const struct prompt_shape *shape, unsigned at);
/* The slot behind `after` words, made if need be; NULL: there are too many. */
struct shape_slot *shape_slot_at(struct prompt_shape *shape, unsigned after);
/* Words [at, at + run) vary: with what stood before and behind them they are one slot. */
void shape_drop(struct prompt_shape *shape, unsigned at, unsigned run);
/* It holds a digit, and not always the same ones. */
bool shape_word_varies(const struct prompt_shape *shape, const struct shape_word *word);
