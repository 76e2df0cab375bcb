/*
 * Texts that wait for others of their kind, and which of them are looked at next: always those
 * together that have something in common, so that what fits nothing is in nobody's way. See
 * waiting.c.
 *
 * The collector's thread; pure but for memory: 64 bytes a text.
 */
#pragma once

#include <stddef.h>

#include "feature_set.h"

enum { WAITING_MAX = 65536 };

struct waiting;
/* NULL: no memory. */
struct waiting *waiting_new(void);
void waiting_free(struct waiting *waiting); /* takes NULL */
size_t waiting_count(const struct waiting *waiting);

/* One more, with a higher number than all before; it is due. `bound`: what it belongs to for now
 * (0: nothing); texts of one such are looked at together. -1: no memory. */
int waiting_add(struct waiting *waiting, int64_t number, const struct prompt_features *features, uint32_t bound);
/* It was looked at: not due again until something changes. */
void waiting_looked(struct waiting *waiting, int64_t number, uint32_t bound);
/* Something about it changed. */
void waiting_again(struct waiting *waiting, int64_t number);
/* The same for all that have one of these features. -1: no memory. */
int waiting_stir(struct waiting *waiting, const uint32_t *feature, size_t count);
void waiting_drop(struct waiting *waiting, int64_t number);
/* The lowest numbers, at most `most`: who waits longest. */
size_t waiting_oldest(const struct waiting *waiting, size_t most, int64_t *ret_number);

/* Numbers of about `most` texts (at most half as many more) some of which are due; ascending, the
 * caller's. 0: none is due. -1: no memory. */
int waiting_window(struct waiting *waiting, size_t most, int64_t **ret_number, size_t *ret_count);
