/*
 * Is a cluster of texts one template, or several versions of one? See miner_versions.c. The
 * collector's thread; pure but for memory.
 */
#pragma once

#include "miner_look.h"

/*
 * Puts the class of each member, 0 to n - 1 or VERSIONS_NONE, into ret_class and returns n: 1 where
 * the cluster is one template. -1: no memory. ret_open: a class of which a change may have just
 * begun.
 */
int versions_of(struct pool *pool, const unsigned *member, size_t members, const struct feature_set *common,
                uint8_t *ret_class, bool ret_open[VERSIONS_MAX]);
