/*
 * Names within usage objects, see dialect_usage.h. Sources: the pages that docs/dialects.md names
 * for each service, the relays' own code and bug reports.
 *
 * Called from the dialects' handlers on the scribe's thread.
 */
#include "dialect_usage.h"

#include <string.h>

enum { TOP = 1, IN = 2, OUT = 4 };

/* Texts lie in the tables, so that nothing is relocated at start. */
static const struct {
    char name[38];
    uint8_t places, fact;
} names[] = {
    {"prompt_tokens", TOP, FACT_INPUT},
    {"completion_tokens", TOP, FACT_OUTPUT},
    {"total_tokens", TOP, FACT_TOTAL},
    {"input_tokens", TOP, FACT_INPUT},
    {"output_tokens", TOP, FACT_OUTPUT},
    {"cached_tokens", TOP | IN, FACT_CACHE_READ},
    {"reasoning_tokens", TOP | OUT, FACT_REASONING},
    {"audio_tokens", IN, FACT_INPUT_AUDIO},
    {"audio_tokens", OUT, FACT_OUTPUT_AUDIO},
    {"image_tokens", IN, FACT_INPUT_IMAGE},
    {"image_tokens", OUT, FACT_OUTPUT_IMAGE},
    {"accepted_prediction_tokens", TOP | OUT, FACT_ACCEPTED_PREDICTION},
    {"rejected_prediction_tokens", TOP | OUT, FACT_REJECTED_PREDICTION},
    /* read from a cache */
    {"cache_read_input_tokens", TOP | IN, FACT_CACHE_READ}, /* Anthropic, Databricks, Venice */
    {"cache_read_tokens", TOP | IN, FACT_CACHE_READ},
    {"cached_read_tokens", TOP | IN, FACT_CACHE_READ},
    {"cached_input_tokens", TOP | IN, FACT_CACHE_READ}, /* Inception */
    {"cached_prompt_tokens", TOP | IN, FACT_CACHE_READ},
    {"cached_prompt_text_tokens", TOP | IN, FACT_CACHE_READ}, /* xAI */
    {"cache_hit_tokens", TOP | IN, FACT_CACHE_READ},
    {"prompt_cache_hit_tokens", TOP | IN, FACT_CACHE_READ}, /* DeepSeek */
    {"prompt_cached_tokens", TOP | IN, FACT_CACHE_READ},
    {"num_cached_tokens", TOP | IN, FACT_CACHE_READ}, /* Mistral */
    {"total_cached_tokens", TOP, FACT_CACHE_READ},    /* Interactions */
    {"prompt_eval_cached_count", TOP, FACT_CACHE_READ},
    {"cachedContentTokenCount", TOP, FACT_CACHE_READ}, /* Gemini */
    {"cached_content_token_count", TOP, FACT_CACHE_READ},
    {"cacheReadInputTokens", TOP, FACT_CACHE_READ}, /* Converse, both */
    {"cacheReadInputTokenCount", TOP, FACT_CACHE_READ},
    {"cachedInputTokens", TOP, FACT_CACHE_READ}, /* Vercel's library */
    {"cachedTokens", TOP, FACT_CACHE_READ},
    /* written to a cache */
    {"cache_creation_input_tokens", TOP | IN, FACT_CACHE_CREATION}, /* Anthropic, DashScope */
    {"cache_creation_tokens", TOP | IN, FACT_CACHE_CREATION},       /* LiteLLM */
    {"cache_write_input_tokens", TOP | IN, FACT_CACHE_CREATION},
    {"cache_write_tokens", TOP | IN, FACT_CACHE_CREATION},     /* OpenAI, OpenRouter */
    {"cached_write_tokens", TOP | IN, FACT_CACHE_CREATION},    /* Envoy */
    {"cached_creation_tokens", TOP | IN, FACT_CACHE_CREATION}, /* new-api */
    {"prompt_cache_write_tokens", TOP | IN, FACT_CACHE_CREATION},
    {"cacheWriteInputTokens", TOP, FACT_CACHE_CREATION}, /* Converse, both */
    {"cacheWriteInputTokenCount", TOP, FACT_CACHE_CREATION},
    {"cacheCreationInputTokens", TOP, FACT_CACHE_CREATION},
    {"ephemeral_5m_input_tokens", TOP | IN, FACT_CACHE_CREATION_5M},
    {"ephemeral_1h_input_tokens", TOP | IN, FACT_CACHE_CREATION_1H},
    {"claude_cache_creation_5_m_tokens", TOP | IN, FACT_CACHE_CREATION_5M}, /* new-api */
    {"claude_cache_creation_1_h_tokens", TOP | IN, FACT_CACHE_CREATION_1H},
    {"claude_cache_creation_5m_tokens", TOP | IN, FACT_CACHE_CREATION_5M},
    {"claude_cache_creation_1h_tokens", TOP | IN, FACT_CACHE_CREATION_1H},
    /* other names of input, output, total */
    {"inputTokens", TOP, FACT_INPUT},
    {"outputTokens", TOP, FACT_OUTPUT},
    {"totalTokens", TOP, FACT_TOTAL},
    {"promptTokens", TOP, FACT_INPUT},
    {"completionTokens", TOP, FACT_OUTPUT},
    {"PromptTokens", TOP, FACT_INPUT}, /* Tencent */
    {"CompletionTokens", TOP, FACT_OUTPUT},
    {"TotalTokens", TOP, FACT_TOTAL},
    {"promptTokenCount", TOP, FACT_INPUT}, /* Gemini, and in protobuf's own spelling */
    {"candidatesTokenCount", TOP, FACT_OUTPUT},
    {"totalTokenCount", TOP, FACT_TOTAL},
    {"prompt_token_count", TOP, FACT_INPUT},
    {"candidates_token_count", TOP, FACT_OUTPUT},
    {"total_token_count", TOP, FACT_TOTAL},
    {"inputTokenCount", TOP, FACT_INPUT},
    {"outputTokenCount", TOP, FACT_OUTPUT},
    {"input_token_count", TOP, FACT_INPUT},
    {"output_token_count", TOP, FACT_OUTPUT},
    {"total_input_tokens", TOP, FACT_INPUT}, /* Interactions */
    {"total_output_tokens", TOP, FACT_OUTPUT},
    /* reasoning */
    {"thinking_tokens", TOP | OUT, FACT_REASONING}, /* Anthropic */
    {"thought_tokens", TOP | OUT, FACT_REASONING},
    {"thoughts_tokens", TOP | OUT, FACT_REASONING},
    {"reasoning_output_tokens", TOP | OUT, FACT_REASONING},
    {"total_thought_tokens", TOP, FACT_REASONING}, /* Interactions */
    {"total_reasoning_tokens", TOP, FACT_REASONING},
    {"thoughtsTokenCount", TOP, FACT_REASONING}, /* Gemini */
    {"thoughts_token_count", TOP, FACT_REASONING},
    {"reasoningTokens", TOP | OUT, FACT_REASONING},
    /* what the service's own tools added to the prompt */
    {"toolUsePromptTokenCount", TOP, FACT_TOOL_INPUT}, /* Gemini */
    {"tool_use_prompt_token_count", TOP, FACT_TOOL_INPUT},
    {"tool_use_prompt_tokens", TOP | IN, FACT_TOOL_INPUT},
    {"total_tool_use_tokens", TOP, FACT_TOOL_INPUT}, /* Interactions */
    {"tool_use_tokens", TOP | IN, FACT_TOOL_INPUT},
    {"connector_tokens", TOP, FACT_TOOL_INPUT}, /* Mistral's conversations */
    /* speculative decoding */
    {"draft_tokens", TOP | OUT, FACT_DRAFT}, /* GPUStack */
    {"accepted_draft_tokens", TOP | OUT, FACT_ACCEPTED_DRAFT},
    {"draft_n", TOP, FACT_DRAFT}, /* llama.cpp */
    {"draft_n_accepted", TOP, FACT_ACCEPTED_DRAFT},
    {"total_draft_tokens_count", TOP, FACT_DRAFT}, /* LM Studio, beside the usage */
    {"accepted_draft_tokens_count", TOP, FACT_ACCEPTED_DRAFT},
};

/* Dollars, a number or a text; "cost" may be an object with the total in it. */
static const char costs[][20] = {"cost",     "estimated_cost", "total_cost", "total_cost_usd",
                                 "cost_usd", "cost_in_usd",    "total_usd",  "total"};

static bool key_is(const struct json_value *value, const char *name)
{
    return strlen(name) == value->key_bytes && !memcmp(name, value->key, value->key_bytes);
}

static enum facts_number lookup(const char *key, size_t bytes, unsigned place)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if ((names[i].places & place) && bytes > 0 && bytes < sizeof(names[i].name) &&
            !memcmp(names[i].name, key, bytes) && !names[i].name[bytes])
            return (enum facts_number)names[i].fact;
    return FACT_NUMBER_COUNT;
}

enum facts_number dialect_usage_fact(const char *key, size_t bytes)
{
    const enum facts_number fact = lookup(key, bytes, TOP);
    return fact != FACT_NUMBER_COUNT ? fact : lookup(key, bytes, IN | OUT);
}

static void cost(struct facts *facts, const struct json_value *value)
{
    /* Parts of a cost stand beside its total; another currency is no dollar. */
    if (key_is(value, "currency") && value->type == JSON_STRING)
        facts->foreign_cost = !json_text_is(value, "USD") && !json_text_is(value, "usd");
    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++)
        if (key_is(value, costs[i]))
            facts_set_cost(facts, value, 9);
}

static void text_or_cost(struct facts *facts, const struct json_value *value)
{
    if (value->type == JSON_STRING && (key_is(value, "service_tier") || key_is(value, "serviceTier")))
        facts_set_value(facts, FACT_SERVICE_TIER, value);
    else if (value->type == JSON_STRING && key_is(value, "speed"))
        facts_set_value(facts, FACT_SPEED, value);
    else if (key_is(value, "cost_in_usd_ticks"))
        facts_set_cost(facts, value, -1); /* xAI: 1e10 ticks are a dollar */
    else if (!key_is(value, "total"))
        cost(facts, value);
}

bool dialect_usage_value(struct facts *facts, const struct json_value *value)
{
    if (value->type != JSON_NUMBER && value->type != JSON_STRING)
        return false;
    if (value->rule == USAGE_COST)
        facts_set_cost(facts, value, 9);
    else if (value->rule == USAGE_COST_PART)
        cost(facts, value);
    if (value->rule >= USAGE_COST)
        return false;
    const unsigned place = value->rule == USAGE_NAMED ? TOP : value->rule == USAGE_INPUT_PART ? IN : OUT;
    const enum facts_number fact = lookup(value->key, value->key_bytes, place);
    if (fact == FACT_NUMBER_COUNT && place == TOP)
        text_or_cost(facts, value);
    if (fact == FACT_NUMBER_COUNT)
        return false;
    facts_set_count(facts, fact, value);
    return value->has_u64;
}
