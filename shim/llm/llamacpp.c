/*
 * llama.cpp's own completion and infill. (Its /v1 paths speak OpenAI's shapes.)
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "dialect.h"
#include "dialect_request.h"

enum rule {
    DOCUMENT = 1,
    MODEL,
    TEXT,
    STOP,
    STOP_TYPE,
    STOPPED_EOS,
    STOPPED_WORD,
    STOPPED_LIMIT,
    INPUT,
    OUTPUT,
    CACHED,
    PREFILL_MS,
    DECODE_MS,
    ERROR,
    ERROR_TYPE,
    ERROR_CODE,
};

/* Of the answers to earlier prompts of the same request. */
struct state {
    uint64_t input, output;
    uint32_t answers;
    bool text, stop; /* the answer has them; one alone may be anybody's */
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* Plain answers and events look alike; several prompts in one request are answered by a list. */
static const struct json_rule answer_rules[] = {
    {"", DOCUMENT, 0},
    {"model", MODEL, 0},
    {"content", TEXT, JSON_PIECES},
    {"stop", STOP, 0},
    {"stop_type", STOP_TYPE, 0},
    {"stopped_eos", STOPPED_EOS, 0},
    {"stopped_word", STOPPED_WORD, 0},
    {"stopped_limit", STOPPED_LIMIT, 0},
    {"tokens_evaluated", INPUT, 0},
    {"tokens_predicted", OUTPUT, 0},
    {"timings.cache_n", CACHED, 0},
    {"timings.prompt_ms", PREFILL_MS, 0},
    {"timings.predicted_ms", DECODE_MS, 0},
    {"error", ERROR, 0},
    {"error.type", ERROR_TYPE, 0},
    {"error.code", ERROR_CODE, 0},
};

static const struct json_rule request_rules[] = {
    {"model", REQUEST_MODEL, 0},
    {"stream", REQUEST_STREAM, 0},
    {"n_predict", REQUEST_MAX_TOKENS, 0},
    {"max_tokens", REQUEST_MAX_TOKENS, 0},
    {"json_schema", REQUEST_SCHEMA, JSON_RAW},
    {"prompt", REQUEST_USER, JSON_PIECES},
    {"prompt[]", REQUEST_USER, JSON_PIECES},
    {"input_prefix", REQUEST_USER, JSON_PIECES},
};

static void finish(struct facts *facts, const struct json_value *value, const char *reason, size_t bytes)
{
    const struct json_value said = {.type = JSON_STRING, .text = reason, .bytes = bytes};
    if (value->type == JSON_TRUE)
        facts_finish(facts, state_of(facts)->answers, &said);
}

/* The sums over the answers of a list. */
static void document(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (facts->stream || value->type != JSON_OBJECT_END)
        return;
    state->input = facts_number(facts, FACT_INPUT);
    state->output = facts_number(facts, FACT_OUTPUT);
    state->answers++;
}

static void counted(struct facts *facts, const struct json_value *value, enum facts_number which, uint64_t before)
{
    if (value->has_u64 && value->u64 <= UINT64_MAX - before)
        facts_set_number(facts, which, value->u64 + before);
    facts->shape_seen = facts->shape_seen || value->has_u64;
}

static void about(struct facts *facts, const struct json_value *value)
{
    switch ((enum rule)value->rule) {
    case CACHED:
        facts_set_count(facts, FACT_CACHE_READ, value);
        break;
    case PREFILL_MS:
        facts_set_time(facts, FACT_SERVER_PREFILL_NS, value, 1e6);
        break;
    case DECODE_MS:
        facts_set_time(facts, FACT_SERVER_DECODE_NS, value, 1e6);
        break;
    case ERROR:
        if (value->type == JSON_OBJECT_BEGIN || (value->type == JSON_STRING && value->bytes))
            facts_error_seen(facts);
        break;
    case ERROR_TYPE: /* an error of OpenAI's kind at such a path is a model's server's */
        facts->shape_seen = true;
        facts_set_value(facts, FACT_ERROR_TYPE, value);
        break;
    case ERROR_CODE:
        facts_set_value(facts, FACT_ERROR_CODE, value);
        break;
    default:
        break;
    }
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    switch ((enum rule)value->rule) {
    case DOCUMENT:
        document(facts, value);
        break;
    case MODEL:
        facts_set_value(facts, FACT_RESPONSE_MODEL, value);
        break;
    case TEXT:
        state->text = state->text || value->type == JSON_STRING;
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_TEXT, state->answers, value->text, value->bytes);
        break;
    case STOP:
        state->stop = state->stop || value->type == JSON_TRUE || value->type == JSON_FALSE;
        facts->done = facts->done || value->type == JSON_TRUE;
        break;
    case STOP_TYPE:
        if (!json_text_is(value, "none"))
            facts_finish(facts, state->answers, value);
        break;
    case STOPPED_EOS:
        finish(facts, value, "eos", 3);
        break;
    case STOPPED_WORD:
        finish(facts, value, "word", 4);
        break;
    case STOPPED_LIMIT:
        finish(facts, value, "limit", 5);
        break;
    case INPUT:
        counted(facts, value, FACT_INPUT, state->input);
        break;
    case OUTPUT:
        counted(facts, value, FACT_OUTPUT, state->output);
        break;
    default:
        about(facts, value);
        break;
    }
    facts->shape_seen = facts->shape_seen || (state->text && state->stop);
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

struct dialect dialect_llamacpp = {
    .name = "llamacpp",
    .apis = "llamacpp-completion",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs = "Recognised by the path's end `/completion` or `/infill`, if the answer has the shape. `/v1/...` is read "
            "as OpenAI's.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `content` |\n"
            "| usage | `tokens_evaluated` (the whole prompt, cached or not), `tokens_predicted`; several prompts are "
            "summed |\n"
            "| cache | `timings.cache_n` |\n"
            "| finish | `stop_type` (`eos`, `limit`, `word`); before it existed `stopped_eos`, `stopped_limit`, "
            "`stopped_word`, named alike |\n"
            "| server times | `timings.prompt_ms`, `timings.predicted_ms` |\n"
            "| error | `error.type`, else `error.code` |\n\n"
            "Quirks: `model` is a path or an alias. `tokens_cached` is what the slot holds afterwards, not what was "
            "read from a cache. A stream ends with "
            "`stop:true`, without `[DONE]`.\n\n"
            "Source: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md.\n",
};
