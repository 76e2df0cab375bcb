/*
 * Learning beside other work: lessons (store.h) one after the other, each mined by a thread of its
 * own while the store's thread goes on. See store_learner.c.
 *
 * The store's thread. The other one has the lesson alone, never the store.
 */
#pragma once

#include "../store.h"

struct store_learner;
/* NULL: no memory or descriptor. */
struct store_learner *store_learner_new(void);
/* Waits for a lesson that is mined and writes it; 0 or store_status. Takes NULL. */
int store_learner_free(struct store_learner *learner, struct store *store);

/* Readable while a lesson waits to be written. */
int store_learner_fd(const struct store_learner *learner);
/* Whether one is mined or waits to be written: what else learns (a merge) would be in its way. */
bool store_learner_is_busy(const struct store_learner *learner);
/* One step, of some milliseconds: writes the lesson that was mined, or, when none is at hand,
 * begins the next. *ret_more: another step is due, now or when the descriptor says so. 0 or
 * store_status. */
int store_learner_step(struct store_learner *learner, struct store *store, bool *ret_more);
