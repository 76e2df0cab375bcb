/*
 * Images and audio as OpenAI offers them, and who does it likewise: generation, edits, variations; speech, transcription, translation.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Requests may be multipart forms (request.c). Pictures and sound are skipped
 * by the scanner; an answer that is sound itself holds no JSON at all.
 */
#include "dialect.h"
#include "dialect_request.h"

#include <string.h>

enum rule {
    ID = 1,
    MODEL,
    USAGE,
    TYPE,
    PICTURE, /* or sound */
    TRANSCRIPT,
    ERROR,
    ERROR_TYPE,
    ERROR_CODE,
    COST_USD,
    COUNT = 64, /* COUNT + enum facts_number */
};

#define COUNTED(path, fact) {path, COUNT + (fact), 0}

#define ANSWER_RULES                                                                                                              \
    {"id", ID, 0}, {"model", MODEL, 0}, {"usage", USAGE, 0}, COUNTED("usage.prompt_tokens", FACT_INPUT),                          \
        COUNTED("usage.input_tokens", FACT_INPUT), COUNTED("usage.completion_tokens", FACT_OUTPUT),                               \
        COUNTED("usage.output_tokens", FACT_OUTPUT), COUNTED("usage.total_tokens", FACT_TOTAL),                                   \
        COUNTED("usage.prompt_tokens_details.cached_tokens", FACT_CACHE_READ),                                                    \
        COUNTED("usage.input_tokens_details.image_tokens", FACT_INPUT_IMAGE),                                                     \
        COUNTED("usage.input_tokens_details.audio_tokens", FACT_INPUT_AUDIO),                                                     \
        COUNTED("usage.input_token_details.audio_tokens", FACT_INPUT_AUDIO),                                                      \
        COUNTED("usage.output_tokens_details.image_tokens", FACT_OUTPUT_IMAGE),                                                   \
        COUNTED("usage.output_tokens_details.reasoning_tokens", FACT_REASONING), {"usage.cost", COST_USD, 0},                     \
        {"error", ERROR, 0}, {"error.type", ERROR_TYPE, 0}, {"error.code", ERROR_CODE, 0}, {"code", ERROR_CODE, 0}

static const struct json_rule plain_rules[] = {
    ANSWER_RULES,
    {"data[].b64_json", PICTURE, JSON_PIECES},
    {"data[].url", PICTURE, JSON_PIECES},
    {"text", TRANSCRIPT, JSON_PIECES},
};

static const struct json_rule event_rules[] = {
    ANSWER_RULES,
    {"type", TYPE, 0},
    {"delta", TRANSCRIPT, JSON_PIECES},
    {"audio", PICTURE, JSON_PIECES},
    {"b64_json", PICTURE, JSON_PIECES},
};

static const struct json_rule request_rules[] = {
    {"model", REQUEST_MODEL, 0},
    {"stream", REQUEST_STREAM, 0},
    {"n", REQUEST_CHOICES, 0},
    {"instructions", REQUEST_INSTRUCTIONS, JSON_PIECES},
    {"prompt", REQUEST_USER, JSON_PIECES},
};

/* transcript.text.done, speech.audio.done, image_generation.completed, image_edit.completed */
static bool is_last(const struct json_value *value)
{
    static const char *const ends[] = {".done", ".completed"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        const size_t bytes = strlen(ends[i]);
        if (value->type == JSON_STRING && value->bytes > bytes && !memcmp(value->text + value->bytes - bytes, ends[i], bytes))
            return true;
    }
    return false;
}

static void content(struct facts *facts, const struct json_value *value, enum facts_content kind)
{
    if (value->type != JSON_STRING)
        return;
    facts_content(facts, kind, 0, value->text, value->bytes);
    facts->shape_seen = true;
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    if (value->rule >= COUNT) {
        facts_set_count(facts, (enum facts_number)(value->rule - COUNT), value);
        facts->shape_seen = facts->shape_seen || value->has_u64;
        return;
    }
    switch (value->rule) {
    case ID:
        facts_set_value(facts, FACT_RESPONSE_ID, value);
        break;
    case MODEL:
        facts_set_value(facts, FACT_RESPONSE_MODEL, value);
        break;
    case USAGE:
        facts->shape_seen = true;
        break;
    case TYPE:
        facts->done = facts->done || is_last(value);
        break;
    case PICTURE:
        content(facts, value, CONTENT_MEDIA);
        break;
    case TRANSCRIPT:
        content(facts, value, CONTENT_TEXT);
        break;
    case ERROR:
        if (value->type == JSON_OBJECT_BEGIN || (value->type == JSON_STRING && value->bytes))
            facts_error_seen(facts);
        break;
    case ERROR_TYPE:
        facts_set_value(facts, FACT_ERROR_TYPE, value);
        break;
    case ERROR_CODE:
        facts_set_value(facts, FACT_ERROR_CODE, value);
        break;
    case COST_USD:
        facts_set_cost(facts, value, 1e9);
        break;
    default:
        break;
    }
}

static void on_request(void *context, const struct json_value *value)
{
    dialect_request_value(context, value);
}

struct dialect dialect_openai_media = {
    .name = "openai_media",
    .apis = "images audio",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .docs =
        "Recognised by the paths' ends `/images/generations`, `/images/edits`, `/images/variations`, `/audio/speech`, `/audio/transcriptions`, "
        "`/audio/translations`.\n\n"
        "| fact | where |\n|---|---|\n"
        "| model | request `model`, in JSON or as a part of a multipart form |\n"
        "| content | events with `delta` (transcripts), `audio`, `b64_json`; plain `text`, `data[]` |\n"
        "| usage | `usage`, in a stream in the last event; transcription by duration states no tokens |\n\n"
        "Quirks: an answer may be sound itself. A form whose body is built by libcurl's MIME API cannot be seen; then the model is not known.\n\n"
        "Source: https://platform.openai.com/docs/api-reference/images, .../audio, recorded traffic.\n",
};
