/*
 * The parts of answers that look alike in the smaller APIs (embeddings, images, audio, ...): id,
 * model, errors, usage.
 *
 * Called from the dialects' handlers on the scribe's thread.
 */
#include "dialect_answer.h"

#include <string.h>

/* clang-format off */
static const struct json_rule common_rules[] = {
    RULE("usage", ANSWER_USAGE_ANYBODYS, 0),
    USAGE_RULES("usage"),
    FAILURE_ERROR("error"),
    FAILURE_RULES,
};
/* clang-format on */
struct json_rules dialect_answer_common = JSON_RULES(common_rules);

static void error_name(struct facts *facts, const struct json_value *value)
{
    if (value->rule == ANSWER_TOP_CODE)
        failure_code(facts, value);
    /* A flat "type" gives way to error.type; Anthropic's only says that it is an error. */
    else if (value->type == JSON_STRING && !json_text_is(value, "error") && !facts_has_text(facts, FACT_ERROR_TYPE))
        facts_set_value(facts, FACT_ERROR_TYPE, value);
}

static void usage(struct facts *facts, const struct json_value *value)
{
    if (value->type == JSON_OBJECT_BEGIN) {
        facts_usage_begin(facts);
    } else if (value->type == JSON_OBJECT_END) {
        /* Nobody but a model counts tokens so; a total alone is anybody's. */
        if (value->rule == ANSWER_USAGE && (facts->pending.present & (1U << FACT_INPUT | 1U << FACT_OUTPUT)))
            facts->shape_seen = true;
        facts_usage_end(facts);
    }
}

void dialect_answer_value(struct facts *facts, const struct json_value *value)
{
    if (dialect_usage_is(value)) {
        (void)dialect_usage_value(facts, value);
        return;
    }
    if (failure_is(value)) {
        failure_value(facts, value);
        return;
    }
    if (value->rule >= ANSWER_COUNT) {
        facts_set_count(facts, (enum facts_number)(value->rule - ANSWER_COUNT), value);
        return;
    }
    switch (value->rule) {
    case ANSWER_ID:
        facts_set_value(facts, FACT_RESPONSE_ID, value);
        break;
    case ANSWER_MODEL:
        facts_set_value(facts, FACT_RESPONSE_MODEL, value);
        break;
    case ANSWER_TIER:
        facts_set_value(facts, FACT_SERVICE_TIER, value);
        break;
    case ANSWER_USAGE:
    case ANSWER_USAGE_ANYBODYS:
        usage(facts, value);
        break;
    case ANSWER_QUEUE_MS:
        facts_set_time(facts, FACT_SERVER_QUEUE_NS, value, 1e6);
        break;
    case ANSWER_PREFILL_MS:
        facts_set_time(facts, FACT_SERVER_PREFILL_NS, value, 1e6);
        break;
    case ANSWER_DECODE_MS:
        facts_set_time(facts, FACT_SERVER_DECODE_NS, value, 1e6);
        break;
    default:
        error_name(facts, value);
        break;
    }
}

bool dialect_answer_names_error(const struct json_value *value)
{
    static const char end[] = "_error";
    const size_t bytes = sizeof(end) - 1;
    return value->type == JSON_STRING && value->bytes > bytes &&
           !memcmp(value->text + value->bytes - bytes, end, bytes);
}

void dialect_answer_content(struct facts *facts)
{
    facts_content(facts, CONTENT_MEDIA, 0, "x", 1);
}

void dialect_answer_product(struct facts *facts)
{
    facts->shape_seen = true;
    dialect_answer_content(facts);
}
