/*
 * Learns prompts from texts: which texts are one template with other values in its slots, and which
 * templates are versions of one prompt.
 *
 * The collector's thread, in its pauses and at the merge. Pure but for memory: no store, no clock.
 * The same texts give the same templates in whatever order they are added (their ids decide).
 */
#pragma once

#include <stddef.h>

#include "learned.h"

struct miner;
/* NULL: no memory. */
struct miner *miner_new(void);
void miner_free(struct miner *miner);

/* What earlier runs settled, then the texts that are not surely in a settled template; both are
 * copied. -1: no memory. */
int miner_know(struct miner *miner, const struct miner_template *known);
int miner_add(struct miner *miner, const struct miner_text *text);
/* Texts first join known templates; the rest makes new ones. -1: no memory (nothing is changed
 * then). */
int miner_run(struct miner *miner);

/* After the run, until the next miner_add: in the order in which they were added, known templates
 * first. */
const struct miner_text *miner_texts(const struct miner *miner, size_t *ret_count);
const struct miner_template *miner_templates(const struct miner *miner, size_t *ret_count);
