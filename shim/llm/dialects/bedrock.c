/*
 * Amazon Bedrock: Converse, and InvokeModel for the families whose bodies are their own (Nova,
 * Titan, Llama, Mistral, Cohere, AI21). Anthropic's and OpenAI's bodies within InvokeModel are read
 * by their own dialects (recognise.c tells by the model's name).
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Streams are AWS event
 * streams; Nova's InvokeModel events are Converse events with the event's name as a key around
 * them.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>

enum rule {
    STOP = ANSWER_OWN,
    SHAPE,
    INDEX,
    TEXT,
    REASONING,
    MEDIA,
    MESSAGE,
    STOP_OF_LIST,
    GUARDRAIL,
    METRICS, /* of InvokeModel, in the last event */
    CALL,    /* a tool call, whole or beginning */
    CALL_NAME,
    CALL_TYPE,
    CALL_INPUT,
    FAMILY_CALL,
    FAMILY_CALL_PIECE,
    BLOCK_TYPE,
    DETAIL,
    DETAIL_TOKENS,
    DETAIL_LIFETIME,
    RESULT, /* number of a generation under way */
    LATENCY_MS,
    SERVED_SPEED,
    PLACEHOLDER, /* Anthropic's first count of output, which the last one replaces: none if the stream is cut */
    METRIC_INPUT,
    METRIC_OUTPUT,
    METRIC_CACHE_READ,
    METRIC_CACHE_CREATION,
};

struct state {
    uint64_t server_blocks; /* bit per content block index: a tool that the service runs */
    uint32_t result, index;
    bool plain_call_is_server, server;
    bool chunk;   /* the event under way is InvokeModel's */
    bool an_hour; /* the lifetime of the cache under way */
    uint64_t lived_tokens;
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define STATED_USAGE(at) \
    RULE(at, SHAPE, 0), \
    RULE(at ".cacheDetails[]", DETAIL, 0), \
    RULE(at ".cacheDetails[].inputTokens", DETAIL_TOKENS, 0), \
    RULE(at ".cacheDetails[].ttl", DETAIL_LIFETIME, 0)

#define FAMILY_RULES \
    RULE("id", ANSWER_ID, 0), \
    RULE("generation_id", ANSWER_ID, 0), \
    RULE("model", ANSWER_MODEL, 0), \
    RULE("message", MESSAGE, JSON_PIECES), \
    RULE("amazon-bedrock-guardrailAction", GUARDRAIL, 0), \
    RULE("amazon-bedrock-invocationMetrics", METRICS, 0), \
    RULE("amazon-bedrock-invocationMetrics.inputTokenCount", METRIC_INPUT, 0), \
    RULE("amazon-bedrock-invocationMetrics.outputTokenCount", METRIC_OUTPUT, 0), \
    RULE("amazon-bedrock-invocationMetrics.cacheReadInputTokenCount", METRIC_CACHE_READ, 0), \
    RULE("amazon-bedrock-invocationMetrics.cacheWriteInputTokenCount", METRIC_CACHE_CREATION, 0), \
    RULE("amazon-bedrock-invocationMetrics.invocationLatency", LATENCY_MS, 0), \
    RULE("inputTextTokenCount", METRIC_INPUT, 0), \
    RULE("results[]", RESULT, 0), \
    RULE("results[].tokenCount", METRIC_OUTPUT, 0), \
    RULE("results[].outputText", TEXT, JSON_PIECES), \
    RULE("results[].completionReason", STOP, 0), \
    RULE("outputText", TEXT, JSON_PIECES), \
    RULE("completionReason", STOP, 0), \
    RULE("totalOutputTextTokenCount", METRIC_OUTPUT, 0), \
    RULE("generation", TEXT, JSON_PIECES), \
    RULE("prompt_token_count", METRIC_INPUT, 0), \
    RULE("generation_token_count", METRIC_OUTPUT, 0), \
    RULE("stop_reason", STOP, 0), \
    RULE("outputs[]", RESULT, 0), \
    RULE("outputs[].text", TEXT, JSON_PIECES), \
    RULE("outputs[].stop_reason", STOP, 0), \
    RULE("generations[]", RESULT, 0), \
    RULE("generations[].text", TEXT, JSON_PIECES), \
    RULE("generations[].finish_reason", STOP, 0), \
    RULE("text", TEXT, JSON_PIECES), \
    RULE("finish_reason", STOP, 0), \
    RULE("completions[]", RESULT, 0), \
    RULE("completions[].data.text", TEXT, JSON_PIECES), \
    RULE("completions[].finishReason.reason", STOP, 0), \
    RULE("choices[]", RESULT, 0), \
    RULE("choices[].text", TEXT, JSON_PIECES), \
    RULE("choices[].stop_reason", STOP, 0), \
    RULE("choices[].finish_reason", STOP, 0), \
    RULE("choices[].message.content", TEXT, JSON_PIECES), \
    RULE("choices[].delta.content", TEXT, JSON_PIECES), \
    RULE("content[].text", TEXT, JSON_PIECES), \
    RULE("images[]", MEDIA, JSON_PIECES), \
    RULE("finish_reasons[]", STOP_OF_LIST, 0), \
    RULE("artifacts[]", RESULT, 0), \
    RULE("artifacts[].finishReason", STOP, 0), \
    RULE("artifacts[].base64", MEDIA, JSON_PIECES), \
    RULE("finishReason", STOP, 0), \
    RULE("tool_calls[]", FAMILY_CALL, 0), \
    RULE("choices[].message.tool_calls[]", FAMILY_CALL, 0)

static const struct json_rule plain_rules[] = {
    FAMILY_RULES,
    RULE("output.message", SHAPE, 0),
    RULE("output.message.content[].text", TEXT, JSON_PIECES),
    RULE("output.message.content[].reasoningContent.reasoningText.text", REASONING, JSON_PIECES),
    RULE("output.message.content[].toolUse", CALL, 0),
    RULE("output.message.content[].toolUse.type", CALL_TYPE, 0),
    RULE("output.message.content[].image", MEDIA, 0),
    RULE("output.message.content[].citationsContent.content[].text", TEXT, JSON_PIECES),
    RULE("content[].type", BLOCK_TYPE, 0), /* Anthropic's, see event_rules */
    RULE("content[].thinking", REASONING, JSON_PIECES),
    RULE("stopReason", STOP, 0),
    STATED_USAGE("usage"),
    RULE("metrics.latencyMs", LATENCY_MS, 0),
    RULE("serviceTier.type", ANSWER_TIER, 0),
    RULE("performanceConfig.latency", SERVED_SPEED, 0),
};

#define CONVERSE_EVENTS(delta, start, stop, metadata) \
    RULE(delta "contentBlockIndex", INDEX, 0), \
    RULE(delta "delta.text", TEXT, JSON_PIECES), \
    RULE(delta "delta.reasoningContent.text", REASONING, JSON_PIECES), \
    RULE(delta "delta.toolUse.input", CALL_INPUT, JSON_PIECES), \
    RULE(delta "delta.image.source.bytes", MEDIA, JSON_PIECES), \
    RULE(start "start.toolUse", CALL, 0), \
    RULE(start "start.toolUse.name", CALL_NAME, 0), \
    RULE(start "start.toolUse.type", CALL_TYPE, 0), \
    RULE(stop "stopReason", STOP, 0), \
    STATED_USAGE(metadata "usage"), \
    RULE(metadata "serviceTier.type", ANSWER_TIER, 0), \
    RULE(metadata "performanceConfig.latency", SERVED_SPEED, 0), \
    RULE(metadata "metrics.latencyMs", LATENCY_MS, 0)

static const struct json_rule event_rules[] = {
    FAMILY_RULES,
    CONVERSE_EVENTS("", "", "", ""),
    CONVERSE_EVENTS("contentBlockDelta.", "contentBlockStart.", "messageStop.", "metadata."),
    RULE("contentBlockStart.contentBlockIndex", INDEX, 0),
    RULE("tool_call_delta", FAMILY_CALL_PIECE, 0), /* Cohere; the calls come whole later */
    /* Anthropic's, where the ARN of an inference profile or of a deployment does not tell the
     * family. */
    RULE("message.id", ANSWER_ID, 0),
    RULE("message.model", ANSWER_MODEL, 0),
    STATED_USAGE("message.usage"),
    USAGE_RULES("message.usage"),
    USAGE_RULES("metadata.usage"),
    RULE("message.usage.output_tokens", PLACEHOLDER, 0),
    RULE("index", INDEX, 0),
    RULE("content_block.type", BLOCK_TYPE, 0),
    RULE("delta.thinking", REASONING, JSON_PIECES),
    RULE("delta.partial_json", CALL_INPUT, JSON_PIECES),
    RULE("delta.stop_reason", STOP, 0),
};

static const struct json_rule request_rules[] = {
    RULE("inferenceConfig.maxTokens", REQUEST_MAX_TOKENS, 0),
    RULE("inferenceConfig.max_new_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("textGenerationConfig.maxTokenCount", REQUEST_MAX_TOKENS, 0),
    RULE("max_gen_len", REQUEST_MAX_TOKENS, 0),
    RULE("max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("maxTokens", REQUEST_MAX_TOKENS, 0),
    RULE("toolConfig.tools", REQUEST_TOOLS, JSON_RAW),
    RULE("outputConfig.textFormat", REQUEST_FORMAT, JSON_RAW),
    RULE("system[].text", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    RULE("inputText", REQUEST_USER, JSON_PIECES),
    RULE("preamble", REQUEST_INSTRUCTIONS, JSON_PIECES),
    REQUEST_MESSAGES("messages"),
    RULE("requestMetadata.prompt", REQUEST_META_NAME, 0),
    RULE("requestMetadata.prompt_version", REQUEST_META_VERSION, 0),
};
/* clang-format on */

static void content(struct facts *facts, const struct json_value *value, enum facts_content kind)
{
    if (value->type == JSON_STRING)
        facts_content(facts, kind, state_of(facts)->result, value->text, value->bytes);
    else if (value->type == JSON_OBJECT_BEGIN)
        facts_content(facts, kind, 0, " ", 1);
    facts->shape_seen = facts->shape_seen || value->type == JSON_STRING;
}

/* What was written to the cache, by its lifetime. */
static void cache_detail(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->rule == DETAIL_TOKENS)
        state->lived_tokens = value->has_u64 ? value->u64 : 0;
    else if (value->rule == DETAIL_LIFETIME)
        state->an_hour = json_text_is(value, "1h");
    else if (value->type == JSON_OBJECT_END)
        facts_set_number(facts, state->an_hour ? FACT_CACHE_CREATION_1H : FACT_CACHE_CREATION_5M, state->lived_tokens);
    else if (value->type == JSON_OBJECT_BEGIN)
        state->an_hour = false;
}

static void family_part(struct facts *facts, const struct json_value *value)
{
    const struct state *const state = state_of(facts);
    if (value->rule == MESSAGE) { /* Pegasus' answer; of an error, its text */
        if (value->type == JSON_STRING && (state->chunk || !facts->stream))
            content(facts, value, CONTENT_TEXT);
    } else if (value->rule == STOP_OF_LIST) {
        facts_finish(facts, value->indexes ? value->index[0] : 0, value);
    } else if (value->rule == GUARDRAIL) {
        facts->filtered = facts->filtered || json_text_is(value, "INTERVENED");
    } else if (value->type == JSON_OBJECT_BEGIN) {
        if (value->rule == FAMILY_CALL)
            facts_call_whole(facts);
        else
            facts_content(facts, CONTENT_TOOL, 0, "{", 1);
    }
}

/* What Bedrock counts beside the model's own usage. */
static void metric(struct facts *facts, const struct json_value *value)
{
    static const struct {
        enum rule rule;
        enum facts_number fact;
    } metrics[] = {{METRIC_INPUT, FACT_INPUT},
                   {METRIC_OUTPUT, FACT_OUTPUT},
                   {METRIC_CACHE_READ, FACT_CACHE_READ},
                   {METRIC_CACHE_CREATION, FACT_CACHE_CREATION}};
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
        if (metrics[i].rule == (enum rule)value->rule)
            facts_fallback(facts, metrics[i].fact, value);
}

static void on_common(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case MESSAGE:
    case STOP_OF_LIST:
    case GUARDRAIL:
    case FAMILY_CALL:
    case FAMILY_CALL_PIECE:
        family_part(facts, value);
        break;
    case METRICS:
        facts->done = true;
        break;
    case DETAIL:
    case DETAIL_TOKENS:
    case DETAIL_LIFETIME:
        cache_detail(facts, value);
        break;
    case STOP:
        facts_finish(facts, state_of(facts)->result, value);
        break;
    case SHAPE:
        facts->shape_seen = true;
        break;
    case PLACEHOLDER:
        break;
    case TEXT:
        content(facts, value, CONTENT_TEXT);
        break;
    case REASONING:
        content(facts, value, CONTENT_REASONING);
        break;
    case MEDIA:
        content(facts, value, CONTENT_MEDIA);
        break;
    case RESULT:
        if (value->type == JSON_OBJECT_BEGIN && value->indexes)
            state_of(facts)->result = value->index[0];
        break;
    case SERVED_SPEED:
        facts_set_value(facts, FACT_SPEED, value);
        break;
    case LATENCY_MS:
        facts_set_time(facts, FACT_SERVER_PROCESSING_NS, value, 1e6);
        break;
    case METRIC_INPUT ... METRIC_CACHE_CREATION:
        metric(facts, value);
        break;
    default:
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
    if (value->rule == BLOCK_TYPE) {
        if (json_text_is(value, "tool_use"))
            facts_call_whole(facts);
        else if (is_server_tool(value))
            facts_server_call(facts);
    } else if (value->rule == CALL_TYPE) {
        state->plain_call_is_server = is_server_tool(value);
    } else if (value->rule == CALL && value->type == JSON_OBJECT_BEGIN) {
        state->plain_call_is_server = false;
    } else if (value->rule == CALL && value->type == JSON_OBJECT_END) {
        if (state->plain_call_is_server)
            facts_server_call(facts);
        else
            facts_call_whole(facts);
    } else if (value->rule != CALL) {
        on_common(facts, value);
    }
}

static void open_call(struct facts *facts)
{
    if (!facts->fragment.open)
        facts_call_begin(facts, 0);
}

static void on_event(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case INDEX:
        state_of(facts)->index = value->has_u64 ? (uint32_t)value->u64 : 0;
        break;
    case CALL_TYPE:
        state_of(facts)->server = is_server_tool(value);
        break;
    case BLOCK_TYPE:
        state_of(facts)->server = is_server_tool(value);
        if (!state_of(facts)->server && !json_text_is(value, "tool_use"))
            break;
        open_call(facts);
        facts_call_name(facts, value);
        break;
    case CALL:
        break;
    case CALL_NAME:
        open_call(facts);
        facts_call_name(facts, value);
        break;
    case CALL_INPUT:
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

static void on_event_begin(struct facts *facts, const char *name, size_t bytes)
{
    struct state *const state = state_of(facts);
    state->server = false;
    state->chunk = bytes == 5 && !memcmp(name, "chunk", 5);
    state->index = state->result = 0;
    facts->shape_seen = facts->shape_seen || bytes;
}

/* The block's index and the tool's type are known now: a tool that the service runs is none of the
 * client's calls. */
static void on_event_end(struct facts *facts)
{
    struct state *const state = state_of(facts);
    const uint64_t bit = UINT64_C(1) << (state->index & 63);
    if (state->server) {
        state->server_blocks |= bit;
        facts_server_call(facts);
    }
    if (!facts->fragment.open)
        return;
    if (state->server_blocks & bit) {
        facts->fragment.open = false;
        return;
    }
    facts_call_index(facts, state->index);
    facts_call_end(facts);
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)api;
    (void)provider;
    facts->input_excludes_cache = true;
}

struct dialect dialect_bedrock = {
    .name = "bedrock",
    .apis = "converse invoke",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_plain},
    .event = {JSON_RULES(event_rules), on_event},
    .open = on_open,
    .event_begin = on_event_begin,
    .event_end = on_event_end,
    .docs =
        "Recognised by the paths `/model/M/converse`, `/model/M/converse-stream`, `/model/M/invoke`, "
        "`/model/M/invoke-with-response-stream`; M is "
        "the model asked for, an ARN stays whole.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | Converse: `output.message.content[]`; stream: `contentBlockStart`, `contentBlockDelta`. "
        "InvokeModel: the family's own: "
        "`outputText` and `results[]` (Titan), `generation` (Llama), `outputs[]` (Mistral), `generations[]`, `text` "
        "(Cohere), `completions[]` (AI21), `images[]`, `artifacts[]` (pictures), `message` (Pegasus); Nova as "
        "Converse; Anthropic and OpenAI as in their own dialects, Anthropic here too where an ARN hides the family |\n"
        "| usage | Converse: `usage`, in a stream in `metadata`. InvokeModel: the family's own, else "
        "`amazon-bedrock-invocationMetrics`, else the headers "
        "`x-amzn-bedrock-*-token-count` |\n"
        "| cache by lifetime | Converse: `usage.cacheDetails[]` |\n"
        "| finish | `stopReason`, `completionReason`, `stop_reason`, `finish_reason`, `finish_reasons[]`; a "
        "guardrail's doing: "
        "`amazon-bedrock-guardrailAction` |\n"
        "| tier, speed | `serviceTier.type`, `performanceConfig.latency`, in a stream in `metadata`; header "
        "`x-amzn-bedrock-service-tier` |\n"
        "| server time | `metrics.latencyMs`, `invocationLatency`, header `x-amzn-bedrock-invocation-latency` |\n"
        "| error | header `x-amzn-errortype`; in a stream the exception's name |\n\n"
        "Quirks: input excludes cache reads and writes; the span's input is the sum. Random padding (`p`) in each "
        "event. Chunks of InvokeModel are "
        "base64 within JSON within the frame.\n\n"
        "Source: https://docs.aws.amazon.com/bedrock/latest/APIReference, recorded traffic.\n",
};
