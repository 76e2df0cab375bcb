/* Export as JSON (span/json.c): names, absence, escaping. */
#include "span_tests.h"

#include "span/json.h"
#include "span/sketch.h"

static void expect(const struct span_process *process, const struct span *span, const char *wanted)
{
    struct span_buffer out;
    span_buffer_init(&out, 65536);
    assert_int_equal(span_json_write(&out, process, span), 0);
    span_buffer_append(&out, "", 1);
    assert_string_equal((const char *)out.data, wanted);
    /* Any smaller maximum is a clean failure. */
    for (size_t max = 0; max < strlen(wanted); max++) {
        struct span_buffer small;
        span_buffer_init(&small, max);
        assert_int_equal(span_json_write(&small, process, span), -1);
        span_buffer_done(&small);
    }
    span_buffer_done(&out);
}

static void test_whole_object(void **state)
{
    (void)state;
    const struct span_process process = {.pid = 4711,
                                         .executable = "app",
                                         .host = "h1",
                                         .service = "shop",
                                         .team = "t",
                                         .container = "c0",
                                         .labels = "a=b"};
    struct span span;
    span_init(&span);
    span_set_u64(&span, SPAN_seq, 1);
    span_set_u64(&span, SPAN_trace_hi, 1);
    span_set_u64(&span, SPAN_trace_lo, 255);
    span_set_u64(&span, SPAN_parent_id, 0xabc);
    span_set_u64(&span, SPAN_start_ns, UINT64_C(18446744073709551000));
    span_set_u64(&span, SPAN_total_ns, 600);
    span_set_u64(&span, SPAN_reused, 0);
    span_set_u64(&span, SPAN_cache_read_tokens, 0);
    set_text(&span, SPAN_request_model, "m");
    span_list_add(&span, SPAN_finish_reasons, "stop", 4);
    span_list_add(&span, SPAN_finish_reasons, "", 0);
    span_set_text(&span, SPAN_gap_sketch, "\x01", 1); /* internal: not exported */
    uint8_t trace[16];
    uint8_t id[8];
    char wanted[2048];
    span_derive_ids(process.identity, &span, trace, id);
    int at = snprintf(wanted, sizeof(wanted), "{\"trace_id\":\"000000000000000100000000000000ff\",\"span_id\":\"");
    for (size_t i = 0; i < 8; i++)
        at += snprintf(wanted + at, sizeof(wanted) - (size_t)at, "%02x", id[i]);
    snprintf(wanted + at, sizeof(wanted) - (size_t)at,
             "\",\"start_time_unix_nano\":18446744073709551000,\"end_time_unix_nano\":18446744073709551600,"
             "\"service.name\":\"shop\",\"host.name\":\"h1\",\"process.pid\":4711,\"process.executable.name\":\"app\","
             "\"container.id\":\"c0\",\"pprof.team\":\"t\",\"pprof.labels\":\"a=b\","
             "\"parent_span_id\":\"0000000000000abc\",\"pprof.phase.total_ns\":600,\"pprof.net.reused\":false,"
             "\"gen_ai.request.model\":\"m\",\"gen_ai.response.finish_reasons\":[\"stop\",\"\"],"
             "\"gen_ai.usage.cache_read.input_tokens\":0}");
    expect(&process, &span, wanted);
}

static void test_end_is_not_invented(void **state)
{
    (void)state;
    const struct span_process process = {.pid = 1};
    struct span_buffer out;
    struct span span;
    span_buffer_init(&out, 4096);
    span_init(&span);
    span_set_u64(&span, SPAN_start_ns, UINT64_MAX);
    for (unsigned with_total = 0; with_total < 2; with_total++) {
        out.bytes = 0;
        assert_int_equal(span_json_write(&out, &process, &span), 0);
        span_buffer_append(&out, "", 1);
        assert_null(strstr((const char *)out.data, "end_time"));
        assert_null(strstr((const char *)out.data, "service.name"));
        span_set_u64(&span, SPAN_total_ns, 1); /* the end would lie beyond 64 bits */
    }
    span_buffer_done(&out);
}

/* Gaps are told where there is one at least; of what cannot be read nothing is told. */
static void test_gaps(void **state)
{
    (void)state;
    const struct span_process process = {.pid = 1};
    for (unsigned gaps = 0; gaps <= 3; gaps++) {
        struct span_sketch sketch = {0};
        struct span_buffer bytes, out;
        struct span span;
        char count[64];
        span_buffer_init(&bytes, 4096);
        span_buffer_init(&out, 4096);
        span_sketch_add(&sketch, 64, gaps);
        if (gaps > 0)
            assert_int_equal(span_sketch_write(&bytes, &sketch), 0);
        else
            span_buffer_append(&bytes, "\5\0", 2); /* as nobody writes it */
        span_init(&span);
        span_set_u64(&span, SPAN_start_ns, 1);
        span_set_text(&span, SPAN_gap_sketch, (const char *)bytes.data, bytes.bytes);
        assert_int_equal(span_json_write(&out, &process, &span), 0);
        span_buffer_append(&out, "", 1);
        snprintf(count, sizeof(count), "\"pprof.gap.count\":%u,\"pprof.gap.p50_ns\":", gaps);
        assert_int_equal(strstr((const char *)out.data, count) != NULL, gaps > 0);
        assert_int_equal(strstr((const char *)out.data, "pprof.gap") != NULL, gaps > 0);
        span_buffer_done(&bytes);
        span_buffer_done(&out);
    }
}

static void test_escaping(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        const char *json;
    } cases[] = {
        {"", 0, "\"\""},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\""},
        {"\n\r\t\x01\x1f\x7f", 6, "\"\\n\\r\\t\\u0001\\u001f\\u007f\""},
        {"a\0b", 3, "\"a\\u0000b\""},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"x\xff\xfey", 4, "\"x\xef\xbf\xbd\xef\xbf\xbdy\""},
        {"\xc0\xaf", 2, "\"\xef\xbf\xbd\xef\xbf\xbd\""} /* overlong */,
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""} /* surrogate */,
        {"\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""} /* beyond U+10FFFF */,
        {"ok\xe2\x82", 4, "\"ok\xef\xbf\xbd\xef\xbf\xbd\""} /* cut off */,
    };
    struct guard guard = guard_make(64);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span_buffer out;
        span_buffer_init(&out, 4096);
        const uint8_t *at = guard_place(&guard, (const uint8_t *)cases[i].text, cases[i].bytes);
        span_json_string(&out, (const char *)at, cases[i].bytes);
        span_buffer_append(&out, "", 1);
        assert_string_equal((const char *)out.data, cases[i].json);
        span_buffer_done(&out);
    }
    guard_free(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_object),
        cmocka_unit_test(test_end_is_not_invented),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_escaping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
