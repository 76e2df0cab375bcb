/* An exchange as a whole: times, pauses, how it ended, quality signals, limits in headers, lost
 * bytes, framing that the content-type hides. */
#include "exchange_run.h"
#include "shim/llm/response_headers.h"
#include "span/sketch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct exchange_config config = {.hash_key = {7}, .has_hash_key = true};
static const char chat[] = "https://api.openai.com/v1/chat/completions";
static struct span span;

#define SSE_HEAD "HTTP/1.1 200 OK\nContent-Type: text/event-stream\n"
#define SAID(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define STOPPED(why) "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" why "\"}]}\n\n"
#define END "data: [DONE]\n\n"

static void body_at(struct exchange *exchange, uint64_t time_ns, const char *text)
{
    exchange_response_body(exchange, time_ns, (const uint8_t *)text, strlen(text));
}

static uint64_t u64(enum span_field field)
{
    assert_true(span_has(&span, field));
    return span.value[field].u64;
}

static void test_times(void **state)
{
    (void)state;
    const struct exchange_text text = {.url = chat, .request = "{}", .response_headers = SSE_HEAD};
    struct exchange *exchange = exchange_run_open(&config, &text);
    body_at(exchange, 11000, ": wait\n\n" SAID(""));
    body_at(exchange, 21000, SAID("a"));
    body_at(exchange, 31000, SAID("b"));
    exchange_pause(exchange, 32000);
    exchange_resume(exchange, 132000);
    body_at(exchange, 141000, SAID("c"));
    body_at(exchange, 140000, SAID("d")); /* a clock that runs backwards */
    body_at(exchange, 150000, STOPPED("stop") END);
    assert_true(exchange_run_close(exchange, &text, 160000, &span));
    assert_int_equal(u64(SPAN_ttft_ns), 20000);
    struct span_sketch gaps = {0};
    const struct span_text text_of_gaps = span.value[SPAN_gap_sketch].text;
    assert_int_equal(span_sketch_merge_bytes(&gaps, (const uint8_t *)text_of_gaps.data, text_of_gaps.bytes), 0);
    assert_int_equal(gaps.count, 3);
    assert_int_equal(gaps.bucket[span_sketch_bucket(0)], 1);
    assert_int_equal(gaps.bucket[span_sketch_bucket(10000)], 2);
    assert_int_equal(u64(SPAN_paused_ns), 100000);
    assert_int_equal(u64(SPAN_decode_ns), 20000);
    assert_int_equal(u64(SPAN_total_ns), 159000);
    assert_int_equal(u64(SPAN_content_chunks), 4);
    exchange = exchange_run_open(&config, &text);
    exchange_pause(exchange, 5000);
    assert_true(exchange_run_close(exchange, &text, 0, &span));
    assert_int_equal(u64(SPAN_total_ns), 0);
    assert_false(span_has(&span, SPAN_ttft_ns));
}

#define THOUGHT(text) "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"" text "\"}}]}\n\n"
#define CALLED                                                                                                         \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\"}}]}}]}\n\n"

/* People wait for the text; reasoning and calls before it are content, but no text. */
static void test_first_text(void **state)
{
    (void)state;
    const struct exchange_text text = {.url = chat, .request = "{}", .response_headers = SSE_HEAD};
    struct exchange *exchange = exchange_run_open(&config, &text);
    body_at(exchange, 11000, THOUGHT("hm"));
    body_at(exchange, 21000, CALLED);
    body_at(exchange, 31000, SAID(""));
    body_at(exchange, 41000, SAID("a"));
    body_at(exchange, 51000, SAID("b") STOPPED("stop") END);
    assert_true(exchange_run_close(exchange, &text, 60000, &span));
    assert_int_equal(u64(SPAN_ttft_ns), 10000);
    assert_int_equal(u64(SPAN_first_text_ns), 40000);
    exchange = exchange_run_open(&config, &text);
    body_at(exchange, 11000, SAID("a") STOPPED("stop") END);
    assert_true(exchange_run_close(exchange, &text, 60000, &span));
    assert_int_equal(u64(SPAN_first_text_ns), u64(SPAN_ttft_ns));
    exchange = exchange_run_open(&config, &text);
    body_at(exchange, 11000, THOUGHT("hm") STOPPED("length") END);
    assert_true(exchange_run_close(exchange, &text, 60000, &span));
    assert_true(span_has(&span, SPAN_ttft_ns));
    assert_false(span_has(&span, SPAN_first_text_ns));
    /* What was lost may have been the first. */
    exchange = exchange_run_open(&config, &text);
    body_at(exchange, 11000, THOUGHT("hm"));
    exchange_lost(exchange, 100);
    body_at(exchange, 21000, SAID("a") STOPPED("stop") END);
    assert_true(exchange_run_close(exchange, &text, 60000, &span));
    assert_int_equal(u64(SPAN_ttft_ns), 10000);
    assert_false(span_has(&span, SPAN_first_text_ns));
}

static const char *completeness(const char *response, const char *error, bool removed)
{
    const struct exchange_text text = {.url = chat,
                                       .request = "{}",
                                       .response_headers = SSE_HEAD,
                                       .response = response,
                                       .error = error,
                                       .removed = removed};
    assert_true(exchange_run(&config, &text, &span));
    return exchange_field(&span, SPAN_completeness);
}

static void test_completeness(void **state)
{
    (void)state;
    assert_string_equal(completeness(SAID("a") STOPPED("stop") END, NULL, false), "whole");
    assert_string_equal(completeness(SAID("a") STOPPED("stop"), NULL, false), "whole");
    assert_string_equal(completeness(SAID("a"), NULL, false), "cut");
    assert_string_equal(completeness(SAID("a"), "CURLE_X", false), "cut");
    assert_string_equal(exchange_field(&span, SPAN_error_type), "CURLE_X");
    assert_string_equal(completeness(SAID("a"), NULL, true), "cancelled");
    assert_string_equal(completeness(SAID("a"), "CURLE_X", true), "cancelled");
    assert_string_equal(exchange_field(&span, SPAN_error_type), "-");
    assert_string_equal(completeness(SAID("a") STOPPED("stop") END, NULL, true), "whole");
    assert_string_equal(completeness("{\"choices\":[{\"message\":{", NULL, false), "cut");
    assert_string_equal(completeness("", "CURLE_X", false), "cut");
}

/* A tunnel through a proxy that did not lead anywhere: its answer is no answer of the server. */
static void test_no_response(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = chat, .request = "{}", .response_headers = "HTTP/1.1 200 Connection established\nRetry-After: 20\n"};
    struct exchange_end end = {.time_ns = 9000,
                               .how = EXCHANGE_FAILED,
                               .error = "CURLE_PEER_FAILED_VERIFICATION",
                               .total_ns = UINT64_MAX,
                               .no_response = true};
    assert_true(exchange_close(exchange_run_open(&config, &text), &end, &span));
    assert_false(span_has(&span, SPAN_status));
    assert_string_equal(exchange_field(&span, SPAN_completeness), "cut");
    assert_string_equal(exchange_field(&span, SPAN_error_type), "CURLE_PEER_FAILED_VERIFICATION");
    assert_false(span_has(&span, SPAN_retry_after_ns));
    end.no_response = false;
    assert_true(exchange_close(exchange_run_open(&config, &text), &end, &span));
    assert_int_equal(u64(SPAN_status), 200);
    assert_true(span_has(&span, SPAN_retry_after_ns));
}

/* The transport's clock starts later than ours: its total never leaves out what arrived, nor takes
 * in what came after the end. */
static void test_total(void **state)
{
    (void)state;
    const struct exchange_text text = {.url = chat, .request = "{}", .response_headers = SSE_HEAD};
    static const uint64_t totals[][2] = {
        {5000, 20000}, {20000, 20000}, {25000, 25000}, {400000, 400000}, {UINT64_MAX, 299000}};
    for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++) {
        struct exchange *const exchange = exchange_run_open(&config, &text);
        struct exchange_end end = {.time_ns = 300000, .how = EXCHANGE_ENDED, .total_ns = totals[i][0]};
        body_at(exchange, 20500, SAID("a") STOPPED("stop") END); /* 19.5 us after the start */
        assert_true(exchange_close(exchange, &end, &span));
        assert_int_equal(u64(SPAN_total_ns), totals[i][1]);
        assert_true(u64(SPAN_ttft_ns) <= u64(SPAN_total_ns));
    }
}

static void quality(const char *request, const char *response, const char *truncated, const char *refused,
                    const char *filtered, const char *json, const char *empty)
{
    const struct exchange_text text = {
        .url = chat, .request = request, .response_headers = SSE_HEAD, .response = response, .step = 5};
    assert_true(exchange_run(&config, &text, &span));
    assert_string_equal(exchange_field(&span, SPAN_truncated), truncated);
    assert_string_equal(exchange_field(&span, SPAN_refused), refused);
    assert_string_equal(exchange_field(&span, SPAN_filtered), filtered);
    assert_string_equal(exchange_field(&span, SPAN_json_invalid), json);
    assert_string_equal(exchange_field(&span, SPAN_empty_answer), empty);
}

static void test_quality(void **state)
{
    (void)state;
    static const char json[] = "{\"response_format\":{\"type\" : \"json_schema\",\"json_schema\":{}}}";
    static const char plain[] = "{\"response_format\":{\"type\":\"text\"}}";
    quality(plain, SAID("a") STOPPED("length") END, "1", "-", "-", "-", "-");
    quality(plain, SAID("a") STOPPED("content_filter") END, "-", "-", "1", "-", "-");
    quality(plain, STOPPED("stop") END, "-", "-", "-", "-", "1");
    quality(plain, "data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}\n\n" STOPPED("stop") END, "-", "1", "-", "-",
            "-");
    quality(json, SAID("{\\\"a\\\"") SAID(":1}") STOPPED("stop") END, "-", "-", "-", "-", "-");
    quality(json, SAID("{\\\"a\\\"") SAID(":1") STOPPED("length") END, "1", "-", "-", "1", "-");
    quality(json, SAID("Sure! {}") STOPPED("stop") END, "-", "-", "-", "1", "-");
    quality(plain, SAID("Sure! {}") STOPPED("stop") END, "-", "-", "-", "-", "-");
    quality(json, SAID("{\\\"a\\\""), "-", "-", "-", "-", "-"); /* cut off: nothing is said */
    static const char *const schemas[] = {"{\"guided_json\":{\"type\":\"object\"}}",
                                          "{\"structured_outputs\":{\"json\":{\"type\":\"object\"}}}",
                                          "{\"json_schema\":{}}", "{\"guided_json\":\"{}\"}"};
    for (size_t i = 0; i < sizeof(schemas) / sizeof(schemas[0]); i++)
        quality(schemas[i], SAID("Sure! {}") STOPPED("stop") END, "-", "-", "-", "1", "-");
    quality("{\"guided_json\":null,\"structured_outputs\":{\"choice\":[\"a\"]}}", SAID("Sure! {}") STOPPED("stop") END,
            "-", "-", "-", "-", "-");
    quality(plain, SAID("a") STOPPED("sensitive") END, "-", "-", "1", "-", "-");
    quality(plain, "{\"error\":{\"code\":\"content_filter\",\"message\":\"m\"}}", "-", "-", "1", "-", "-");
}

/* Each choice for itself: one that is no JSON is enough. */
static void test_quality_of_choices(void **state)
{
    static const char json[] = "{\"n\":2,\"response_format\":{\"type\":\"json_object\"}}";
    (void)state;
#define CHOICE(index, text) "data: {\"choices\":[{\"index\":" index ",\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define LAST(index, reason)                                                                                            \
    "data: {\"choices\":[{\"index\":" index ",\"delta\":{},\"finish_reason\":\"" reason "\"}]}\n\n"
    quality(json,
            CHOICE("0", "{") CHOICE("1", "[") CHOICE("0", "}") CHOICE("1", "]") LAST("0", "stop") LAST("1", "stop") END,
            "-", "-", "-", "-", "-");
    quality(json, CHOICE("0", "{") CHOICE("1", "[") CHOICE("0", "}") LAST("0", "stop") LAST("1", "length") END, "1",
            "-", "-", "1", "-");
}

static void test_lost(void **state)
{
    (void)state;
    const struct exchange_text text = {.url = chat, .request = "{}", .response_headers = SSE_HEAD};
    struct exchange *const exchange = exchange_run_open(&config, &text);
    body_at(exchange, 3000, SAID("a") "data: {\"choices\":[{\"delta\":{\"cont");
    exchange_lost(exchange, 777);
    body_at(exchange, 4000, "x\"}}]}\n\n" SAID("b") STOPPED("stop") END);
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    assert_int_equal(u64(SPAN_lost_bytes), 777);
    assert_string_equal(exchange_field(&span, SPAN_finish_reasons), "stop");
    assert_false(span_has(&span, SPAN_empty_answer));
    /* With pieces missing, counts and gaps would be those of a part; the first token came
     * before. */
    static const enum span_field unknown[] = {SPAN_stream_events, SPAN_content_chunks, SPAN_gap_sketch, SPAN_decode_ns};
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        assert_false(span_has(&span, unknown[i]));
    assert_int_equal(u64(SPAN_ttft_ns), 2000);
    struct exchange *const late = exchange_run_open(&config, &text);
    body_at(late, 3000, "data: {\"choices\":[{\"delta\":{\"cont");
    exchange_lost(late, 777);
    body_at(late, 4000, "x\"}}]}\n\n" SAID("b") END);
    assert_true(exchange_run_close(late, &text, 5000, &span));
    assert_false(span_has(&span, SPAN_ttft_ns));
}

/* What stands behind a gap is not taken for a document of its own, and nothing is concluded from
 * what is missing. */
static void test_lost_pieces_of_a_document(void **state)
{
    (void)state;
    static const char half[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"a";
    static const char rest[] = "b\"}],\"x\":{\"model\":\"wrong\",\"stream\":true}}";
    const struct exchange_text text = {.url = chat,
                                       .request = "{\"messages\":[{\"role\":\"system\",\"content\":\"a\"}]}"};
    struct exchange *exchange = exchange_run_open(&config, &text);
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    assert_true(span_has(&span, SPAN_prompt_id));

    exchange =
        exchange_run_open(&config, &(struct exchange_text){.url = chat, .request = half, .response_headers = ""});
    exchange_lost(exchange, 5);
    exchange_request_body(exchange, 1500, (const uint8_t *)rest, strlen(rest));
    exchange_response_header(exchange, 2000, "HTTP/1.1 200 OK\r\n", 17);
    body_at(exchange, 3000, "{\"choices\":[{\"message\":{\"content\":\"a");
    exchange_lost(exchange, 7);
    body_at(exchange, 4000, "b\"}}], \"x\":{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":9}}}");
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    assert_int_equal(u64(SPAN_lost_bytes), 12);
    assert_string_equal(exchange_field(&span, SPAN_request_model), "m");
    assert_false(span_has(&span, SPAN_request_stream));
    assert_false(span_has(&span, SPAN_prompt_id));
    assert_false(span_has(&span, SPAN_input_tokens));
}

/* The end itself was lost: nobody cancelled the call. */
static void test_end_not_seen(void **state)
{
    (void)state;
    const struct exchange_text text = {.url = chat, .request = "{}", .response_headers = SSE_HEAD};
    static const char *const bodies[] = {SAID("a"), SAID("a") STOPPED("stop") END};
    static const char *const completeness[] = {"cut", "whole"};
    for (unsigned i = 0; i < 2; i++) {
        struct exchange *const exchange = exchange_run_open(&config, &text);
        body_at(exchange, 3000, bodies[i]);
        const struct exchange_end end = {EXCHANGE_END_UNKNOWN, .time_ns = 5000, .lost_bytes = 136};
        assert_true(exchange_close(exchange, &end, &span));
        assert_string_equal(exchange_field(&span, SPAN_completeness), completeness[i]);
        assert_int_equal(u64(SPAN_lost_bytes), 136);
    }
}

static void test_framing_told_by_bytes(void **state)
{
    (void)state;
    static const char *const heads[] = {"HTTP/1.1 200 OK\n", "HTTP/1.1 200 OK\nContent-Type: application/json\n",
                                        "HTTP/1.1 100 Continue\nHTTP/1.1 302 X\nContent-Type: text/html\nHTTP/2 "
                                        "200\nContent-Type: application/octet-stream\n"};
    for (size_t i = 0; i < 3; i++) {
        struct exchange_text text = {
            .url = chat, .request = "{}", .response_headers = heads[i], .response = SAID("a") END, .step = 1};
        assert_true(exchange_run(&config, &text, &span));
        assert_int_equal(u64(SPAN_response_stream), 1);
        assert_int_equal(u64(SPAN_status), 200);
        assert_int_equal(u64(SPAN_stream_events), 1);
        text.response = "\n {\"choices\":[]}";
        assert_true(exchange_run(&config, &text, &span));
        assert_int_equal(u64(SPAN_response_stream), 0);
    }
}

static void test_headers(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = chat,
        .request = "{}",
        .response = "",
        .response_headers =
            "HTTP/1.1 429 Too Many\nx-ratelimit-limit-requests: 500\nX-RateLimit-Remaining-Tokens: 29982\n"
            "x-ratelimit-reset-tokens: 6m0.5s\nx-ratelimit-reset-requests: 120ms\nRetry-After: "
            "20\nopenai-processing-ms: 17\n"
            "x-envoy-upstream-service-time: 99\nanthropic-ratelimit-input-tokens-reset: 2025-06-15T15:06:45Z\n"};
    assert_true(exchange_run(&config, &text, &span));
    assert_int_equal(u64(SPAN_limit_requests), 500);
    assert_int_equal(u64(SPAN_limit_tokens_remaining), 29982);
    assert_int_equal(u64(SPAN_limit_tokens_reset_ns), 360500000000);
    assert_int_equal(u64(SPAN_limit_requests_reset_ns), 120000000);
    assert_int_equal(u64(SPAN_retry_after_ns), 20000000000);
    assert_int_equal(u64(SPAN_server_processing_ns), 17000000);
    assert_int_equal(u64(SPAN_limit_input_tokens_reset_ns),
                     UINT64_C(5000000000)); /* the run's clock stands at 15:06:40 */
    assert_string_equal(exchange_field(&span, SPAN_error_type), "429");
    uint64_t ns;
    assert_false(response_header_wait("soon", 4, 0, &ns));
    assert_false(response_header_wait("", 0, 0, &ns));
    assert_true(response_header_wait("1h", 2, 0, &ns));
}

static void test_others(void **state)
{
    (void)state;
    struct exchange_text text = {.url = "https://example.com/index.html", .request = "{}", .response = "{}"};
    assert_false(exchange_run(&config, &text, &span));
    text.url = "https://api.openai.com/v1/models";
    assert_false(exchange_run(&config, &text, &span));
}

/* What is known of a call in flight: facts, and nothing of what was said, not even where a preview
 * was asked for. */
static void test_peek(void **state)
{
    static const struct exchange_config with_preview = {.hash_key = {1}, .has_hash_key = true, .preview_chars = 60};
    struct span now;
    (void)state;
    const struct exchange_text text = {
        .url = chat,
        .request = "{\"model\":\"gpt-4o\",\"stream\":true,\"messages\":[{\"role\":\"system\",\"content\":\"Planted "
                   "instructions\"},{\"role\":\"user\",\"content\":\"planted question\"}]}",
        .response_headers = SSE_HEAD};
    struct exchange *exchange = exchange_run_open(&with_preview, &text);
    assert_true(exchange_peek(exchange, 5000, &now));
    assert_string_equal(exchange_field(&now, SPAN_request_model), "gpt-4o");
    assert_string_equal(exchange_field(&now, SPAN_status), "200");
    assert_string_equal(exchange_field(&now, SPAN_path), "/v1/chat/completions");
    assert_false(span_has(&now, SPAN_ttft_ns));
    body_at(exchange, 11000, SAID("planted answer"));
    body_at(exchange, 21000, SAID("b"));
    assert_true(exchange_peek(exchange, 25000, &now));
    assert_int_equal(now.value[SPAN_ttft_ns].u64, 10000);
    assert_int_equal(now.value[SPAN_content_chunks].u64, 2);
    assert_true(span_has(&now, SPAN_prompt_id));
    assert_false(span_has(&now, SPAN_prompt_preview));
    assert_null(memmem(now.arena, now.arena_used, "lanted", 6));
    const uint64_t prompt = now.value[SPAN_prompt_id].u64;
    body_at(exchange, 31000, STOPPED("stop") END);
    assert_true(exchange_run_close(exchange, &text, 160000, &span));
    assert_int_equal(u64(SPAN_prompt_id), prompt);
    assert_int_equal(u64(SPAN_ttft_ns), 10000);
    assert_string_equal(exchange_field(&span, SPAN_completeness), "whole");
}

/* Of several answers in one response, what is known so far is their sum, and asking changes nothing
 * of what follows. */
static void test_peek_of_parts(void **state)
{
    (void)state;
#define PART(index, stop, output, input)                                                                               \
    "data: {\"index\":" #index ",\"content\":\"a\",\"tokens\":[],\"stop\":" #stop ",\"tokens_predicted\":" #output     \
    ",\"tokens_evaluated\":" #input ",\"id_slot\":-1}\n\n"
    struct span now;
    const struct exchange_text text = {.url = "http://127.0.0.1:8080/completion",
                                       .request = "{\"prompt\":[\"A\",\"B\"],\"stream\":true}",
                                       .response_headers = SSE_HEAD};
    struct exchange *exchange = exchange_run_open(&config, &text);
    body_at(exchange, 11000, PART(0, false, 1, 10) PART(1, false, 1, 20) PART(0, false, 2, 10));
    for (unsigned i = 0; i < 3; i++) {
        assert_true(exchange_peek(exchange, 12000 + i, &now));
        assert_int_equal(now.value[SPAN_input_tokens].u64, 30);
        assert_int_equal(now.value[SPAN_output_tokens].u64, 3);
    }
    body_at(exchange, 21000, PART(1, true, 7, 20) "data: {\"index\":0,\"content\":\"b\",\"tokens_pre");
    assert_true(exchange_peek(exchange, 22000, &now)); /* in the middle of an event */
    assert_int_equal(now.value[SPAN_input_tokens].u64, 30);
    assert_int_equal(now.value[SPAN_output_tokens].u64, 9);
    body_at(exchange, 23000, "dicted\":3,\"stop\":true,\"tokens\":[],\"tokens_evaluated\":10,\"id_slot\":-1}\n\n");
    assert_true(exchange_run_close(exchange, &text, 160000, &span));
    assert_int_equal(u64(SPAN_input_tokens), 30);
    assert_int_equal(u64(SPAN_output_tokens), 10);
    assert_string_equal(exchange_field(&span, SPAN_completeness), "whole");
#undef PART
}

/* What was stated so far, wherever that stands (the beginning of a stream, sums that end it,
 * headers), is known of a call in flight; looking changes nothing of what follows. */
static void test_peek_of_counts(void **state)
{
    (void)state;
#define EVENT(text) "data: " text "\n\n"
#define MESSAGE_DELTA(output) EVENT("{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":" output "}}")
#define MESSAGE_START(usage) EVENT("{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{" usage "}}}")
    static const struct {
        const char *url, *head, *so_far;
        enum span_field field;
        uint64_t value;
    } cases[] = {
        {"https://api.anthropic.com/v1/messages", SSE_HEAD,
         MESSAGE_START("\"input_tokens\":5,\"output_tokens\":1") MESSAGE_DELTA("3"), SPAN_output_tokens, 3},
        {"https://api.anthropic.com/v1/messages", SSE_HEAD,
         MESSAGE_START("\"input_tokens\":5,\"cache_read_input_tokens\":70,\"output_tokens\":3"), SPAN_input_tokens, 75},
        {"https://api.anthropic.com/v1/messages", SSE_HEAD,
         MESSAGE_START("\"input_tokens\":5,\"output_tokens\":1,\"iterations\":[{\"type\":\"compaction\","
                       "\"input_tokens\":100,\"output_tokens\":20},{\"type\":\"message\",\"input_tokens\":5,"
                       "\"output_tokens\":1}]"),
         SPAN_input_tokens, 105},
        {"https://api.anthropic.com/v1/messages", SSE_HEAD,
         MESSAGE_START("\"input_tokens\":5,\"output_tokens\":1,\"iterations\":[{\"type\":\"compaction\","
                       "\"input_tokens\":100,\"output_tokens\":20},{\"type\":\"message\",\"input_tokens\":5,"
                       "\"output_tokens\":1}]") MESSAGE_DELTA("1"),
         SPAN_output_tokens, 21},
        {"https://api.cohere.com/v2/chat", SSE_HEAD,
         EVENT("{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"tokens\":{"
               "\"input_tokens\":8,\"output_tokens\":2}}}}"),
         SPAN_input_tokens, 8},
        {"https://api.openai.com/v1/chat/completions", SSE_HEAD "x-ratelimit-remaining-requests: 41\n", SAID("a"),
         SPAN_limit_requests_remaining, 41},
        {"https://api.openai.com/v1/chat/completions", SSE_HEAD "openai-processing-ms: 7\n", SAID("a"),
         SPAN_server_processing_ns, 7000000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct span now, again;
        const struct exchange_text text = {
            .url = cases[i].url, .request = "{\"model\":\"m\",\"stream\":true}", .response_headers = cases[i].head};
        struct exchange *const exchange = exchange_run_open(&config, &text);
        body_at(exchange, 11000, cases[i].so_far);
        assert_true(exchange_peek(exchange, 12000, &now));
        assert_true(exchange_peek(exchange, 12000, &again));
        assert_true(exchange_run_close(exchange, &text, 160000, &span));
        const struct span *const looks[] = {&now, &again, &span};
        for (unsigned j = 0; j < 3; j++)
            if (!span_has(looks[j], cases[i].field) || looks[j]->value[cases[i].field].u64 != cases[i].value)
                fail_msg("case %zu, look %u: %s", i, j, exchange_field(looks[j], cases[i].field));
    }
#undef MESSAGE_START
#undef MESSAGE_DELTA
#undef EVENT
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_times),
                                       cmocka_unit_test(test_first_text),
                                       cmocka_unit_test(test_completeness),
                                       cmocka_unit_test(test_quality),
                                       cmocka_unit_test(test_quality_of_choices),
                                       cmocka_unit_test(test_lost),
                                       cmocka_unit_test(test_lost_pieces_of_a_document),
                                       cmocka_unit_test(test_end_not_seen),
                                       cmocka_unit_test(test_framing_told_by_bytes),
                                       cmocka_unit_test(test_headers),
                                       cmocka_unit_test(test_others),
                                       cmocka_unit_test(test_no_response),
                                       cmocka_unit_test(test_total),
                                       cmocka_unit_test(test_peek),
                                       cmocka_unit_test(test_peek_of_parts),
                                       cmocka_unit_test(test_peek_of_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
