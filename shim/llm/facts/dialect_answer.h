/* What answers of the smaller APIs have in common: id, model, errors in every known spelling, usage. For dialects only.
 */
#pragma once

#include "dialect_usage.h"
#include "facts.h"
#include "failure.h"

/* Ids of the rules that dialect_answer_value understands; a dialect's own begin at ANSWER_OWN, usage numbers at
 * ANSWER_COUNT. */
enum {
    ANSWER_ID = 1,
    ANSWER_MODEL,
    ANSWER_TIER,
    ANSWER_TOP_TYPE,
    ANSWER_TOP_CODE,
    ANSWER_USAGE,
    ANSWER_QUEUE_MS,
    ANSWER_PREFILL_MS,
    ANSWER_DECODE_MS,
    ANSWER_OWN = 24,
    ANSWER_COUNT = 64, /* ANSWER_COUNT + enum facts_number */
};

/* clang-format off */
/* {"error":{...}}, {"error":"text"}, {"type","code"} flat (Mistral), {"code","error":"text"} (xAI). */
#define ANSWER_ERRORS_BUT_NAMED \
    FAILURE_RULES, \
    FAILURE_ERROR("error"), \
    RULE("type", ANSWER_TOP_TYPE, 0), \
    RULE("code", ANSWER_TOP_CODE, 0)

/* And {"error":"text","error_type"} (Hugging Face's servers). */
#define ANSWER_ERRORS \
    ANSWER_ERRORS_BUT_NAMED, \
    RULE("error_type", ANSWER_TOP_TYPE, 0)

#define ANSWER_IDENTITY \
    RULE("id", ANSWER_ID, 0), \
    RULE("model", ANSWER_MODEL, 0), \
    RULE("service_tier", ANSWER_TIER, 0)

#define ANSWER_COUNTED(path, fact) RULE(path, ANSWER_COUNT + (fact), 0)
/* A usage object, see dialect_usage.h. */
#define ANSWER_USAGE_RULES(at) \
    RULE(at, ANSWER_USAGE, 0), \
    USAGE_RULES(at)

/* vLLM's per-request metrics. Its time to the first token is that since the end of the queue. */
#define ANSWER_VLLM_METRICS(at) \
    RULE(at ".queue_time_ms", ANSWER_QUEUE_MS, 0), \
    RULE(at ".time_to_first_token_ms", ANSWER_PREFILL_MS, 0), \
    RULE(at ".generation_time_ms", ANSWER_DECODE_MS, 0)
/* clang-format on */

void dialect_answer_value(struct facts *facts, const struct json_value *value);

/* An error's type as model servers spell it at paths that anybody may have: "not_supported_error". */
bool dialect_answer_names_error(const struct json_value *value);
/* Something was produced that is neither text nor a call: vectors, scores, pictures, sound. */
void dialect_answer_content(struct facts *facts);
/* The same, and nobody else answers like this: proves the shape as well. */
void dialect_answer_product(struct facts *facts);
