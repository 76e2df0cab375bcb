/*
 * What miner.c and miner_make.c share: the miner's texts and templates, and how these are looked
 * up. The collector's thread.
 */
#pragma once

#include "feature_set.h"
#include "miner.h"
#include "miner_pool.h"

enum { MINER_LOOKED_AT = 16 /* templates that are compared with a text */ };

/* Of the index: a template by one of its anchors. */
struct entry {
    uint32_t anchor;
    uint32_t template;
    uint32_t next; /* with the same hash, 0: none; else an entry's number plus 1 */
};

struct miner {
    struct miner_template *template;
    struct feature_set *set; /* of each */
    size_t templates, templates_room;
    struct miner_text *text;
    size_t texts, texts_room;
    struct entry *entry;
    size_t entries, entries_room;
    uint32_t *first; /* by an anchor's hash: an entry's number plus 1 */
    size_t firsts;   /* a power of two */
    uint8_t *votes;  /* of each template, 0 between two looks */
    size_t votes_room;
};

/* Templates that share anchors with a set, those first that share most. Returns how many. */
unsigned miner_candidates(const struct miner *miner, const uint32_t *anchor, unsigned anchors,
                          uint32_t ret_template[MINER_LOOKED_AT]);
/* The text belongs to this template; not sure: it may yet turn out to be a new version. */
void miner_joined(struct miner *miner, struct miner_text *text, int32_t number, bool is_sure);
/* Of all clusters of the pool. -1: no memory. */
int miner_make_templates(struct miner *miner, struct pool *pool);
