/*
 * Puts the facts of an exchange into its span, see exchange_span.h. Token rule (OpenTelemetry):
 * input includes cached tokens, output includes reasoning, whatever the provider states.
 *
 * Called by exchange_close on the scribe's thread.
 */
#include "exchange_span.h"

#include "shim/llm/facts/quality.h"

#include <stdio.h>
#include <string.h>

static const struct {
    enum facts_number fact;
    enum span_field field;
} number_fields[] = {
    {FACT_CACHE_READ, SPAN_cache_read_tokens},
    {FACT_CACHE_CREATION, SPAN_cache_creation_tokens},
    {FACT_CACHE_CREATION_5M, SPAN_cache_creation_5m_tokens},
    {FACT_CACHE_CREATION_1H, SPAN_cache_creation_1h_tokens},
    {FACT_REASONING, SPAN_reasoning_tokens},
    {FACT_INPUT_AUDIO, SPAN_input_audio_tokens},
    {FACT_OUTPUT_AUDIO, SPAN_output_audio_tokens},
    {FACT_INPUT_IMAGE, SPAN_input_image_tokens},
    {FACT_OUTPUT_IMAGE, SPAN_output_image_tokens},
    {FACT_ACCEPTED_PREDICTION, SPAN_accepted_prediction_tokens},
    {FACT_REJECTED_PREDICTION, SPAN_rejected_prediction_tokens},
    {FACT_COST_NANOUSD, SPAN_cost_nanousd},
    {FACT_DRAFT, SPAN_draft_tokens},
    {FACT_ACCEPTED_DRAFT, SPAN_accepted_draft_tokens},
    {FACT_SERVER_QUEUE_NS, SPAN_server_queue_ns},
    {FACT_SERVER_LOAD_NS, SPAN_server_load_ns},
    {FACT_SERVER_PREFILL_NS, SPAN_server_prefill_ns},
    {FACT_SERVER_DECODE_NS, SPAN_server_decode_ns},
    {FACT_SERVER_PROCESSING_NS, SPAN_server_processing_ns},
    {FACT_MAX_TOKENS, SPAN_max_tokens},
    {FACT_CHOICES_ASKED, SPAN_choices_asked},
};

static const struct {
    enum facts_text fact;
    enum span_field field;
} text_fields[] = {
    {FACT_REQUEST_MODEL, SPAN_request_model},
    {FACT_RESPONSE_MODEL, SPAN_response_model},
    {FACT_RESPONSE_ID, SPAN_response_id},
    {FACT_SERVICE_TIER, SPAN_service_tier},
    {FACT_SPEED, SPAN_speed},
};

static void put_text(struct span *span, enum span_field field, const struct facts *facts, enum facts_text which)
{
    if (facts->text_bytes[which])
        span_set_text(span, field, facts->text[which], facts->text_bytes[which]);
}

/* Sums of what is stated, for the arithmetic. */
struct tokens {
    uint64_t input, output, reasoning, total;
    uint64_t cached; /* what the stated input lacks, if it does */
    uint64_t tools;  /* what the service's own tools added, stated beside the input */
};

/* Tools' tokens are a part of the stated input only where the stated total says so. */
static bool input_has_tools(const struct tokens *tokens)
{
    const uint64_t sum = tokens->input + tokens->output;
    return tokens->total && (tokens->total == sum || tokens->total == sum + tokens->reasoning);
}

/*
 * Does the stated output lack the reasoning tokens? It cannot hold more than itself; else the
 * stated total tells it best; else the service's custom.
 */
static bool output_lacks_reasoning(const struct facts *facts, const struct tokens *tokens)
{
    const uint64_t sum = tokens->input + tokens->output;
    if (!tokens->reasoning || facts->reasoning_within)
        return false;
    if (facts->reasoning_beside || tokens->reasoning > tokens->output)
        return true;
    if (tokens->total && facts_has_number(facts, FACT_INPUT) &&
        (tokens->total == sum || tokens->total == sum + tokens->reasoning))
        return tokens->total != sum;
    return facts->output_excludes_reasoning;
}

/* Output that only the total shows: thinking that no count names. What a cache gave or took is none
 * of it. */
static uint64_t unnamed_output(const struct facts *facts, const struct tokens *tokens)
{
    const uint64_t read = facts_number(facts, FACT_CACHE_READ), written = facts_number(facts, FACT_CACHE_CREATION);
    const uint64_t sum = tokens->input + tokens->output;
    if (!facts->total_tells || facts->count_unusable || !facts_has_number(facts, FACT_INPUT) || tokens->reasoning ||
        tokens->total <= sum)
        return 0;
    const uint64_t more = tokens->total - sum;
    return more == read || more == written || more == read + written ? 0 : more;
}

/* Counts of a stream that is not over, or failed, are those so far: some services and relays fill
 * in 0 until its end, which is no count. */
static void put_tokens(struct span *span, const struct facts *facts, const struct outcome *outcome)
{
    const bool zero_counts = !facts->stream || (outcome->whole && !facts->error_seen);
    struct tokens tokens = {.input = facts_number(facts, FACT_INPUT),
                            .output = facts_number(facts, FACT_OUTPUT),
                            .reasoning = facts_number(facts, FACT_REASONING),
                            .total = facts_number(facts, FACT_TOTAL),
                            .tools = facts_number(facts, FACT_TOOL_INPUT)};
    if (facts->input_excludes_cache)
        tokens.cached = facts_number(facts, FACT_CACHE_READ) + facts_number(facts, FACT_CACHE_CREATION);
    if (!input_has_tools(&tokens))
        tokens.input += tokens.tools;
    const uint64_t unnamed = unnamed_output(facts, &tokens);
    const bool stated_input = facts_has_number(facts, FACT_INPUT) && (tokens.input || zero_counts);
    const bool stated_output = facts_has_number(facts, FACT_OUTPUT) && (tokens.output || zero_counts);
    const bool has_input = stated_input || tokens.tools || (tokens.cached && facts_has_number(facts, FACT_INPUT));
    const bool has_output = stated_output || tokens.reasoning || unnamed;
    if (output_lacks_reasoning(facts, &tokens))
        tokens.output += tokens.reasoning;
    if (has_input)
        span_set_u64(span, SPAN_input_tokens, tokens.input + tokens.cached);
    if (has_output)
        span_set_u64(span, SPAN_output_tokens, tokens.output + unnamed);
    if (has_input || has_output) {
        const char *const source = facts->usage_from_timings ? "server_timings" : "provider";
        span_set_text(span, SPAN_usage_source, source, strlen(source));
    }
}

/* Writes to a cache may be stated by lifetime alone. */
static void put_cache_writes(struct span *span, const struct facts *facts)
{
    const bool stated =
        facts_has_number(facts, FACT_CACHE_CREATION_5M) || facts_has_number(facts, FACT_CACHE_CREATION_1H);
    if (stated && !span_has(span, SPAN_cache_creation_tokens))
        span_set_u64(span, SPAN_cache_creation_tokens,
                     facts_number(facts, FACT_CACHE_CREATION_5M) + facts_number(facts, FACT_CACHE_CREATION_1H));
}

static void put_finish(struct span *span, const struct facts *facts)
{
    bool any = false;
    for (uint32_t i = 0; i < facts->choices; i++)
        any = any || facts->choice[i].stated;
    /* A choice that stated none among others that did keeps its place, empty. */
    for (uint32_t i = 0; any && i < facts->choices; i++)
        span_list_add(span, SPAN_finish_reasons, facts->choice[i].reason, facts->choice[i].reason_bytes);
    if (!any && facts->text_bytes[FACT_STATUS])
        span_list_add(span, SPAN_finish_reasons, facts->text[FACT_STATUS], facts->text_bytes[FACT_STATUS]);
}

static void put_error(struct span *span, const struct facts *facts, const struct outcome *outcome,
                      const struct exchange_end *end)
{
    const bool failed = outcome->status >= 400 || facts->error_seen;
    char status[24];
    if (failed && facts->text_bytes[FACT_ERROR_TYPE]) {
        put_text(span, SPAN_error_type, facts, FACT_ERROR_TYPE);
    } else if (failed && facts->text_bytes[FACT_ERROR_CODE]) {
        put_text(span, SPAN_error_type, facts, FACT_ERROR_CODE);
    } else if (outcome->status >= 400) {
        const int bytes = snprintf(status, sizeof(status), "%u", (unsigned)outcome->status);
        span_set_text(span, SPAN_error_type, status, (size_t)bytes);
    } else if (facts->error_seen) {
        span_set_text(span, SPAN_error_type, "_OTHER", 6); /* OpenTelemetry's word for an error without a name */
    } else if (end->error != NULL && !outcome->whole && !outcome->cancelled) {
        span_set_text(span, SPAN_error_type, end->error, strlen(end->error));
    }
}

static void put_calls(struct span *span, const struct facts *facts, const struct outcome *outcome)
{
    const uint64_t calls = facts->calls + facts->other_calls;
    const bool none_is_known = outcome->whole && !outcome->lost && facts->shape_seen && outcome->status < 400;
    if (calls || none_is_known)
        span_set_u64(span, SPAN_tool_calls, calls);
    if (facts->server_calls)
        span_set_u64(span, SPAN_server_tool_calls, facts->server_calls);
    else if (facts_has_number(facts, FACT_SERVER_TOOL_REQUESTS))
        span_set_u64(span, SPAN_server_tool_calls, facts_number(facts, FACT_SERVER_TOOL_REQUESTS));
}

void exchange_span_facts(struct span *span, const struct facts *facts, const struct outcome *outcome,
                         const struct exchange_end *end)
{
    for (size_t i = 0; i < sizeof(text_fields) / sizeof(text_fields[0]); i++)
        if (text_fields[i].fact != FACT_RESPONSE_ID || outcome->status < 400) /* the id of an error names no answer */
            put_text(span, text_fields[i].field, facts, text_fields[i].fact);
    for (size_t i = 0; i < sizeof(number_fields) / sizeof(number_fields[0]); i++)
        if (facts_has_number(facts, number_fields[i].fact))
            span_set_u64(span, number_fields[i].field, facts_number(facts, number_fields[i].fact));
    if (facts->end_user[0])
        span_set_text(span, SPAN_user_alias, facts->end_user, strlen(facts->end_user));
    if (facts->foreign_cost)
        span_clear(span, SPAN_cost_nanousd);
    put_cache_writes(span, facts);
    put_tokens(span, facts, outcome);
    put_finish(span, facts);
    put_error(span, facts, outcome, end);
    put_calls(span, facts, outcome);
    const char *const completeness = outcome->whole ? "whole" : outcome->cancelled ? "cancelled" : "cut";
    span_set_text(span, SPAN_completeness, completeness, strlen(completeness));
    const bool answered = outcome->whole && !outcome->lost && outcome->status < 400 && !facts->error_seen;
    quality_finish(facts, answered, outcome->silent, span);
}

static void put_known(struct span *span, enum span_field field, uint64_t value)
{
    if (value != UINT64_MAX)
        span_set_u64(span, field, value);
}

void exchange_span_transport(struct span *span, const struct exchange_end *end)
{
    put_known(span, SPAN_queue_ns, end->queue_ns);
    put_known(span, SPAN_dns_ns, end->dns_ns);
    put_known(span, SPAN_connect_ns, end->connect_ns);
    put_known(span, SPAN_tls_ns, end->tls_ns);
    put_known(span, SPAN_send_ns, end->send_ns);
    put_known(span, SPAN_wait_ns, end->wait_ns);
    put_known(span, SPAN_request_bytes, end->request_bytes);
    put_known(span, SPAN_response_bytes, end->response_bytes);
    put_known(span, SPAN_redirects, end->redirects);
    put_known(span, SPAN_curl_code, end->transport_code);
    if (end->num_connects != UINT64_MAX)
        span_set_u64(span, SPAN_reused, end->num_connects == 0);
    const char *const version = end->http_version10 == 10   ? "1.0"
                                : end->http_version10 == 11 ? "1.1"
                                : end->http_version10 == 20 ? "2"
                                : end->http_version10 == 30 ? "3"
                                                            : NULL;
    if (version != NULL)
        span_set_text(span, SPAN_http_version, version, strlen(version));
}

static bool hex_u64(const char *p, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 16; i++) {
        const char c = p[i];
        const bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f'))
            return false;
        value = value << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *ret = value;
    return true;
}

void exchange_span_traceparent(struct span *span, const char *value, size_t bytes)
{
    uint64_t high, low, parent;
    const char *const p = value;
    if (bytes < 55 || p[2] != '-' || p[35] != '-' || p[52] != '-')
        return;
    if (!hex_u64(p + 3, &high) || !hex_u64(p + 19, &low) || !hex_u64(p + 36, &parent) || !(high | low) || !parent)
        return;
    span_set_u64(span, SPAN_trace_hi, high);
    span_set_u64(span, SPAN_trace_lo, low);
    span_set_u64(span, SPAN_parent_id, parent);
}
