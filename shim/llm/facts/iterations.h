/*
 * Anthropic's `usage.iterations`: one request may be several runs of models: a compaction before
 * the answer, attempts of models that declined, advice. The usage above the list states the last
 * ones alone. What is billed is the sum, without attempts that were declined before they wrote
 * anything, and without advice, which is another model's. Source:
 * https://docs.anthropic.com/en/docs/build-with-claude/compaction and reports of users.
 *
 * For dialects, on the scribe's thread; memory is the caller's, all zero at first.
 */
#pragma once

#include "facts.h"

enum { ITERATED = 7 };
extern const enum facts_number iterated[ITERATED];

struct iterations {
    uint64_t one[ITERATED], sum[ITERATED]; /* of the one under way; of those that count */
    bool advice, attempt, any;
};

/* What of the list a value is: the list (its begin forgets what was: stated again is not once
 * more), an element, its type, one of its counts. */
enum iterations_part { ITERATIONS_LIST, ITERATIONS_ONE, ITERATIONS_TYPE, ITERATIONS_COUNT };
void iterations_value(struct iterations *iterations, enum iterations_part part, const struct json_value *value);
/* What the sum of `iterated[i]` has above `stated`; 0: nothing, or no iteration counted. */
uint64_t iterations_above(const struct iterations *iterations, unsigned i, uint64_t stated);

/* clang-format off */
/* Rules for `base` of ITERATIONS_…, in the order of enum iterations_part. */
#define ITERATION_RULES(at, base) \
    RULE(at ".iterations", (base) + ITERATIONS_LIST, 0), \
    RULE(at ".iterations[]", (base) + ITERATIONS_ONE, 0), \
    RULE(at ".iterations[].type", (base) + ITERATIONS_TYPE, 0), \
    RULE(at ".iterations[].*", (base) + ITERATIONS_COUNT, 0), \
    RULE(at ".iterations[].cache_creation.*", (base) + ITERATIONS_COUNT, 0), \
    RULE(at ".iterations[].output_tokens_details.*", (base) + ITERATIONS_COUNT, 0)
/* clang-format on */
