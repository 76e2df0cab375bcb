/*
 * The features of a text, or what several texts have in common, as a sorted set.
 *
 * A feature is a run of four words (weight 1, its last word being new), a pair of lines after the
 * head, or the tools and response format (weight 10 each: so many words a line has). Features of
 * different scopes are never equal. Pure; the collector's thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "learned.h"

enum {
    FEATURE_RUN = 4,
    FEATURE_LINE_WEIGHT = 10,
    FEATURE_TELLING = 20, /* weight: two lines, or one of 10 words; fewer are anybody's */
    FEATURE_SET_MAX = MINER_WORDS + PROMPT_FEATURES_LINES + 1,
    FEATURE_FRONT = 20, /* words at the beginning whose runs texts are looked up by */
    FEATURE_BACK = 12,  /* words at the end */
    FEATURE_ANCHORS_MAX = FEATURE_FRONT + FEATURE_BACK + PROMPT_FEATURES_LINES,
};

struct feature_set {
    uint16_t count;
    uint32_t weight;
    uint32_t lines_last; /* where lines_full: a line above this one is neither there nor absent */
    bool lines_full;
    uint32_t feature[FEATURE_SET_MAX]; /* ascending */
};

/* Words of a text as one row, its begin and end marked; 0 where words between head and tail are
 * left out. */
unsigned feature_words(const struct prompt_features *features, uint32_t ret_word[MINER_WORDS]);
void feature_set_of_text(struct feature_set *ret_set, const struct prompt_features *features);
void feature_set_of_template(struct feature_set *ret_set, const struct miner_template *learned);
/* Those features of a text or template by which others like it are found. Returns how many. */
unsigned feature_anchors(const struct prompt_features *features, uint32_t ret_anchor[FEATURE_ANCHORS_MAX]);
unsigned feature_template_anchors(const struct miner_template *learned, uint32_t ret_anchor[FEATURE_ANCHORS_MAX]);

unsigned feature_weight(uint32_t feature);
bool feature_set_has(const struct feature_set *set, uint32_t feature);
void feature_set_add(struct feature_set *set, uint32_t feature); /* the highest so far */
/* Words that differ, not lines: runs alone. */
unsigned feature_set_runs(const struct feature_set *set);
/* Number of the first word of the first run that the set has; `words` where it has none. */
unsigned feature_first_run(uint32_t scope, const uint32_t *word, unsigned words, const struct feature_set *set);
/* Tools and response format, nothing else. */
bool feature_set_is_setup(const struct feature_set *set);
/* More than a short value of a slot makes of it: five words or, where no words are seen, a line. */
bool feature_set_is_edit(const struct feature_set *own);
/* What `set` has and `other` certainly has not. */
void feature_set_beyond(struct feature_set *ret_set, const struct feature_set *set, const struct feature_set *other);
/* Has it, or cannot tell. */
bool feature_set_may_have(const struct feature_set *set, uint32_t feature);
/* Weight of what `set` has of `common`, and of what it has certainly not. */
void feature_set_compare(const struct feature_set *common, const struct feature_set *set, uint32_t *ret_shared,
                         uint32_t *ret_missing);
/* What texts have in common tells whose they are: it weighs enough, or it is much of this one. */
bool feature_set_is_telling(const struct feature_set *common, const struct feature_set *text);
/* What at least `percent` of `count` sets have of the pivot's features. */
void feature_set_common(struct feature_set *ret_set, const struct feature_set *pivot,
                        const struct feature_set *const *sets, unsigned count, unsigned percent);

/* Words, lines and set-up of a template: those of the pivot that `common` holds. */
void feature_template_of(struct miner_template *ret_template, const struct prompt_features *pivot,
                         const struct feature_set *common);
/* Whether words that one of them has stand where the other has none or others, and no slot: an
 * edit, however short. What is a slot of one alone is none. */
bool feature_template_words_differ(const struct miner_template *a, const struct miner_template *b);
/* Leaves of a template what `common` holds. */
void feature_template_cut(struct miner_template *learned, const struct feature_set *common);
