/*
 * Oracle Cloud's generative AI inference: chat in its generic and its Cohere format, and text
 * generation.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The last event of a
 * Cohere stream repeats the whole answer; that it does is said after its text, so an event's text
 * is undone then.
 */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/dialect_table.h"

enum rule { HISTORY = TABLE_OWN };

struct state {
    uint64_t table[TABLE_SCRATCH];
    uint64_t answer_bytes; /* as it was before the event under way */
    uint8_t kinds;
    bool repeats;
};

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define MESSAGE(at) \
    RULE(at ".content[].text", TABLE_TEXT, JSON_PIECES), \
    RULE(at ".reasoningContent", TABLE_REASONING, JSON_PIECES), \
    RULE(at ".content[].thinking", TABLE_REASONING, JSON_PIECES), \
    RULE(at ".toolCalls[]", TABLE_CALL, 0), \
    RULE(at ".toolCalls[].id", TABLE_CALL_ID, 0), \
    RULE(at ".toolCalls[].name", TABLE_CALL_NAME, 0), \
    RULE(at ".toolCalls[].function.name", TABLE_CALL_NAME, 0), \
    RULE(at ".toolCalls[].function.arguments", TABLE_CALL_ARGUMENTS, JSON_PIECES), \
    RULE(at ".toolCalls[].arguments", TABLE_CALL_ARGUMENTS, JSON_PIECES)

static const struct json_rule answer_rules[] = {
    RULE("modelId", ANSWER_MODEL, 0),
    RULE("id", ANSWER_ID, 0),
    RULE("choices[]", TABLE_CHOICE, 0),
    RULE("choices[].index", TABLE_INDEX, 0),
    RULE("choices[].finishReason", TABLE_FINISH, 0),
    RULE("choices[].text", TABLE_TEXT, JSON_PIECES),
    MESSAGE("choices[].message"),
    RULE("index", TABLE_INDEX, 0), /* an event of the generic format */
    RULE("finishReason", TABLE_FINISH, 0),
    MESSAGE("message"),
    RULE("text", TABLE_TEXT, JSON_PIECES), /* Cohere's format */
    RULE("toolCalls[]", TABLE_CALL_WHOLE, 0),
    RULE("chatHistory", HISTORY, 0),
    RULE("generatedTexts[]", TABLE_CHOICE, 0),
    RULE("generatedTexts[].text", TABLE_TEXT, JSON_PIECES),
    RULE("generatedTexts[].finishReason", TABLE_FINISH, 0),
    RULE("usage", ANSWER_USAGE, 0),
    ANSWER_COUNTED("usage.promptTokensDetails.cachedTokens", FACT_CACHE_READ),
    ANSWER_COUNTED("usage.completionTokensDetails.reasoningTokens", FACT_REASONING),
    ANSWER_COUNTED("usage.completionTokensDetails.acceptedPredictionTokens", FACT_ACCEPTED_PREDICTION),
    ANSWER_COUNTED("usage.completionTokensDetails.rejectedPredictionTokens", FACT_REJECTED_PREDICTION),
    RULE("code", TABLE_FAILED, 0),
};

static const struct json_rule request_rules[] = {
    RULE("servingMode.modelId", REQUEST_MODEL, 0),
    RULE("servingMode.endpointId", REQUEST_MODEL, 0),
    RULE("isStream", REQUEST_STREAM, 0),
    RULE("maxTokens", REQUEST_MAX_TOKENS, 0),
    RULE("maxCompletionTokens", REQUEST_MAX_TOKENS, 0),
    RULE("numGenerations", REQUEST_CHOICES, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("responseFormat", REQUEST_FORMAT, JSON_RAW),
    RULE("preambleOverride", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("message", REQUEST_USER, JSON_PIECES),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("messages"),
    TABLE_MESSAGES("chatHistory", "role", "message"),
};
/* clang-format on */

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (value->rule == HISTORY)
        state_of(facts)->repeats = true;
    else
        dialect_table_value(facts, value);
}

static void on_event_begin(struct facts *facts, const char *name, size_t name_bytes)
{
    struct state *const state = state_of(facts);
    (void)name;
    (void)name_bytes;
    state->answer_bytes = facts->answer_bytes;
    state->kinds = facts->kinds;
    state->repeats = false;
    dialect_table_choice(facts, 0);
}

static void on_event_end(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    if (!state->repeats || !state->answer_bytes) /* a stream of one event is no repetition */
        return;
    facts->answer_bytes = state->answer_bytes;
    facts->kinds = state->kinds;
    facts->event_kinds = 0;
}

struct dialect dialect_oci = {
    .name = "oci",
    .apis = "oci-chat oci-generate",
    .envelopes = "chatResponse inferenceResponse",
    .request_envelope = "chatRequest inferenceRequest",
    .request = {JSON_RULES(request_rules), dialect_table_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .event_begin = on_event_begin,
    .event_end = on_event_end,
    .docs =
        "Recognised by the path's end `/actions/chat` and `/actions/generateText` at Oracle Cloud's inference hosts "
        "(`/actions/embedText`, `/actions/rerankText`: see embeddings).\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | request `servingMode.modelId` or `endpointId`; answer `modelId` |\n"
        "| content | `chatResponse.choices[].message` (generic) or `chatResponse.text` (Cohere); in a stream the same "
        "bare; `inferenceResponse.generatedTexts[]`, `choices[].text` |\n"
        "| usage | `chatResponse.usage`: `promptTokens`, `completionTokens`, `promptTokensDetails.cachedTokens`, "
        "`completionTokensDetails.reasoningTokens` |\n"
        "| finish | `finishReason` |\n"
        "| error | `code` |\n\n"
        "Quirks: roles are in capitals. Events are padded with `pad`. The last event of a Cohere stream has the whole "
        "text again, beside `chatHistory`.\n\n"
        "Source: https://docs.oracle.com/en-us/iaas/api/#/en/generative-ai-inference/20231130/ChatResult/Chat.\n",
};
