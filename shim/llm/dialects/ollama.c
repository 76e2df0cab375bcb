/*
 * Ollama's native API: /api/chat and /api/generate.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

enum rule {
    MODEL = ANSWER_OWN,
    TEXT,
    REASONING,
    MEDIA,
    CALL,
    DONE,
    DONE_REASON,
    TOTAL_NS,
    LOAD_NS,
    PREFILL_NS,
    DECODE_NS,
};

enum { SAW_MODEL = 1, SAW_DONE = 2 };

/* clang-format off */
/* Plain answers and lines of a stream look alike. */
static const struct json_rule answer_rules[] = {
    RULE("model", MODEL, 0),
    RULE("message.content", TEXT, JSON_PIECES),
    RULE("message.thinking", REASONING, JSON_PIECES),
    RULE("message.images[]", MEDIA, JSON_PIECES),
    RULE("message.tool_calls[]", CALL, 0),
    RULE("response", TEXT, JSON_PIECES),
    RULE("thinking", REASONING, JSON_PIECES),
    RULE("image", MEDIA, JSON_PIECES),
    RULE("done", DONE, 0),
    RULE("done_reason", DONE_REASON, 0),
    RULE("total_duration", TOTAL_NS, 0),
    RULE("load_duration", LOAD_NS, 0),
    RULE("prompt_eval_duration", PREFILL_NS, 0),
    RULE("eval_duration", DECODE_NS, 0),
    ANSWER_COUNTED("prompt_eval_count", FACT_INPUT),
    ANSWER_COUNTED("eval_count", FACT_OUTPUT),
    ANSWER_COUNTED("prompt_eval_cached_count", FACT_CACHE_READ),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("options.num_predict", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("format", REQUEST_FORMAT, JSON_RAW),
    RULE("system", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("template", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("messages"),
};
/* clang-format on */

static void content(struct facts *facts, const struct json_value *value, enum facts_content kind)
{
    if (value->type == JSON_STRING)
        facts_content(facts, kind, 0, value->text, value->bytes);
}

/* Every answer names the model and says whether it is done; either alone may be anybody's. */
static void see_shape(struct facts *facts, uint64_t what)
{
    facts->scratch[0] |= what;
    facts->shape_seen = facts->shape_seen || facts->scratch[0] == (SAW_MODEL | SAW_DONE);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case MODEL:
        facts_set_value(facts, FACT_RESPONSE_MODEL, value);
        see_shape(facts, SAW_MODEL);
        break;
    case TEXT:
        content(facts, value, CONTENT_TEXT);
        break;
    case REASONING:
        content(facts, value, CONTENT_REASONING);
        break;
    case MEDIA:
        content(facts, value, CONTENT_MEDIA);
        break;
    case CALL:
        if (value->type == JSON_OBJECT_BEGIN)
            facts_call_whole(facts);
        break;
    case DONE:
        facts->done = facts->done || value->type == JSON_TRUE;
        if (value->type == JSON_TRUE || value->type == JSON_FALSE)
            see_shape(facts, SAW_DONE);
        facts_choice_seen(facts, 0);
        break;
    case DONE_REASON:
        facts_finish(facts, 0, value);
        if (json_text_is(value, "load") || json_text_is(value, "unload")) /* a model was, nothing was asked */
            facts->kinds |= CONTENT_ELSEWHERE;
        break;
    case TOTAL_NS:
        facts_set_time(facts, FACT_SERVER_PROCESSING_NS, value, 1);
        break;
    case LOAD_NS:
        facts_set_time(facts, FACT_SERVER_LOAD_NS, value, 1);
        break;
    case PREFILL_NS:
        facts_set_time(facts, FACT_SERVER_PREFILL_NS, value, 1);
        break;
    case DECODE_NS:
        facts_set_time(facts, FACT_SERVER_DECODE_NS, value, 1);
        break;
    default:
        dialect_answer_value(facts, value);
        break;
    }
}

static void on_request(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    /* A schema is an object; "json" is found by the common part. */
    if (value->rule == REQUEST_FORMAT && value->type == JSON_RAW_BYTES && value->first && value->bytes &&
        value->text[0] == '{')
        facts->json_asked = true;
    dialect_request_value(facts, value);
}

/* A stream unless the request says otherwise. */
static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)api;
    (void)provider;
    facts->stream_stated = facts->stream_asked = true;
}

struct dialect dialect_ollama = {
    .name = "ollama",
    .apis = "ollama-chat ollama-generate",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .lines = true,
    .open = on_open,
    .docs =
        "Recognised by the path's end `/api/chat` or `/api/generate`.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `message.content`, `message.thinking`, `message.tool_calls[]` (whole calls); `response`, "
        "`thinking` |\n"
        "| usage | `prompt_eval_count`, `eval_count` on the line with `done:true`; of the prompt from the cache "
        "`prompt_eval_cached_count` |\n"
        "| server times | `total_duration`, `load_duration`, `prompt_eval_duration`, `eval_duration`, nanoseconds |\n"
        "| finish | `done_reason` |\n"
        "| error | `error`, a text |\n\n"
        "Quirks: streams (JSON lines) unless the request has `stream:false`. Older servers leave `prompt_eval_count` "
        "out when the prompt was "
        "cached: input is then unknown, not 0.\n\n"
        "Source: https://github.com/ollama/ollama/blob/main/docs/api.md, recorded traffic.\n",
};
