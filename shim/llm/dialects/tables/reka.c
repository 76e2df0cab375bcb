/*
 * Reka's own chat. (Its /v1/chat/completions is OpenAI's.)
 *
 * A dialect (dialect.h) that is a table alone (dialect_table.h). Each event of a stream has the
 * message so far.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

/* clang-format off */
static const struct json_rule answer_rules[] = {
    ANSWER_IDENTITY,
    ANSWER_NAMED_ERRORS,
    RULE("usage", ANSWER_USAGE, 0),
    RULE("responses[]", TABLE_CHOICE, 0),
    RULE("responses[].finish_reason", TABLE_FINISH, 0),
    RULE("responses[].message.content", TABLE_TEXT, JSON_PIECES),
    RULE("responses[].chunk.content", TABLE_TEXT, JSON_PIECES),
    RULE("responses[].message.tool_calls[]", TABLE_CALL, 0),
    RULE("responses[].message.tool_calls[].id", TABLE_CALL_ID, 0),
    RULE("responses[].message.tool_calls[].name", TABLE_CALL_NAME, 0),
    FAILURE_ERROR("detail"),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    REQUEST_MESSAGES("messages"),
};
/* clang-format on */

struct dialect dialect_reka = {
    .name = "reka",
    .apis = "reka-chat",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), dialect_table_value},
    .event = {JSON_RULES(answer_rules), dialect_table_value},
    .docs =
        "Recognised by the path's end `/v1/chat` at Reka.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `responses[].message.content`; in a stream `responses[].chunk.content`, or the message so far |\n"
        "| usage | `usage.input_tokens`, `output_tokens`; in a stream so far |\n"
        "| model, id, finish | `model`, `id`, `responses[].finish_reason` |\n"
        "| error | `type`, `code`; `detail` names none |\n\n"
        "Quirks: nothing but the finish reason marks the end of a stream.\n\n"
        "Source: https://docs.reka.ai/api-reference/chat/create.\n",
};
