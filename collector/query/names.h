/*
 * Distinct texts as small numbers, so that rows can be grouped by comparing integers. Id 0 is "not
 * seen". Owner: the caller; one thread. Memory grows with the distinct texts, up to NAMES_MAX.
 */
#pragma once

#include <stdint.h>

#include "../../span/span.h"

enum { NAMES_MAX = 1 << 22, NAMES_ABSENT = 0 };

struct names {
    char **text; /* by id; [0] is NULL */
    uint32_t n;
    uint32_t capacity;
    uint32_t *slot; /* open addressing: ids, 0 free */
    uint32_t n_slots;
    bool failed; /* memory ran out: some texts have no id, and what is grouped by ids is wrong */
};

int names_init(struct names *names);
void names_done(struct names *names);
/* The id of the text, made harmless for a terminal (display_safe). NAMES_ABSENT when memory or
 * NAMES_MAX ran out. */
uint32_t names_id(struct names *names, struct span_text text);
