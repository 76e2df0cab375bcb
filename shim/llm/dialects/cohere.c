/*
 * Cohere's own API: chat of both versions, and the old generate.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Cohere counts tokens
 * twice: all of them (`tokens`) and those it asks money for (`billed_units`); the former count here
 * if stated.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>

enum rule {
    ERROR = ANSWER_OWN,
    ERROR_TYPE,
    TYPE,
    INDEX,
    TEXT,
    REASONING,
    FINISH,
    CALL,
    CALL_ID,
    CALL_NAME,
    CALL_ARGUMENTS,
    WHOLE_CALL,
    REPEATED_CALL,
    CALL_PIECE,
    GENERATION,
    GENERATION_INDEX,
    GENERATION_TEXT,
    GENERATION_FINISH,
    TOKENS_INPUT,
    TOKENS_OUTPUT,
    TOKENS_IMAGE,
    BILLED_INPUT,
    BILLED_OUTPUT,
    BILLED_IMAGE,
};

/* Three counts, each with its bit in `stated`. */
struct counts {
    uint64_t value[3];
    uint8_t stated;
};

struct state {
    struct counts tokens, billed;
    uint64_t repeated_calls; /* in the last event of a v1 stream, which says everything again */
    uint32_t index;          /* of the event under way */
    uint32_t generation;     /* choice under way */
    bool index_known;
    uint8_t finish_bytes;
    char finish[FACTS_REASON_MAX];
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define COUNTS(at) \
    RULE(at ".tokens.input_tokens", TOKENS_INPUT, 0), \
    RULE(at ".tokens.output_tokens", TOKENS_OUTPUT, 0), \
    RULE(at ".tokens.image_tokens", TOKENS_IMAGE, 0), \
    RULE(at ".billed_units.input_tokens", BILLED_INPUT, 0), \
    RULE(at ".billed_units.output_tokens", BILLED_OUTPUT, 0), \
    RULE(at ".billed_units.image_tokens", BILLED_IMAGE, 0)
#define CALLS(at) \
    RULE(at, CALL, 0), \
    RULE(at ".id", CALL_ID, 0), \
    RULE(at ".function.name", CALL_NAME, 0), \
    RULE(at ".function.arguments", CALL_ARGUMENTS, JSON_PIECES)
#define COMMON \
    RULE("id", ANSWER_ID, 0), \
    RULE("generation_id", ANSWER_ID, 0), \
    RULE("message", ERROR, 0), \
    RULE("finish_reason", FINISH, 0), \
    RULE("text", TEXT, JSON_PIECES)

static const struct json_rule plain_rules[] = {
    COMMON,
    /* v2 */
    RULE("message.content[].text", TEXT, JSON_PIECES),
    RULE("message.content[].thinking", REASONING, JSON_PIECES),
    RULE("message.tool_plan", REASONING, JSON_PIECES),
    CALLS("message.tool_calls[]"),
    COUNTS("usage"),
    /* v1 */
    RULE("tool_calls[]", WHOLE_CALL, 0),
    COUNTS("meta"),
    ANSWER_COUNTED("meta.cached_tokens", FACT_CACHE_READ),
    /* generate */
    RULE("generations[]", GENERATION, 0),
    RULE("generations[].index", GENERATION_INDEX, 0),
    RULE("generations[].text", GENERATION_TEXT, JSON_PIECES),
    RULE("generations[].finish_reason", GENERATION_FINISH, 0),
};

static const struct json_rule event_rules[] = {
    COMMON,
    /* v2 */
    RULE("type", TYPE, 0),
    RULE("index", INDEX, 0),
    RULE("delta.message.content.text", TEXT, JSON_PIECES),
    RULE("delta.message.content.thinking", REASONING, JSON_PIECES),
    RULE("delta.message.tool_plan", REASONING, JSON_PIECES),
    CALLS("delta.message.tool_calls"),
    RULE("delta.finish_reason", FINISH, 0),
    FAILURE_ERROR("delta.error"),
    RULE("delta.error_type", ERROR_TYPE, 0),
    COUNTS("delta.usage"),
    ANSWER_COUNTED("delta.usage.cached_tokens", FACT_CACHE_READ),
    /* v1: the last event has the whole answer once more under "response" */
    RULE("event_type", TYPE, 0),
    RULE("tool_calls[]", WHOLE_CALL, 0),
    RULE("tool_call_delta", CALL_PIECE, 0),
    RULE("response.id", ANSWER_ID, 0),
    RULE("response.generation_id", ANSWER_ID, 0),
    RULE("response.finish_reason", FINISH, 0),
    RULE("response.tool_calls[]", REPEATED_CALL, 0),
    COUNTS("response.meta"),
    ANSWER_COUNTED("response.meta.cached_tokens", FACT_CACHE_READ),
    RULE("response.generations[]", GENERATION, 0),
    RULE("response.generations[].index", GENERATION_INDEX, 0),
    RULE("response.generations[].finish_reason", GENERATION_FINISH, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("num_generations", REQUEST_CHOICES, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("response_format", REQUEST_FORMAT, JSON_RAW),
    REQUEST_MESSAGES("messages"),
    RULE("preamble", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("chat_history[]", REQUEST_MESSAGE, 0),
    RULE("chat_history[].role", REQUEST_ROLE, 0),
    RULE("chat_history[].message", REQUEST_TEXT, JSON_PIECES),
    RULE("message", REQUEST_USER, JSON_PIECES),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
};
/* clang-format on */

static void generation(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    switch (value->rule) {
    case GENERATION:
        if (value->type == JSON_OBJECT_BEGIN) {
            state->generation = value->indexes ? value->index[value->indexes - 1] : 0;
            state->finish_bytes = 0;
            facts->shape_seen = true;
        } else if (value->type == JSON_OBJECT_END) {
            const struct json_value finish = {.type = JSON_STRING, .text = state->finish, .bytes = state->finish_bytes};
            facts_finish(facts, state->generation, &finish);
        }
        break;
    case GENERATION_INDEX:
        state->generation = value->has_u64 && value->u64 < FACTS_CHOICES_MAX ? (uint32_t)value->u64 : state->generation;
        break;
    case GENERATION_TEXT:
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_TEXT, state->generation, value->text, value->bytes);
        break;
    default: /* kept until the generation ends, because its index may follow */
        if (value->type != JSON_STRING)
            break;
        state->finish_bytes = (uint8_t)(value->bytes < FACTS_REASON_MAX ? value->bytes : FACTS_REASON_MAX);
        memcpy(state->finish, value->text, state->finish_bytes);
        break;
    }
}

static void call(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case CALL:
        if (value->type == JSON_OBJECT_BEGIN)
            facts_call_begin(facts, 0);
        else if (value->type == JSON_OBJECT_END && !facts->stream) /* in a stream its index may follow */
            facts_call_end(facts);
        break;
    case CALL_ID:
        facts_call_id(facts, value);
        break;
    case CALL_NAME:
        facts_call_name(facts, value);
        break;
    case CALL_ARGUMENTS:
        if (value->type == JSON_STRING)
            facts_call_arguments(facts, value->text, value->bytes);
        break;
    case WHOLE_CALL:
        if (value->type == JSON_OBJECT_BEGIN)
            facts_call_whole(facts);
        break;
    case REPEATED_CALL:
        state_of(facts)->repeated_calls += value->type == JSON_OBJECT_BEGIN;
        break;
    default: /* a piece of a v1 call; the calls come whole later */
        if (value->type == JSON_OBJECT_BEGIN)
            facts_content(facts, CONTENT_TOOL, 0, "{", 1);
        break;
    }
}

static void counted(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    const bool billed = value->rule >= BILLED_INPUT;
    struct counts *const counts = billed ? &state->billed : &state->tokens;
    const unsigned which = (unsigned)value->rule - (billed ? BILLED_INPUT : TOKENS_INPUT);
    if (!value->has_u64)
        return;
    counts->value[which] = value->u64;
    counts->stated |= (uint8_t)(1u << which);
    facts->shape_seen = true;
}

static void type(struct facts *facts, const struct json_value *value)
{
    /* One of these comes in every stream; others have a "type" as well. */
    static const char *const own[] = {"message-start", "content-delta",   "message-end",
                                      "stream-start",  "text-generation", "stream-end"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        facts->shape_seen = facts->shape_seen || json_text_is(value, own[i]);
    facts->done = facts->done || json_text_is(value, "message-end") || json_text_is(value, "stream-end");
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    switch (value->rule) {
    case ERROR: /* an answer's "message" is an object */
        if (value->type == JSON_STRING && value->bytes)
            facts_error_seen(facts);
        break;
    case ERROR_TYPE:
        facts_set_value(facts, FACT_ERROR_TYPE, value);
        break;
    case TYPE:
        type(facts, value);
        break;
    case INDEX:
        state->index_known = value->has_u64;
        state->index = value->has_u64 ? (uint32_t)value->u64 : 0;
        break;
    case TEXT:
    case REASONING:
        if (value->type == JSON_STRING)
            facts_content(facts, value->rule == TEXT ? CONTENT_TEXT : CONTENT_REASONING, 0, value->text, value->bytes);
        break;
    case FINISH:
        facts->shape_seen = true;
        facts_finish(facts, 0, value);
        break;
    case GENERATION:
    case GENERATION_INDEX:
    case GENERATION_TEXT:
    case GENERATION_FINISH:
        generation(facts, value);
        break;
    case TOKENS_INPUT:
    case TOKENS_OUTPUT:
    case TOKENS_IMAGE:
    case BILLED_INPUT:
    case BILLED_OUTPUT:
    case BILLED_IMAGE:
        counted(facts, value);
        break;
    case CALL:
    case CALL_ID:
    case CALL_NAME:
    case CALL_ARGUMENTS:
    case WHOLE_CALL:
    case REPEATED_CALL:
    case CALL_PIECE:
        call(facts, value);
        break;
    default:
        dialect_answer_value(facts, value);
        break;
    }
}

static void on_event_begin(struct facts *facts, const char *name, size_t name_bytes)
{
    (void)name;
    (void)name_bytes;
    state_of(facts)->index_known = false;
}

static void on_event_end(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    if (facts->fragment.open && state->index_known)
        facts_call_index(facts, state->index);
    facts_call_end(facts);
}

static void sum(struct facts *facts)
{
    static const enum facts_number facts_of[] = {FACT_INPUT, FACT_OUTPUT, FACT_INPUT_IMAGE};
    const struct state *const state = state_of(facts);
    const struct counts *const counts = state->tokens.stated ? &state->tokens : &state->billed;
    for (unsigned i = 0; i < 3; i++)
        if (counts->stated & (1u << i))
            facts_set_number(facts, facts_of[i], counts->value[i]);
}

static void on_close(struct facts *facts)
{
    if (!facts->calls && !facts->other_calls)
        facts->other_calls = state_of(facts)->repeated_calls;
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

struct dialect dialect_cohere = {
    .name = "cohere",
    .apis = "chat generate",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .lines = true,
    .event_begin = on_event_begin,
    .event_end = on_event_end,
    .sum = sum,
    .close = on_close,
    .docs =
        "Recognised by the path's end `/v1/chat`, `/v2/chat` or `/v1/generate` (embed and rerank: see embeddings).\n\n"
        "| fact | where |\n|---|---|\n"
        "| content, v2 | `message.content[].text`, `.thinking`, `message.tool_plan` (reasoning), "
        "`message.tool_calls[]`; in a stream the same below "
        "`delta.message` |\n"
        "| content, v1 | `text`, `tool_calls[]`; in a stream (JSON lines) `text`, `tool_call_delta`, then "
        "`tool_calls[]` |\n"
        "| content, generate | `generations[].text`, each a choice |\n"
        "| usage | v2 `usage`, v1 and generate `meta`, at the end of a stream `delta.usage` or `response.meta`: "
        "`tokens` if it states anything, else "
        "`billed_units` |\n"
        "| cache | `cached_tokens` beside them, a part of `tokens.input_tokens` |\n"
        "| id | `id`, v1 `generation_id` |\n"
        "| finish | `finish_reason`, v2 stream `delta.finish_reason` |\n"
        "| error | `message` alone with status 4xx; in a v2 stream `message-end` with `delta.error`, "
        "`delta.error_type` |\n\n"
        "Quirks: `tokens` counts what the model read and wrote, Cohere's own prompt around tools included; "
        "`billed_units` is much less. The answer never "
        "names a model. The last event of a v1 stream (`stream-end`) repeats the whole answer, which is no new "
        "content. v2 ends with "
        "`message-end`, then `[DONE]`.\n\n"
        "Source: https://docs.cohere.com/reference/chat, https://docs.cohere.com/v2/docs/streaming, "
        "https://docs.cohere.com/v1/reference/generate, recorded traffic.\n",
};
