/*
 * Dify's applications: chats, completions and agents that others build there, hosted or
 * self-hosted.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The event's name stands
 * before what it holds.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { EVENT = TABLE_OWN, ANSWER, MESSAGE_ID };

enum { SAW_EVENT = 1, SAW_ID = 2, SAW_ANSWER = 4, SAW_ALL = 7 };

struct state {
    uint64_t table[TABLE_SCRATCH];
    unsigned saw;
    bool text; /* the event under way adds to the answer */
};

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
/* Plain answers and events look alike; a plain one is an event "message" as well. */
static const struct json_rule answer_rules[] = {
    RULE("event", EVENT, 0),
    RULE("message_id", MESSAGE_ID, 0),
    RULE("answer", ANSWER, JSON_PIECES),
    RULE("metadata.usage", ANSWER_USAGE, 0),
    ANSWER_COUNTED("metadata.usage.prompt_tokens", FACT_INPUT),
    ANSWER_COUNTED("metadata.usage.completion_tokens", FACT_OUTPUT),
    ANSWER_COUNTED("metadata.usage.total_tokens", FACT_TOTAL),
    RULE("metadata.usage.latency", TABLE_PROCESSING_S, 0),
    RULE("code", ANSWER_TOP_CODE, 0),
};

static const struct json_rule request_rules[] = {
    RULE("query", REQUEST_USER, JSON_PIECES),
    RULE("inputs.query", REQUEST_USER, JSON_PIECES),
    REQUEST_END_USERS(""),
};
/* clang-format on */

/* Other chats have answers, events or ids of messages; together nobody has them. */
static void saw(struct facts *facts, unsigned what)
{
    struct state *const state = state_of(facts);
    state->saw |= what;
    facts->shape_seen = facts->shape_seen || state->saw == SAW_ALL;
}

static void event(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    state->text = json_text_is(value, "message") || json_text_is(value, "agent_message");
    if (state->text)
        saw(facts, SAW_EVENT);
    if (json_text_is(value, "message_end"))
        facts->done = true;
    if (json_text_is(value, "error"))
        facts_error_seen(facts);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case EVENT:
        event(facts, value);
        break;
    case ANSWER: /* of message_replace it is no news */
        saw(facts, SAW_ANSWER);
        if (value->type == JSON_STRING && (state_of(facts)->text || !facts->stream))
            facts_content(facts, CONTENT_TEXT, 0, value->text, value->bytes);
        break;
    case MESSAGE_ID:
        saw(facts, SAW_ID);
        facts_set_value(facts, FACT_RESPONSE_ID, value);
        break;
    default:
        dialect_table_value(facts, value);
        break;
    }
}

struct dialect dialect_dify = {
    .name = "dify",
    .apis = "dify-message",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs = "Recognised by the path's end `/chat-messages` and `/completion-messages`, elsewhere than at Dify if the "
            "answer has the shape.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `answer`; in a stream of the events `message` and `agent_message` |\n"
            "| usage | `metadata.usage`; in a stream of `message_end` |\n"
            "| id | `message_id` |\n"
            "| server times | `metadata.usage.latency` |\n"
            "| error | `code`; event `error` |\n\n"
            "Quirks: the application decides about the model, which nothing names. `total_price` has a currency of its "
            "own and is "
            "not read. `response_mode: streaming` asks for a "
            "stream.\n\n"
            "Source: https://docs.dify.ai/api-reference/chat/send-chat-message.\n",
};
