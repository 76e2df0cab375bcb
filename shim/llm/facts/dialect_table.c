/*
 * The handler of dialects that are tables alone, see dialect_table.h.
 *
 * Called on the scribe's thread from within the scanner; keeps no pointer into a body.
 */
#include "dialect_table.h"

#include <string.h>
#include <strings.h>

#include "dialect_request.h"

struct state {
    uint32_t choice;
    bool open; /* within a choice */
    uint8_t finish_bytes;
    char finish[FACTS_REASON_MAX];
};
_Static_assert(sizeof(struct state) <= TABLE_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

void dialect_table_choice(struct facts *facts, uint32_t choice)
{
    state_of(facts)->choice = choice;
}

/* Services write so that nothing ended yet. */
static bool states_nothing(const struct json_value *value)
{
    static const char words[][16] = {"", "null", "not_finished", "NOT_FINISHED", "none"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (json_text_is(value, words[i]))
            return true;
    return value->type != JSON_STRING;
}

/* Kept until the choice ends, because its index may follow. */
static void finish(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (states_nothing(value))
        return;
    facts->shape_seen = true;
    if (!state->open) {
        facts_finish(facts, 0, value);
        return;
    }
    state->finish_bytes = (uint8_t)(value->bytes < FACTS_REASON_MAX ? value->bytes : FACTS_REASON_MAX);
    memcpy(state->finish, value->text, state->finish_bytes);
}

static void choice(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->type == JSON_OBJECT_BEGIN) {
        state->choice = value->indexes ? value->index[value->indexes - 1] : 0;
        state->finish_bytes = 0;
        state->open = true;
        facts->shape_seen = facts->shape_seen || value->rule == TABLE_CHOICE;
    } else if (value->type == JSON_OBJECT_END) {
        const struct json_value reason = {.type = JSON_STRING, .text = state->finish, .bytes = state->finish_bytes};
        facts_finish(facts, state->choice, &reason);
        *state = (struct state){0};
    }
}

static void status(struct facts *facts, const struct json_value *value)
{
    static const char passing[][16] = {"queued",  "starting",  "processing", "running",    "pending",
                                       "created", "submitted", "in_queue",   "in_progress"};
    facts_set_value(facts, FACT_STATUS, value);
    for (size_t i = 0; value->type == JSON_STRING && i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strlen(passing[i]) == value->bytes && !strncasecmp(passing[i], value->text, value->bytes))
            facts->kinds |= CONTENT_ELSEWHERE;
}

/* An object in a text's place is the JSON that was asked for. */
static void content(struct facts *facts, const struct json_value *value)
{
    const enum facts_content kind = value->rule == TABLE_TEXT ? CONTENT_TEXT : CONTENT_REASONING;
    if (value->type == JSON_STRING)
        facts_content(facts, kind, state_of(facts)->choice, value->text, value->bytes);
    else if (value->type == JSON_OBJECT_BEGIN)
        dialect_answer_content(facts);
}

static bool is_there(const struct json_value *value)
{
    return value->type != JSON_NULL && value->type != JSON_FALSE && !(value->type == JSON_STRING && !value->bytes);
}

static void call(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case TABLE_CALL:
        if (value->type == JSON_OBJECT_BEGIN)
            facts_call_begin(facts, state_of(facts)->choice);
        else if (value->type == JSON_OBJECT_END)
            facts_call_end(facts);
        break;
    case TABLE_CALL_INDEX:
        if (value->has_u64)
            facts_call_index(facts, value->u64);
        break;
    case TABLE_CALL_ID:
        facts_call_id(facts, value);
        break;
    case TABLE_CALL_NAME:
        facts_call_name(facts, value);
        break;
    case TABLE_CALL_ARGUMENTS:
        if (value->type == JSON_STRING)
            facts_call_arguments(facts, value->text, value->bytes);
        break;
    default:
        if (value->type == JSON_OBJECT_BEGIN)
            facts_call_whole(facts);
        break;
    }
}

/* What the answer is, beyond text. */
static void product(struct facts *facts, const struct json_value *value)
{
    if (!is_there(value) || value->type == JSON_OBJECT_END || value->type == JSON_ARRAY_END)
        return;
    if (value->rule == TABLE_MEDIA) {
        dialect_answer_content(facts);
        return;
    }
    facts->shape_seen = true;
    if (value->rule != TABLE_VECTOR && value->rule != TABLE_SCORE)
        return;
    facts->api = value->rule == TABLE_VECTOR ? "embeddings" : "rerank";
    dialect_answer_content(facts);
}

static void failure(struct facts *facts, const struct json_value *value)
{
    if (value->rule == TABLE_SUCCESS ? value->type != JSON_FALSE : !is_there(value) || failure_is_well(value))
        return;
    facts_error_seen(facts);
    failure_code(facts, value);
}

static void number(struct facts *facts, const struct json_value *value)
{
    if (value->rule == TABLE_PROCESSING_S) {
        facts_set_time(facts, FACT_SERVER_PROCESSING_NS, value, 1e9);
        return;
    }
    facts->shape_seen = facts->shape_seen || value->has_u64;
    facts_add_count(facts, value->rule == TABLE_ADDED_INPUT ? FACT_INPUT : FACT_OUTPUT, value);
}

void dialect_table_value(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case TABLE_CHOICE:
    case TABLE_ITEM:
        choice(facts, value);
        break;
    case TABLE_INDEX:
        if (value->has_u64 && value->u64 < FACTS_CHOICES_MAX)
            state_of(facts)->choice = (uint32_t)value->u64;
        break;
    case TABLE_TEXT:
    case TABLE_REASONING:
        content(facts, value);
        break;
    case TABLE_FINISH:
        finish(facts, value);
        break;
    case TABLE_STATUS:
        status(facts, value);
        break;
    case TABLE_ELSE_ID:
        if (!facts_has_text(facts, FACT_RESPONSE_ID))
            facts_set_value(facts, FACT_RESPONSE_ID, value);
        break;
    case TABLE_MEDIA:
    case TABLE_SHAPE:
    case TABLE_VECTOR:
    case TABLE_SCORE:
        product(facts, value);
        break;
    case TABLE_DONE:
        facts->done = facts->done || value->type == JSON_TRUE;
        break;
    case TABLE_FAILED:
    case TABLE_SUCCESS:
        failure(facts, value);
        break;
    default:
        if (value->rule >= TABLE_CALL && value->rule <= TABLE_CALL_WHOLE)
            call(facts, value);
        else if (value->rule >= TABLE_PROCESSING_S && value->rule <= TABLE_ADDED_OUTPUT)
            number(facts, value);
        else
            dialect_answer_value(facts, value);
        break;
    }
}

void dialect_table_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}
