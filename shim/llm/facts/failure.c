/*
 * Failures within a success, see failure.h: Z.ai {"code","msg","success":false}, MiniMax
 * "base_resp", iFlytek and Baidu codes beside a message, a finish reason "error".
 *
 * Called by dialects and by exchange_close on the scribe's thread.
 */
#include "failure.h"

#include <string.h>

/* Finish reasons that say that no answer was to be had: Mistral, OpenRouter, Cohere, DeepSeek,
 * Z.ai, vLLM's relatives.
 */
static const char error_reasons[] = "error insufficient_system_resource network_error engine_error server_error "
                                    "internal_error model_error timeout failed";
static const char well_words[] = "0 20000 ok success succeeded";

enum member { MEMBER_UNKNOWN, MEMBER_TYPE, MEMBER_STATUS, MEMBER_CODE, MEMBER_MESSAGE };

static const struct {
    char key[16];
    uint8_t member;
} members[] = {
    {"type", MEMBER_TYPE},           {"name", MEMBER_TYPE},       {"error_type", MEMBER_TYPE},
    {"status", MEMBER_STATUS},       {"code", MEMBER_CODE},       {"error_code", MEMBER_CODE},
    {"grpcCode", MEMBER_CODE},       {"httpCode", MEMBER_CODE},   {"http_code", MEMBER_CODE},
    {"status_code", MEMBER_CODE},    {"message", MEMBER_MESSAGE}, {"msg", MEMBER_MESSAGE},
    {"httpStatus", MEMBER_STATUS},   {"detail", MEMBER_MESSAGE},  {"error", MEMBER_MESSAGE},
    {"description", MEMBER_MESSAGE},
};

static bool is_well(const char *text, size_t bytes)
{
    const bool success_of_http =
        bytes == 3 && text[0] == '2' && text[1] >= '0' && text[1] <= '9' && text[2] >= '0' && text[2] <= '9';
    return success_of_http || facts_is_word(well_words, text, bytes);
}

bool failure_is_well(const struct json_value *value)
{
    return (value->type == JSON_NUMBER || value->type == JSON_STRING) && is_well(value->text, value->bytes);
}

static enum member member_of(const struct json_value *value)
{
    for (size_t i = 0; value->key != NULL && i < sizeof(members) / sizeof(members[0]); i++)
        if (strlen(members[i].key) == value->key_bytes && !memcmp(members[i].key, value->key, value->key_bytes))
            return (enum member)members[i].member;
    return MEMBER_UNKNOWN;
}

bool failure_is_type(const struct json_value *value)
{
    return value->rule == FAILURE_MEMBER && member_of(value) == MEMBER_TYPE;
}

void failure_code(struct facts *facts, const struct json_value *value)
{
    const bool spelled = value->type == JSON_NUMBER || value->type == JSON_STRING;
    if (spelled && !is_well(value->text, value->bytes) && !facts_has_text(facts, FACT_ERROR_CODE))
        facts_set_value(facts, FACT_ERROR_CODE, value);
}

/* True: this member says that there is an error. */
static bool member_says(struct facts *facts, const struct json_value *value)
{
    const enum member member = member_of(value);
    const bool nothing = value->type == JSON_NULL || value->type == JSON_FALSE ||
                         (value->type == JSON_STRING && !value->bytes) || failure_is_well(value);
    facts->error_object.known = facts->error_object.known || member;
    facts->error_object.unknown = facts->error_object.unknown || (!member && value->type != JSON_NULL);
    const bool object = value->type >= JSON_OBJECT_BEGIN; /* or an array, or the end of one */
    if (!member || nothing || (object && member != MEMBER_MESSAGE))
        return false;
    if (member == MEMBER_TYPE)
        facts_set_value(facts, FACT_ERROR_TYPE, value);
    else if (member == MEMBER_CODE)
        facts_set_value(facts, FACT_ERROR_CODE, value);
    else if (member == MEMBER_STATUS && value->type == JSON_STRING && !facts_has_text(facts, FACT_ERROR_TYPE))
        facts_set_value(facts, FACT_ERROR_TYPE, value);
    return true;
}

bool failure_error(struct facts *facts, const struct json_value *value)
{
    if (value->rule == FAILURE_MEMBER)
        return member_says(facts, value);
    if (value->type == JSON_OBJECT_BEGIN)
        facts->error_object.known = facts->error_object.unknown = false;
    const bool foreign = facts->error_object.unknown && !facts->error_object.known;
    return (value->type == JSON_STRING && value->bytes) || (value->type == JSON_OBJECT_END && foreign);
}

void failure_value(struct facts *facts, const struct json_value *value)
{
    const bool spelled = value->type == JSON_NUMBER || (value->type == JSON_STRING && value->bytes);
    switch (value->rule) {
    case FAILURE_SUCCESS:
        if (value->type == JSON_FALSE)
            facts_error_seen(facts);
        break;
    case FAILURE_STATUS:
        if (!spelled || is_well(value->text, value->bytes))
            break;
        facts_error_seen(facts);
        facts_set_value(facts, FACT_ERROR_CODE, value);
        break;
    case FAILURE_OBJECT:
    case FAILURE_MEMBER:
        if (failure_error(facts, value))
            facts_error_seen(facts);
        break;
    default:
        failure_code(facts, value);
        break;
    }
}

bool failure_code_stated(const struct facts *facts)
{
    const size_t bytes = facts->text_bytes[FACT_ERROR_CODE];
    return bytes && !is_well(facts->text[FACT_ERROR_CODE], bytes);
}

void failure_finish(struct facts *facts)
{
    if (!facts->shape_seen && failure_code_stated(facts))
        facts_error_seen(facts);
    for (uint32_t i = 0; i < facts->choices; i++) {
        const struct facts_choice *const choice = &facts->choice[i];
        if (!facts_is_word(error_reasons, choice->reason, choice->reason_bytes))
            continue;
        facts_error_seen(facts);
        facts->error_closed = false;
        if (!facts_has_text(facts, FACT_ERROR_TYPE) && !facts_has_text(facts, FACT_ERROR_CODE))
            facts_set_text(facts, FACT_ERROR_TYPE, choice->reason, choice->reason_bytes);
    }
}
