/*
 * What services call the numbers of a usage object: one list for all dialects, so that a spelling
 * that is known from one service is understood wherever a relay or a newer server writes it. For
 * dialects only.
 *
 * Pure but for the facts; scribe's thread.
 */
#pragma once

#include "facts.h"

/* Ids of the rules below; a dialect hands each value of them to dialect_usage_value. */
enum {
    USAGE_NAMED = 192, /* a key of the usage object */
    USAGE_INPUT_PART,  /* a key of one of its objects of details */
    USAGE_OUTPUT_PART,
    USAGE_COST, /* a number, or an object of parts */
    USAGE_COST_PART,
    USAGE_RULES_END,
};

/* clang-format off */
#define USAGE_INPUT_PARTS(at) \
    RULE(at ".*", USAGE_INPUT_PART, 0), \
    RULE(at ".cache_creation.*", USAGE_INPUT_PART, 0)

/* The keys of the usage object at `at`, in every known place. The object itself is the dialect's
 * own rule. */
#define USAGE_RULES(at) \
    RULE(at ".*", USAGE_NAMED, 0), \
    USAGE_INPUT_PARTS(at ".prompt_tokens_details"), \
    USAGE_INPUT_PARTS(at ".prompt_token_details"), \
    USAGE_INPUT_PARTS(at ".input_tokens_details"), \
    USAGE_INPUT_PARTS(at ".input_token_details"), \
    RULE(at ".cache_creation.*", USAGE_INPUT_PART, 0), \
    RULE(at ".cache_creation_token_details.*", USAGE_INPUT_PART, 0), \
    RULE(at ".prompt_tokens_details.cache_creation_token_details.*", USAGE_INPUT_PART, 0), \
    RULE(at ".completion_tokens_details.*", USAGE_OUTPUT_PART, 0), \
    RULE(at ".completion_token_details.*", USAGE_OUTPUT_PART, 0), \
    RULE(at ".output_tokens_details.*", USAGE_OUTPUT_PART, 0), \
    RULE(at ".output_token_details.*", USAGE_OUTPUT_PART, 0), \
    RULE(at ".cost", USAGE_COST, 0), \
    RULE(at ".cost.*", USAGE_COST_PART, 0)
/* clang-format on */

static inline bool dialect_usage_is(const struct json_value *value)
{
    return value->rule >= USAGE_NAMED && value->rule < USAGE_RULES_END;
}

/* True: it was a count. */
bool dialect_usage_value(struct facts *facts, const struct json_value *value);

/* Which count a key of a usage object names, or FACT_NUMBER_COUNT. */
enum facts_number dialect_usage_fact(const char *key, size_t bytes);
