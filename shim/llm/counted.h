/*
 * Whose tokens were counted already? What is computed later (runs of assistants, batches, background responses) or kept
 * (responses, interactions) states its usage to everybody who asks after it, as often as asked; only the first
 * statement is consumption.
 *
 * Scribe's thread only. A fixed table of this process: the oldest id is forgotten for a new one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* True: this id was not met before, and is remembered now. An empty id is always new. */
bool counted_first(const char *id, size_t bytes);
/* Forgets all (tests). */
void counted_forget(void);
