/*
 * Texts in search of their template: looked up by their anchors, one cluster taken out after the
 * other, the one that explains most first. See miner.c. The collector's thread; pure but for
 * memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feature_set.h"

struct pool_text {
    const struct miner_text *text;
    struct feature_set set;
    bool taken;
};

struct pool;
/* Of `count` texts, which must stay; NULL: no memory. */
struct pool *pool_new(const struct miner_text *const *texts, size_t count);
void pool_free(struct pool *pool);
struct pool_text *pool_text(struct pool *pool, unsigned number);
unsigned pool_texts(const struct pool *pool);

/*
 * The next cluster: numbers of its texts in the order of their ids, which are taken then, and what
 * they have in common. Valid until the next call. 0: there is none left, or finding it
 * would take too long.
 */
size_t pool_next(struct pool *pool, const unsigned **ret_member, struct feature_set *ret_common);
