/*
 * Moderations: OpenAI, Mistral and who copies them.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. What was judged and how
 * it was judged is nobody's business here.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

enum rule { RESULT = ANSWER_OWN, VERDICT };

/* clang-format off */
static const struct json_rule answer_rules[] = {
    ANSWER_IDENTITY,
    ANSWER_NAMED_ERRORS,
    RULE("usage", ANSWER_USAGE, 0),
    RULE("results[]", RESULT, 0),
    RULE("results[].flagged", VERDICT, 0),
    RULE("results[].categories", VERDICT, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
};
/* clang-format on */

static void on_answer(void *context, const struct json_value *value)
{
    if (value->rule == RESULT)
        dialect_answer_content(context);
    else if (value->rule == VERDICT)
        dialect_answer_product(context);
    else
        dialect_answer_value(context, value);
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

struct dialect dialect_moderations = {
    .name = "moderations",
    .apis = "moderations",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs = "Recognised by the path's end `/moderations` (OpenAI, Mistral, relays).\n\n"
            "| fact | where |\n|---|---|\n"
            "| model | request `model` (may be absent), answer `model` |\n"
            "| id | `id` |\n"
            "| usage | `usage` (Mistral); OpenAI states none |\n"
            "| error | `error.type`, `error.code`, Mistral's flat `type` |\n\n"
            "Quirks: `results[].flagged` is the answer and no content filter of the call itself; it is not kept.\n\n"
            "Source: https://platform.openai.com/docs/api-reference/moderations, https://docs.mistral.ai/api, recorded "
            "traffic.\n",
};
