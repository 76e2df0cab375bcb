/*
 * Google's Interactions API: steps of thought, output and tool calls.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Reads the names of both
 * revisions: steps[] and step.*, before them outputs[] and content.*.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>

enum rule {
    STATUS = ANSWER_OWN,
    EVENT_TYPE,
    INDEX,
    STEP,
    STEP_TYPE,
    TEXT,
    REASONING,
    MEDIA,
    CALL_ID,
    CALL_NAME,
    CALL_ARGUMENTS,
    INPUT_MODALITY,
    OUTPUT_MODALITY,
    MODALITY,
    MODALITY_TOKENS,
    OBJECT,
};

enum { RESPONSE_MIME = REQUEST_OWN };

enum step_kind { STEP_OTHER, STEP_FUNCTION, STEP_SERVER, STEP_THOUGHT };

struct state {
    uint64_t server_steps, thought_steps; /* bit per index of a step */
    uint32_t index;                       /* of the event under way */
    bool index_known;
    uint8_t kind;               /* enum step_kind, of the event or plain step under way */
    bool audio, image, counted; /* of the element of usage by modality under way */
    uint64_t count;
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define BY_MODALITY(path, rule) \
    RULE(path "[]", rule, 0), \
    RULE(path "[].modality", MODALITY, 0), \
    RULE(path "[].tokens", MODALITY_TOKENS, 0)
#define INTERACTION(at) \
    RULE(at "id", ANSWER_ID, 0), \
    RULE(at "model", ANSWER_MODEL, 0), \
    RULE(at "service_tier", ANSWER_TIER, 0), \
    RULE(at "status", STATUS, 0), \
    BY_MODALITY(at "usage.input_tokens_by_modality", INPUT_MODALITY), \
    BY_MODALITY(at "usage.output_tokens_by_modality", OUTPUT_MODALITY)
/* A step, an output or a piece of one. */
#define STEP_RULES(at) \
    RULE(at ".type", STEP_TYPE, 0), \
    RULE(at ".text", TEXT, JSON_PIECES), \
    RULE(at ".content[].text", TEXT, JSON_PIECES), \
    RULE(at ".content.text", REASONING, JSON_PIECES), \
    RULE(at ".summary[].text", REASONING, JSON_PIECES), \
    RULE(at ".data", MEDIA, JSON_PIECES), \
    RULE(at ".content[].data", MEDIA, JSON_PIECES), \
    RULE(at ".name", CALL_NAME, 0)

static const struct json_rule plain_rules[] = {
    INTERACTION(""),
    RULE("steps[]", STEP, 0),
    STEP_RULES("steps[]"),
    RULE("outputs[]", STEP, 0),
    STEP_RULES("outputs[]"),
    RULE("object", OBJECT, 0),
};

static const struct json_rule event_rules[] = {
    RULE("event_type", EVENT_TYPE, 0),
    RULE("type", EVENT_TYPE, 0),
    RULE("index", INDEX, 0),
    INTERACTION("interaction."),
    RULE("interaction.usage", ANSWER_USAGE_ANYBODYS, 0),
    USAGE_RULES("interaction.usage"),
    RULE("status", STATUS, 0),
    STEP_RULES("step"),
    RULE("step.id", CALL_ID, 0),
    STEP_RULES("content"),
    RULE("content.id", CALL_ID, 0),
    STEP_RULES("delta"),
    RULE("delta.id", CALL_ID, 0),
    RULE("delta.arguments", CALL_ARGUMENTS, JSON_PIECES),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("generation_config.max_output_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("response_format", REQUEST_FORMAT, JSON_RAW),
    RULE("response_mime_type", RESPONSE_MIME, 0),
    RULE("system_instruction", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("input", REQUEST_USER, JSON_PIECES),
    RULE("input[].text", REQUEST_TEXT, JSON_PIECES),
    REQUEST_MESSAGES("input"),
};
/* clang-format on */

static enum step_kind kind_of(const struct json_value *value)
{
    static const char suffix[] = "_call";
    const size_t length = sizeof(suffix) - 1;
    if (json_text_is(value, "function_call") || json_text_is(value, "arguments_delta"))
        return STEP_FUNCTION;
    if (json_text_is(value, "thought") || json_text_is(value, "thought_summary"))
        return STEP_THOUGHT;
    const bool call = value->type == JSON_STRING && value->bytes > length &&
                      !memcmp(value->text + value->bytes - length, suffix, length);
    return call ? STEP_SERVER : STEP_OTHER;
}

static uint64_t bit_of(const struct state *state)
{
    return state->index_known ? UINT64_C(1) << (state->index & 63) : 0;
}

static void open_call(struct facts *facts)
{
    if (!facts->fragment.open)
        facts_call_begin(facts, 0);
}

static void call(struct facts *facts, const struct json_value *value)
{
    if (!facts->stream)
        return; /* plain steps are counted when they end */
    open_call(facts);
    if (value->rule == CALL_ID)
        facts_call_id(facts, value);
    else if (value->rule == CALL_NAME)
        facts_call_name(facts, value);
    else if (value->type == JSON_STRING)
        facts_call_arguments(facts, value->text, value->bytes);
}

static void step(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->type == JSON_OBJECT_BEGIN)
        state->kind = STEP_OTHER;
    else if (value->type == JSON_OBJECT_END && state->kind == STEP_FUNCTION)
        facts_call_whole(facts);
    else if (value->type == JSON_OBJECT_END && state->kind == STEP_SERVER)
        facts_server_call(facts);
    facts->shape_seen = true;
}

static void text(struct facts *facts, const struct json_value *value)
{
    const struct state *const state = state_of(facts);
    const bool thought =
        value->rule == REASONING || state->kind == STEP_THOUGHT || (state->thought_steps & bit_of(state));
    if (value->type == JSON_STRING)
        facts_content(facts, thought ? CONTENT_REASONING : CONTENT_TEXT, 0, value->text, value->bytes);
}

/* States on the way are no end: in a stream they are not kept. */
static void status(struct facts *facts, const struct json_value *value)
{
    const bool under_way =
        json_text_is(value, "in_progress") || json_text_is(value, "created") || json_text_is(value, "queued");
    if (!facts->stream || !under_way)
        facts_set_value(facts, FACT_STATUS, value);
    if (!facts->stream && under_way)
        facts->kinds |= CONTENT_ELSEWHERE; /* in the background */
}

static void event_type(struct facts *facts, const struct json_value *value)
{
    if (value->type != JSON_STRING)
        return;
    facts->shape_seen = true;
    facts->done =
        facts->done || json_text_is(value, "interaction.completed") || json_text_is(value, "interaction.complete");
}

static void modality(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    const bool input = value->rule == INPUT_MODALITY;
    if (value->rule == MODALITY) {
        state->audio = json_text_is(value, "audio");
        state->image = json_text_is(value, "image");
    } else if (value->rule == MODALITY_TOKENS) {
        state->counted = value->has_u64;
        state->count = value->u64;
    } else if (value->type == JSON_OBJECT_BEGIN) {
        state->audio = state->image = state->counted = false;
    } else if (value->type == JSON_OBJECT_END && state->counted) {
        if (state->audio)
            facts_set_number(facts, input ? FACT_INPUT_AUDIO : FACT_OUTPUT_AUDIO, state->count);
        if (state->image)
            facts_set_number(facts, input ? FACT_INPUT_IMAGE : FACT_OUTPUT_IMAGE, state->count);
    }
}

static void about(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case STATUS:
        status(facts, value);
        break;
    case INPUT_MODALITY:
    case OUTPUT_MODALITY:
    case MODALITY:
    case MODALITY_TOKENS:
        modality(facts, value);
        break;
    default:
        dialect_answer_value(facts, value);
        break;
    }
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    if (dialect_usage_is(value)) {
        if (dialect_usage_value(facts, value))
            facts->shape_seen = true;
        return;
    }
    switch (value->rule) {
    case EVENT_TYPE:
        event_type(facts, value);
        break;
    case INDEX:
        state->index_known = value->has_u64;
        state->index = value->has_u64 ? (uint32_t)value->u64 : 0;
        break;
    case STEP:
        step(facts, value);
        break;
    case OBJECT:
        facts->shape_seen = facts->shape_seen || json_text_is(value, "interaction");
        break;
    case STEP_TYPE:
        state->kind = (uint8_t)kind_of(value);
        break;
    case TEXT:
    case REASONING:
        text(facts, value);
        break;
    case MEDIA:
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_MEDIA, 0, value->text, value->bytes);
        break;
    case CALL_ID:
    case CALL_NAME:
    case CALL_ARGUMENTS:
        call(facts, value);
        break;
    default:
        about(facts, value);
        break;
    }
}

static void on_event_begin(struct facts *facts, const char *name, size_t name_bytes)
{
    struct state *const state = state_of(facts);
    (void)name;
    (void)name_bytes;
    state->index_known = false;
    state->kind = STEP_OTHER;
}

/* Now the step's index and kind are known, wherever they stood. */
static void on_event_end(struct facts *facts)
{
    struct state *const state = state_of(facts);
    const uint64_t bit = bit_of(state);
    if (state->kind == STEP_SERVER && !(state->server_steps & bit)) {
        facts_server_call(facts);
        facts_content(facts, CONTENT_TOOL, 0, "{", 1);
        state->server_steps |= bit;
    }
    if (state->kind == STEP_THOUGHT)
        state->thought_steps |= bit;
    if (!facts->fragment.open)
        return;
    if (state->kind != STEP_FUNCTION || (state->server_steps & bit)) {
        facts->fragment.open = false;
        return;
    }
    if (state->index_known)
        facts_call_index(facts, state->index);
    facts_call_end(facts);
}

static void on_request(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (value->rule == RESPONSE_MIME)
        facts->json_asked = facts->json_asked || json_text_is(value, "application/json");
    else
        dialect_request_value(facts, value);
    /* Without a role it is the user's. */
    if (value->rule == REQUEST_MESSAGE && value->type == JSON_OBJECT_BEGIN)
        prompt_message_role(&facts->prompt, "user", 4);
}

static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)api;
    (void)provider;
    facts->output_excludes_reasoning = facts->total_tells = true;
}

struct dialect dialect_google_interactions = {
    .name = "google_interactions",
    .apis = "interactions",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .open = on_open,
    .event_begin = on_event_begin,
    .kept = true,
    .event_end = on_event_end,
    .docs = "Recognised by the path's end `/interactions` at Google's host, or `/v1beta/interactions` anywhere if the "
            "answer has its shape.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `steps[]`: `content[]` of a `model_output`, `summary[]` of a `thought`; in a stream "
            "`step.start` and `step.delta` (`text`, "
            "`thought_summary`, `arguments_delta`) |\n"
            "| usage | `usage.total_input_tokens` plus `total_tool_use_tokens`, `total_output_tokens` plus "
            "`total_thought_tokens`; in a stream "
            "within `interaction.completed` |\n"
            "| cache, reasoning | `total_cached_tokens`, `total_thought_tokens` |\n"
            "| audio, image | `input_tokens_by_modality[]`, `output_tokens_by_modality[]` |\n"
            "| finish | `status` of the interaction |\n"
            "| tool calls | steps `function_call`; every other `*_call` (search, code, MCP) is the service's own |\n"
            "| error | `error.status`, else `error.code`, also in an `error` event |\n\n"
            "Quirks: `status` says `completed` also where the token limit cut the answer off. States on the way "
            "(`in_progress`) in a stream are no finish. "
            "Before 2026 steps were `outputs[]`, events `content.start`, `content.delta`, `interaction.complete`; they "
            "are read alike. Requests to an "
            "`agent` name no model. A `thought_signature` is no content. An interaction fetched (GET "
            "`/interactions/I`) or cancelled states its "
            "tokens once: if nothing that this process saw did before.\n\n"
            "Source: https://ai.google.dev/gemini-api/docs/interactions, "
            "https://ai.google.dev/gemini-api/docs/interactions/streaming.\n",
};
