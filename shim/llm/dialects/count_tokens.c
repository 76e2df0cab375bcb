/*
 * Counting the tokens of a request without running it: OpenAI, Anthropic, Google, Bedrock.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

enum rule { COUNTED_INPUT = ANSWER_OWN, COUNTED_OTHER };

/* clang-format off */
static const struct json_rule answer_rules[] = {
    ANSWER_NAMED_ERRORS,
    RULE("model", ANSWER_MODEL, 0),
    RULE("input_tokens", COUNTED_INPUT, 0),
    RULE("inputTokens", COUNTED_INPUT, 0),
    RULE("totalTokens", COUNTED_OTHER, 0),
    RULE("tokensInfo[]", COUNTED_OTHER, 0),
};

/* The same places as in the calls proper, so that the same prompt has the same identity. */
static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("instructions", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("system", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("system[].text", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("text.format", REQUEST_FORMAT, JSON_RAW),
    RULE("output_format", REQUEST_FORMAT, JSON_RAW),
    RULE("output_config.format", REQUEST_FORMAT, JSON_RAW),
    RULE("input", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("input"),
    REQUEST_MESSAGES("messages"),
    RULE("prompt.id", REQUEST_PROMPT_ID, 0),
    RULE("prompt.version", REQUEST_PROMPT_VERSION, 0),
};
/* clang-format on */

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (value->rule == COUNTED_INPUT)
        facts_set_count(facts, FACT_INPUT, value);
    if (value->rule == COUNTED_INPUT || value->rule == COUNTED_OTHER)
        dialect_answer_product(facts);
    else
        dialect_answer_value(facts, value);
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

struct dialect dialect_count_tokens = {
    .name = "count_tokens",
    .apis = "count-tokens",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs = "Recognised by the path's end: `/responses/input_tokens` (OpenAI), `/chat/completions/input_tokens` "
            "(llama.cpp), `/messages/count_tokens` (Anthropic, "
            "and Vertex's "
            "`count-tokens:rawPredict`), `:countTokens` and `:computeTokens` (Google), `/model/M/count-tokens` "
            "(Bedrock).\n\n"
            "| fact | where |\n|---|---|\n"
            "| model | request `model`, else the path |\n"
            "| input | `input_tokens` (OpenAI, Anthropic), `inputTokens` (Bedrock) |\n"
            "| error | `error.type`, Google's `error.status`, AWS' `x-amzn-errortype` |\n\n"
            "Quirks: nothing is consumed by counting; reports that sum tokens leave the operation `count_tokens` out. "
            "Google states a "
            "`totalTokens` and nothing about input by name, so input stays absent there.\n\n"
            "Source: https://platform.openai.com/docs/api-reference/responses/input-tokens, "
            "https://docs.anthropic.com/en/api/messages-count-tokens, "
            "https://ai.google.dev/api/tokens, "
            "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html, recorded traffic.\n",
};
