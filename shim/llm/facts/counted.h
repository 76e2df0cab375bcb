/*
 * Whose tokens were counted already? What is computed later (runs of assistants, batches,
 * background responses) or kept (responses, interactions) states its usage to everybody who asks
 * after it, as often as asked; only the first statement is consumption, and of later ones what they
 * have above it: an answer that grows is asked after in pieces.
 *
 * Scribe's thread only. A fixed table of this process: the oldest id is forgotten for a new one.
 */
#pragma once

#include "facts.h"

#include <stdbool.h>
#include <stddef.h>

/* True: this id was not met before, and is remembered now. An empty id is always new. */
bool counted_first(const char *id, size_t bytes);
/*
 * Tokens that were counted with an earlier answer are not stated again: a call's own answer always
 * counts and is remembered by its id, what asks after it counts only what nothing counted before
 * (the creation of a background response states nothing). Answers without an id of their own go by
 * the path of their URL, or by its last segment, where that is the id (`tail_id`).
 */
void counted_once(struct facts *facts, const char *path, size_t path_bytes, bool tail_id, bool asked_after);
/* Forgets all (tests). */
void counted_forget(void);
