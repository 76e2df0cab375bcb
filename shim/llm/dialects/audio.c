/*
 * Sound: speech, transcriptions, translations, as OpenAI writes them (Azure, Groq, Mistral, vLLM,
 * local servers copy it).
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread. Sound itself is no JSON
 * and is passed over by the body's reader; only its content-type says that something came.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <string.h>
#include <strings.h>

enum rule { TYPE = ANSWER_OWN, DELTA, SOUND, TEXT, CHUNK_TEXT, FINISH };

enum event_kind { OTHER, TEXT_EVENT, DONE };

enum { ID_MAX = 96 };

struct state {
    uint8_t event; /* enum event_kind */
    bool text_in_event, deltas_seen, segment;
    uint8_t id_bytes;
    char id[ID_MAX]; /* of the event under way: the answer's, or a segment's */
};
_Static_assert(sizeof(struct state) <= FACTS_SCRATCH * sizeof(uint64_t), "the state must fit");

/* clang-format off */
static const struct json_rule plain_rules[] = {
    ANSWER_IDENTITY,
    ANSWER_NAMED_ERRORS,
    RULE("usage", ANSWER_USAGE, 0),
    RULE("text", TEXT, JSON_PIECES),
    RULE("audio_data", SOUND, JSON_PIECES), /* Mistral's speech */
};

static const struct json_rule event_rules[] = {
    ANSWER_IDENTITY,
    RULE("usage", ANSWER_USAGE, 0),
    RULE("type", TYPE, 0),
    RULE("delta", DELTA, JSON_PIECES),
    RULE("audio", SOUND, JSON_PIECES),
    RULE("text", TEXT, JSON_PIECES),
    RULE("choices[].delta.content", CHUNK_TEXT, JSON_PIECES),
    RULE("choices[].finish_reason", FINISH, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("instructions", REQUEST_INSTRUCTIONS, JSON_PIECES),
};
/* clang-format on */

static struct state *state_of(struct facts *facts)
{
    return (struct state *)(void *)facts->scratch;
}

static void content(struct facts *facts, const struct json_value *value, enum facts_content kind)
{
    if (value->type != JSON_STRING)
        return;
    facts->shape_seen = true;
    facts_content(facts, kind, 0, value->text, value->bytes);
}

static void set_event(struct facts *facts, const char *name, size_t bytes)
{
    static const struct {
        const char *name;
        enum event_kind kind;
    } events[] = {
        {"transcript.text.segment", TEXT_EVENT},
        {"transcription.text.delta", TEXT_EVENT},
        {"transcript.text.done", DONE},
        {"speech.audio.done", DONE},
        {"transcription.done", DONE},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (strlen(events[i].name) == bytes && !memcmp(events[i].name, name, bytes))
            state_of(facts)->event = (uint8_t)events[i].kind;
    static const char segment[] = "transcript.text.segment";
    if (bytes == sizeof(segment) - 1 && !memcmp(name, segment, bytes))
        state_of(facts)->segment = true;
    if (bytes == 5 && !memcmp(name, "error", 5))
        facts_error_seen(facts);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    struct state *const state = state_of(facts);
    switch (value->rule) {
    case TYPE:
        if (value->type == JSON_STRING)
            set_event(facts, value->text, value->bytes);
        break;
    case DELTA:
        state->deltas_seen = state->deltas_seen || (value->type == JSON_STRING && value->bytes);
        content(facts, value, CONTENT_TEXT);
        break;
    case SOUND:
        content(facts, value, CONTENT_MEDIA);
        break;
    case ANSWER_ID:
        if (!facts->stream)
            dialect_answer_value(facts, value);
        else if (value->type == JSON_STRING && value->bytes <= ID_MAX) {
            memcpy(state->id, value->text, value->bytes);
            state->id_bytes = (uint8_t)value->bytes;
        }
        break;
    case TEXT: /* in a stream: whether it is news is known when the event's type is */
        if (!facts->stream)
            content(facts, value, CONTENT_TEXT);
        else
            state->text_in_event = state->text_in_event || (value->type == JSON_STRING && value->bytes);
        break;
    case CHUNK_TEXT:
        content(facts, value, CONTENT_TEXT);
        break;
    case FINISH:
        facts_finish(facts, 0, value);
        break;
    default:
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
    state->text_in_event = state->segment = false;
    state->id_bytes = 0;
    set_event(facts, name, bytes);
}

/* A segment repeats the deltas it consists of, if there were any; the text of the last event always
 * repeats. */
static void on_event_end(struct facts *facts)
{
    const struct state *const state = state_of(facts);
    if (!state->segment)
        facts_set_text(facts, FACT_RESPONSE_ID, state->id, state->id_bytes);
    if (state->event == TEXT_EVENT && state->text_in_event && !state->deltas_seen)
        facts_content(facts, CONTENT_TEXT, 0, " ", 1);
    if (state->event == DONE)
        facts->done = true;
    facts->shape_seen = facts->shape_seen || state->event != OTHER;
}

/* Sound and subtitles say by their type alone that the model answered. */
static void on_header(struct facts *facts, const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    static const char *const types[] = {"audio/", "text/vtt", "application/x-subrip"};
    if (name_bytes != 12 || strncasecmp(name, "content-type", 12) != 0)
        return;
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (value_bytes >= strlen(types[i]) && !strncasecmp(value, types[i], strlen(types[i]))) {
            facts->shape_seen = true;
            facts->kinds |= CONTENT_MEDIA;
        }
}

/* Text or sound is anybody's answer: on a host that nobody knows the request must have named a
 * model, as it has to. */
static void on_close(struct facts *facts)
{
    facts->shape_seen = facts->shape_seen && facts_has_text(facts, FACT_REQUEST_MODEL);
}

struct dialect dialect_audio = {
    .name = "audio",
    .apis = "audio",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .response_header = on_header,
    .event_begin = on_event_begin,
    .event_end = on_event_end,
    .close = on_close,
    .docs = "Recognised by the path's end: `/audio/speech`, `/audio/transcriptions`, `/audio/translations`, whoever "
            "serves it.\n\n"
            "| fact | where |\n|---|---|\n"
            "| model, stream | of the request: JSON (speech), or parts of a form (transcriptions, translations) |\n"
            "| content | `text`; in a stream `transcript.text.delta`, `speech.audio.delta`, Mistral's "
            "`transcription.text.delta`, vLLM's "
            "`choices[].delta.content`; `transcript.text.segment` where no deltas come |\n"
            "| usage | `usage` of type `tokens`: `input_tokens`, `output_tokens`, `input_token_details.audio_tokens`; "
            "in a stream in the event that "
            "ends it; Mistral's `prompt_tokens`, `completion_tokens` |\n"
            "| error | `error.type`, `error.code` |\n\n"
            "Quirks: `id` of a `transcript.text.segment` names the segment, not the answer. usage of type `duration` "
            "counts seconds, which are no tokens. Speech is answered with sound, subtitles with text: no JSON, nothing "
            "is read of it. `stream_format: sse` makes speech a stream though `stream` is not asked for.\n\n"
            "Source: https://platform.openai.com/docs/api-reference/audio, "
            "https://docs.mistral.ai/capabilities/audio_transcription, recorded traffic.\n",
};
