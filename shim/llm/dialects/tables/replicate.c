/*
 * Replicate's predictions: made, waited for, and asked after.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Models of every kind
 * are served there; what is asked by a prompt or messages, or counts tokens, is a call.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { FIRST_S = TABLE_OWN };

/* clang-format off */
static const struct json_rule answer_rules[] = {
    RULE("id", ANSWER_ID, 0),
    RULE("model", ANSWER_MODEL, 0),
    RULE("status", TABLE_STATUS, 0),
    RULE("input.prompt", TABLE_SHAPE, 0), /* answers repeat the request's */
    RULE("input.messages[]", TABLE_SHAPE, 0),
    RULE("output", TABLE_TEXT, JSON_PIECES),
    RULE("output[]", TABLE_TEXT, JSON_PIECES),
    RULE("metrics.input_token_count", TABLE_ADDED_INPUT, 0),
    RULE("metrics.output_token_count", TABLE_ADDED_OUTPUT, 0),
    RULE("metrics.predict_time", TABLE_PROCESSING_S, 0),
    RULE("metrics.time_to_first_token", FIRST_S, 0),
};

static const struct json_rule request_rules[] = {
    RULE("version", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("input.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("input.max_new_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("input.max_completion_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("input.system_prompt", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("input.prompt", REQUEST_PROMPTED, JSON_PIECES),
    REQUEST_MESSAGES("input.messages"),
};
/* clang-format on */

static void on_answer(void *context, const struct json_value *value)
{
    if (value->rule == FIRST_S)
        facts_set_time(context, FACT_SERVER_PREFILL_NS, value, 1e9);
    else
        dialect_table_value(context, value);
}

struct dialect dialect_replicate = {
    .name = "replicate",
    .apis = "replicate-prediction",
    .repeats = true,
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs =
        "Recognised at Replicate by POST to `/models/OWNER/NAME/predictions`, `/deployments/OWNER/NAME/predictions` "
        "and "
        "`/predictions`, GET `/predictions/P` and POST `/predictions/P/cancel`, if request or answer has a prompt, "
        "messages or tokens: classifiers and the like make no span.\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | the path, else `version`; answer `model` |\n"
        "| content | `output`: a text, or a list of them |\n"
        "| usage | `metrics.input_token_count`, `output_token_count`; pictures state none |\n"
        "| id, finish | `id`; `status` |\n"
        "| server times | `metrics.predict_time`, `time_to_first_token` (prefill) |\n"
        "| error | `error`, a text, with `status` failed |\n\n"
        "Quirks: without `Prefer: wait` the answer comes to who asks after it, maybe several times: tokens are counted "
        "with the first answer that states them. `stream` makes a URL of events that are plain text; they are not "
        "read.\n\n"
        "Source: https://replicate.com/docs/reference/http#predictions.create, "
        "https://replicate.com/docs/topics/predictions/streaming.\n",
};
