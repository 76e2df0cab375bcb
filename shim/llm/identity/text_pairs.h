/*
 * The lowest hashes of pairs of neighbouring lines, each once and where it stands first: what is
 * kept of a text of any length. They are gathered as they come and put in order when there is no
 * room or somebody asks.
 *
 * Scribe's thread. Pure, no memory; the same in whatever order they come.
 */
#pragma once

#include <stdint.h>

#include "span/prompt_features.h"

struct text_pairs {
    uint32_t limit;     /* from here on none is among the lowest; 0: not known */
    uint32_t count;     /* gathered */
    uint32_t pair[512]; /* hash of PROMPT_FEATURES_BITS, not 0, and prompt_place */
};

_Static_assert(PROMPT_FEATURES_BITS + 8 == 32, "a hash and a place fill a pair");

/* Puts those that count in order, in pair[0 … count); what lies behind is zero. */
void text_pairs_narrow(struct text_pairs *pairs);

static inline uint32_t text_pair_hash(uint32_t pair)
{
    return pair >> 8;
}

/* `pairs` was all zero bytes; `at`: where the second line begins. */
static inline void text_pairs_add(struct text_pairs *pairs, uint32_t hash, uint64_t at)
{
    if (hash - 1 >= pairs->limit - 1)
        return;
    if (pairs->count == sizeof(pairs->pair) / sizeof(pairs->pair[0]))
        text_pairs_narrow(pairs);
    pairs->pair[pairs->count++] = hash << 8 | prompt_place(at);
}
