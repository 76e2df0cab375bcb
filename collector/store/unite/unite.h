/*
 * Uniting stores: all that one store has, into another one. Every call once, however often it is
 * done and wherever it was killed: rows are known by (process, number), processes by their
 * identities, losses by the store that counted them. What was learned and said of prompts becomes
 * one, too.
 *
 * Called by `pprofctl merge`; one thread, two handles. The store that is read is not changed, and
 * is read as it was at one moment; the other one is written in transactions of one block each, and
 * says of itself until the end that something is missing. Memory: an hour's rows of the store that
 * is written, 24 bytes each at most.
 */
#pragma once

#include "../store.h"

struct unite_told {
    uint64_t blocks, blocks_done; /* of the store that is read */
    uint64_t spans;               /* that came */
    uint64_t repeats;             /* spans that were there already */
    uint64_t damaged;             /* blocks that cannot be read, and were left out */
    uint64_t processes;
    uint64_t rules,
        rules_older;  /* what people said, and what of it did not count, as the other store had a later word */
    uint64_t unified; /* prompts that turned out to be ones of the other store */
    uint64_t prompts_here, prompts_there, prompts_both; /* templates of each, and those with the same id */
};

/* `told` is filled as it goes on; `progress` may be NULL, and is called after each block. 0 or
 * store_status; what was done by then is kept, and done again in vain the next time. */
int store_unite(struct store *into, struct store *from, struct unite_told *told,
                void (*progress)(void *context, const struct unite_told *told), void *context);
