/*
 * Text generation inference and what answers alike: Hugging Face's inference API and endpoints,
 * SageMaker's containers, SGLang and Triton.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. SageMaker passes the
 * container's answer on, which may also be OpenAI's shape.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>
#include <strings.h>

enum rule {
    GENERATED = ANSWER_OWN,
    TOKEN,
    TOKEN_TEXT,
    TOKEN_SPECIAL,
    PIECE,
    FINISH,
    OUTPUT,
    INPUT,
    PREFILL,
    ERROR_NAME,
    CHOICE,
    CHOICE_INDEX,
    CHOICE_TEXT,
    CHOICE_FINISH,
    VECTOR,
    TEXTS,
    RUNTIME_MS,
    COST,
    EMBEDDED,
    INDEX, /* which of several answers; SGLang's from here on */
    META_FINISH,
    META_COUNT, /* META_COUNT + PART_* */
    META_END = META_COUNT + PART_COUNTS,
};
_Static_assert((int)META_END <= (int)ANSWER_COUNT, "the ids of the common rules follow");

enum { PROMPT = REQUEST_OWN + 2 };
enum { GENERATION = REQUEST_OWN, REQUEST_COMPARED };

enum { TOKEN_TEXT_MAX = 128 };

struct state {
    uint64_t prefill;
    uint32_t choice;
    uint32_t index, answers; /* of SGLang's event or document under way; documents of a list */
    struct facts_part part;
    bool special;
    bool huggingface;
    bool prompted; /* by a "prompt", which vLLM's oldest server answers with texts alone */
    bool compared; /* sentences are: the answer's numbers are scores */
    uint8_t token_bytes;
    uint8_t finish_bytes;
    char token[TOKEN_TEXT_MAX]; /* of the token under way, until it is known whether it is a special one */
    char finish[FACTS_REASON_MAX];
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define DETAILS(at) \
    RULE(at "details.finish_reason", FINISH, 0), \
    RULE(at "details.generated_tokens", OUTPUT, 0), \
    RULE(at "details.input_length", INPUT, 0), \
    RULE(at "details.prefill[]", PREFILL, 0)
#define SGLANG \
    RULE("text", PIECE, JSON_PIECES), \
    RULE("index", INDEX, 0), \
    RULE("meta_info.id", ANSWER_ID, 0), \
    RULE("meta_info.finish_reason.type", META_FINISH, 0), \
    RULE("meta_info.prompt_tokens", META_COUNT + PART_INPUT, 0), \
    RULE("meta_info.completion_tokens", META_COUNT + PART_OUTPUT, 0), \
    RULE("meta_info.cached_tokens", META_COUNT + PART_CACHED, 0), \
    RULE("meta_info.spec_draft_token_num", META_COUNT + PART_DRAFT, 0), \
    RULE("meta_info.spec_accept_token_num", META_COUNT + PART_ACCEPTED, 0)
#define TRITON \
    RULE("text_output", GENERATED, JSON_PIECES), \
    RULE("model_name", ANSWER_MODEL, 0)
#define OPENAI(part) \
    RULE("choices[]", CHOICE, 0), \
    RULE("choices[].index", CHOICE_INDEX, 0), \
    RULE("choices[].text", CHOICE_TEXT, JSON_PIECES), \
    RULE("choices[]." part ".content", CHOICE_TEXT, JSON_PIECES), \
    RULE("choices[].finish_reason", CHOICE_FINISH, 0)
#define DEEPINFRA \
    RULE("request_id", ANSWER_ID, 0), \
    RULE("inference_status.tokens_input", INPUT, 0), \
    RULE("inference_status.tokens_generated", OUTPUT, 0), \
    RULE("inference_status.runtime_ms", RUNTIME_MS, 0), \
    RULE("inference_status.cost", COST, 0), \
    RULE("estimated_cost", COST, 0), \
    RULE("num_input_tokens", INPUT, 0), \
    RULE("num_tokens", OUTPUT, 0), \
    RULE("num_output_tokens", OUTPUT, 0), \
    RULE("results[].generated_text", GENERATED, JSON_PIECES), \
    RULE("embeddings[]", EMBEDDED, 0)
#define COMMON \
    ANSWER_IDENTITY, \
    RULE("usage", ANSWER_USAGE, 0), \
    RULE("error_type", ERROR_NAME, 0), \
    DETAILS(""), \
    SGLANG, \
    TRITON, \
    DEEPINFRA

static const struct json_rule plain_rules[] = {
    COMMON,
    OPENAI("message"),
    RULE("generated_text", GENERATED, JSON_PIECES),
    RULE("summary_text", GENERATED, JSON_PIECES),
    RULE("translation_text", GENERATED, JSON_PIECES),
    RULE("generation", GENERATED, JSON_PIECES),
    RULE("generation.content", GENERATED, JSON_PIECES),
    RULE("outputs[]", PIECE, JSON_PIECES),
    RULE("text[]", TEXTS, JSON_PIECES),
    RULE("", VECTOR, 0), /* a bare list of numbers, or of such lists */
    RULE("[]", VECTOR, 0),
    RULE("[][]", VECTOR, 0),
};

/* The last event repeats the whole text in generated_text. */
static const struct json_rule event_rules[] = {
    COMMON,
    OPENAI("delta"),
    RULE("token", TOKEN, 0),
    RULE("token.text", TOKEN_TEXT, 0),
    RULE("token.special", TOKEN_SPECIAL, 0),
    RULE("outputs[]", PIECE, JSON_PIECES),
    RULE("text[]", TEXTS, JSON_PIECES),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("parameters.max_new_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("parameters.best_of", REQUEST_CHOICES, 0),
    RULE("parameters.max_length", GENERATION, 0),
    RULE("parameters.temperature", GENERATION, 0),
    RULE("parameters.top_p", GENERATION, 0),
    RULE("parameters.top_k", GENERATION, 0),
    RULE("parameters.do_sample", GENERATION, 0),
    RULE("parameters.return_full_text", GENERATION, 0),
    RULE("parameters.grammar", REQUEST_FORMAT, JSON_RAW),
    RULE("sampling_params.max_new_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("sampling_params.n", REQUEST_CHOICES, 0),
    RULE("sampling_params.json_schema", REQUEST_SCHEMA, JSON_RAW),
    RULE("max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("inputs", REQUEST_USER, JSON_PIECES),
    RULE("inputs[]", REQUEST_USER, JSON_PIECES),
    RULE("inputs.source_sentence", REQUEST_COMPARED, 0),
    RULE("text", REQUEST_USER, JSON_PIECES),
    RULE("text[]", REQUEST_USER, JSON_PIECES),
    RULE("text_input", REQUEST_USER, JSON_PIECES),
    RULE("prompt", PROMPT, JSON_PIECES),
    RULE("input", REQUEST_USER, JSON_PIECES),
    RULE("max_new_tokens", REQUEST_MAX_TOKENS, 0),
    REQUEST_MESSAGES("messages"),
};
/* clang-format on */

static void generated(struct facts *facts, const struct json_value *value, uint32_t choice)
{
    if (value->type == JSON_STRING)
        facts_content(facts, CONTENT_TEXT, choice, value->text, value->bytes);
}

/* A special token (the end mark) has a spelling, but is no text of the answer. */
static void token(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->rule == TOKEN_SPECIAL) {
        state->special = value->type == JSON_TRUE;
    } else if (value->rule == TOKEN_TEXT) {
        if (value->type != JSON_STRING)
            return;
        state->token_bytes = (uint8_t)(value->bytes < TOKEN_TEXT_MAX ? value->bytes : TOKEN_TEXT_MAX);
        memcpy(state->token, value->text, state->token_bytes);
    } else if (value->type == JSON_OBJECT_BEGIN) {
        state->special = false;
        state->token_bytes = 0;
        facts->shape_seen = true;
    } else if (value->type == JSON_OBJECT_END && !state->special) {
        facts_content(facts, CONTENT_TEXT, 0, state->token, state->token_bytes);
    }
}

static void choice(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->rule == CHOICE_INDEX) {
        state->choice = value->has_u64 && value->u64 < FACTS_CHOICES_MAX ? (uint32_t)value->u64 : state->choice;
    } else if (value->rule == CHOICE_FINISH) { /* kept until the choice ends, because its index may follow */
        if (value->type != JSON_STRING)
            return;
        state->finish_bytes = (uint8_t)(value->bytes < FACTS_REASON_MAX ? value->bytes : FACTS_REASON_MAX);
        memcpy(state->finish, value->text, state->finish_bytes);
    } else if (value->type == JSON_OBJECT_BEGIN) {
        state->choice = value->indexes ? value->index[value->indexes - 1] : 0;
        state->finish_bytes = 0;
        facts->shape_seen = true;
    } else if (value->type == JSON_OBJECT_END) {
        const struct json_value finish = {.type = JSON_STRING, .text = state->finish, .bytes = state->finish_bytes};
        facts_finish(facts, state->choice, &finish);
    }
}

static void part_begin(struct state *state)
{
    state->part = (struct facts_part){0};
    state->index = 0;
    state->finish_bytes = 0;
}

/* SGLang states of each of several answers what it has cost so far; which one it is may stand after
 * that. */
static void part(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->rule == INDEX) {
        state->index = value->has_u64 && value->u64 < UINT32_MAX ? (uint32_t)value->u64 : 0;
        return;
    }
    facts->shape_seen = true;
    if (value->rule == META_FINISH && value->type == JSON_STRING) {
        state->finish_bytes = (uint8_t)(value->bytes < FACTS_REASON_MAX ? value->bytes : FACTS_REASON_MAX);
        memcpy(state->finish, value->text, state->finish_bytes);
    } else if (value->rule >= META_COUNT && value->has_u64 && value->u64 <= UINT32_MAX) {
        state->part.count[value->rule - META_COUNT] = (uint32_t)value->u64;
        state->part.present |= (uint8_t)(1u << (value->rule - META_COUNT));
    }
}

static void part_end(struct facts *facts)
{
    struct state *const state = state_of(facts);
    const struct json_value finish = {.type = JSON_STRING, .text = state->finish, .bytes = state->finish_bytes};
    const uint32_t index = facts->stream ? state->index : state->answers;
    if (!state->part.present)
        return;
    facts_part(facts, index, &state->part);
    facts_finish(facts, index, &finish);
    state->answers += !facts->stream;
}

/* A plain body or its elements: an answer, or numbers. */
static void document(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    const bool numbers = value->rule == EMBEDDED ? value->type == JSON_ARRAY_BEGIN
                                                 : value->type == JSON_NUMBER && state->huggingface &&
                                                       !state->compared && facts->api == NULL;
    if (numbers) {
        facts->api = "embeddings";
        dialect_answer_product(facts);
    } else if (value->rule == VECTOR && !facts->stream && value->type == JSON_OBJECT_BEGIN) {
        part_begin(state);
    } else if (value->rule == VECTOR && !facts->stream && value->type == JSON_OBJECT_END) {
        part_end(facts);
    }
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    switch (value->rule) {
    case GENERATED:
        facts->shape_seen = facts->shape_seen || value->type == JSON_STRING;
        generated(facts, value, 0);
        break;
    case PIECE: /* bare texts prove nothing */
        generated(facts, value, 0);
        break;
    case TEXTS: /* vLLM's oldest server: the prompt and what was added, nothing else */
        facts->shape_seen = facts->shape_seen || (value->type == JSON_STRING && state->prompted);
        generated(facts, value, value->indexes ? value->index[value->indexes - 1] : 0);
        break;
    case RUNTIME_MS:
        facts_set_time(facts, FACT_SERVER_PROCESSING_NS, value, 1e6);
        break;
    case COST:
        facts_set_cost(facts, value, 9);
        break;
    case TOKEN:
    case TOKEN_TEXT:
    case TOKEN_SPECIAL:
        token(facts, value);
        break;
    case FINISH:
        facts->shape_seen = true;
        facts_finish(facts, 0, value);
        break;
    case OUTPUT:
    case INPUT:
        facts->shape_seen = true;
        facts_set_count(facts, value->rule == OUTPUT ? FACT_OUTPUT : FACT_INPUT, value);
        break;
    case PREFILL:
        state->prefill += value->type == JSON_OBJECT_BEGIN;
        break;
    case ERROR_NAME:
        facts->shape_seen = true;
        facts_set_value(facts, FACT_ERROR_TYPE, value);
        break;
    case VECTOR:
    case EMBEDDED:
        document(facts, value);
        break;
    case CHOICE_TEXT:
        generated(facts, value, state->choice);
        break;
    case CHOICE:
    case CHOICE_INDEX:
    case CHOICE_FINISH:
        choice(facts, value);
        break;
    default:
        if (value->rule >= INDEX && value->rule < META_END)
            part(facts, value);
        else
            dialect_answer_value(facts, value);
        break;
    }
}

static void on_event_begin(struct facts *facts, const char *name, size_t name_bytes)
{
    (void)name;
    (void)name_bytes;
    part_begin(state_of(facts));
}

/* Of Hugging Face's inference API, in seconds. (The headers with counts and milliseconds are read
 * for everybody.) */
static void on_header(struct facts *facts, const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    static const char compute_time[] = "x-compute-time";
    struct json_value number = {0};
    if (name_bytes != sizeof(compute_time) - 1 || strncasecmp(name, compute_time, name_bytes) != 0 ||
        facts_has_number(facts, FACT_SERVER_PROCESSING_NS))
        return;
    number.has_number = json_number_parse(value, value_bytes, &number.number, &number.has_u64, &number.u64);
    facts_set_time(facts, FACT_SERVER_PROCESSING_NS, &number, 1e9);
}

/* What the body leaves out, headers may state; and the prompt's tokens, where they are listed, can
 * be counted. */
static void sum(struct facts *facts)
{
    static const enum facts_number counts[] = {FACT_INPUT, FACT_OUTPUT};
    const struct state *const state = state_of(facts);
    (void)facts_parts_end(facts);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        if (!facts_has_number(facts, counts[i]) && ((facts->fallback.present >> counts[i]) & 1))
            facts_set_number(facts, counts[i], facts->fallback.value[counts[i]]);
    if (state->prefill && !facts_has_number(facts, FACT_INPUT))
        facts_set_number(facts, FACT_INPUT, state->prefill);
}

/* Classifiers and the like get "inputs" as well, but no parameters of a generation. */
static void on_request(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct json_value as = *value;
    if (value->rule == PROMPT) {
        state_of(facts)->prompted = true;
        as.rule = REQUEST_USER;
    }
    if (value->rule == GENERATION)
        facts->shape_asked = true;
    else if (value->rule == REQUEST_COMPARED)
        state_of(facts)->compared = true;
    else
        dialect_request_value(facts, &as);
}

static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)api;
    state_of(facts)->huggingface = provider != NULL && !strcmp(provider, "huggingface");
}

struct dialect dialect_tgi = {
    .name = "tgi",
    .apis = "tgi-generate sagemaker-invoke",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .lines = true,
    .open = on_open,
    .response_header = on_header,
    .event_begin = on_event_begin,
    .event_end = part_end,
    .sum = sum,
    .docs =
        "Recognised by the path's end `/generate` or `/generate_stream`, the root and `models/M` of "
        "Hugging Face's hosts (if the answer has the shape), "
        "and SageMaker's `/endpoints/E/invocations[-response-stream]`.\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | SageMaker: the endpoint's name; Hugging Face: the path; Triton `model_name` |\n"
        "| content | `generated_text` (also in a list), `summary_text`, `translation_text`; in a stream "
        "`token.text` unless `token.special` |\n"
        "| output | `details.generated_tokens`, else header `x-generated-tokens` |\n"
        "| input | `details.input_length`, header `x-prompt-tokens`, else the number of `details.prefill[]` |\n"
        "| finish | `details.finish_reason` |\n"
        "| server times | headers `x-total-time`, `x-queue-time`, `x-inference-time` (ms); `x-compute-time` (s) |\n"
        "| error | `error_type`, else the status |\n\n"
        "Also read: DeepInfra's `/v1/inference/MODEL` (`results[].generated_text`, `inference_status`, "
        "`num_input_tokens`), "
        "the `text[]` of vLLM's oldest server where a `prompt` was asked, SGLang's `text` and `meta_info` (of each "
        "answer of a "
        "list, or by `index` in a stream: summed, the input of one prompt's choices once), Triton's "
        "`text_output`, DJL's `outputs[]`, and in SageMaker "
        "OpenAI's `choices[]` and `usage`. A bare list of numbers from Hugging Face's `models/M` are embeddings.\n\n"
        "Quirks: events are `data:` without the blank. The last event repeats the whole answer as "
        "`generated_text`, which is no new content. `details` are "
        "null unless asked for. Errors may be plain text. A SageMaker stream is an AWS event stream of "
        "`PayloadPart`s.\n\n"
        "Source: https://huggingface.github.io/text-generation-inference/, "
        "https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html, "
        "https://deepinfra.com/docs/advanced/deepinfra_api, recorded "
        "traffic.\n",
};
