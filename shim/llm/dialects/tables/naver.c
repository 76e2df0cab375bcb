/*
 * Naver's HyperCLOVA X by its own API (Clova Studio).
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The last event of a
 * stream, named "result", repeats the whole message.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

#include <string.h>

struct state {
    uint64_t table[TABLE_SCRATCH];
    bool repeats;
};

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
static const struct json_rule answer_rules[] = {
    RULE("message.content", TABLE_TEXT, JSON_PIECES),
    RULE("message.content[].text", TABLE_TEXT, JSON_PIECES),
    RULE("message.thinkingContent", TABLE_REASONING, JSON_PIECES),
    RULE("message.toolCalls[]", TABLE_CALL_WHOLE, 0),
    RULE("finishReason", TABLE_FINISH, 0),
    RULE("stopReason", TABLE_FINISH, 0),
    RULE("usage", ANSWER_USAGE, 0),
    ANSWER_COUNTED("usage.completionTokensDetails.thinkingTokens", FACT_REASONING),
    ANSWER_COUNTED("inputLength", FACT_INPUT), /* before v3 */
    ANSWER_COUNTED("outputLength", FACT_OUTPUT),
    RULE("status.code", ANSWER_TOP_CODE, 0),
};

static const struct json_rule request_rules[] = {
    RULE("maxTokens", REQUEST_MAX_TOKENS, 0),
    RULE("maxCompletionTokens", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("responseFormat", REQUEST_FORMAT, JSON_RAW),
    REQUEST_MESSAGES("messages"),
};
/* clang-format on */

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (value->rule == TABLE_TEXT && state_of(facts)->repeats)
        return;
    if (value->rule != ANSWER_TOP_CODE)
        dialect_table_value(facts, value);
    else if (value->type == JSON_STRING && value->bytes && memcmp(value->text, "2", 1) != 0) { /* "20000": OK */
        facts_error_seen(facts);
        dialect_table_value(facts, value);
    }
}

static void on_event_begin(struct facts *facts, const char *name, size_t name_bytes)
{
    state_of(facts)->repeats = name_bytes == 6 && !memcmp(name, "result", 6);
    if (state_of(facts)->repeats)
        facts->done = true;
    if (name_bytes == 5 && !memcmp(name, "error", 5))
        facts_error_seen(facts);
}

struct dialect dialect_naver = {
    .name = "naver",
    .apis = "naver-chat",
    .envelopes = "result",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .event_begin = on_event_begin,
    .docs =
        "Recognised by the path's end `/chat-completions/MODEL` at Clova Studio; the path names the model. The header "
        "`Accept: text/event-stream` asks for a stream.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `result.message`: `content`, `thinkingContent`, `toolCalls[]`; in a stream `message` of the "
        "`token` "
        "events |\n"
        "| usage | `result.usage`: `promptTokens`, `completionTokens`; before v3 `inputLength`, `outputLength` |\n"
        "| finish | `finishReason`, before v3 `stopReason` |\n"
        "| error | `status.code` other than 20000, event `error` |\n\n"
        "Quirks: the event `result` has the whole message again, which is no new content.\n\n"
        "Source: https://api.ncloud-docs.com/docs/en/clovastudio-chatcompletionsv3.\n",
};
