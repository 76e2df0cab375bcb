/*
 * Coze's bots: chats in a stream, or handed in and asked after.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The event's name says
 * what its data is.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

#include <string.h>

enum rule { TEXT = TABLE_OWN, REASONING, CHAT_ID, STATE };
enum { DELTA = 1, CHAT = 2 };

struct state {
    uint64_t table[TABLE_SCRATCH];
    unsigned kind; /* of the event under way */
};

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define CHAT_RULES(at) \
    RULE(at "id", CHAT_ID, 0), \
    RULE(at "status", STATE, 0), \
    RULE(at "last_error.code", TABLE_FAILED, 0), \
    RULE(at "usage", TABLE_SHAPE, 0), \
    ANSWER_COUNTED(at "usage.input_count", FACT_INPUT), \
    ANSWER_COUNTED(at "usage.output_count", FACT_OUTPUT), \
    ANSWER_COUNTED(at "usage.token_count", FACT_TOTAL)

static const struct json_rule plain_rules[] = {
    CHAT_RULES("data."),
    RULE("code", TABLE_FAILED, 0),
};

static const struct json_rule event_rules[] = {
    CHAT_RULES(""),
    RULE("content", TEXT, JSON_PIECES),
    RULE("reasoning_content", REASONING, JSON_PIECES),
    RULE("code", TABLE_FAILED, 0),
};

static const struct json_rule request_rules[] = {
    RULE("stream", REQUEST_STREAM, 0),
    RULE("bot_id", REQUEST_MODEL, 0),
    REQUEST_MESSAGES("additional_messages"),
    REQUEST_END_USERS(""),
};
/* clang-format on */

static bool name_ends(const char *name, size_t bytes, const char *end)
{
    const size_t length = strlen(end);
    return bytes >= length && !memcmp(name + bytes - length, end, length);
}

static void on_event_begin(struct facts *facts, const char *name, size_t bytes)
{
    struct state *const state = state_of(facts);
    const bool chat = bytes > 18 && !memcmp(name, "conversation.chat.", 18);
    const bool ended = chat && (name_ends(name, bytes, ".completed") || name_ends(name, bytes, ".failed") ||
                                name_ends(name, bytes, ".requires_action"));
    state->kind = chat ? CHAT : name_ends(name, bytes, "message.delta") ? DELTA : 0;
    facts->done = facts->done || ended;
    facts->shape_seen = facts->shape_seen || state->kind;
    if (name_ends(name, bytes, "error") || (chat && name_ends(name, bytes, ".failed")))
        facts_error_seen(facts);
}

static void status(struct facts *facts, const struct json_value *value)
{
    struct json_value as = *value;
    as.rule = TABLE_STATUS;
    if (!facts->stream || (!json_text_is(value, "created") && !json_text_is(value, "in_progress")))
        dialect_table_value(facts, &as);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    const unsigned kind = facts->stream ? state_of(facts)->kind : CHAT;
    switch (value->rule) {
    case TEXT: /* whole messages repeat what came in pieces */
    case REASONING:
        if (kind == DELTA && value->type == JSON_STRING)
            facts_content(facts, value->rule == TEXT ? CONTENT_TEXT : CONTENT_REASONING, 0, value->text, value->bytes);
        break;
    case CHAT_ID:
        if (kind == CHAT)
            facts_set_value(facts, FACT_RESPONSE_ID, value);
        break;
    case STATE:
        if (kind == CHAT)
            status(facts, value);
        break;
    default:
        dialect_table_value(facts, value);
        break;
    }
}

struct dialect dialect_coze = {
    .name = "coze",
    .apis = "coze-chat",
    .repeats = true,
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .event_begin = on_event_begin,
    .docs = "Recognised at Coze by POST to `/v3/chat` and by `/v3/chat/retrieve`.\n\n"
            "| fact | where |\n|---|---|\n"
            "| model | the bot, request `bot_id`; which models it uses nothing says |\n"
            "| content | `content`, `reasoning_content` of the events `conversation.message.delta` |\n"
            "| usage | `usage.input_count`, `output_count` of the chat: `data` of a plain answer, event "
            "`conversation.chat.completed` |\n"
            "| id, finish | the chat's `id` and `status` |\n"
            "| error | `code` and `last_error.code` other than 0; events `error`, `conversation.chat.failed` |\n\n"
            "Quirks: a plain answer says that the chat is on its way; who asks after it is told its tokens, counted "
            "once.\n\n"
            "Source: https://www.coze.com/docs/developer_guides/chat_v3, "
            "https://www.coze.com/docs/developer_guides/retrieve_chat.\n",
};
