/*
 * Aleph Alpha's completion; AI21's Jurassic completion, whose path and list of completions are
 * alike.
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

enum rule {
    COMPLETION = ANSWER_OWN,
    TEXT,
    FINISH,
    EVENT_TYPE,
    EVENT_INDEX,
    EVENT_TEXT,
    EVENT_FINISH,
};

/* clang-format off */
#define COMMON \
    RULE("model_version", ANSWER_MODEL, 0), \
    ANSWER_COUNTED("num_tokens_prompt_total", FACT_INPUT), \
    ANSWER_COUNTED("num_tokens_generated", FACT_OUTPUT), \
    RULE("code", FAILURE_CODE, 0)

static const struct json_rule plain_rules[] = {
    COMMON,
    RULE("id", ANSWER_ID, 0),
    RULE("completions[]", COMPLETION, 0),
    RULE("completions[].completion", TEXT, JSON_PIECES),
    RULE("completions[].finish_reason", FINISH, 0),
    RULE("completions[].data.text", TEXT, JSON_PIECES),
    RULE("completions[].finishReason.reason", FINISH, 0),
};

static const struct json_rule event_rules[] = {
    COMMON,
    RULE("type", EVENT_TYPE, 0),
    RULE("index", EVENT_INDEX, 0),
    RULE("completion", EVENT_TEXT, JSON_PIECES),
    RULE("finish_reason", EVENT_FINISH, 0),
};

static const struct json_rule request_rules[] = {
    RULE("model", REQUEST_MODEL, 0),
    RULE("stream", REQUEST_STREAM, 0),
    RULE("maximum_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("maxTokens", REQUEST_MAX_TOKENS, 0),
    RULE("n", REQUEST_CHOICES, 0),
    RULE("numResults", REQUEST_CHOICES, 0),
    RULE("prompt", REQUEST_USER, JSON_PIECES),
    RULE("prompt[].data", REQUEST_USER, JSON_PIECES),
};
/* clang-format on */

/* Of a plain answer: its position; in a stream the events say it, before or after what they have to
 * say. */
static uint32_t choice_of(const struct json_value *value)
{
    return value->indexes ? value->index[0] : 0;
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    uint64_t *const event_choice = &facts->scratch[0];
    switch (value->rule) {
    case COMPLETION:
        facts_choice_seen(facts, choice_of(value));
        break;
    case TEXT:
        if (value->type != JSON_STRING)
            break;
        facts->shape_seen = true;
        facts_content(facts, CONTENT_TEXT, choice_of(value), value->text, value->bytes);
        break;
    case FINISH:
        facts_finish(facts, choice_of(value), value);
        break;
    case EVENT_TYPE:
        facts->done = facts->done || json_text_is(value, "completion_summary");
        facts->shape_seen = facts->shape_seen || facts->done || json_text_is(value, "stream_chunk");
        break;
    case EVENT_INDEX:
        *event_choice = value->has_u64 && value->u64 < FACTS_CHOICES_MAX ? value->u64 : 0;
        break;
    case EVENT_TEXT:
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_TEXT, (uint32_t)*event_choice, value->text, value->bytes);
        break;
    case EVENT_FINISH:
        facts_finish(facts, (uint32_t)*event_choice, value);
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

struct dialect dialect_aleph_alpha = {
    .name = "aleph_alpha",
    .apis = "aleph-complete",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(plain_rules), on_answer},
    .event = {JSON_RULES(event_rules), on_answer},
    .docs = "Recognised by the path's end `/complete` at Aleph Alpha and AI21, elsewhere (but `/v1/complete`, which is "
            "Anthropic's) if the answer has the "
            "shape.\n\n"
            "| fact | where |\n|---|---|\n"
            "| content | `completions[].completion`; in a stream `completion` of `stream_chunk`; AI21 "
            "`completions[].data.text` |\n"
            "| usage | `num_tokens_prompt_total`, `num_tokens_generated`; in a stream in `completion_summary`; AI21 "
            "states none |\n"
            "| model | `model_version` |\n"
            "| finish | `completions[].finish_reason`; in a stream in `stream_summary`; AI21 "
            "`completions[].finishReason.reason` |\n"
            "| error | `code` beside `error` |\n\n"
            "Quirks: `model_version` is the version alone (`2022-04`), as the service states it.\n\n"
            "Source: https://docs.aleph-alpha.com/api/complete/, https://docs.ai21.com/reference/j2-complete-ref, "
            "recorded traffic.\n",
};
