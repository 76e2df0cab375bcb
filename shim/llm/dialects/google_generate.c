/*
 * Google generateContent: Gemini API and Vertex, plain, as SSE and as one JSON array.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Candidates' tokens
 * exclude thoughts; each chunk of a stream carries the usage so far. What a part is may be said
 * after its text ("thought" follows "text"), so a part is undone if it turns out to be a thought.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>

enum rule {
    CANDIDATE = ANSWER_OWN,
    INDEX,
    FINISH,
    PART,
    TEXT,
    THOUGHT,
    CALL_NAME,
    CALL_PIECE,
    SERVER_CALL,
    MEDIA,
    USAGE,
    INPUT_DETAIL,
    OUTPUT_DETAIL,
    DETAIL_MODALITY,
    DETAIL_COUNT,
    BLOCKED,
};

enum { REQUEST_MIME = REQUEST_OWN };

struct state {
    uint32_t choice;
    bool thought, text_seen;
    uint8_t finish_bytes;
    char finish[FACTS_REASON_MAX];
    /* as it was before the part under way */
    struct json_check answer;
    uint64_t answer_bytes;
    uint8_t event_kinds, kinds;
    /* of the element of token details under way */
    bool audio, image, counted;
    uint64_t count;
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

/* clang-format off */
#define DETAILS(at, rule) \
    RULE(at "[]", rule, 0), \
    RULE(at "[].modality", DETAIL_MODALITY, 0), \
    RULE(at "[].tokenCount", DETAIL_COUNT, 0)

static const struct json_rule answer_rules[] = {
    RULE("responseId", ANSWER_ID, 0),
    RULE("modelVersion", ANSWER_MODEL, 0),
    RULE("candidates[]", CANDIDATE, 0),
    RULE("candidates[].index", INDEX, 0),
    RULE("candidates[].finishReason", FINISH, 0),
    RULE("candidates[].content.parts[]", PART, 0),
    RULE("candidates[].content.parts[].text", TEXT, JSON_PIECES),
    RULE("candidates[].content.parts[].thought", THOUGHT, 0),
    RULE("candidates[].content.parts[].functionCall.name", CALL_NAME, 0),
    RULE("candidates[].content.parts[].functionCall.partialArgs[]", CALL_PIECE, 0),
    RULE("candidates[].content.parts[].executableCode", SERVER_CALL, 0),
    RULE("candidates[].content.parts[].toolCall", SERVER_CALL, 0),
    RULE("candidates[].content.parts[].inlineData.data", MEDIA, JSON_PIECES),
    RULE("candidates[].content.parts[].fileData.fileUri", MEDIA, JSON_PIECES),
    RULE("promptFeedback.blockReason", BLOCKED, 0),
    RULE("usageMetadata", USAGE, 0),
    USAGE_RULES("usageMetadata"),
    DETAILS("usageMetadata.promptTokensDetails", INPUT_DETAIL),
    DETAILS("usageMetadata.candidatesTokensDetails", OUTPUT_DETAIL),
};

/* Both customs may be mixed: Google's own examples write "generationConfig": {"response_mime_type":
 * ...}. */
#define CONFIG(at) \
    RULE(at ".maxOutputTokens", REQUEST_MAX_TOKENS, 0), \
    RULE(at ".max_output_tokens", REQUEST_MAX_TOKENS, 0), \
    RULE(at ".candidateCount", REQUEST_CHOICES, 0), \
    RULE(at ".candidate_count", REQUEST_CHOICES, 0), \
    RULE(at ".responseMimeType", REQUEST_MIME, 0), \
    RULE(at ".response_mime_type", REQUEST_MIME, 0), \
    RULE(at ".responseSchema", REQUEST_FORMAT, JSON_RAW), \
    RULE(at ".response_schema", REQUEST_FORMAT, JSON_RAW), \
    RULE(at ".responseJsonSchema", REQUEST_FORMAT, JSON_RAW), \
    RULE(at ".response_json_schema", REQUEST_FORMAT, JSON_RAW), \
    RULE(at "._responseJsonSchema", REQUEST_FORMAT, JSON_RAW), \
    RULE(at ".responseFormat", REQUEST_FORMAT, JSON_RAW), \
    RULE(at ".response_format", REQUEST_FORMAT, JSON_RAW)

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    CONFIG("generationConfig"),
    CONFIG("generation_config"),
    RULE("tools", REQUEST_TOOLS, JSON_RAW),
    RULE("systemInstruction.parts[].text", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("systemInstruction.parts.text", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("system_instruction.parts[].text", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("system_instruction.parts.text", REQUEST_INSTRUCTIONS, JSON_PIECES),
    RULE("contents[]", REQUEST_MESSAGE, 0),
    RULE("contents[].role", REQUEST_ROLE, 0),
    RULE("contents[].parts[].text", REQUEST_TEXT, JSON_PIECES),
    RULE("contents[].parts.text", REQUEST_TEXT, JSON_PIECES),
    RULE("labels.prompt", REQUEST_META_NAME, 0),
    RULE("labels.prompt_name", REQUEST_META_NAME, 0),
    RULE("labels.prompt_version", REQUEST_META_VERSION, 0),
};
/* clang-format on */

static void candidate(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->type == JSON_OBJECT_BEGIN) {
        state->choice = value->indexes ? value->index[value->indexes - 1] : 0;
        state->finish_bytes = 0;
        state->text_seen = false;
        facts->shape_seen = true;
    } else if (value->type == JSON_OBJECT_END) {
        const struct json_value finish = {.type = JSON_STRING, .text = state->finish, .bytes = state->finish_bytes};
        facts_finish(facts, state->choice, &finish);
    }
}

static void candidate_index(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (!value->has_u64 || value->u64 > UINT32_MAX)
        return;
    /* The text came before its index, and went to another candidate's check: that check says
     * nothing any more. */
    if (state->text_seen && state->choice != (uint32_t)value->u64)
        facts->json_asked = false;
    state->choice = (uint32_t)value->u64;
}

static void part_begin(struct facts *facts)
{
    struct state *const state = state_of(facts);
    state->thought = false;
    state->answer_bytes = facts->answer_bytes;
    state->event_kinds = facts->event_kinds;
    state->kinds = facts->kinds;
    if (state->choice < FACTS_CHOICES_MAX)
        state->answer = facts->choice[state->choice].answer;
}

/* What was taken for text was a thought: as if it had never been text. */
static void part_end(struct facts *facts)
{
    struct state *const state = state_of(facts);
    if (!state->thought || facts->answer_bytes == state->answer_bytes)
        return;
    facts->answer_bytes = state->answer_bytes;
    facts->event_kinds = state->event_kinds;
    facts->kinds = state->kinds;
    if (state->choice < FACTS_CHOICES_MAX)
        facts->choice[state->choice].answer = state->answer;
    facts_content(facts, CONTENT_REASONING, state->choice, " ", 1);
}

static void text(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    if (value->type != JSON_STRING)
        return;
    state->text_seen = true;
    facts_content(facts, state->thought ? CONTENT_REASONING : CONTENT_TEXT, state->choice, value->text, value->bytes);
}

static void usage(struct facts *facts, const struct json_value *value)
{
    if (value->type == JSON_OBJECT_BEGIN)
        facts_usage_begin(facts);
    else if (value->type == JSON_OBJECT_END)
        facts_usage_end(facts);
    facts->shape_seen = true;
}

/* "AUDIO", or the number of protobuf's enum where the client asked for numbers. */
static bool modality_is(const struct json_value *value, const char *name, uint64_t number)
{
    return json_text_is(value, name) || (value->type == JSON_NUMBER && value->has_u64 && value->u64 == number);
}

static void detail(struct facts *facts, const struct json_value *value)
{
    struct state *const state = state_of(facts);
    const bool input = value->rule == INPUT_DETAIL;
    if (value->rule == DETAIL_MODALITY) {
        state->image = modality_is(value, "IMAGE", 2);
        state->audio = modality_is(value, "AUDIO", 4);
    } else if (value->rule == DETAIL_COUNT) {
        state->counted = value->has_u64;
        state->count = value->u64;
    } else if (value->type == JSON_OBJECT_BEGIN) {
        state->audio = state->image = state->counted = false;
    } else if (value->type == JSON_OBJECT_END && state->counted) {
        if (state->audio)
            facts_set_number(facts, input ? FACT_INPUT_AUDIO : FACT_OUTPUT_AUDIO, state->count);
        if (state->image)
            facts_set_number(facts, input ? FACT_INPUT_IMAGE : FACT_OUTPUT_IMAGE, state->count);
    }
}

/* A blocked prompt has no candidate that could finish: this is all that comes. */
static void blocked(struct facts *facts, const struct json_value *value)
{
    if (value->type != JSON_STRING || !value->bytes || json_text_is(value, "BLOCK_REASON_UNSPECIFIED") ||
        json_text_is(value, "BLOCKED_REASON_UNSPECIFIED")) /* Vertex' spelling */
        return;
    facts->filtered = facts->shape_seen = facts->no_end_mark = true;
}

static void on_part(struct facts *facts, const struct json_value *value)
{
    switch (value->rule) {
    case PART:
        if (value->type == JSON_OBJECT_BEGIN)
            part_begin(facts);
        else if (value->type == JSON_OBJECT_END)
            part_end(facts);
        break;
    case TEXT:
        text(facts, value);
        break;
    case THOUGHT:
        state_of(facts)->thought = value->type == JSON_TRUE;
        break;
    case CALL_NAME: /* a call comes whole; where arguments are streamed, their pieces follow in parts without the name
                     */
        if (value->type == JSON_STRING && value->bytes)
            facts_call_whole(facts);
        break;
    case CALL_PIECE:
        if (value->type == JSON_OBJECT_BEGIN)
            facts_content(facts, CONTENT_TOOL, 0, " ", 1);
        break;
    case SERVER_CALL:
        if (value->type == JSON_OBJECT_BEGIN) {
            facts_server_call(facts);
            facts_content(facts, CONTENT_TOOL, 0, " ", 1);
        }
        break;
    default:
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_MEDIA, 0, value->text, value->bytes);
        break;
    }
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    switch (value->rule) {
    case CANDIDATE:
        candidate(facts, value);
        break;
    case INDEX:
        candidate_index(facts, value);
        break;
    case FINISH:
        if (value->type != JSON_STRING)
            break;
        state->finish_bytes = (uint8_t)(value->bytes < FACTS_REASON_MAX ? value->bytes : FACTS_REASON_MAX);
        memcpy(state->finish, value->text, state->finish_bytes);
        break;
    case USAGE:
        usage(facts, value);
        break;
    case BLOCKED:
        blocked(facts, value);
        break;
    case INPUT_DETAIL:
    case OUTPUT_DETAIL:
    case DETAIL_MODALITY:
    case DETAIL_COUNT:
        detail(facts, value);
        break;
    case PART ... MEDIA:
        on_part(facts, value);
        break;
    default:
        dialect_answer_value(facts, value);
        break;
    }
}

static void on_request(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (value->rule == REQUEST_MIME)
        facts->json_asked = facts->json_asked || json_text_is(value, "application/json");
    else
        dialect_request_value(facts, value);
    /* Without a role it is the user's. */
    if (value->rule == REQUEST_MESSAGE && value->type == JSON_OBJECT_BEGIN)
        prompt_message_role(&facts->prompt, "user", 4);
}

static void on_open(struct facts *facts, const char *api, const char *provider)
{
    (void)api;
    (void)provider;
    facts->output_excludes_reasoning = facts->total_tells = true;
}

struct dialect dialect_google_generate = {
    .name = "google_generate",
    .apis = "generateContent",
    .array = true,
    .envelopes = "response",
    .request_envelope = "request",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .open = on_open,
    .docs =
        "Recognised by the path's end `models/M:generateContent` or `models/M:streamGenerateContent` (also "
        "`tunedModels/`, `endpoints/`), at the "
        "Gemini API, Vertex and gateways; the URL names the model and says whether the answer streams. Code Assist's "
        "`v1internal:generateContent` puts the request below `request` and each answer below `response`; its body "
        "names "
        "the model.\n\n"
        "| fact | where |\n|---|---|\n"
        "| content | `candidates[].content.parts[]`: `text` (with `thought` true: reasoning), `functionCall`, "
        "`inlineData`, `fileData`, "
        "`executableCode`, `toolCall` |\n"
        "| usage | `usageMetadata`; each chunk of a stream has one with the counts so far, laid over the earlier ones "
        "|\n"
        "| input, output | `promptTokenCount` (cached included) plus `toolUsePromptTokenCount`; `candidatesTokenCount` "
        "plus `thoughtsTokenCount`, also where one of them is absent |\n"
        "| cache, reasoning | `cachedContentTokenCount`, `thoughtsTokenCount` |\n"
        "| audio, image | `promptTokensDetails[]`, `candidatesTokensDetails[]` by `modality` |\n"
        "| model, id, finish | `modelVersion`, `responseId`, `candidates[].finishReason` by `index` |\n"
        "| tool calls | parts with a `functionCall.name`; `executableCode` and `toolCall` are run by the service "
        "itself |\n"
        "| blocked | `promptFeedback.blockReason`: no candidate at all, the span says filtered |\n"
        "| error | `error.status`, else `error.code`; also within a 200 stream, and wrapped in an array |\n\n"
        "Quirks: with `?alt=sse` events end in CR LF and nothing marks the end; without it a stream is one JSON array "
        "sent piecewise. `thought` "
        "stands behind the text that it is about. `toolUsePromptTokenCount` (what the service's own tools read) is "
        "part of the total only. Early "
        "chunks may lack the count of output, or have a usage with `trafficType` alone. If the service states thoughts "
        "and no candidates' tokens, "
        "output is unknown, not 0. A `thoughtSignature` alone is no content, nor is a `codeExecutionResult`. Requests "
        "spell names in both customs "
        "(`generationConfig`, `generation_config`); enums in answers can be numbers (`enum-encoding=int`), which are "
        "no finish reason by name.\n\n"
        "Source: https://ai.google.dev/api/generate-content, "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference, "
        "https://github.com/google-gemini/gemini-cli/tree/main/packages/core/src/code_assist (Code Assist), recorded "
        "traffic.\n",
};
