/*
 * The lowest hashes, see text_pairs.h. Called by text_features.c on the scribe's thread. Must never
 * depend on the order in which they came.
 */
#include "text_pairs.h"

#include <string.h>

enum { ROOM = sizeof(((struct text_pairs *)0)->pair) / sizeof(uint32_t), TOP_BITS = 8, TOPS = 1 << TOP_BITS };

static unsigned top_of(uint32_t pair)
{
    return pair >> (32 - TOP_BITS);
}

/* By their highest bits at once; few are left out of order then, as hashes are spread evenly. */
static void sort(struct text_pairs *pairs)
{
    uint16_t next[TOPS + 1] = {0};
    uint32_t by_top[ROOM];
    for (unsigned i = 0; i < pairs->count; i++)
        next[top_of(pairs->pair[i]) + 1]++;
    for (unsigned i = 0; i < TOPS; i++)
        next[i + 1] = (uint16_t)(next[i + 1] + next[i]);
    for (unsigned i = 0; i < pairs->count; i++)
        by_top[next[top_of(pairs->pair[i])]++] = pairs->pair[i];
    for (unsigned i = 0; i < pairs->count; i++) {
        unsigned at = i;
        for (; at && pairs->pair[at - 1] > by_top[i]; at--)
            pairs->pair[at] = pairs->pair[at - 1];
        pairs->pair[at] = by_top[i];
    }
}

void text_pairs_narrow(struct text_pairs *pairs)
{
    unsigned kept = 0;
    sort(pairs);
    for (unsigned i = 0; i < pairs->count && kept < PROMPT_FEATURES_LINES; i++)
        if (!kept || text_pair_hash(pairs->pair[i]) != text_pair_hash(pairs->pair[kept - 1]))
            pairs->pair[kept++] = pairs->pair[i];
    memset(pairs->pair + kept, 0, (pairs->count - kept) * sizeof(pairs->pair[0]));
    pairs->count = kept;
    if (kept == PROMPT_FEATURES_LINES)
        pairs->limit = text_pair_hash(pairs->pair[kept - 1]);
}
