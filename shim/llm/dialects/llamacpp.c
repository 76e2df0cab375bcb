/*
 * llama.cpp's own completion and infill. (Its /v1 paths speak OpenAI's shapes.)
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Rules and reader serve
 * other dialects too (llamacpp.h), because the server answers so, or adds its timings, at their
 * paths as well.
 */
#include "llamacpp.h"

#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>

enum rule { DOCUMENT = ANSWER_OWN };

static struct llamacpp *state_of(struct facts *facts)
{
    return (struct llamacpp *)(void *)facts->scratch;
}
_Static_assert(sizeof(struct llamacpp) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

/* clang-format off */
/* Plain answers and events look alike; several prompts in one request are answered by a list, or by
 * events that say whose they are. */
static const struct json_rule answer_rules[] = {
    RULE("", DOCUMENT, 0),
    RULE("model", ANSWER_MODEL, 0),
    LLAMACPP_RULES,
    LLAMACPP_TIMINGS,
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("n_predict", REQUEST_MAX_TOKENS, 0),
    RULE("max_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("n_cmpl", REQUEST_CHOICES, 0),
    RULE("n", REQUEST_CHOICES, 0),
    RULE("json_schema", REQUEST_SCHEMA, JSON_RAW),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    RULE("prompt[]", REQUEST_USER, JSON_PIECES),
    RULE("input_prefix", REQUEST_USER, JSON_PIECES),
};
/* clang-format on */

static uint32_t count_of(const struct json_value *value)
{
    return value->has_u64 && value->u64 <= UINT32_MAX / 2 ? (uint32_t)value->u64 : 0; /* two of them are added */
}

static void put(struct facts_part *part, unsigned which, const struct json_value *value)
{
    if (!value->has_u64)
        return;
    part->present |= (uint8_t)(1u << which);
    part->count[which] = count_of(value);
}

static void put_time(struct facts_part *part, uint32_t *to, const struct json_value *value)
{
    const double us = value->has_number ? value->number * 1000 + 0.5 : -1;
    if (us < 0 || us >= UINT32_MAX)
        return;
    part->present |= FACTS_PART_TIMES;
    *to = (uint32_t)us;
}

static void reason(struct llamacpp *state, const char *text, size_t bytes)
{
    state->reason_bytes = (uint8_t)(bytes < sizeof(state->reason) ? bytes : sizeof(state->reason));
    memcpy(state->reason, text, state->reason_bytes);
}

static void timed(struct llamacpp *state, const struct json_value *value)
{
    state->timed = true;
    switch (value->rule) {
    case LLAMACPP_TIMED_INPUT:
        state->timed_input = count_of(value);
        break;
    case LLAMACPP_TIMED_OUTPUT:
        state->timed_output = count_of(value);
        break;
    case LLAMACPP_TIMED_CACHED:
        state->timed_cached = count_of(value);
        state->cache_timed = value->has_u64;
        put(&state->part, PART_CACHED, value);
        break;
    case LLAMACPP_PREFILL_MS:
        put_time(&state->part, &state->part.prefill_us, value);
        break;
    case LLAMACPP_DECODE_MS:
        put_time(&state->part, &state->part.decode_us, value);
        break;
    case LLAMACPP_DRAFT:
        put(&state->part, PART_DRAFT, value);
        break;
    default:
        put(&state->part, PART_ACCEPTED, value);
        break;
    }
}

void llamacpp_value(struct facts *facts, struct llamacpp *state, const struct json_value *value)
{
    switch (value->rule) {
    case LLAMACPP_TEXT:
        state->text = state->text || value->type == JSON_STRING;
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_TEXT, facts->stream ? state->index : state->answers, value->text,
                          value->bytes);
        break;
    case LLAMACPP_INDEX:
        state->index_known = value->has_u64;
        state->index = count_of(value);
        break;
    case LLAMACPP_STOP:
        state->stop = state->stop || value->type == JSON_TRUE || value->type == JSON_FALSE;
        state->stopped += value->type == JSON_TRUE;
        break;
    case LLAMACPP_STOP_TYPE:
        if (value->type == JSON_STRING && !json_text_is(value, "none"))
            reason(state, value->text, value->bytes);
        break;
    case LLAMACPP_STOPPED_EOS:
        if (value->type == JSON_TRUE)
            reason(state, "eos", 3);
        break;
    case LLAMACPP_STOPPED_WORD:
        if (value->type == JSON_TRUE)
            reason(state, "word", 4);
        break;
    case LLAMACPP_STOPPED_LIMIT:
        if (value->type == JSON_TRUE)
            reason(state, "limit", 5);
        break;
    case LLAMACPP_INPUT:
    case LLAMACPP_OUTPUT:
        put(&state->part, value->rule == LLAMACPP_INPUT ? PART_INPUT : PART_OUTPUT, value);
        state->native = state->native || value->has_u64;
        break;
    default:
        timed(state, value);
        break;
    }
    state->native = state->native || (state->text && state->stop);
    facts->shape_seen = facts->shape_seen || state->native;
}

void llamacpp_begin(struct llamacpp *state)
{
    state->part = (struct facts_part){0};
    state->timed_input = state->timed_cached = state->timed_output = state->index = 0;
    state->timed = state->cache_timed = state->index_known = false;
    state->reason_bytes = 0;
}

void llamacpp_timings(const struct llamacpp *state, struct facts_part *part)
{
    if (!state->timed)
        return;
    part->count[PART_INPUT] = state->timed_input + state->timed_cached;
    part->count[PART_OUTPUT] = state->timed_output;
    part->present |= 1u << PART_INPUT | 1u << PART_OUTPUT;
}

/* Which of several answers it was is known now, wherever that stood. */
void llamacpp_end(struct facts *facts, struct llamacpp *state)
{
    const uint32_t index = facts->stream && state->index_known ? state->index : state->answers;
    const struct json_value said = {.type = JSON_STRING, .text = state->reason, .bytes = state->reason_bytes};
    if (!state->native)
        return;
    facts_part(facts, index, &state->part);
    if (state->reason_bytes)
        facts_finish(facts, index, &said);
    facts->done = facts->done || (state->stopped && state->stopped >= facts_answers_asked(facts));
    if (!facts->stream)
        state->answers++;
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (llamacpp_is(value)) {
        llamacpp_value(facts, state_of(facts), value);
        return;
    }
    if (value->rule != DOCUMENT) {
        /* An error of OpenAI's kind at such a path is a model's server's. */
        facts->shape_seen = facts->shape_seen || failure_is_type(value);
        dialect_answer_value(facts, value);
    } else if (!facts->stream && value->type == JSON_OBJECT_BEGIN) {
        llamacpp_begin(state_of(facts));
    } else if (!facts->stream && value->type == JSON_OBJECT_END) {
        llamacpp_end(facts, state_of(facts));
    }
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

static void on_event_begin(struct facts *facts, const char *name, size_t name_bytes)
{
    (void)name;
    (void)name_bytes;
    llamacpp_begin(state_of(facts));
}

static void on_event_end(struct facts *facts)
{
    llamacpp_end(facts, state_of(facts));
}

static void sum(struct facts *facts)
{
    (void)facts_parts_end(facts);
}

struct dialect dialect_llamacpp = {
    .name = "llamacpp",
    .apis = "llamacpp-completion",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .event_begin = on_event_begin,
    .event_end = on_event_end,
    .sum = sum,
    .docs = "Recognised by the path's end `/completion`, `/completions` or `/infill`, if the answer has the shape. "
            "`/v1/...` is read as OpenAI's.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `content` |\n"
            "| usage | `tokens_evaluated` (the whole prompt, cached or not), `tokens_predicted`; several prompts and "
            "choices are summed, the input of one prompt's choices once |\n"
            "| cache | `timings.cache_n` |\n"
            "| drafts | `timings.draft_n`, `timings.draft_n_accepted` |\n"
            "| finish | `stop_type` (`eos`, `limit`, `word`); before it existed `stopped_eos`, `stopped_limit`, "
            "`stopped_word`, named alike |\n"
            "| server times | `timings.prompt_ms`, `timings.predicted_ms` |\n"
            "| error | `error.type`, else `error.code` |\n\n"
            "Quirks: `model` is a path or an alias. `tokens_cached` is what the slot holds afterwards, not what was "
            "read from a cache. A stream ends with "
            "`stop:true` of each answer that was asked for, without `[DONE]`.\n\n"
            "Source: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md.\n",
};
