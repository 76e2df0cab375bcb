/*
 * A class of texts as miner_versions.c and miner_tasks.c look at it: which features come and go
 * together. The collector's thread.
 */
#pragma once

#include "miner_pool.h"

enum {
    VERSIONS_MAX = 13,
    VERSIONS_NONE = UINT8_MAX,
    VERSIONS_OPEN_TEXTS = 64, /* so many are settled whatever might yet come */
};

enum {
    LOOKED_AT = 256, /* members that are compared; the others join the class that they are like */
    BITS = 64,
    GROUPS_SEEN = 512,
    OWN_WEIGHT = 2, /* that a version has and the others lack */
    EDIT_RUNS = 8,
};

/* Texts that have what comes and goes together. */
struct group {
    uint64_t has[LOOKED_AT / BITS];
    unsigned texts, weight;
    bool often; /* GROUP_PERCENT */
    struct feature_set features;
};

struct look {
    struct pool *pool;
    const unsigned *member;
    unsigned count;  /* of them looked at */
    unsigned weight; /* of these */
    const struct feature_set *common;
    struct group *group;
    unsigned groups;
    uint8_t class_of[LOOKED_AT];
    unsigned classes;
    struct feature_set own[VERSIONS_MAX];
};

static inline const struct feature_set *set_of(const struct look *look, unsigned i)
{
    return &pool_text(look->pool, look->member[i])->set;
}

static inline const struct miner_text *text_of(const struct look *look, unsigned i)
{
    return pool_text(look->pool, look->member[i])->text;
}

static inline bool has(const struct group *group, unsigned i)
{
    return group->has[i / BITS] >> i % BITS & 1;
}

static inline unsigned lines_of(const struct feature_set *set)
{
    return (set->weight - feature_set_runs(set)) / FEATURE_LINE_WEIGHT;
}

/* Each class has something of its own, of this weight at least. One that was called too seldom to
 * tell is left out, where three remain. Fills own[]. */
bool look_are_versions(struct look *look, unsigned own_min);
/* Of all classes together. */
uint32_t look_own_weight(const struct look *look);
/* Several prompts that share a long beginning: puts them into class_of[]. */
bool look_find_tasks(struct look *look);
