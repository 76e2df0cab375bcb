/*
 * Where this process finds a collector, a spool and a place for its journal: as its user is when it
 * first records, which need not be who started it. Scribe thread only.
 */
#pragma once

#include "outbox.h"

/* Fills in the paths of `config`, whose owner is known; they lie in memory of this module, which
 * the next call (in a forked child) writes again. */
void where_find(struct outbox_config *config);
