/* What answers of the smaller APIs have in common: id, model, errors in every known spelling,
 * usage. For dialects only.
 */
#pragma once

#include "dialect_usage.h"
#include "facts.h"
#include "failure.h"

/* Ids of the rules that dialect_answer_value understands; a dialect's own begin at ANSWER_OWN,
 * usage numbers at ANSWER_COUNT. */
enum {
    ANSWER_ID = 1,
    ANSWER_MODEL,
    ANSWER_TIER,
    ANSWER_TOP_TYPE,
    ANSWER_TOP_CODE,
    ANSWER_USAGE,          /* an object of counts: those of tokens prove the shape */
    ANSWER_USAGE_ANYBODYS, /* ...and prove nothing */
    ANSWER_QUEUE_MS,
    ANSWER_PREFILL_MS,
    ANSWER_DECODE_MS,
    ANSWER_OWN = 24,
    ANSWER_COUNT = 64, /* ANSWER_COUNT + enum facts_number */
};

/*
 * What every answer may state, whatever the API: "usage" by any known name, and errors of any
 * shape. dialect.c lays these rules under those of each dialect's answers and events: where a
 * dialect has a rule of its own for a path, that one counts. So no dialect repeats them
 * (unit/dialects).
 */
extern struct json_rules dialect_answer_common;

/* clang-format off */
/* Errors beside the common ones: {"type","code"} flat (Mistral), {"code","error":"text"} (xAI),
 * {"error":"text", "error_type"} (Hugging Face's servers). */
#define ANSWER_FLAT_ERRORS \
    RULE("type", ANSWER_TOP_TYPE, 0), \
    RULE("code", ANSWER_TOP_CODE, 0)
#define ANSWER_NAMED_ERRORS \
    ANSWER_FLAT_ERRORS, \
    RULE("error_type", ANSWER_TOP_TYPE, 0)

#define ANSWER_IDENTITY \
    RULE("id", ANSWER_ID, 0), \
    RULE("model", ANSWER_MODEL, 0), \
    RULE("service_tier", ANSWER_TIER, 0)

#define ANSWER_COUNTED(path, fact) RULE(path, ANSWER_COUNT + (fact), 0)
/* A usage object somewhere else, see dialect_usage.h. */
#define ANSWER_USAGE_RULES(at) \
    RULE(at, ANSWER_USAGE, 0), \
    USAGE_RULES(at)

/* vLLM's per-request metrics. Its time to the first token is that since the end of the queue. */
#define ANSWER_VLLM_METRICS(at) \
    RULE(at ".queue_time_ms", ANSWER_QUEUE_MS, 0), \
    RULE(at ".time_to_first_token_ms", ANSWER_PREFILL_MS, 0), \
    RULE(at ".generation_time_ms", ANSWER_DECODE_MS, 0)
/* clang-format on */

/* Understands all of these, and the common ones: what a dialect's handler has no case for goes
 * here. */
void dialect_answer_value(struct facts *facts, const struct json_value *value);

/* An error's type as model servers spell it at paths that anybody may have:
 * "not_supported_error". */
bool dialect_answer_names_error(const struct json_value *value);
/* Something was produced that is neither text nor a call: vectors, scores, pictures, sound. */
void dialect_answer_content(struct facts *facts);
/* The same, and nobody else answers like this: proves the shape as well. */
void dialect_answer_product(struct facts *facts);
