/*
 * OpenAI assistants' runs: made, streamed, continued with tool outputs, or asked after.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. A stream mixes objects
 * of several kinds (threads, runs, steps, messages) with keys of the same names; only a run states
 * id, status and usage of the whole, so those wait until the event's kind is known.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>

enum rule {
    OBJECT = ANSWER_OWN,
    STATUS,
    INCOMPLETE,
    LAST_ERROR,
    LAST_ERROR_MEMBER,
    REQUIRED,
    TEXT,
    REFUSAL,
    MEDIA,
    CALL,
    CALL_INDEX,
    CALL_ID,
    CALL_NAME,
    CALL_ARGUMENTS,
};

enum { ID_MAX = 96 };

struct state {
    uint8_t id_bytes, status_bytes, reason_bytes; /* of the object under way */
    bool run, other_object, error_event, failed;
    bool function;            /* the call under way is a function's: the client runs it */
    uint32_t required;        /* calls that the object under way asks the client for */
    uint32_t required_by_run; /* the same of the last run that stated any */
    char id[ID_MAX], status[FACTS_REASON_MAX], reason[FACTS_REASON_MAX];
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

/* clang-format off */
#define RUN_RULES \
    ANSWER_IDENTITY, \
    ANSWER_NAMED_ERRORS, \
    RULE("usage", ANSWER_USAGE, 0), \
    RULE("object", OBJECT, 0), \
    RULE("status", STATUS, 0), \
    RULE("incomplete_details.reason", INCOMPLETE, 0), \
    RULE("last_error", LAST_ERROR, 0), \
    RULE("last_error.*", LAST_ERROR_MEMBER, 0), \
    RULE("required_action.submit_tool_outputs.tool_calls[]", REQUIRED, 0)

static const struct json_rule plain_rules[] = {
    RUN_RULES,
};

#define CALLS "delta.step_details.tool_calls[]"
static const struct json_rule event_rules[] = {
    RUN_RULES,
    RULE("delta.content[].text.value", TEXT, JSON_PIECES),
    RULE("delta.content[].refusal", REFUSAL, JSON_PIECES),
    RULE("delta.content[].image_file.file_id", MEDIA, JSON_PIECES),
    RULE(CALLS, CALL, 0),
    RULE(CALLS ".index", CALL_INDEX, 0),
    RULE(CALLS ".id", CALL_ID, 0),
    RULE(CALLS ".function.name", CALL_NAME, 0),
    RULE(CALLS ".function.arguments", CALL_ARGUMENTS, JSON_PIECES),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_completion_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("response_format", REQUEST_FORMAT, JSON_RAW),
    RULE("assistant_id", REQUEST_PROMPT_ID, 0), /* whose instructions lie at the provider */
    RULE("instructions", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("additional_instructions", REQUEST_INSTRUCTIONS, JSON_PIECES),
    REQUEST_MESSAGES("thread.messages"),
    REQUEST_MESSAGES("additional_messages"),
    REQUEST_METADATA,
};
/* clang-format on */

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

static uint8_t copy(char *to, size_t room, const struct json_value *value)
{
    const size_t bytes = value->bytes < room ? value->bytes : room;
    if (value->type != JSON_STRING)
        return 0;
    memcpy(to, value->text, bytes);
    return (uint8_t)bytes;
}

static void object_begin(struct state *state)
{
    state->id_bytes = state->status_bytes = state->reason_bytes = 0;
    state->run = state->other_object = state->error_event = state->failed = state->function = false;
    state->required = 0;
}

/* Whose id, status and usage they were is known now. */
static void object_end(struct facts *facts)
{
    struct state *const state = state_of(facts);
    if (!state->run || state->other_object) {
        facts->usage_open = false;
        return;
    }
    facts->shape_seen = true;
    facts_usage_end(facts);
    facts_set_text(facts, FACT_RESPONSE_ID, state->id, state->id_bytes);
    /* A run may have completed in spite of a limit that it names. */
    const bool incomplete =
        !state->status_bytes || (state->status_bytes == 10 && !memcmp(state->status, "incomplete", 10));
    if (incomplete && state->reason_bytes)
        facts_set_text(facts, FACT_STATUS, state->reason, state->reason_bytes);
    else
        facts_set_text(facts, FACT_STATUS, state->status, state->status_bytes);
    if (state->required)
        state->required_by_run = state->required;
    if (state->failed)
        facts_error_seen(facts);
}

static void call(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    switch (value->rule) {
    case CALL:
        if (value->type == JSON_OBJECT_BEGIN) {
            facts_call_begin(facts, 0);
            state->function = false;
        } else if (value->type == JSON_OBJECT_END) {
            facts_content(facts, CONTENT_TOOL, 0, "x",
                          1); /* also of tools that the service runs: code interpreter, file search */
            if (state->function)
                facts_call_end(facts);
            facts->fragment.open = false;
        }
        break;
    case CALL_INDEX:
        if (value->has_u64)
            facts_call_index(facts, value->u64);
        break;
    case CALL_ID:
        facts_call_id(facts, value);
        break;
    case CALL_NAME:
        state->function = true;
        facts_call_name(facts, value);
        break;
    default:
        state->function = true;
        if (value->type == JSON_STRING)
            facts_call_arguments(facts, value->text, value->bytes);
        break;
    }
}

static void object_kind(struct state *state, const struct json_value *value)
{
    if (json_text_is(value, "thread.run"))
        state->run = true;
    else if (value->type == JSON_STRING)
        state->other_object = true;
}

/* Steps have a "type" of their own; only an error's is a name of an error. */
static void error(struct facts *facts, const struct json_value *value)
{
    if (state_of(facts)->error_event)
        dialect_answer_value(facts, value);
}

static void content(struct facts *facts, const struct json_value *value, enum facts_content kind)
{
    if (value->type == JSON_STRING)
        facts_content(facts, kind, 0, value->text, value->bytes);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    struct json_value as = *value;
    switch (value->rule) {
    case ANSWER_ID:
        state->id_bytes = copy(state->id, ID_MAX, value);
        break;
    case ANSWER_USAGE: /* taken over when the object is known to be a run */
        if (value->type == JSON_OBJECT_BEGIN)
            facts_usage_begin(facts);
        break;
    case OBJECT:
        object_kind(state, value);
        break;
    case STATUS:
        state->status_bytes = copy(state->status, FACTS_REASON_MAX, value);
        break;
    case INCOMPLETE:
        state->reason_bytes = copy(state->reason, FACTS_REASON_MAX, value);
        break;
    case LAST_ERROR:
    case LAST_ERROR_MEMBER:
        as.rule = value->rule == LAST_ERROR ? FAILURE_OBJECT : FAILURE_MEMBER;
        state->failed = failure_error(facts, &as) || state->failed;
        break;
    case REQUIRED:
        state->required += value->type == JSON_OBJECT_BEGIN;
        break;
    case TEXT:
        content(facts, value, CONTENT_TEXT);
        break;
    case REFUSAL:
        content(facts, value, CONTENT_REFUSAL);
        break;
    case MEDIA:
        content(facts, value, CONTENT_MEDIA);
        break;
    default:
        if (value->rule >= CALL && value->rule <= CALL_ARGUMENTS)
            call(facts, value);
        else if (value->rule == ANSWER_TOP_TYPE || value->rule == ANSWER_TOP_CODE)
            error(facts, value);
        else
            dialect_answer_value(facts, value);
        break;
    }
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

static bool begins(const char *name, size_t bytes, const char *with)
{
    return bytes >= strlen(with) && !memcmp(name, with, strlen(with));
}

static void on_event_begin(struct facts *facts, const char *name, size_t bytes)
{
    struct state *const state = state_of(facts);
    object_begin(state);
    state->run = begins(name, bytes, "thread.run.");
    state->other_object = begins(name, bytes, "thread.run.step.");
    state->error_event = bytes == 5 && begins(name, bytes, "error");
    if (state->error_event)
        facts_error_seen(facts);
}

/* A run that goes no further by itself is the end, whether or not [DONE] follows. */
static void on_event_end(struct facts *facts)
{
    static const char *const ends[] = {"completed", "failed", "cancelled", "expired", "incomplete", "requires_action"};
    const struct state *const state = state_of(facts);
    object_end(facts);
    for (size_t i = 0; state->run && !state->other_object && i < sizeof(ends) / sizeof(ends[0]); i++)
        if (strlen(ends[i]) == state->status_bytes && !memcmp(state->status, ends[i], state->status_bytes))
            facts->done = true;
}

/* A plain answer is one object. The calls that a run asks for were mostly seen as they came, in the
 * deltas of a step.
 */
static void on_close(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    if (!facts->stream) {
        object_end(facts);
        facts->kinds |= CONTENT_ELSEWHERE; /* the text is fetched as messages of the thread */
    }
    if (state->required_by_run > facts->calls)
        facts->other_calls = state->required_by_run - facts->calls;
}

struct dialect dialect_openai_runs = {
    .name = "openai_runs",
    .apis = "runs",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .repeats = true,
    .event_begin = on_event_begin,
    .event_end = on_event_end,
    .close = on_close,
    .docs = "Recognised by the path's end: POST `/threads/runs`, `/threads/T/runs`, "
            "`/threads/T/runs/R/submit_tool_outputs`; GET or POST "
            "`/threads/T/runs/R` asks after a run or changes it.\n\n"
            "| fact | where |\n|---|---|\n"
            "| model | request `model` (often the assistant's own: absent), the run's `model` |\n"
            "| id, finish | the run's `id`; `status`, or `incomplete_details.reason` where that is `incomplete` |\n"
            "| usage | the run's `usage`, null until it has ended; that of steps is a part of it and not read |\n"
            "| content | events `thread.message.delta` (`delta.content[].text.value`, `refusal`, `image_file`) and "
            "`thread.run.step.delta` "
            "(`delta.step_details.tool_calls[]`) |\n"
            "| tool calls | functions in the deltas, or `required_action.submit_tool_outputs.tool_calls[]`; code "
            "interpreter and file search are "
            "content but not counted as calls |\n"
            "| error | `error`; event `error`; `last_error.code` of a run that failed |\n\n"
            "Quirks: events carry threads, runs, steps and messages, all with `id` and `status`; only objects "
            "`thread.run` speak for the whole. A "
            "run that was not streamed states its tokens only to who asks after it, maybe several times: the tokens of "
            "one id are counted with the "
            "first answer that states them, later answers have none.\n\n"
            "Source: https://platform.openai.com/docs/api-reference/runs, "
            "https://platform.openai.com/docs/api-reference/assistants-streaming, "
            "recorded traffic.\n",
};
