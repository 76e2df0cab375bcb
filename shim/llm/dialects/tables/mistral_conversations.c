/*
 * Mistral's conversations (agents with the service's own tools).
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The type of an entry
 * stands before what it holds; entries of all types have names and ids.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

#include <string.h>

enum rule { OBJECT = TABLE_OWN, ENTRY_TYPE, EVENT_TYPE };

/* clang-format off */
static const struct json_rule plain_rules[] = {
    RULE("object", OBJECT, 0),
    RULE("outputs[].type", ENTRY_TYPE, 0),
    RULE("outputs[].model", ANSWER_MODEL, 0),
    RULE("outputs[].content", TABLE_TEXT, JSON_PIECES),
    RULE("outputs[].content[].text", TABLE_TEXT, JSON_PIECES),
    RULE("outputs[].content[].thinking[].text", TABLE_REASONING, JSON_PIECES),
    RULE("usage", ANSWER_USAGE, 0),
    RULE("type", ANSWER_TOP_TYPE, 0),
    RULE("code", ANSWER_TOP_CODE, 0),
};

static const struct json_rule event_rules[] = {
    RULE("type", EVENT_TYPE, 0),
    RULE("model", ANSWER_MODEL, 0),
    RULE("content", TABLE_TEXT, JSON_PIECES),
    RULE("content.text", TABLE_TEXT, JSON_PIECES),
    RULE("content.thinking[].text", TABLE_REASONING, JSON_PIECES),
    RULE("tool_call_id", TABLE_CALL_ID, 0),
    RULE("name", TABLE_CALL_NAME, 0),
    RULE("arguments", TABLE_CALL_ARGUMENTS, JSON_PIECES),
    RULE("usage", ANSWER_USAGE, 0),
    RULE("code", ANSWER_TOP_CODE, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("completion_args.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("completion_args.response_format", REQUEST_FORMAT, JSON_RAW),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("instructions", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("inputs", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("inputs"),
};
/* clang-format on */

static void event_type(struct facts *facts, const struct json_value *value)
{
    static const char response[] = "conversation.response.";
    if (value->type == JSON_STRING && value->bytes > sizeof(response) - 1 &&
        !memcmp(value->text, response, sizeof(response) - 1))
        facts->shape_seen = true;
    if (json_text_is(value, "function.call.delta"))
        facts_call_begin(facts, 0);
    else if (json_text_is(value, "tool.execution.started"))
        facts_server_call(facts);
    else if (json_text_is(value, "conversation.response.done"))
        facts->done = true;
    else if (json_text_is(value, "conversation.response.error"))
        facts_error_seen(facts);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case OBJECT:
        facts->shape_seen = facts->shape_seen || json_text_is(value, "conversation.response");
        if (json_text_is(value, "error"))
            facts_error_seen(facts);
        break;
    case ENTRY_TYPE:
        if (json_text_is(value, "function.call"))
            facts_call_whole(facts);
        else if (json_text_is(value, "tool.execution"))
            facts_server_call(facts);
        break;
    case EVENT_TYPE:
        event_type(facts, value);
        break;
    case TABLE_CALL_ID:
    case TABLE_CALL_NAME:
    case TABLE_CALL_ARGUMENTS:
        if (facts->fragment.open) /* the service's own tools have names and arguments as well */
            dialect_table_value(facts, value);
        break;
    default:
        dialect_table_value(facts, value);
        break;
    }
}

static void on_event_end(struct facts *facts)
{
    facts_call_end(facts);
}

struct dialect dialect_mistral_conversations = {
    .name = "mistral_conversations",
    .apis = "conversations",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .event_end = on_event_end,
    .docs = "Recognised by POST to `/conversations`, `/conversations/C` and `/conversations/C/restart` at Mistral, "
            "elsewhere "
            "if the answer has the shape (OpenAI's `/conversations` makes none).\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `outputs[].content` (text or parts); in a stream `content` of `message.output.delta` |\n"
            "| usage | `usage`; in a stream of `conversation.response.done` |\n"
            "| model | `outputs[].model`, the event's `model` |\n"
            "| tool calls | entries `function.call`, events `function.call.delta`; `tool.execution` is run by the "
            "service |\n"
            "| error | flat `type`, `code`; event `conversation.response.error` |\n\n"
            "Quirks: an answer has no id of its own and no finish reason. `connector_tokens` are a part of the "
            "prompt's.\n\n"
            "Source: https://docs.mistral.ai/api/endpoint/beta/conversations.\n",
};
