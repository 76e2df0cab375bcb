/*
 * IBM watsonx.ai text generation. (Its chat is OpenAI's shape.)
 *
 * A dialect (dialect.h): rules and handlers, called on the scribe's thread.
 */
#include "dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "shim/llm/facts/dialect_request.h"

#include <strings.h>

enum rule {
    RESULT = ANSWER_OWN,
    TEXT,
    INPUT,
    FINISH,
};

/* clang-format off */
/* Plain answers and events look alike. */
static const struct json_rule answer_rules[] = {
    RULE("model_id", ANSWER_MODEL, 0),
    RULE("results[]", RESULT, 0),
    RULE("results[].generated_text", TEXT, JSON_PIECES),
    RULE("results[].input_token_count", INPUT, 0),
    ANSWER_COUNTED("results[].generated_token_count", FACT_OUTPUT), /* so far */
    RULE("results[].stop_reason", FINISH, 0),
    FAILURE_ERROR("errors[]"),
};

static const struct json_rule request_rules[] = {
    RULE("model_id", REQUEST_MODEL, 0),
    RULE("parameters.max_new_tokens", REQUEST_MAX_TOKENS, 0),
    RULE("input", REQUEST_USER, JSON_PIECES),
};
/* clang-format on */

static uint32_t result_of(const struct json_value *value)
{
    return value->indexes ? value->index[value->indexes - 1] : 0;
}

static bool is_not_finished(const struct json_value *value)
{
    static const char word[] = "not_finished";
    return value->type == JSON_STRING && value->bytes == sizeof(word) - 1 &&
           !strncasecmp(value->text, word, sizeof(word) - 1);
}

static void on_answer(void *context, const struct json_value *value)
{
    struct facts *const facts = context;
    switch (value->rule) {
    case RESULT:
        facts->shape_seen = true;
        if (value->type == JSON_OBJECT_BEGIN)
            facts_choice_seen(facts, result_of(value));
        break;
    case TEXT:
        if (value->type == JSON_STRING)
            facts_content(facts, CONTENT_TEXT, result_of(value), value->text, value->bytes);
        break;
    case INPUT: /* 0 after the first event */
        if (value->has_u64 && (value->u64 || !facts_has_number(facts, FACT_INPUT)))
            facts_set_number(facts, FACT_INPUT, value->u64);
        break;
    case FINISH:
        if (!facts->stream || !is_not_finished(value))
            facts_finish(facts, result_of(value), value);
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

struct dialect dialect_watsonx = {
    .name = "watsonx",
    .apis = "watsonx-generation",
    .request = {JSON_RULES(request_rules), on_request},
    .plain = {JSON_RULES(answer_rules), on_answer},
    .event = {JSON_RULES(answer_rules), on_answer},
    .docs = "Recognised by the path's end `/text/generation[_stream]`, older `/generation/text[_stream]`; the path "
            "says whether the answer streams. "
            "`/text/chat[_stream]` is read as OpenAI chat.\n\n"
            "| fact | where |\n|---|---|\n"
            "| model | `model_id`, in request and answer |\n"
            "| content | `results[].generated_text` |\n"
            "| usage | `results[].input_token_count`, `generated_token_count` |\n"
            "| finish | `results[].stop_reason` |\n"
            "| error | `errors[].code` |\n\n"
            "Quirks: in a stream `generated_token_count` counts from the beginning, `input_token_count` is 0 after the "
            "first event, and `stop_reason` is "
            "`not_finished` until the last, which is no finish. There is no id and no end mark.\n\n"
            "Source: https://cloud.ibm.com/apidocs/watsonx-ai#text-generation, recorded traffic.\n",
};
