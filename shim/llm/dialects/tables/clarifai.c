/*
 * Clarifai's own API: models of every kind behind one path.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { STATUS_CODE = TABLE_OWN, TEXT };

/* clang-format off */
static const struct json_rule answer_rules[] = {
    RULE("status.code", STATUS_CODE, 0),
    RULE("outputs[]", TABLE_ITEM, 0),
    RULE("outputs[].id", TABLE_ELSE_ID, 0),
    RULE("outputs[].status.code", STATUS_CODE, 0),
    RULE("outputs[].model.id", ANSWER_MODEL, 0),
    RULE("outputs[].data.text.raw", TEXT, JSON_PIECES),
    RULE("outputs[].data.embeddings[].vector", TABLE_VECTOR, 0),
    RULE("outputs[].prompt_tokens", TABLE_ADDED_INPUT, 0),
    RULE("outputs[].completion_tokens", TABLE_ADDED_OUTPUT, 0),
};

static const struct json_rule request_rules[] = {
    RULE("inputs[].data.text.raw", REQUEST_PROMPTED, JSON_PIECES),
    RULE("model.model_version.output_info.params.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("model.model_version.output_info.params.system_prompt", REQUEST_INSTRUCTIONS, JSON_PIECES),
};
/* clang-format on */

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct json_value as = *value;
    if (value->rule == STATUS_CODE) {
        if (value->has_u64 && (value->u64 == 10000 || value->u64 == 10010)) /* success; some of several failed */
            return;
        as.rule = TABLE_FAILED;
    } else if (value->rule == TEXT) { /* what reads pictures and speech answers with text, too */
        facts->shape_seen = facts->shape_seen || (facts->shape_asked && value->type == JSON_STRING);
        as.rule = TABLE_TEXT;
    }
    dialect_table_value(facts, &as);
}

struct dialect dialect_clarifai = {
    .name = "clarifai",
    .apis = "clarifai-outputs",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs = "Recognised at Clarifai by POST to `.../models/M/outputs` and `.../models/M/versions/V/outputs`, if text "
            "is asked with and text or vectors come back, or tokens are counted.\n\n"
            "| fact | where |\n|---|---|\n"
            "| model | URL; answer `outputs[].model.id` |\n"
            "| content | `outputs[].data.text.raw`, `outputs[].data.embeddings[]` |\n"
            "| usage | the sum of `outputs[].prompt_tokens` and of `completion_tokens` |\n"
            "| id | the first `outputs[].id` |\n"
            "| error | `status.code` and `outputs[].status.code` other than 10000 (and 10010: some of several failed) "
            "|\n\n"
            "Quirks: an output of each input. `/v2/ext/openai/v1` is OpenAI's.\n\n"
            "Source: https://docs.clarifai.com/resources/api-overview/api-outputs.\n",
};
