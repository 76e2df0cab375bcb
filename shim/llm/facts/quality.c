/*
 * Quality signals from finish reasons and incremental checks, see quality.h. A signal is set or
 * absent; false is never stated, because the traffic states none of them as false.
 *
 * Called by exchange_close on the scribe's thread.
 */
#include "quality.h"

#include "span/span.h"

/* Every spelling of "the token limit ended it", of "a filter did", of "the model refused", in any
 * case of letters. */
static const char truncated[] =
    "length max_tokens max_output_tokens max_length model_context_window_exceeded model_length token_limit "
    "maximum_tokens limit max_completion_tokens "
    "error_limit "       /* Cohere */
    "max_prompt_tokens " /* OpenAI's runs */
    "budget_exceeded";   /* Interactions */
static const char filtered[] = "content_filter safety recitation blocklist prohibited_content spii image_safety "
                               "image_prohibited_content image_recitation model_armor content_filtered "
                               "guardrail_intervened error_toxic "
                               "sensitive"; /* Zhipu, Z.ai */
static const char refused[] = "refusal";
/* Codes of errors that are a filter's word on the prompt: OpenAI and Azure, pictures, Alibaba. */
static const char blocked[] =
    "content_filter content_policy_violation moderation_blocked data_inspection_failed DataInspectionFailed";
/* The model wrote a call that could not be read, so that none came: Gemini, Bedrock Converse. */
static const char malformed[] = "malformed_function_call malformed_tool_use";

static bool error_is(const struct facts *facts, const char *words)
{
    return facts_is_word(words, facts->text[FACT_ERROR_CODE], facts->text_bytes[FACT_ERROR_CODE]) ||
           facts_is_word(words, facts->text[FACT_ERROR_TYPE], facts->text_bytes[FACT_ERROR_TYPE]);
}

static bool any_finish(const struct facts *facts, const char *words)
{
    for (uint32_t i = 0; i < facts->choices; i++)
        if (facts_is_word(words, facts->choice[i].reason, facts->choice[i].reason_bytes))
            return true;
    return facts_is_word(words, facts->text[FACT_STATUS], facts->text_bytes[FACT_STATUS]);
}

static bool json_invalid(const struct facts *facts)
{
    for (uint32_t i = 0; i < facts->choices || (!i && !facts->choices); i++)
        if (facts->choice[i].answer.begun && !json_check_valid(&facts->choice[i].answer))
            return true;
    return false;
}

static uint64_t invalid_arguments(const struct facts *facts)
{
    uint64_t invalid = 0;
    for (uint32_t i = 0; i < facts->calls_followed; i++) {
        const struct json_check *const arguments = &facts->call[i].arguments;
        invalid += (arguments->begun || arguments->bad) && !json_check_valid(arguments);
    }
    for (uint32_t i = 0; i < facts->choices; i++)
        invalid += facts_is_word(malformed, facts->choice[i].reason, facts->choice[i].reason_bytes);
    return invalid;
}

void quality_finish(const struct facts *facts, bool whole, bool silent, struct span *span)
{
    const bool limit = any_finish(facts, truncated);
    if (limit)
        span_set_u64(span, SPAN_truncated, 1);
    if (facts->refused || any_finish(facts, refused))
        span_set_u64(span, SPAN_refused, 1);
    if (facts->filtered || any_finish(facts, filtered) || error_is(facts, blocked))
        span_set_u64(span, SPAN_filtered, 1);
    if (!whole)
        return;
    if (facts->json_asked && (facts->kinds & CONTENT_TEXT) && json_invalid(facts))
        span_set_u64(span, SPAN_json_invalid, 1);
    const uint64_t invalid = invalid_arguments(facts);
    if (invalid)
        span_set_u64(span, SPAN_tool_args_invalid, invalid);
    if (silent) {
        span_set_u64(span, SPAN_empty_answer, 1);
        return;
    }
    if (!(facts->kinds & (CONTENT_TEXT | CONTENT_TOOL | CONTENT_MEDIA | CONTENT_REFUSAL | CONTENT_ELSEWHERE)) &&
        facts->shape_seen)
        span_set_u64(span, SPAN_empty_answer, 1);
}
