/*
 * Cloudflare Workers AI by its own path, /ai/run/MODEL, and below the AI gateway's /workers-ai/.
 *
 * A dialect (dialect.h) that is a table alone (dialect_table.h). REST puts the model's answer below
 * "result"; a stream has it bare. What is in it depends on the model: text, chat completions,
 * Responses, vectors, scores, pictures, sound.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

/* clang-format off */
#define PARTS(at) \
    RULE(at ".content", TABLE_TEXT, JSON_PIECES), \
    RULE(at ".reasoning_content", TABLE_REASONING, JSON_PIECES), \
    RULE(at ".reasoning", TABLE_REASONING, JSON_PIECES), \
    RULE(at ".tool_calls[]", TABLE_CALL, 0), \
    RULE(at ".tool_calls[].index", TABLE_CALL_INDEX, 0), \
    RULE(at ".tool_calls[].id", TABLE_CALL_ID, 0), \
    RULE(at ".tool_calls[].function.name", TABLE_CALL_NAME, 0), \
    RULE(at ".tool_calls[].function.arguments", TABLE_CALL_ARGUMENTS, JSON_PIECES)

static const struct json_rule answer_rules[] = {
    RULE("response", TABLE_TEXT, JSON_PIECES),
    RULE("response[].score", TABLE_SCORE, 0),
    RULE("tool_calls[]", TABLE_CALL_WHOLE, 0),
    RULE("usage", ANSWER_USAGE, 0),
    RULE("id", ANSWER_ID, 0),
    RULE("request_id", TABLE_ELSE_ID, 0), /* of a request that waits in the queue */
    RULE("status", TABLE_STATUS, 0),
    RULE("model", ANSWER_MODEL, 0),
    RULE("choices[]", TABLE_CHOICE, 0),
    RULE("choices[].index", TABLE_INDEX, 0),
    RULE("choices[].finish_reason", TABLE_FINISH, 0),
    RULE("choices[].text", TABLE_TEXT, JSON_PIECES),
    PARTS("choices[].message"),
    PARTS("choices[].delta"),
    RULE("output[].content[].text", TABLE_TEXT, JSON_PIECES),
    RULE("shape[]", TABLE_VECTOR, 0),
    RULE("text", TABLE_TEXT, JSON_PIECES),
    RULE("translated_text", TABLE_TEXT, JSON_PIECES),
    RULE("summary", TABLE_TEXT, JSON_PIECES),
    RULE("description", TABLE_TEXT, JSON_PIECES),
    RULE("image", TABLE_MEDIA, 0),
    RULE("audio", TABLE_MEDIA, 0),
    RULE("success", TABLE_SUCCESS, 0),
    FAILURE_ERROR("errors[]"),
};

static const struct json_rule request_rules[] = {
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("max_completion_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("max_output_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("functions", REQUEST_TOOLS, JSON_RAW),
    RULE("response_format", REQUEST_FORMAT, JSON_RAW),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    RULE("instructions", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("input", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("messages"),
    REQUEST_METADATA,
};
/* clang-format on */

struct dialect dialect_workers_ai = {
    .name = "workers_ai",
    .apis = "workers-ai-run",
    .envelopes = "result",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), dialect_table_value},
    .event = {JSON_RULES(answer_rules), dialect_table_value},
    .docs =
        "Recognised by `/ai/run/MODEL`, and `/workers-ai/MODEL` at Cloudflare's AI gateway; the path names the "
        "model.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `result.response` (a text, or an object where JSON was asked for), `result.tool_calls[]`; in a "
        "stream `response` of each event; models that answer as OpenAI does: `choices[]`, `output[]` |\n"
        "| usage | `usage` beside it, in a stream of the last event; vectors, pictures and sound state none |\n"
        "| embeddings, rerank | an answer with `shape` or `response[].score` |\n"
        "| id, finish | `id`; of a request that was queued `request_id`, `status` |\n"
        "| error | `errors[].code` with `success` false, also within a 200 |\n\n"
        "Quirks: events are padded with `p`. A stream ends with `[DONE]`.\n\n"
        "Source: https://developers.cloudflare.com/workers-ai/get-started/rest-api/, "
        "https://developers.cloudflare.com/workers-ai/models/, "
        "https://developers.cloudflare.com/workers-ai/features/batch-api/.\n",
};
