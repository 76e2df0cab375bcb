/* response_headers.c: limits in every spelling of numbers and times, what servers say about their own time, counts that stand in. */
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
                 {"2025-01-31T11:00:00Z", 0},
                 {"Fri, 31 Jan 2025 12:01:00 GMT", 60 * NS}};
    static const char *const none[] = {"", "soon", "1x", "ms", "2025-13-31T12:00:10Z", "Fri, 31 Xan 2025 12:01:00 GMT", "1m30"};
    uint64_t ns;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(response_header_wait(cases[i].text, strlen(cases[i].text), now_ns, &ns));
        assert_int_equal(ns, cases[i].ns);
    }
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(response_header_wait(none[i], strlen(none[i]), now_ns, &ns));
}

static void rows(void **state)
{
    static const struct {
        const char *name, *value;
        enum span_field field;
        uint64_t expected;
    } cases[] = {{"X-RateLimit-Limit-Requests", "5000", SPAN_limit_requests, 5000},
                 {"x-ratelimit-remaining-tokens", "17", SPAN_limit_tokens_remaining, 17},
                 {"x-ratelimit-reset-tokens", "6ms", SPAN_limit_tokens_reset_ns, 6000000},
                 {"x-ratelimit-limit-tokens-minute", "1000000", SPAN_limit_tokens, 1000000},
                 {"anthropic-ratelimit-output-tokens-reset", "2025-01-31T12:00:01Z", SPAN_limit_output_tokens_reset_ns, NS},
                 {"ratelimit-remaining", "398", SPAN_limit_requests_remaining, 398},
                 {"retry-after", "2", SPAN_retry_after_ns, 2 * NS},
                 {"retry-after-ms", "1500", SPAN_retry_after_ns, 1500000000}};
    static struct span span;
    static struct facts facts;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        span_init(&span);
        memset(&facts, 0, sizeof(facts));
        response_header_facts(&span, &facts, cases[i].name, strlen(cases[i].name), cases[i].value, strlen(cases[i].value), now_ns);
        assert_true(span_has(&span, cases[i].field));
        assert_int_equal(span.value[cases[i].field].u64, cases[i].expected);
    }
    span_init(&span);
    response_header_facts(&span, &facts, "x-ratelimit-limit-tokens", 24, "-1", 2, now_ns);
    response_header_facts(&span, &facts, "x-ratelimit-remaining-tokens-minute", 35, "9223372036854767616", 19, now_ns);
    assert_false(span_has(&span, SPAN_limit_tokens));
    assert_false(span_has(&span, SPAN_limit_tokens_remaining));
}

static void times_and_counts(void **state)
{
    static struct span span;
    static struct facts facts;
    (void)state;
    span_init(&span);
    memset(&facts, 0, sizeof(facts));
    response_header_facts(&span, &facts, "openai-processing-ms", 20, "204", 3, now_ns);
    response_header_facts(&span, &facts, "x-envoy-upstream-service-time", 29, "300", 3, now_ns); /* less exact: does not replace */
    assert_int_equal(facts_number(&facts, FACT_SERVER_PROCESSING_NS), 204000000);
    response_header_facts(&span, &facts, "x-amzn-bedrock-input-token-count", 32, "18", 2, now_ns);
    assert_false(facts_has_number(&facts, FACT_INPUT));
    facts_fallback_use(&facts);
    assert_int_equal(facts_number(&facts, FACT_INPUT), 18);
    response_header_facts(&span, &facts, "x-amzn-errortype", 16, "ValidationException:http://x", 28, now_ns);
    assert_memory_equal(facts.text[FACT_ERROR_TYPE], "ValidationException", 19);
    assert_int_equal(facts.text_bytes[FACT_ERROR_TYPE], 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(waits), cmocka_unit_test(rows), cmocka_unit_test(times_and_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
