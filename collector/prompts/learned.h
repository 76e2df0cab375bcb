/*
 * What is learned from and what comes of it: a distinct text of instructions, a template. See
 * miner.h.
 *
 * Pure data. The collector's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../span/prompt_features.h"

enum {
    MINER_WORDS = 2 * (PROMPT_FEATURES_HEAD + PROMPT_FEATURES_TAIL), /* slots included */
    MINER_NOT = -1,                                                  /* miner_text.found: no template fits */
};

/* A distinct text, as the store has it. */
struct miner_text {
    uint64_t id; /* SPAN_prompt_id of its calls */
    uint64_t calls, first_ns, last_ns;
    struct prompt_features features;
    int32_t found; /* out: index of its template, or MINER_NOT */
    bool is_sure;  /* out: it has all of the template; else it may yet turn out to be a new version */
};

/* One version of one prompt: what all of its texts have. */
struct miner_template {
    uint64_t prompt;  /* the id that is shown, the same for all versions */
    uint32_t version; /* 1, 2 …, in order of their first calls; never changed once given */
    uint32_t scope, setup;
    uint32_t texts; /* that it was learned from, of this and earlier runs */
    uint16_t words; /* in word[], slots (0) included */
    uint16_t lines;
    uint32_t word[MINER_WORDS];
    uint32_t line[PROMPT_FEATURES_LINES];
    uint64_t first_ns, last_ns;
    uint64_t alias;         /* not 0: it turned out to be a version of this prompt … */
    uint32_t alias_version; /* … this one; 0: of the same number. Its words and lines are gone */
    bool settled; /* enough was seen of it: it stays. Others are made anew by each run, from the same texts and more */
};
