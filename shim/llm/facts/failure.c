/*
 * Failures within a success, see failure.h: Z.ai {"code","msg","success":false}, MiniMax "base_resp", iFlytek and Baidu
 * codes beside a message, a finish reason "error".
 *
 * Called by dialects and by exchange_close on the scribe's thread.
 */
#include "failure.h"

#include <string.h>
#include <strings.h>

/* Finish reasons that say that no answer was to be had: Mistral, OpenRouter, Cohere, DeepSeek, Z.ai, vLLM's relatives.
 */
static const char *const error_reasons[] = {"error",         "insufficient_system_resource",
                                            "network_error", "engine_error",
                                            "server_error",  "internal_error",
                                            "model_error",   "timeout",
                                            "failed",        NULL};
static const char *const well_codes[] = {"0", "200", "ok", "success", "succeeded", "20000", NULL};

static bool is_one_of(const char *text, size_t bytes, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == bytes && !strncasecmp(*list, text, bytes))
            return true;
    return false;
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
        if (!spelled || is_one_of(value->text, value->bytes, well_codes))
            break;
        facts_error_seen(facts);
        facts_set_value(facts, FACT_ERROR_CODE, value);
        break;
    default:
        if (spelled && !facts_has_text(facts, FACT_ERROR_CODE))
            facts_set_value(facts, FACT_ERROR_CODE, value);
        break;
    }
}

bool failure_code_stated(const struct facts *facts)
{
    const size_t bytes = facts->text_bytes[FACT_ERROR_CODE];
    return bytes && !is_one_of(facts->text[FACT_ERROR_CODE], bytes, well_codes);
}

void failure_finish(struct facts *facts)
{
    if (!facts->shape_seen && failure_code_stated(facts))
        facts_error_seen(facts);
    for (uint32_t i = 0; i < facts->choices; i++) {
        const struct facts_choice *const choice = &facts->choice[i];
        if (!is_one_of(choice->reason, choice->reason_bytes, error_reasons))
            continue;
        facts_error_seen(facts);
        facts->error_closed = false;
        if (!facts_has_text(facts, FACT_ERROR_TYPE) && !facts_has_text(facts, FACT_ERROR_CODE))
            facts_set_text(facts, FACT_ERROR_TYPE, choice->reason, choice->reason_bytes);
    }
}
