/*
 * OpenAI Responses and their compaction, and everybody who speaks them.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. The whole request and
 * the whole answer are repeated in events of a stream; only the small events carry content here,
 * the large ones state facts.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"
#include "llamacpp.h"

#include <string.h>

enum rule {
    OUTPUT = ANSWER_OWN,
    STATUS,
    INCOMPLETE,
    TYPE, /* of the event, where it names one */
    EVENT_CODE,
    OUTPUT_INDEX,
    DELTA_ITEM,
    DELTA,
    IMAGE,
    ITEM,
    ITEM_TYPE,
    ITEM_ID,
    ITEM_CALL_ID,
    ITEM_EXECUTION,
    ITEM_ENVIRONMENT,
    ITEM_ARGUMENTS,
    ITEM_TEXT,
    ITEM_REFUSAL,
    ITEM_SUMMARY,
    ITEM_RESULT,
};

enum event_kind {
    OTHER,
    TEXT_DELTA,
    REASONING_DELTA,
    REFUSAL_DELTA,
    CALL_DELTA,
    FREE_CALL_DELTA,
    SERVER_DELTA,
    MEDIA_DELTA,
    ITEM_ADDED,
    ITEM_DONE,
    CREATED,
    TERMINAL,
    FAILED,
    ERROR_EVENT,
};

enum item_kind { ITEM_OTHER, ITEM_MESSAGE, ITEM_REASONING, ITEM_CALL, ITEM_FREE_CALL, ITEM_SERVER };

struct state {
    uint8_t event, item;  /* enum event_kind, item_kind */
    bool delta_too_early; /* content before the event's type was known */
    bool index_known;
    bool by_client, by_service; /* the item under way says who runs it */
    uint8_t status_bytes, reason_bytes, code_bytes;
    char status[FACTS_REASON_MAX], reason[FACTS_REASON_MAX];
    char code[FACTS_REASON_MAX]; /* of an error, unless the event turns out to be another */
    uint64_t index, id, call_id; /* of the item that the event is about */
    uint64_t items, served;      /* bits by index: its beginning was seen; the service runs it */
    struct llamacpp llamacpp;
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static const struct {
    const char *name;
    enum event_kind kind;
} events[] = {
    {"response.output_text.delta", TEXT_DELTA},
    {"response.reasoning_summary_text.delta", REASONING_DELTA},
    {"response.reasoning_text.delta", REASONING_DELTA},
    {"response.reasoning_summary.delta", REASONING_DELTA},
    {"response.reasoning.delta", REASONING_DELTA},
    {"response.refusal.delta", REFUSAL_DELTA},
    {"response.function_call_arguments.delta", CALL_DELTA},
    {"response.custom_tool_call_input.delta", FREE_CALL_DELTA},
    {"response.mcp_call_arguments.delta", SERVER_DELTA},
    {"response.mcp_call.arguments.delta", SERVER_DELTA},
    {"response.code_interpreter_call_code.delta", SERVER_DELTA},
    {"response.code_interpreter_call.code.delta", SERVER_DELTA},
    {"response.apply_patch_call_operation_diff.delta", FREE_CALL_DELTA},
    {"response.shell_call_command.delta", FREE_CALL_DELTA},
    {"response.audio.delta", MEDIA_DELTA},
    {"response.output_audio.delta", MEDIA_DELTA},
    {"response.audio.transcript.delta", MEDIA_DELTA},
    {"response.output_audio_transcript.delta", MEDIA_DELTA},
    {"response.image_generation_call.partial_image", MEDIA_DELTA},
    {"response.created", CREATED},
    {"response.output_item.added", ITEM_ADDED},
    {"response.output_item.done", ITEM_DONE},
    {"response.completed", TERMINAL},
    {"response.incomplete", TERMINAL},
    {"response.cancelled", TERMINAL},
    {"response.done", TERMINAL},
    {"response.failed", FAILED},
    {"error", ERROR_EVENT},
};

static const struct {
    const char *name;
    enum item_kind kind;
} items[] = {
    {"message", ITEM_MESSAGE},         {"reasoning", ITEM_REASONING},
    {"function_call", ITEM_CALL},      {"custom_tool_call", ITEM_FREE_CALL},
    {"computer_call", ITEM_FREE_CALL}, {"local_shell_call", ITEM_FREE_CALL},
    {"shell_call", ITEM_FREE_CALL},    {"apply_patch_call", ITEM_FREE_CALL},
};

/* clang-format off */
#define RESPONSE_RULES(at) \
    RULE(at "id", ANSWER_ID, 0), \
    RULE(at "model", ANSWER_MODEL, 0), \
    RULE(at "service_tier", ANSWER_TIER, 0), \
    RULE(at "status", STATUS, 0), \
    RULE(at "incomplete_details.reason", INCOMPLETE, 0), \
    RULE(at "usage", ANSWER_USAGE, 0), \
    ANSWER_VLLM_METRICS(at "metrics")

static const struct json_rule plain_rules[] = {
    RESPONSE_RULES(""),
    LLAMACPP_TIMINGS,
    RULE("code", ANSWER_TOP_CODE, 0),
    RULE("output", OUTPUT, 0),
    RULE("output[]", ITEM, 0),
    RULE("output[].type", ITEM_TYPE, 0),
    RULE("output[].execution", ITEM_EXECUTION, 0),
    RULE("output[].environment.type", ITEM_ENVIRONMENT, 0),
    RULE("output[].arguments", ITEM_ARGUMENTS, JSON_PIECES),
    RULE("output[].content[].text", ITEM_TEXT, JSON_PIECES),
    RULE("output[].content[].refusal", ITEM_REFUSAL, JSON_PIECES),
    RULE("output[].summary[].text", ITEM_SUMMARY, JSON_PIECES),
    RULE("output[].result", ITEM_RESULT, JSON_PIECES),
};

static const struct json_rule event_rules[] = {
    RESPONSE_RULES("response."),
    USAGE_RULES("response.usage"),
    FAILURE_ERROR("response.error"),
    LLAMACPP_TIMINGS, /* beside the answer */
    RULE("code", EVENT_CODE, 0),
    RULE("type", TYPE, 0),
    RULE("output_index", OUTPUT_INDEX, 0),
    RULE("item_id", DELTA_ITEM, 0),
    RULE("delta", DELTA, JSON_PIECES),
    RULE("partial_image_b64", IMAGE, JSON_PIECES),
    RULE("item.type", ITEM_TYPE, 0),
    RULE("item.id", ITEM_ID, 0),
    RULE("item.call_id", ITEM_CALL_ID, 0),
    RULE("item.execution", ITEM_EXECUTION, 0),
    RULE("item.environment.type", ITEM_ENVIRONMENT, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("max_output_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("text.format", REQUEST_FORMAT, JSON_RAW),
    RULE("instructions", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("input", REQUEST_USER, JSON_PIECES),
    REQUEST_MESSAGES("input"),
    RULE("prompt.id", REQUEST_PROMPT_ID, 0),
    RULE("prompt.version", REQUEST_PROMPT_VERSION, 0),
    REQUEST_METADATA,
    REQUEST_END_USERS(""),
};
/* clang-format on */

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

static void set_event(struct state *state, const char *name, size_t bytes)
{
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (strlen(events[i].name) == bytes && !memcmp(events[i].name, name, bytes)) {
            state->event = (uint8_t)events[i].kind;
            return;
        }
}

/* Calls that are not the client's are the service's: web search, files, code, images, MCP, and what
 * will be invented.
 */
static void set_item(struct state *state, const struct json_value *value)
{
    static const char call[] = "_call";
    const size_t bytes = sizeof(call) - 1;
    const bool any_call =
        value->type == JSON_STRING && value->bytes > bytes && !memcmp(value->text + value->bytes - bytes, call, bytes);
    state->item = any_call ? ITEM_SERVER : ITEM_OTHER;
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
        if (json_text_is(value, items[i].name))
            state->item = (uint8_t)items[i].kind;
}

static uint8_t copy_reason(char *to, const struct json_value *value)
{
    const size_t bytes = value->bytes < FACTS_REASON_MAX ? value->bytes : FACTS_REASON_MAX;
    if (value->type != JSON_STRING)
        return 0;
    memcpy(to, value->text, bytes);
    return (uint8_t)bytes;
}

static bool status_is(const struct state *state, const char *status)
{
    return strlen(status) == state->status_bytes && !memcmp(state->status, status, state->status_bytes);
}

static void put_status(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    const bool incomplete = !state->status_bytes || status_is(state, "incomplete");
    if (incomplete && state->reason_bytes)
        facts_set_text(facts, FACT_STATUS, state->reason, state->reason_bytes);
    else
        facts_set_text(facts, FACT_STATUS, state->status, state->status_bytes);
}

/*
 * Who runs a call is said by its type, except for two kinds: a search of tools says "execution", a
 * shell says where its environment is (a container of the service, or the client's own machine).
 */
static enum item_kind item_kind(const struct state *state)
{
    const enum item_kind kind = (enum item_kind)state->item;
    if (kind == ITEM_SERVER && state->by_client)
        return ITEM_FREE_CALL;
    return kind == ITEM_FREE_CALL && state->by_service ? ITEM_SERVER : kind;
}

static void item_begin(struct state *state)
{
    state->item = ITEM_OTHER;
    state->by_client = state->by_service = false;
}

/* The place of an item in the output tells calls apart, and its call_id where a stream has several
 * answers; its id only where a server leaves the place out. */
static void place_call(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    if (state->index_known)
        facts_call_index(facts, state->index);
    facts->fragment.id = state->index_known ? state->call_id : state->id;
}

static void open_call(struct facts *facts)
{
    if (facts->fragment.open)
        return;
    facts_call_begin(facts, 0);
    place_call(facts);
}

static void delta(struct facts *facts, const struct json_value *value)
{
    static const enum facts_content kinds[] = {[TEXT_DELTA] = CONTENT_TEXT,
                                               [REASONING_DELTA] = CONTENT_REASONING,
                                               [REFUSAL_DELTA] = CONTENT_REFUSAL,
                                               [SERVER_DELTA] = CONTENT_TOOL,
                                               [MEDIA_DELTA] = CONTENT_MEDIA};
    struct state *const state = state_of(facts);
    if (value->type != JSON_STRING || !value->bytes)
        return;
    switch ((enum event_kind)state->event) {
    case TEXT_DELTA:
    case REASONING_DELTA:
    case REFUSAL_DELTA:
    case SERVER_DELTA:
    case MEDIA_DELTA:
        facts_content(facts, kinds[state->event], 0, value->text, value->bytes);
        break;
    case CALL_DELTA:
        open_call(facts);
        facts_call_arguments(facts, value->text, value->bytes);
        break;
    case FREE_CALL_DELTA:
        open_call(facts);
        facts_call_free_input(facts);
        break;
    default:
        state->delta_too_early = true;
        break;
    }
}

static void name_call(struct facts *facts)
{
    static const struct json_value named = {
        .type = JSON_STRING, .text = "call", .bytes = 4, .first = true, .last = true};
    facts_call_name(facts, &named);
}

static void item(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->type == JSON_OBJECT_BEGIN) {
        item_begin(state);
        facts->shape_seen = true;
    } else if (value->type == JSON_OBJECT_END) {
        const enum item_kind kind = item_kind(state);
        if (kind == ITEM_SERVER)
            facts_server_call(facts);
        if (kind == ITEM_CALL || kind == ITEM_FREE_CALL) {
            open_call(facts);
            name_call(facts);
            if (kind == ITEM_FREE_CALL)
                facts_call_free_input(facts);
            facts_call_index(facts, value->indexes ? value->index[0] : 0);
        }
        if (facts->fragment.open)
            facts_call_end(facts);
    }
}

static void item_part(struct facts *facts, const struct json_value *value)
{
    const enum item_kind kind = (enum item_kind)state_of(facts)->item;
    if (value->type != JSON_STRING)
        return;
    switch (value->rule) {
    case ITEM_ARGUMENTS:
        if (kind == ITEM_CALL) {
            open_call(facts);
            facts_call_arguments(facts, value->text, value->bytes);
        }
        break;
    case ITEM_TEXT:
        facts_content(facts, kind == ITEM_REASONING ? CONTENT_REASONING : CONTENT_TEXT, 0, value->text, value->bytes);
        break;
    case ITEM_REFUSAL:
        facts_content(facts, CONTENT_REFUSAL, 0, value->text, value->bytes);
        break;
    case ITEM_SUMMARY:
        facts_content(facts, CONTENT_REASONING, 0, value->text, value->bytes);
        break;
    case ITEM_RESULT:
        if (kind == ITEM_SERVER)
            facts_content(facts, CONTENT_MEDIA, 0, value->text, value->bytes);
        break;
    default:
        break;
    }
}

static uint64_t item_id(struct facts *facts, const struct json_value *value)
{
    const uint64_t before = facts->fragment.id;
    facts->fragment.id = 0;
    facts_call_id(facts, value);
    const uint64_t id = facts->fragment.id;
    facts->fragment.id = before;
    return id;
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    if (llamacpp_is(value)) {
        llamacpp_value(facts, &state->llamacpp, value);
        return;
    }
    switch (value->rule) {
    case OUTPUT:
        facts->shape_seen = facts->shape_seen || value->type == JSON_ARRAY_BEGIN;
        break;
    case STATUS:
        state->status_bytes = copy_reason(state->status, value);
        break;
    case INCOMPLETE:
        state->reason_bytes = copy_reason(state->reason, value);
        break;
    case TYPE:
        if (value->type == JSON_STRING)
            set_event(state, value->text, value->bytes);
        break;
    case EVENT_CODE:
        state->code_bytes = copy_reason(state->code, value);
        break;
    case OUTPUT_INDEX:
        state->index_known = value->has_u64;
        state->index = value->has_u64 ? value->u64 : 0;
        break;
    case DELTA_ITEM:
    case ITEM_ID:
        state->id = item_id(facts, value);
        break;
    case ITEM_CALL_ID:
        state->call_id = item_id(facts, value);
        break;
    case ITEM_EXECUTION:
        state->by_client = json_text_is(value, "client");
        break;
    case ITEM_ENVIRONMENT:
        state->by_service = value->type == JSON_STRING && !json_text_is(value, "local");
        break;
    case DELTA:
    case IMAGE:
        delta(facts, value);
        break;
    case ITEM:
        item(facts, value);
        break;
    case ITEM_TYPE:
        set_item(state, value);
        break;
    default:
        if (value->rule >= ITEM_ARGUMENTS && value->rule <= ITEM_RESULT)
            item_part(facts, value);
        else
            dialect_answer_value(facts, value);
        break;
    }
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

static void on_event_begin(struct facts *facts, const char *name, size_t bytes)
{
    struct state *const state = state_of(facts);
    state->event = OTHER;
    item_begin(state);
    state->delta_too_early = state->index_known = false;
    state->status_bytes = state->reason_bytes = state->code_bytes = 0;
    state->index = state->id = state->call_id = 0;
    set_event(state, name, bytes);
}

static uint64_t index_bit(const struct state *state)
{
    return state->index_known && state->index < 64 ? UINT64_C(1) << state->index : 0;
}

/* Items of which only the end is told begin there. */
static void item_begins(struct facts *facts)
{
    struct state *const state = state_of(facts);
    const uint64_t bit = index_bit(state);
    const bool seen = (state->items & bit) != 0 || (!bit && state->event == ITEM_DONE);
    state->items |= bit;
    if (seen)
        return;
    const enum item_kind kind = item_kind(state);
    if (kind == ITEM_SERVER) {
        state->served |= bit;
        facts_server_call(facts);
    }
    if (kind != ITEM_CALL && kind != ITEM_FREE_CALL)
        return;
    open_call(facts);
    name_call(facts);
    if (kind == ITEM_FREE_CALL)
        facts_call_free_input(facts);
}

/* The type may stand after the delta: then the kind of content is known only here. */
static void late_delta(struct facts *facts)
{
    facts->json_asked = false; /* its text was not checked */
    const struct json_value one = {
        .rule = DELTA, .type = JSON_STRING, .text = " ", .bytes = 1, .first = true, .last = true};
    delta(facts, &one);
}

static void on_event_end(struct facts *facts)
{
    struct state *const state = state_of(facts);
    if (state->event == CREATED)
        state->items = state->served =
            0; /* a relay may run several answers within one stream; each counts its items from 0 */
    if (state->delta_too_early && state->event != OTHER)
        late_delta(facts);
    if (state->event == ITEM_ADDED || state->event == ITEM_DONE)
        item_begins(facts);
    if (facts->fragment.open && (state->served & index_bit(state))) {
        facts->fragment.open =
            false; /* commands of a shell in the service's container: content, but nothing for the client */
    } else if (facts->fragment.open) {
        place_call(facts);
        facts_call_end(facts);
    }
    if (state->event != OTHER)
        facts->shape_seen = true;
    if (state->event == ERROR_EVENT || state->event == FAILED)
        facts_error_seen(facts);
    if (state->event == ERROR_EVENT)
        facts_set_text(facts, FACT_ERROR_CODE, state->code, state->code_bytes);
    if (state->event != TERMINAL && state->event != FAILED)
        return;
    facts->done = true;
    put_status(facts);
}

static void on_close(struct facts *facts)
{
    struct state *const state = state_of(facts);
    /* llama.cpp's timings: its times, drafts, and its counts where no usage is stated. */
    const bool counted = facts_has_number(facts, FACT_INPUT) || facts_has_number(facts, FACT_OUTPUT);
    if (counted)
        state->llamacpp.part.present &= (uint8_t) ~(1u << PART_CACHED);
    else
        llamacpp_timings(&state->llamacpp, &state->llamacpp.part);
    facts->usage_from_timings = !counted && state->llamacpp.timed;
    facts_part(facts, 0, &state->llamacpp.part);
    (void)facts_parts_end(facts);
    if (facts->stream)
        return;
    put_status(facts);
    if (status_is(state, "queued") || status_is(state, "in_progress"))
        facts->kinds |= CONTENT_ELSEWHERE; /* in the background */
}

struct dialect dialect_openai_responses = {
    .name = "openai_responses",
    .apis = "responses responses-compact",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .open = NULL,
    .event_begin = on_event_begin,
    .kept = true,
    .event_end = on_event_end,
    .close = on_close,
    .docs =
        "Recognised by the path's end `/responses` or `/responses/compact`, by POST; GET `/responses/R` and POST "
        "`/responses/R/cancel` ask after an answer.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | events `response.output_text.delta`, `response.reasoning_text.delta`, "
        "`response.reasoning_summary_text.delta`, "
        "`response.refusal.delta`, `response.function_call_arguments.delta`, `response.custom_tool_call_input.delta`, "
        "`response.mcp_call_arguments.delta`, `response.code_interpreter_call_code.delta`, audio and partial images; "
        "the start of a "
        "call (`response.output_item.added`); in a plain answer `output[]` |\n"
        "| usage | `usage`, in a stream inside `response.completed`, `.incomplete` or `.failed` |\n"
        "| cost | `usage.cost`, `usage.cost.total_cost` (Perplexity) |\n"
        "| server times, drafts | llama.cpp's `timings`, beside the answer; vLLM's `metrics`: `queue_time_ms`, "
        "`time_to_first_token_ms` (prefill), `generation_time_ms` "
        "|\n"
        "| finish | `status`, or `incomplete_details.reason` where that is `incomplete`; one for the whole answer |\n"
        "| tool calls | items `function_call`, `custom_tool_call`, `computer_call`, `local_shell_call`, `shell_call` "
        "(of the client's own environment), "
        "`apply_patch_call`, `tool_search_call` of execution `client`; run by the service: all other `..._call` "
        "(`web_search_call`, `file_search_call`, `code_interpreter_call`, `image_generation_call`, `mcp_call`) |\n"
        "| error | `error` of the answer or of `response.failed`; event `error` |\n\n"
        "Quirks: `response.created` and `response.completed` repeat the whole request; a background request answers "
        "`queued` without usage; the first answer to a later request that shows it (fetched, resumed, cancelled) "
        "states it, later ones do not. What the creation stated is not stated again.\n\n"
        "Source: https://platform.openai.com/docs/api-reference/responses, recorded traffic.\n",
};
