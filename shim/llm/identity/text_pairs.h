/*
 * The lowest hashes of pairs of neighbouring lines, each once: what is kept of a text of any
 * length. They are gathered as they come and put in order when there is no room or somebody asks.
 *
 * Scribe's thread. Pure, no memory; the same in whatever order they come.
 */
#pragma once

#include <stdint.h>

#include "span/prompt_features.h"

struct text_pairs {
    uint32_t limit;     /* from here on none is among the lowest; 0: not known */
    uint32_t count;     /* gathered */
    uint32_t hash[512]; /* each of PROMPT_FEATURES_BITS, not 0 */
};

/* Puts those that count in order, in hash[0 … count); what lies behind is zero. */
void text_pairs_narrow(struct text_pairs *pairs);

/* `pairs` was all zero bytes. */
static inline void text_pairs_add(struct text_pairs *pairs, uint32_t hash)
{
    if (hash - 1 >= pairs->limit - 1)
        return;
    if (pairs->count == sizeof(pairs->hash) / sizeof(pairs->hash[0]))
        text_pairs_narrow(pairs);
    pairs->hash[pairs->count++] = hash;
}
