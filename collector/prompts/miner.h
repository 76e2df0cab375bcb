/*
 * Learns prompts from texts: which texts are one template with other values in its slots, and which
 * templates are versions of one prompt.
 *
 * The collector's thread, in its pauses and at the merge. Pure but for memory: no store, no clock.
 * The same texts give the same templates in whatever order they are added (their ids decide).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../span/prompt_features.h"

enum {
    MINER_WORDS = 2 * (PROMPT_FEATURES_HEAD + PROMPT_FEATURES_TAIL), /* slots included */
    MINER_NOT = -1, /* miner_text.found: no template fits */
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
    uint32_t texts;   /* that it was learned from, of this and earlier runs */
    uint16_t words;   /* in word[], slots (0) included */
    uint16_t lines;
    uint32_t word[MINER_WORDS];
    uint32_t line[PROMPT_FEATURES_LINES];
    uint64_t first_ns, last_ns;
    uint64_t alias;   /* not 0: this prompt turned out to be that one */
    bool settled;     /* enough was seen of it: it stays. Others are made anew by each run, from the same texts and more */
};

struct miner;
/* NULL: no memory. */
struct miner *miner_new(void);
void miner_free(struct miner *miner);

/* What earlier runs settled, then the texts that are not surely in a settled template; both are copied. -1: no memory. */
int miner_know(struct miner *miner, const struct miner_template *known);
int miner_add(struct miner *miner, const struct miner_text *text);
/* Texts first join known templates; the rest makes new ones. -1: no memory (nothing is changed then). */
int miner_run(struct miner *miner);

/* After the run, until the next miner_add: in the order in which they were added, known templates first. */
const struct miner_text *miner_texts(const struct miner *miner, size_t *ret_count);
const struct miner_template *miner_templates(const struct miner *miner, size_t *ret_count);
