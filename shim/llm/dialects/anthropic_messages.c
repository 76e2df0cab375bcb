/*
 * Anthropic messages, at Anthropic, Azure, Vertex (rawPredict), OpenRouter and gateways.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Input tokens as stated
 * exclude what the cache gave or took.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"
#include "shim/llm/facts/iterations.h"

#include <string.h>

enum rule {
    STOP = ANSWER_OWN,
    TYPE,
    INDEX,
    BLOCK_TYPE,
    BLOCK_ID,
    TEXT,
    REASONING,
    ARGUMENTS,
    SERVER_TOOL,
    METRIC_INPUT,
    METRIC_OUTPUT,
    METRIC_CACHE_READ,
    METRIC_CACHE_CREATION,
    GUARDRAIL,
    FIRST_OUTPUT, /* of message_start: what was written before anything was sent */
    ITERATION,    /* and what follows: enum iterations_part */
    ITERATION_END = ITERATION + ITERATIONS_COUNT,
};

struct state {
    uint64_t server_blocks; /* bit per content block index: a tool that the service runs */
    uint32_t index;
    bool index_known, server_block;
    bool stop, blocks, message;
    bool first_output_known;
    uint64_t first_output;
    struct iterations iterations;
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define STATED_USAGE(at) \
    ITERATION_RULES(at, ITERATION), \
    RULE(at ".server_tool_use", SERVER_TOOL, 0), \
    RULE(at ".server_tool_use.*", SERVER_TOOL, 0)
#define BLOCK_RULES(at) \
    RULE(at ".type", BLOCK_TYPE, 0), \
    RULE(at ".text", TEXT, JSON_PIECES), \
    RULE(at ".thinking", REASONING, JSON_PIECES)
/* Google in front of Vertex, Azure and relays answer for the service in words of their own. */
#define ERROR_RULES \
    RULE("code", FAILURE_CODE, 0)

static const struct json_rule plain_rules[] = {
    RULE("id", ANSWER_ID, 0),
    RULE("model", ANSWER_MODEL, 0),
    RULE("stop_reason", STOP, 0),
    RULE("type", TYPE, 0),
    BLOCK_RULES("content[]"),
    STATED_USAGE("usage"),
    ERROR_RULES,
    RULE("completion", TEXT, JSON_PIECES),
    RULE("amazon-bedrock-guardrailAction", GUARDRAIL, 0),
};

static const struct json_rule event_rules[] = {
    RULE("type", TYPE, 0),
    RULE("index", INDEX, 0),
    RULE("message.id", ANSWER_ID, 0),
    RULE("message.model", ANSWER_MODEL, 0),
    RULE("message.stop_reason", STOP, 0),
    USAGE_RULES("message.usage"),
    STATED_USAGE("message.usage"),
    RULE("message.usage.output_tokens", FIRST_OUTPUT, 0),
    BLOCK_RULES("content_block"),
    RULE("content_block.id", BLOCK_ID, 0),
    RULE("delta.text", TEXT, JSON_PIECES),
    RULE("delta.thinking", REASONING, JSON_PIECES),
    RULE("delta.partial_json", ARGUMENTS, JSON_PIECES),
    RULE("delta.stop_reason", STOP, 0),
    STATED_USAGE("usage"),
    ERROR_RULES,
    /* text completions */
    RULE("completion", TEXT, JSON_PIECES),
    RULE("stop_reason", STOP, 0),
    RULE("id", ANSWER_ID, 0),
    RULE("model", ANSWER_MODEL, 0),
    /* within Bedrock's InvokeModel */
    RULE("amazon-bedrock-invocationMetrics.inputTokenCount", METRIC_INPUT, 0),
    RULE("amazon-bedrock-invocationMetrics.outputTokenCount", METRIC_OUTPUT, 0),
    RULE("amazon-bedrock-invocationMetrics.cacheReadInputTokenCount", METRIC_CACHE_READ, 0),
    RULE("amazon-bedrock-invocationMetrics.cacheWriteInputTokenCount", METRIC_CACHE_CREATION, 0),
    RULE("amazon-bedrock-guardrailAction", GUARDRAIL, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("max_tokens_to_sample", REQUEST_MAX_TOKENS, 0),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("output_format", REQUEST_FORMAT, JSON_RAW),
    RULE("output_config.format", REQUEST_FORMAT, JSON_RAW),
    RULE("system", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("system[].text", REQUEST_INSTRUCTIONS, JSON_PIECES),
    REQUEST_MESSAGES("messages"),
    REQUEST_METADATA,
    REQUEST_END_USERS(""),
};
/* clang-format on */

static void sum_iterations(struct facts *facts)
{
    const bool output_unknown = state_of(facts)->first_output_known && !facts_has_number(facts, FACT_OUTPUT);
    for (unsigned i = 0; i < ITERATED; i++) {
        if (output_unknown && (iterated[i] == FACT_OUTPUT || iterated[i] == FACT_REASONING))
            continue; /* these are not all of it */
        const uint64_t stated = facts_number(facts, iterated[i]),
                       above = iterations_above(&state_of(facts)->iterations, i, stated);
        if (above)
            facts_set_number(facts, iterated[i], stated + above);
    }
}

static void stop(struct facts *facts, const struct json_value *value)
{
    facts_finish(facts, 0, value);
    if (json_text_is(value, "refusal"))
        facts->refused = true;
}

static void server_tool(struct facts *facts, const struct json_value *value)
{
    if (value->type == JSON_OBJECT_BEGIN)
        facts_set_number(facts, FACT_SERVER_TOOL_REQUESTS, 0);
    else
        facts_add_count(facts, FACT_SERVER_TOOL_REQUESTS, value);
}

static const enum facts_number metrics[] = {FACT_INPUT, FACT_OUTPUT, FACT_CACHE_READ, FACT_CACHE_CREATION};

/* The parts that plain answers and events share. */
static void on_common(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case STOP:
        stop(facts, value);
        break;
    case TEXT:
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_TEXT, 0, value->text, value->bytes);
        break;
    case REASONING:
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_REASONING, 0, value->text, value->bytes);
        break;
    case SERVER_TOOL:
        server_tool(facts, value);
        break;
    case GUARDRAIL:
        facts->filtered = facts->filtered || json_text_is(value, "INTERVENED");
        break;
    case METRIC_INPUT:
    case METRIC_OUTPUT:
    case METRIC_CACHE_READ:
    case METRIC_CACHE_CREATION:
        facts_fallback(facts, metrics[value->rule - METRIC_INPUT], value);
        break;
    case ITERATION ... ITERATION_END:
        iterations_value(&state_of(facts)->iterations, (enum iterations_part)(value->rule - ITERATION), value);
        break;
    default:
        if (dialect_usage_is(value)) /* nobody else states usage so */
            facts->shape_seen = dialect_usage_value(facts, value) || facts->shape_seen;
        else
            dialect_answer_value(facts, value);
        break;
    }
}

static bool is_server_tool(const struct json_value *value)
{
    return json_text_is(value, "server_tool_use") || json_text_is(value, "mcp_tool_use");
}

static void on_plain(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    if (value->rule == TYPE) {
        state->message = json_text_is(value, "message");
        facts->shape_seen = facts->shape_seen || (state->message && state->blocks) ||
                            json_text_is(value, "completion") || json_text_is(value, "error");
        return;
    }
    if (value->rule == BLOCK_TYPE) { /* others' messages have typed parts as well */
        state->blocks = true;
        facts->shape_seen = facts->shape_seen || state->message;
        if (json_text_is(value, "tool_use"))
            facts_call_whole(facts);
        else if (is_server_tool(value))
            facts_server_call(facts);
        return;
    }
    on_common(facts, value);
}

static void open_call(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    if (facts->fragment.open)
        return;
    facts_call_begin(facts, 0);
    if (state->index_known)
        facts_call_index(facts, state->index);
}

static void block_type(struct facts *facts, const struct json_value *value)
{
    if (json_text_is(value, "tool_use")) {
        open_call(facts);
        facts_call_name(facts, value);
    } else if (is_server_tool(value)) {
        facts_server_call(facts);
        state_of(facts)->server_block = true;
        facts_content(facts, CONTENT_TOOL, 0, value->text, value->bytes);
    }
}

static void on_event(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    switch (value->rule) {
    case TYPE:
        facts->done = facts->done || json_text_is(value, "message_stop");
        facts->shape_seen =
            facts->shape_seen || json_text_is(value, "message_start") || json_text_is(value, "completion");
        if (json_text_is(value, "message_start"))
            state->server_blocks = 0; /* numbered anew */
        break;
    case INDEX:
        state->index_known = value->has_u64;
        state->index = value->has_u64 ? (uint32_t)value->u64 : 0;
        break;
    case FIRST_OUTPUT:
        state->first_output_known = value->has_u64;
        state->first_output = value->u64;
        break;
    case BLOCK_TYPE:
        block_type(facts, value);
        break;
    case BLOCK_ID: /* tells apart what relays that glue answers together number from 0 again */
        open_call(facts);
        facts_call_id(facts, value);
        break;
    case ARGUMENTS:
        if (value->type != JSON_STRING || !value->bytes)
            break;
        open_call(facts);
        facts_call_arguments(facts, value->text, value->bytes);
        break;
    default:
        on_common(facts, value);
        break;
    }
}

static void on_event_begin(struct facts *facts, const char *name, size_t name_bytes)
{
    struct state *const state = state_of(facts);
    (void)name;
    (void)name_bytes;
    state->index_known = state->server_block = false;
}

/* Now the block's index is known, wherever it stood: the fragment belongs to that block, unless the
 * service runs that tool itself. */
static void on_event_end(struct facts *facts)
{
    struct state *const state = state_of(facts);
    const uint64_t bit = state->index_known ? UINT64_C(1) << (state->index & 63) : 0;
    if (state->server_block)
        state->server_blocks |= bit;
    if (!facts->fragment.open)
        return;
    if ((state->server_blocks & bit) || !facts->fragment.content) {
        facts->fragment.open = false;
        return;
    }
    if (state->index_known)
        facts_call_index(facts, state->index);
    facts_call_end(facts);
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

/* What message_start says of the output is a small placeholder, which the first message_delta
 * replaces. It counts only where a stream is whole and nothing else was said: relays that cut a
 * finished answer into events. 0 beside content is no count even there. */
static void sum(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    const bool ended = facts->done || (facts->choices && facts->choice[0].stated);
    const bool counted = state->first_output || !facts->kinds;
    if (state->first_output_known && ended && counted && !facts_has_number(facts, FACT_OUTPUT))
        facts_set_number(facts, FACT_OUTPUT, state->first_output);
    sum_iterations(facts);
}

static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)api;
    (void)provider;
    facts->input_excludes_cache = true;
}

struct dialect dialect_anthropic_messages = {
    .name = "anthropic_messages",
    .apis = "messages text-complete",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_plain},
    .event = {JSON_RULES(event_rules), on_event},
    .open = on_open,
    .event_begin = on_event_begin,
    .event_end = on_event_end,
    .sum = sum,
    .docs =
        "Recognised by the path's end `/messages`, `/v1/complete` (the old text completions; not "
        "`/threads/.../messages`) and `publishers/anthropic/models/M:rawPredict` on Vertex.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `content[]`; in a stream `content_block_start` and `content_block_delta` (text, thinking, "
        "partial_json) |\n"
        "| usage | `usage`; in a stream `message_start.message.usage` overlaid by each `message_delta.usage` "
        "(cumulative; 0 and missing names erase nothing) |\n"
        "| iterations | `usage.iterations[]`: compactions and attempts of other models are added to the usage above "
        "it; attempts declined before they wrote anything (not billed) and `advisor_message` (another model's) are "
        "not |\n"
        "| speed, cost | `usage.speed`; `usage.cost` (OpenRouter) |\n"
        "| cache | `cache_read_input_tokens`, `cache_creation_input_tokens`, by lifetime in `cache_creation` |\n"
        "| reasoning | `usage.output_tokens_details.thinking_tokens` |\n"
        "| tool calls | `tool_use` blocks; `server_tool_use` and `mcp_tool_use` are the service's own |\n"
        "| error | `error.type`, else Google's `error.status`, else `error.code`; also in an `error` event within "
        "a 200; within a success also `success` false, a flat `code` (Z.ai) |\n\n"
        "Quirks: `input_tokens` excludes cache reads and writes; the span's input is the sum. `message_start`'s "
        "`output_tokens` is a placeholder: it counts only in a whole stream without another. Signatures, citations and "
        "pings are no content.\n\n"
        "Source: https://docs.anthropic.com/en/api/messages, recorded traffic.\n",
};
