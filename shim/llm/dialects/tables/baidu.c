/*
 * Baidu's ERNIE by its older API (wenxinworkshop). The newer one, /v2/chat/completions, is
 * OpenAI's.
 *
 * A dialect (dialect.h) that is a table alone (dialect_table.h).
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

/* clang-format off */
static const struct json_rule answer_rules[] = {
    RULE("id", ANSWER_ID, 0),
    RULE("result", TABLE_TEXT, JSON_PIECES),
    RULE("is_end", TABLE_DONE, 0),
    RULE("need_clear_history", TABLE_SHAPE, 0),
    RULE("finish_reason", TABLE_FINISH, 0),
    RULE("function_call", TABLE_CALL, 0),
    RULE("function_call.name", TABLE_CALL_NAME, 0),
    RULE("function_call.arguments", TABLE_CALL_ARGUMENTS, JSON_PIECES),
    RULE("usage", ANSWER_USAGE, 0),
    RULE("error_code", TABLE_FAILED, 0),
};

static const struct json_rule request_rules[] = {
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_output_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("functions", REQUEST_TOOLS, JSON_RAW),
    RULE("response_format", REQUEST_FORMAT, JSON_RAW),
    RULE("system", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("messages"),
    REQUEST_END_USERS(""),
};
/* clang-format on */

struct dialect dialect_baidu = {
    .name = "baidu",
    .apis = "baidu-chat",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), dialect_table_value},
    .event = {JSON_RULES(answer_rules), dialect_table_value},
    .docs = "Recognised by `/wenxinworkshop/chat/MODEL` and `/wenxinworkshop/completions/MODEL` "
            "(`/wenxinworkshop/embeddings/MODEL`: see embeddings); the path names the model.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `result`, `function_call` |\n"
            "| usage | `usage`; in a stream so far, in each event |\n"
            "| id, finish | `id`; `finish_reason` (newer models) |\n"
            "| error | `error_code`, with status 200 |\n\n"
            "Quirks: a stream ends with `is_end` true, without `[DONE]`.\n\n"
            "Source: https://cloud.baidu.com/doc/WENXINWORKSHOP/s/clntwmv7t.\n",
};
