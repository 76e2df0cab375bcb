/* response_headers.c: limits in every spelling of numbers and times, what servers say about their
 * own time, counts that stand in. */
#include "shim/llm/json/decimal.h"
#include "shim/llm/response_headers.h"
#include "span/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NS UINT64_C(1000000000)
static const uint64_t now_ns = UINT64_C(1738324800) * NS; /* 2025-01-31T12:00:00Z */

static void waits(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } cases[] = {{"6ms", 6000000},
                 {"1m30s", 90 * NS},
                 {"12m57.5s", 777 * NS + NS / 2},
                 {"0s", 0},
                 {"1h", 3600 * NS},
                 {"3.5", 3 * NS + NS / 2},
                 {"20", 20 * NS},
                 {"1738324805000", 5 * NS},
                 {"1738324807", 7 * NS},
                 {"2025-01-31T12:00:10Z", 10 * NS},
                 {"2026-01-31T12:00:00Z", HEADER_WAIT_NS_MAX},
                 {"31536000", HEADER_WAIT_NS_MAX},
                 {"Sat, 31 Jan 2026 12:00:00 GMT", HEADER_WAIT_NS_MAX},
                 {"Thu, 31 Jan 2025 12:00:00 GMT", 0},
                 {"2025-01-31T12:00:10.25Z", 10 * NS},
                 {"2025-01-31T13:00:10+01:00", 10 * NS},
                 {"2025-01-31T11:00:00Z", 0},
                 {"Fri, 31 Jan 2025 12:01:00 GMT", 60 * NS}};
    static const char *const none[] = {"2026-01-31T12:00:01Z",
                                       "31536001",
                                       "Sat, 31 Jan 2026 12:00:01 GMT",
                                       "",
                                       "soon",
                                       "1x",
                                       "ms",
                                       "2025-13-31T12:00:10Z",
                                       "Fri, 31 Xan 2025 12:01:00 GMT",
                                       "1m30"};
    uint64_t ns;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(response_header_wait(cases[i].text, strlen(cases[i].text), now_ns, &ns));
        assert_int_equal(ns, cases[i].ns);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(response_header_wait(none[i], strlen(none[i]), now_ns, &ns));
}

/* One answer with these header lines ("Name: value"), and a usage of its body if `input` is not
 * 0. */
static struct span span;
static struct facts facts;
static void answer(const char *const *lines, uint64_t body_input)
{
    struct response_headers headers;
    span_init(&span);
    memset(&facts, 0, sizeof(facts));
    response_headers_init(&headers, &facts);
    for (; *lines; lines++) {
        const char *const colon = strchr(*lines, ':');
        response_headers_line(&headers, &facts, *lines, (size_t)(colon - *lines), colon + 2, strlen(colon + 2), now_ns);
    }
    if (body_input)
        facts_set_number(&facts, FACT_INPUT, body_input);
    facts_fallback_use(&facts);
    response_headers_finish(&headers, &facts, &span);
}

#define ANSWER(...) answer((const char *const[]){__VA_ARGS__, NULL}, 0)

static void expect_span(enum span_field field, uint64_t expected)
{
    assert_true(span_has(&span, field));
    assert_int_equal(span.value[field].u64, expected);
}

static void limits_in_every_spelling(void **state)
{
    static const struct {
        const char *line;
        enum span_field field;
        uint64_t expected;
    } cases[] = {
        {"X-RateLimit-Limit-Requests: 5000", SPAN_limit_requests, 5000},
        {"x-ratelimit-remaining-tokens: 17", SPAN_limit_tokens_remaining, 17},
        {"x-ratelimit-reset-tokens: 6ms", SPAN_limit_tokens_reset_ns, 6000000},
        {"x-ratelimit-limit-tokens-minute: 1000000", SPAN_limit_tokens, 1000000},
        {"x-ratelimit-limit-req-minute: 300", SPAN_limit_requests, 300},
        {"x-ratelimit-remaining-tokens-prompt: 9", SPAN_limit_input_tokens_remaining, 9},
        {"x-ratelimit-limit-tokens-generated: 8", SPAN_limit_output_tokens, 8},
        {"anthropic-ratelimit-output-tokens-reset: 2025-01-31T12:00:01Z", SPAN_limit_output_tokens_reset_ns, NS},
        {"anthropic-ratelimit-input-tokens-limit: 40000", SPAN_limit_input_tokens, 40000},
        {"ratelimit-remaining: 398", SPAN_limit_requests_remaining, 398},
        {"ratelimit-limit: 100, 100;w=60", SPAN_limit_requests, 100},
        {"ratelimitbysize-remaining: 499978", SPAN_limit_tokens_remaining, 499978},
        {"x-ratelimitbysize-limit-minute: 500000", SPAN_limit_tokens, 500000},
        {"x-tokenlimit-limit: 66", SPAN_limit_tokens, 66},
        {"x-trial-endpoint-call-limit: 40", SPAN_limit_requests, 40},
        {"ratelimit: \"default\";r=50;t=30", SPAN_limit_requests_remaining, 50},
        {"ratelimit: limit=100, remaining=60, reset=30", SPAN_limit_requests_reset_ns, 30 * NS},
        {"ratelimit-policy: \"default\";q=100;w=10", SPAN_limit_requests, 100},
        {"llm_provider-x-ratelimit-limit-requests: 12", SPAN_limit_requests, 12},
        {"retry-after: 2", SPAN_retry_after_ns, 2 * NS},
        {"x-ms-retry-after-ms: 750", SPAN_retry_after_ns, 750000000},
        {"retry-after-ms: 1500", SPAN_retry_after_ns, 1500000000}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ANSWER(cases[i].line);
        expect_span(cases[i].field, cases[i].expected);
    }
}

static void no_limit_is_absent(void **state)
{
    (void)state;
    ANSWER("x-ratelimit-limit-tokens: -1", "x-ratelimit-remaining-tokens-minute: 9223372036854767616",
           "x-ratelimit-limit-images: 5", "anthropic-ratelimit-requests-tier: 4", "x-ratelimit-limit-requests: many",
           "retry-after: 99999999999999999999");
    for (int field = 0; field < SPAN_FIELD_COUNT; field++)
        assert_false(span_has(&span, (enum span_field)field));
}

/* Several windows: the one of which the fewest are left, with its own limit and reset. The relay's
 * own words before those it hands on. */
static void the_tightest_window_counts(void **state)
{
    (void)state;
    ANSWER("x-ratelimit-limit-requests-day: 14400", "x-ratelimit-remaining-requests-day: 14399",
           "x-ratelimit-limit-requests-minute: 30", "x-ratelimit-remaining-requests-minute: 29",
           "x-ratelimit-reset-requests-minute: 7.5", "x-ratelimit-reset-requests-day: 86400");
    expect_span(SPAN_limit_requests, 30);
    expect_span(SPAN_limit_requests_remaining, 29);
    expect_span(SPAN_limit_requests_reset_ns, 7 * NS + NS / 2);
    ANSWER("x-ratelimit-limit-tokens: 100", "llm_provider-x-ratelimit-limit-tokens: 7", "retry-after: 2",
           "retry-after-ms: 1750");
    expect_span(SPAN_limit_tokens, 100);
    expect_span(SPAN_retry_after_ns, 1750000000);
    ANSWER("llm_provider-x-ratelimit-limit-tokens: 7", "x-ratelimit-limit-tokens: 100");
    expect_span(SPAN_limit_tokens, 100);
}

static void times(void **state)
{
    (void)state;
    ANSWER("x-envoy-upstream-service-time: 300", "openai-processing-ms: 204");
    assert_int_equal(facts_number(&facts, FACT_SERVER_PROCESSING_NS), 204000000);
    ANSWER("openai-processing-ms: 204", "x-envoy-upstream-service-time: 300");
    assert_int_equal(facts_number(&facts, FACT_SERVER_PROCESSING_NS), 204000000);
    ANSWER("Server-Timing: cfCacheStatus;desc=\"DYNAMIC\", gfet4t7; dur=2936");
    assert_int_equal(facts_number(&facts, FACT_SERVER_PROCESSING_NS), 2936000000);
    ANSWER("server-timing: cdn-cache; desc=HIT, edge; dur=1");
    assert_false(facts_has_number(&facts, FACT_SERVER_PROCESSING_NS));
    ANSWER("x-inference-time: 90", "x-queue-time: 3", "x-total-time: 95");
    assert_int_equal(facts_number(&facts, FACT_SERVER_PROCESSING_NS), 95000000);
    assert_int_equal(facts_number(&facts, FACT_SERVER_QUEUE_NS), 3000000);
    assert_false(facts_has_number(&facts, FACT_SERVER_DECODE_NS));
    ANSWER("fireworks-server-processing-time: 0.41", "x-envoy-upstream-service-time: 500",
           "fireworks-prefill-queue-duration: 0.002", "fireworks-prompt-tokens: 12");
    assert_int_equal(facts_number(&facts, FACT_SERVER_PROCESSING_NS), 410000000);
    assert_int_equal(facts_number(&facts, FACT_SERVER_QUEUE_NS), 2000000);
    assert_int_equal(facts_number(&facts, FACT_INPUT), 12);
    ANSWER("x-compute-time: 0.25");
    assert_int_equal(facts_number(&facts, FACT_SERVER_PROCESSING_NS), 250000000);
    ANSWER("llm_provider-openai-processing-ms: 40", "x-litellm-response-duration-ms: 50.5");
    assert_int_equal(facts_number(&facts, FACT_SERVER_PROCESSING_NS), 40000000);
    ANSWER("openai-processing-ms: soon", "x-envoy-upstream-service-time: -1");
    assert_false(facts_has_number(&facts, FACT_SERVER_PROCESSING_NS));
}

static void counts_stand_in(void **state)
{
    static const char *const lines[] = {"x-amzn-bedrock-input-token-count: 18", "x-amzn-bedrock-output-token-count: 5",
                                        NULL};
    (void)state;
    answer(lines, 0);
    assert_int_equal(facts_number(&facts, FACT_INPUT), 18);
    assert_int_equal(facts_number(&facts, FACT_OUTPUT), 5);
    answer(lines, 20);
    assert_int_equal(facts_number(&facts, FACT_INPUT), 20);
    assert_int_equal(facts_number(&facts, FACT_OUTPUT), 5); /* each by itself */
}

static void texts_and_cost(void **state)
{
    (void)state;
    ANSWER("x-amzn-errortype: ValidationException:http://x", "azureai-processed-tier: Default",
           "x-litellm-response-cost: 1.25e-05");
    assert_memory_equal(facts.text[FACT_ERROR_TYPE], "ValidationException", 19);
    assert_int_equal(facts.text_bytes[FACT_ERROR_TYPE], 19);
    assert_memory_equal(facts.text[FACT_SERVICE_TIER], "Default", 7);
    assert_int_equal(facts_number(&facts, FACT_COST_NANOUSD), 12500);
}

static void decimals(void **state)
{
    static const struct {
        const char *text;
        int power;
        uint64_t expected;
    } cases[] = {
        {"0", 9, 0},           {"0.0000001", 9, 100}, {"1.5e-9", 9, 2}, /* half a nano-dollar is rounded up */
        {"1.4e-9", 9, 1},      {"0.3", 9, 300000000}, {"1e-400", 9, 0}, {"18446744073.709551615", 9, UINT64_MAX},
        {"150000", -1, 15000}, {"15", -1, 2},         {"0.00E5", 9, 0}, {"00012.50", 2, 1250}};
    static const char *const none[] = {
        "", ".5", "-1", "1e", "1e+", "1.2.3", "NaN", "1e30", "18446744073.709551616", "18446744073709551615.5"};
    uint64_t got;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(decimal_scaled(cases[i].text, strlen(cases[i].text), cases[i].power, &got));
        assert_int_equal(got, cases[i].expected);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(decimal_scaled(none[i], strlen(none[i]), 9, &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits),
        cmocka_unit_test(limits_in_every_spelling),
        cmocka_unit_test(no_limit_is_absent),
        cmocka_unit_test(the_tightest_window_counts),
        cmocka_unit_test(times),
        cmocka_unit_test(counts_stand_in),
        cmocka_unit_test(texts_and_cost),
        cmocka_unit_test(decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
