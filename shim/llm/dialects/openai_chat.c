/*
 * OpenAI chat completions and text completions, and everybody who speaks them.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The many spellings of
 * usage are dialect_usage.c's.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"
#include "llamacpp.h"

#include <string.h>

enum rule {
    ID = ANSWER_OWN,
    CHOICE,
    INDEX,
    FINISH,
    STOP_REASON,
    TEXT,
    REASONING,
    REFUSAL,
    MEDIA,
    BARE_TEXT,
    CALL,
    CALL_INDEX,
    CALL_ID,
    CALL_NAME,
    CALL_ARGUMENTS,
    CALL_FREE_INPUT,
    USAGE,
    TOP_CODE,
    TOP_TYPE,
    OBJECT,
    QUEUE_S,
    PREFILL_S,
    DECODE_S,
    PROCESSING_S,
    METRIC_INPUT, /* within Bedrock's InvokeModel */
    METRIC_OUTPUT,
    STATUS, /* of an answer that is asked after */
    VECTOR, /* where a path does not tell chat from embeddings */
    DOCUMENT,
};

/* Dialect's own state within struct facts. */
struct state {
    uint32_t choice; /* of the choice under way */
    bool choice_stated, text_seen, invoked;
    bool counted, chosen; /* the event under way states usage, has a choice */
    bool any_counted;     /* the answer states usage */
    uint8_t finish_bytes;
    char finish[FACTS_REASON_MAX];
    struct llamacpp llamacpp;
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
/* Where the answer's parts stand: under "delta" in a stream, under "message" else. (Perplexity's
 * chunks have both: the message so far is no news.) */
#define PARTS(at) \
    RULE(at ".content", TEXT, JSON_PIECES), \
    RULE(at ".content[]", TEXT, JSON_PIECES), \
    RULE(at ".content[].text", TEXT, JSON_PIECES), \
    RULE(at ".content[].thinking", REASONING, JSON_PIECES), \
    RULE(at ".content[].thinking[].text", REASONING, JSON_PIECES), \
    RULE(at ".reasoning_content", REASONING, JSON_PIECES), \
    RULE(at ".reasoning", REASONING, JSON_PIECES), \
    RULE(at ".reasoning_text", REASONING, JSON_PIECES), \
    RULE(at ".reasoning_details[].text", REASONING, JSON_PIECES), \
    RULE(at ".reasoning_details[].summary", REASONING, JSON_PIECES), \
    RULE(at ".refusal", REFUSAL, JSON_PIECES), \
    RULE(at ".audio.data", MEDIA, JSON_PIECES), \
    RULE(at ".audio.transcript", MEDIA, JSON_PIECES), \
    RULE(at ".images[].image_url.url", MEDIA, JSON_PIECES), \
    RULE(at ".tool_calls[]", CALL, 0), \
    RULE(at ".tool_calls[].index", CALL_INDEX, 0), \
    RULE(at ".tool_calls[].id", CALL_ID, 0), \
    RULE(at ".tool_calls[].function.name", CALL_NAME, 0), \
    RULE(at ".tool_calls[].function.arguments", CALL_ARGUMENTS, JSON_PIECES), \
    RULE(at ".tool_calls[].custom.name", CALL_NAME, 0), \
    RULE(at ".tool_calls[].custom.input", CALL_FREE_INPUT, JSON_PIECES), \
    RULE(at ".function_call", CALL, 0), \
    RULE(at ".function_call.name", CALL_NAME, 0), \
    RULE(at ".function_call.arguments", CALL_ARGUMENTS, JSON_PIECES)

#define TIMED_USAGE(at) \
    RULE(at, USAGE, 0), \
    RULE(at ".queue_time", QUEUE_S, 0), \
    RULE(at ".prompt_time", PREFILL_S, 0), \
    RULE(at ".completion_time", DECODE_S, 0), \
    RULE(at ".total_time", PROCESSING_S, 0), \
    RULE(at ".total_prompt_time_sec", PREFILL_S, 0), \
    RULE(at ".total_completion_time_sec", DECODE_S, 0), \
    RULE(at ".total_time_sec", PROCESSING_S, 0)

#define ANSWER_RULES \
    RULE("id", ID, 0), \
    RULE("model", ANSWER_MODEL, 0), \
    RULE("model_id", ANSWER_MODEL, 0), \
    RULE("service_tier", ANSWER_TIER, 0), \
    RULE("choices[]", CHOICE, 0), \
    RULE("choices[].index", INDEX, 0), \
    RULE("choices[].finish_reason", FINISH, 0), \
    RULE("choices[].text", TEXT, JSON_PIECES), \
    FAILURE_ERROR("choices[].error"), \
    TIMED_USAGE("usage"), \
    TIMED_USAGE("choices[].usage"), \
    USAGE_RULES("choices[].usage"), \
    TIMED_USAGE("x_groq.usage"), \
    USAGE_RULES("x_groq.usage"), \
    RULE("time_info.queue_time", QUEUE_S, 0), \
    RULE("time_info.prompt_time", PREFILL_S, 0), \
    RULE("time_info.completion_time", DECODE_S, 0), \
    RULE("time_info.total_time", PROCESSING_S, 0), \
    LLAMACPP_TIMINGS, \
    LLAMACPP_RULES, \
    ANSWER_VLLM_METRICS("metrics"), \
    RULE("code", TOP_CODE, 0), \
    RULE("error_code", TOP_CODE, 0), \
    RULE("type", TOP_TYPE, 0), \
    RULE("error_type", TOP_TYPE, 0), \
    RULE("object", OBJECT, 0), \
    FAILURE_ERROR("errors[]"), \
    RULE("choices[].stop_reason", STOP_REASON, 0), \
    FAILURE_ERROR("x_groq.error"), \
    RULE("status", STATUS, 0), \
    RULE("stats.*", USAGE_NAMED, 0), \
    RULE("task_status", STATUS, 0), \
    RULE("amazon-bedrock-invocationMetrics.inputTokenCount", METRIC_INPUT, 0), \
    RULE("amazon-bedrock-invocationMetrics.outputTokenCount", METRIC_OUTPUT, 0)

static const struct json_rule plain_rules[] = {
    RULE("", DOCUMENT, 0),
    ANSWER_RULES,
    PARTS("choices[].message"),
    RULE("data[].embedding", VECTOR, 0),
};
static const struct json_rule event_rules[] = {
    ANSWER_RULES,
    PARTS("choices[].delta"),
    RULE("value", BARE_TEXT, JSON_PIECES),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("model_id", REQUEST_MODEL, 0), /* watsonx */
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("max_completion_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("n", REQUEST_CHOICES, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("functions", REQUEST_TOOLS, JSON_RAW),
    RULE("response_format", REQUEST_FORMAT, JSON_RAW),
    RULE("guided_json", REQUEST_SCHEMA, JSON_RAW), /* vLLM, and its newer name; llama.cpp */
    RULE("structured_outputs.json", REQUEST_SCHEMA, JSON_RAW),
    RULE("json_schema", REQUEST_SCHEMA, JSON_RAW),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    RULE("prompt[]", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("messages"),
    REQUEST_METADATA,
    REQUEST_END_USERS(""),
    /* SAP's orchestration, both versions */
    RULE("config.modules.prompt_templating.model.name", REQUEST_MODEL, 0),
    RULE("config.modules.prompt_templating.model.params.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("config.stream.enabled", REQUEST_STREAM, 0),
    REQUEST_MESSAGES("config.modules.prompt_templating.prompt.template"),
    RULE("orchestration_config.module_configurations.llm_module_config.model_name", REQUEST_MODEL, 0),
    RULE("orchestration_config.module_configurations.llm_module_config.model_params.max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("orchestration_config.stream", REQUEST_STREAM, 0),
    REQUEST_MESSAGES("orchestration_config.module_configurations.templating_module_config.template"),
};
/* clang-format on */

static void choice(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->type == JSON_OBJECT_BEGIN) {
        state->choice = value->indexes ? value->index[0] : 0;
        state->finish_bytes = 0;
        state->text_seen = false;
        state->chosen = facts->shape_seen = true;
    } else if (value->type == JSON_OBJECT_END) {
        const struct json_value finish = {.type = JSON_STRING, .text = state->finish, .bytes = state->finish_bytes};
        facts_finish(facts, state->choice, &finish);
    }
}

static void choice_index(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (!value->has_u64 || value->u64 > UINT32_MAX)
        return;
    /* The text came before its index, and went to another choice's check: that check says nothing
     * any more. */
    if (state->text_seen && state->choice != (uint32_t)value->u64)
        facts->json_asked = false;
    state->choice = (uint32_t)value->u64;
}

/* Kept until the choice ends, because its index may follow. */
static void finish(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->type != JSON_STRING)
        return;
    state->finish_bytes = (uint8_t)(value->bytes < FACTS_REASON_MAX ? value->bytes : FACTS_REASON_MAX);
    memcpy(state->finish, value->text, state->finish_bytes);
}

static const enum facts_content contents[] = {
    [TEXT] = CONTENT_TEXT, [REASONING] = CONTENT_REASONING, [REFUSAL] = CONTENT_REFUSAL, [MEDIA] = CONTENT_MEDIA};

static void content(struct facts *facts, const struct json_value *value, enum facts_content kind)
{
    struct state *const state = state_of(facts);
    if (value->type != JSON_STRING)
        return;
    state->text_seen = true;
    facts_content(facts, kind, state->choice, value->text, value->bytes);
}

/* In a plain answer each element is a call of its own, even where a server leaves ids empty; in a
 * stream elements are fragments. */
static void begin_call(struct facts *facts, const struct json_value *value)
{
    const bool listed = value->indexes > 1; /* the old "function_call" is none of a list */
    facts_call_begin(facts, state_of(facts)->choice);
    facts->fragment.listed = listed;
    if (listed && !facts->stream)
        facts_call_index(facts, value->index[1]);
}

static void call(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case CALL:
        if (value->type == JSON_OBJECT_BEGIN)
            begin_call(facts, value);
        else if (value->type == JSON_OBJECT_END)
            facts_call_end(facts);
        break;
    case CALL_INDEX:
        if (value->has_u64 && facts->stream)
            facts_call_index(facts, value->u64);
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
    default: /* custom tools take free text */
        if (value->type == JSON_STRING && value->bytes)
            facts_call_free_input(facts);
        break;
    }
}

static void usage(struct facts *facts, const struct json_value *value)
{
    if (value->type == JSON_OBJECT_BEGIN)
        facts_usage_begin(facts);
    else if (value->type == JSON_OBJECT_END)
        facts_usage_end(facts);
    state_of(facts)->counted = state_of(facts)->counted || value->type == JSON_OBJECT_END;
    const bool named = facts_has_number(facts, FACT_INPUT) || facts_has_number(facts, FACT_OUTPUT);
    facts->shape_seen = facts->shape_seen || (value->type == JSON_OBJECT_END && named); /* a total alone is anybody's */
}

/* Flat names and codes (Mistral, Databricks, Hugging Face) give way to the error object's own. */
static void error(struct facts *facts, const struct json_value *value)
{
    const bool name = value->type == JSON_STRING && !json_text_is(value, "error"); /* Anthropic's flat one is no type */
    if (value->rule == TOP_CODE && (name || value->type == JSON_NUMBER))
        failure_code(facts, value);
    else if (value->rule == TOP_TYPE && name && !facts_has_text(facts, FACT_ERROR_TYPE))
        facts_set_value(facts, FACT_ERROR_TYPE, value);
    else if (value->rule == OBJECT && json_text_is(value, "error")) /* vLLM, Mistral: an error without an "error" */
        facts_error_seen(facts);
}

static void timing(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case QUEUE_S:
        facts_set_time(facts, FACT_SERVER_QUEUE_NS, value, 1e9);
        break;
    case PREFILL_S:
        facts_set_time(facts, FACT_SERVER_PREFILL_NS, value, 1e9);
        break;
    case DECODE_S:
        facts_set_time(facts, FACT_SERVER_DECODE_NS, value, 1e9);
        break;
    default:
        facts_set_time(facts, FACT_SERVER_PROCESSING_NS, value, 1e9);
        break;
    }
}

/* An answer that comes later says so in the place of its choices (Perplexity, Zhipu). */
static void status(struct facts *facts, const struct json_value *value)
{
    static const char passing[][16] = {"CREATED", "IN_PROGRESS", "PROCESSING"};
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (json_text_is(value, passing[i]))
            facts->kinds |= CONTENT_ELSEWHERE;
}

/* What few services say. */
static void of_few(struct facts *facts, const struct json_value *value)
{
    const struct state *const state = state_of(facts);
    if (value->rule == STATUS) {
        status(facts, value);
    } else if (value->rule == VECTOR) {
        facts->api = "embeddings";
        facts->shape_seen = true;
        facts_content(facts, CONTENT_MEDIA, 0, "x", 1);
    } else if (value->rule == METRIC_INPUT || value->rule == METRIC_OUTPUT) {
        facts_fallback(facts, value->rule == METRIC_INPUT ? FACT_INPUT : FACT_OUTPUT, value);
    } else if (state->invoked && !state->finish_bytes) {
        finish(facts, value); /* DeepSeek's and Mistral's name for it within Bedrock's InvokeModel; at vLLM it is the
                                 stop word that was found */
    }
}

static void on_begin(struct facts *facts)
{
    struct state *const state = state_of(facts);
    state->counted = state->chosen = false;
    llamacpp_begin(&state->llamacpp);
}

/* What usage states of one of several answers; more than a part can hold is no count. */
static void part_count(const struct facts *facts, struct facts_part *part, unsigned which, enum facts_number fact)
{
    if (!((facts->pending.present >> fact) & 1))
        return;
    const bool fits = facts->pending.value[fact] <= UINT32_MAX;
    part->count[which] = fits ? (uint32_t)facts->pending.value[fact] : 0;
    part->present = (uint8_t)((part->present & ~(1u << which)) | (unsigned)fits << which);
}

/*
 * llama.cpp adds its timings to each of several answers by itself, with or without usage; the
 * choice that they belong to stands in the same event or ended in the one before. At its bare path
 * the answer is its own in all things.
 */
static void on_end(struct facts *facts)
{
    struct state *const state = state_of(facts);
    state->any_counted = state->any_counted || state->counted;
    if (facts->stream && !state->chosen && !state->counted && failure_code_stated(facts))
        facts_error_seen(facts); /* a vendor's code in the place of a chunk */
    if (state->llamacpp.native && !facts_has_number(facts, FACT_INPUT)) {
        facts->api = "llamacpp-completion";
        llamacpp_end(facts, &state->llamacpp);
        return;
    }
    if (!state->llamacpp.timed)
        return;
    struct facts_part part = state->llamacpp.part;
    llamacpp_timings(&state->llamacpp, &part);
    if (state->counted) { /* what a cache gave is usage's to say */
        part.present &= (uint8_t) ~(1u << PART_CACHED);
        part_count(facts, &part, PART_CACHED, FACT_CACHE_READ);
        part_count(facts, &part, PART_INPUT, FACT_INPUT);
        part_count(facts, &part, PART_OUTPUT, FACT_OUTPUT);
    }
    facts_part(facts, facts->stream ? state->choice : state->llamacpp.answers++, &part);
}

/* What other dialects read as well. */
static void shared(struct facts *facts, const struct json_value *value)
{
    if (llamacpp_is(value)) {
        llamacpp_value(facts, &state_of(facts)->llamacpp, value);
        return;
    }
    facts->shape_seen = facts->shape_seen || (failure_is_type(value) && dialect_answer_names_error(value));
    dialect_answer_value(facts, value);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case DOCUMENT: /* of a plain body; events have an end of their own */
        if (!facts->stream && value->type == JSON_OBJECT_BEGIN)
            on_begin(facts);
        else if (!facts->stream && value->type == JSON_OBJECT_END)
            on_end(facts);
        break;
    case ID:
        if (!facts_has_text(
                facts,
                FACT_RESPONSE_ID)) /* relays that switch upstreams within a stream keep theirs in the first chunk */
            facts_set_value(facts, FACT_RESPONSE_ID, value);
        break;
    case BARE_TEXT:
        facts->no_end_mark = facts->shape_seen = true;
        content(facts, value, CONTENT_TEXT);
        break;
    case CHOICE:
        choice(facts, value);
        break;
    case INDEX:
        choice_index(facts, value);
        break;
    case FINISH:
        finish(facts, value);
        break;
    case STOP_REASON:
    case STATUS:
    case VECTOR:
    case METRIC_INPUT:
    case METRIC_OUTPUT:
        of_few(facts, value);
        break;
    case TEXT:
    case REASONING:
    case REFUSAL:
    case MEDIA:
        content(facts, value, contents[value->rule]);
        break;
    case USAGE:
        usage(facts, value);
        break;
    case TOP_CODE:
    case TOP_TYPE:
    case OBJECT:
        error(facts, value);
        break;
    case CALL ... CALL_FREE_INPUT:
        call(facts, value);
        break;
    case QUEUE_S ... PROCESSING_S:
        timing(facts, value);
        break;
    default:
        shared(facts, value);
        break;
    }
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

static void on_open(struct facts *facts, const char *api, const char *provider)
{
    state_of(facts)->invoked = !strcmp(api, "invoke");
    facts->output_excludes_reasoning = provider != NULL && !strcmp(provider, "x_ai");
    facts->reasoning_beside = provider != NULL && !strcmp(provider, "perplexity");
    facts->reasoning_within =
        provider != NULL && !strcmp(provider, "openrouter"); /* whose own tokenizer counts it once more */
    facts->total_tells = true;
}

static void on_event_begin(struct facts *facts, const char *name, size_t bytes)
{
    on_begin(facts);
    if (bytes == 5 && !memcmp(name, "error", 5))
        facts_error_seen(facts);
}

/* llama.cpp without usage still says in its timings how many tokens it read and wrote. */
static void sum(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    const bool stated = state->any_counted || state->llamacpp.native;
    const bool several = facts_parts_end(facts);
    if (!stated && (several || facts->part[state->choice < FACTS_PARTS_MAX ? state->choice : 0].present))
        facts->usage_from_timings = true;
}

struct dialect dialect_openai_chat = {
    .name = "openai_chat",
    .apis = "chat-completions completions",
    .envelopes = "response result final_result orchestration_result",
    .request_envelope = "request",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .open = on_open,
    .event_begin = on_event_begin,
    .event_end = on_end,
    .sum = sum,
    .docs =
        "Recognised by the path's end `/chat/completions` or `/completions`, whoever serves it; Databricks' "
        "`/serving-endpoints/E/invocations`, where an answer "
        "with `data[].embedding` makes it embeddings; Perplexity's `/v1/sonar`, and what is asked after by GET: "
        "Perplexity's "
        "`/async/chat/completions/R`, xAI's `/chat/deferred-completion/R`, Zhipu's `/async-result/R`. The answer may "
        "stand "
        "below `response` (Perplexity's asynchronous one), `final_result`, `orchestration_result` (SAP's "
        "orchestration, "
        "`/completion` of its deployments) or `result`.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `choices[].delta` in a stream, else `choices[].message`: `content` (text or list of parts), "
        "`reasoning_content`, "
        "`reasoning`, `reasoning_details[]`, `refusal`, `tool_calls[]`, `function_call`, `audio`, `images[]`; "
        "`choices[].text` |\n"
        "| usage | `usage` (or `x_groq.usage`, Moonshot's `choices[].usage`); a later one is laid over an earlier one, "
        "0 and missing names erase nothing; spellings of all known relays |\n"
        "| cache | `prompt_tokens_details.cached_tokens`, `cached_tokens`, `num_cached_tokens`, "
        "`prompt_cache_hit_tokens`, "
        "`cache_read_input_tokens`, `cached_input_tokens` (Inception); written: `cache_write_tokens`, "
        "`cache_creation_input_tokens` (DashScope), `cache_creation_tokens` (LiteLLM), `cached_write_tokens` (Envoy), "
        "`cached_creation_tokens` (new-api), beside or in the details, or by lifetime alone |\n"
        "| drafts | `timings.draft_n`, `timings.draft_n_accepted` (llama.cpp), `usage.draft_tokens` (GPUStack), "
        "`stats.*` (LM Studio) |\n"
        "| server times | `usage.{queue,prompt,completion,total}_time` (Groq), `time_info` (Cerebras), `timings` "
        "(llama.cpp), "
        "`usage.total_*_sec` (mistral.rs), vLLM's `metrics`: `queue_time_ms`, `time_to_first_token_ms` (from the end "
        "of the queue: prefill), "
        "`generation_time_ms` (https://github.com/vllm-project/vllm/blob/main/docs/features/per_request_metrics.md) |\n"
        "| cost | `usage.cost` in dollars (OpenRouter, Vercel), `usage.estimated_cost` (DeepInfra), "
        "`usage.cost.total_cost` (Perplexity) unless its `currency` is another, `usage.cost_in_usd_ticks` (xAI) |\n"
        "| error | `error.type`, `error.code`, `choices[].error` (OpenRouter), Google's `error.status`, flat `type`, "
        "`code` (xAI, "
        "Mistral, vLLM), `error_type` (Hugging Face), `error_code` (Databricks); event `error`. Within a success: "
        "`success` false, MiniMax's `base_resp.status_code`, a vendor's `code` where no answer is, a finish reason "
        "`error` |\n\n"
        "Quirks: within Bedrock's InvokeModel DeepSeek and Mistral write `stop_reason` for `finish_reason`. xAI's "
        "`completion_tokens` lacks reasoning (told "
        "by its `total_tokens`, else by the provider); so does whoever states more reasoning than output, and "
        "Perplexity always; OpenRouter's reasoning is an estimate within the output. Google's compatible endpoint "
        "names thinking nowhere: what `total_tokens` has above input, output and cache is output. Azure's first chunk "
        "has an "
        "empty model and id. Perplexity repeats the message so far in each chunk; only the delta counts. Perplexity, "
        "Cerebras and some others end "
        "without `[DONE]`. Writer streams text completions as bare `{\"value\": text}`. Streams from OpenAI without "
        "`stream_options.include_usage` have no usage. llama.cpp's `timings` stand in where there "
        "is no usage (usage source `server_timings`). It states usage and timings of each of several choices or "
        "prompts "
        "by itself: they are summed, the input of one prompt's choices once. At its bare `/completions` it answers in "
        "its own shape. xAI's deferred answers (GET `/chat/deferred-completion/R`) count once.\n\n"
        "Source: https://platform.openai.com/docs/api-reference/chat, the services' own pages, recorded traffic.\n",
};
