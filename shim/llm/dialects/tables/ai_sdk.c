/*
 * The language-model API of Vercel's AI gateway: what the AI SDK itself sends and gets
 * (specification v1 to v4).
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The type of a part
 * stands before its text. Newer specifications state counts as objects and the finish reason in two
 * words.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { PART_TYPE = TABLE_OWN, PART_TEXT, EVENT_TYPE, COST };

enum part { PART_OTHER, PART_MESSAGE, PART_REASONING, PART_CALL };

struct state {
    uint64_t table[TABLE_SCRATCH];
    enum part part; /* the part, or event, under way */
};

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define COMMON \
    RULE("finishReason", TABLE_FINISH, 0), \
    RULE("finishReason.unified", TABLE_FINISH, 0), \
    RULE("usage", ANSWER_USAGE, 0), \
    ANSWER_COUNTED("usage.inputTokens", FACT_INPUT), \
    ANSWER_COUNTED("usage.outputTokens", FACT_OUTPUT), \
    ANSWER_COUNTED("usage.inputTokens.total", FACT_INPUT), \
    ANSWER_COUNTED("usage.inputTokens.cacheRead", FACT_CACHE_READ), \
    ANSWER_COUNTED("usage.inputTokens.cacheWrite", FACT_CACHE_CREATION), \
    ANSWER_COUNTED("usage.outputTokens.total", FACT_OUTPUT), \
    ANSWER_COUNTED("usage.outputTokens.reasoning", FACT_REASONING), \
    RULE("providerMetadata.gateway.cost", COST, 0), \
    RULE("providerMetadata.gateway.generationId", TABLE_ELSE_ID, 0)

static const struct json_rule plain_rules[] = {
    COMMON,
    RULE("response.id", ANSWER_ID, 0),
    RULE("response.modelId", ANSWER_MODEL, 0),
    RULE("content[].type", PART_TYPE, 0),
    RULE("content[].text", PART_TEXT, JSON_PIECES),
};

static const struct json_rule event_rules[] = {
    COMMON,
    RULE("type", EVENT_TYPE, 0),
    RULE("modelId", ANSWER_MODEL, 0),
    RULE("delta", PART_TEXT, JSON_PIECES),
    RULE("textDelta", PART_TEXT, JSON_PIECES),
};

static const struct json_rule request_rules[] = {
    RULE("maxOutputTokens", REQUEST_MAX_TOKENS, 0),
    RULE("maxTokens", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("responseFormat", REQUEST_FORMAT, JSON_RAW),
    REQUEST_MESSAGES("prompt"),
};
/* clang-format on */

static void part_type(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    state->part = json_text_is(value, "text")        ? PART_MESSAGE
                  : json_text_is(value, "reasoning") ? PART_REASONING
                                                     : PART_OTHER;
    facts->shape_seen = facts->shape_seen || state->part != PART_OTHER;
    if (json_text_is(value, "tool-call"))
        facts_call_whole(facts);
    if (json_text_is(value, "file"))
        dialect_answer_content(facts);
}

static void event_type(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    state->part = json_text_is(value, "text-delta")         ? PART_MESSAGE
                  : json_text_is(value, "reasoning-delta")  ? PART_REASONING
                  : json_text_is(value, "reasoning")        ? PART_REASONING /* of v1 */
                  : json_text_is(value, "tool-input-delta") ? PART_CALL
                                                            : PART_OTHER;
    facts->shape_seen = facts->shape_seen || state->part != PART_OTHER || json_text_is(value, "stream-start");
    if (json_text_is(value, "tool-call"))
        facts_call_whole(facts);
    if (json_text_is(value, "file"))
        dialect_answer_content(facts);
    if (json_text_is(value, "error"))
        facts_error_seen(facts);
    facts->done = facts->done || json_text_is(value, "finish");
}

static void part_text(struct facts *facts, const struct json_value *value)
{
    static const enum facts_content kinds[] = {
        [PART_MESSAGE] = CONTENT_TEXT, [PART_REASONING] = CONTENT_REASONING, [PART_CALL] = CONTENT_TOOL};
    const enum part part = state_of(facts)->part;
    if (value->type == JSON_STRING && part != PART_OTHER)
        facts_content(facts, kinds[part], 0, value->text, value->bytes);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case PART_TYPE:
        part_type(facts, value);
        break;
    case PART_TEXT:
        part_text(facts, value);
        break;
    case EVENT_TYPE:
        event_type(facts, value);
        break;
    case COST:
        facts_set_cost(facts, value, 9);
        break;
    default:
        dialect_table_value(facts, value);
        break;
    }
}

struct dialect dialect_ai_sdk = {
    .name = "ai_sdk",
    .apis = "ai-sdk-model",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .docs =
        "Recognised by the path's end `/ai/language-model` (`/ai/embedding-model`: see embeddings). Headers name the "
        "model (`ai-language-model-id`, `ai-model-id`) and say whether the answer streams "
        "(`ai-language-model-streaming`).\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `content[]` by type; in a stream `text-delta`, `reasoning-delta`, `tool-input-delta` |\n"
        "| usage | `usage.inputTokens`, `outputTokens` (numbers, or objects with `total`), `cachedInputTokens`, "
        "`reasoningTokens`; in a stream of the event `finish` |\n"
        "| cost | `providerMetadata.gateway.cost`, dollars |\n"
        "| model, id | `response.modelId`, `response.id`, else the gateway's `generationId` |\n"
        "| finish | `finishReason`, or its `unified` |\n"
        "| tool calls | `tool-call` |\n"
        "| error | `error.type`; event `error` |\n\n"
        "Source: https://github.com/vercel/ai/tree/main/packages/gateway, "
        "https://ai-sdk.dev/docs/ai-sdk-core/provider-management.\n",
};
