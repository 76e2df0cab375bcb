/*
 * Which of very many templates a text may belong to, told by a few features of each: the templates
 * themselves need not be in memory. See template_index.c.
 *
 * The collector's thread; pure but for memory: about 70 bytes a template.
 */
#pragma once

#include <stddef.h>

#include "feature_set.h"

enum { TEMPLATE_INDEX_FOUND = 8 };

struct template_index;
/* NULL: no memory. */
struct template_index *template_index_new(void);
void template_index_free(struct template_index *index); /* takes NULL */

/* One template of a prompt. -1: no memory, and nothing is changed. */
int template_index_add(struct template_index *index, uint64_t prompt, const struct feature_set *set);
size_t template_index_count(const struct template_index *index);
/* The prompts whose templates share most with the text, the best first. Returns how many. */
unsigned template_index_find(struct template_index *index, const struct feature_set *set,
                             uint64_t ret_prompt[TEMPLATE_INDEX_FOUND]);
