/*
 * LM Studio's own chat, /api/v1/chat.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The type of a part
 * stands before its text.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { PART_TYPE = TABLE_OWN, PART_TEXT, EVENT_TYPE, LOAD_S, FIRST_S };

struct state {
    uint64_t table[TABLE_SCRATCH];
    bool reasoning; /* the part, or event, under way */
    bool text;
};

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define STATS \
    RULE("model_instance_id", ANSWER_MODEL, 0), \
    RULE("response_id", ANSWER_ID, 0), \
    RULE("stats.tokens_per_second", TABLE_SHAPE, 0), \
    ANSWER_COUNTED("stats.input_tokens", FACT_INPUT), \
    ANSWER_COUNTED("stats.total_output_tokens", FACT_OUTPUT), \
    ANSWER_COUNTED("stats.reasoning_output_tokens", FACT_REASONING), \
    RULE("stats.time_to_first_token_seconds", FIRST_S, 0), \
    RULE("stats.model_load_time_seconds", LOAD_S, 0)

static const struct json_rule plain_rules[] = {
    STATS,
    RULE("output[].type", PART_TYPE, 0),
    RULE("output[].content", PART_TEXT, JSON_PIECES),
};

/* The last event repeats the whole answer below "result", whose text is no news. */
static const struct json_rule event_rules[] = {
    STATS,
    RULE("type", EVENT_TYPE, 0),
    RULE("content", PART_TEXT, JSON_PIECES),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_output_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("integrations", REQUEST_TOOLS, JSON_RAW),
    RULE("system_prompt", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("input", REQUEST_USER, JSON_PIECES),
    RULE("input[].content", REQUEST_USER, JSON_PIECES),
};
/* clang-format on */

static void event_type(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    state->text = json_text_is(value, "message.delta");
    state->reasoning = json_text_is(value, "reasoning.delta");
    facts->shape_seen = facts->shape_seen || state->text || state->reasoning || json_text_is(value, "chat.start");
    if (json_text_is(value, "tool_call.start"))
        facts_server_call(facts);
    facts->done = facts->done || json_text_is(value, "chat.end");
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    switch (value->rule) {
    case PART_TYPE:
        state->text = json_text_is(value, "message");
        state->reasoning = json_text_is(value, "reasoning");
        if (json_text_is(value, "tool_call"))
            facts_server_call(facts);
        break;
    case PART_TEXT:
        if (value->type == JSON_STRING && (state->text || state->reasoning))
            facts_content(facts, state->text ? CONTENT_TEXT : CONTENT_REASONING, 0, value->text, value->bytes);
        break;
    case EVENT_TYPE:
        event_type(facts, value);
        break;
    case LOAD_S:
        facts_set_time(facts, FACT_SERVER_LOAD_NS, value, 1e9);
        break;
    case FIRST_S:
        facts_set_time(facts, FACT_SERVER_PREFILL_NS, value, 1e9);
        break;
    default:
        dialect_table_value(facts, value);
        break;
    }
}

struct dialect dialect_lmstudio = {
    .name = "lmstudio",
    .apis = "lmstudio-chat",
    .envelopes = "result",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .docs =
        "Recognised by the path's end `/api/v1/chat`, if the answer has the shape. (`/v1/…` and `/api/v0/…` are read "
        "as "
        "OpenAI's.)\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `output[].content` of type `message` or `reasoning`; in a stream of the events `message.delta`, "
        "`reasoning.delta` |\n"
        "| usage | `stats.input_tokens`, `total_output_tokens` (reasoning included), `reasoning_output_tokens`; in a "
        "stream of `chat.end` |\n"
        "| model, id | `model_instance_id`; `response_id` |\n"
        "| server times | `stats.time_to_first_token_seconds` (prefill), `model_load_time_seconds` |\n"
        "| tool calls | those of its plugins and MCP servers, which it runs itself |\n"
        "| error | `error.type`, `error.code`; event `error` |\n\n"
        "Quirks: there is no finish reason. `chat.end` repeats the whole answer, which is no new content.\n\n"
        "Source: https://lmstudio.ai/docs/developer/rest/chat, "
        "https://lmstudio.ai/docs/developer/rest/streaming-events.\n",
};
