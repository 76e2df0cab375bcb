/* Where a single field of an answer decides: each with it, without it, and with what is almost
 * it. */
#include "dialect_expect.h"

#include <stdlib.h>

#define OPENAI "https://api.openai.com/v1/"

static void test_workers_ai(void **state)
{
    static const struct {
        const char *response, *error, *empty;
    } cases[] = {
        {"{\"result\":{\"response\":\"x\"},\"success\":true,\"errors\":[]}", "-", "-"},
        {"{\"result\":null,\"success\":false,\"errors\":[{\"code\":5007,\"message\":\"m\"}]}", "5007", "-"},
        {"{\"result\":{\"status\":\"queued\",\"request_id\":\"r\"},\"success\":true}", "-", "-"},
        {"{\"result\":{\"status\":\"In_Progress\",\"request_id\":\"r\"},\"success\":true}", "-", "-"},
        {"{\"result\":{\"status\":\"success\",\"response\":\"\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}"
         "},\"success\":true}",
         "-", "1"}, /* as long as "running" */
        {"{\"result\":{\"status\":\"queue\",\"response\":\"\",\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}},"
         "\"success\":true}",
         "-", "1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct exchange_text text = {
            .url = "https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/meta/llama-3.1-8b",
            .request = "{\"prompt\":\"x\"}",
            .response = cases[i].response};
        EXPECT(text, {SPAN_error_type, cases[i].error}, {SPAN_empty_answer, cases[i].empty});
    }
}

static void test_ai_sdk(void **state)
{
    static const struct {
        const char *type, *text, *chunks;
    } cases[] = {{"text-delta", "delta", "1"}, {"reasoning-delta", "delta", "1"}, {"tool-input-delta", "delta", "1"},
                 {"text-start", "delta", "0"}, {"text-delta", "id", "0"},         {"raw", "delta", "0"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char stream[256];
        snprintf(stream, sizeof(stream),
                 "data: {\"type\":\"stream-start\"}\n\ndata: {\"type\":\"%s\",\"%s\":\"Hi\"}\n\n"
                 "data: {\"type\":\"raw\",\"delta\":\"Hi\"}\n\ndata: {\"type\":\"finish\"}\n\n",
                 cases[i].type, cases[i].text);
        const struct exchange_text text = {.url = "https://ai-gateway.vercel.sh/v3/ai/language-model",
                                           .headers = "ai-language-model-streaming: true\n",
                                           .request = "{\"prompt\":[]}",
                                           .response_headers = SSE_HEAD,
                                           .response = stream};
        EXPECT(text, {SPAN_content_chunks, cases[i].chunks}, {SPAN_completeness, "whole"});
    }
}

/* What one event states of an answer is not what the next one leaves out of another. */
static void test_llamacpp_answers(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = "http://127.0.0.1:8080/completion",
        .request = "{\"prompt\":[\"a\",\"b\"],\"stream\":true}",
        .response_headers = SSE_HEAD,
        .response =
            "data: {\"index\":0,\"content\":\"a\",\"stop\":true,\"tokens_predicted\":2,\"tokens_evaluated\":6}\n\n"
            "data: {\"index\":1,\"content\":\"b\",\"stop\":true,\"tokens_predicted\":1}\n\n"};
    EXPECT(text, {SPAN_input_tokens, "6"}, {SPAN_output_tokens, "3"});
}

static void test_tgi_times(void **state)
{
    (void)state;
    struct exchange_text text = {.url = "http://localhost:3000/generate",
                                 .request = "{\"inputs\":\"hi\"}",
                                 .response_headers = "HTTP/1.1 200 OK\nx-compute-type: 9\nx-compute: 8\n"
                                                     "x-compute-times: 7\nX-Compute-Time: 2.5\nx-compute-time: 6\n",
                                 .response = "{\"generated_text\":\"hello\"}"};
    EXPECT(text, {SPAN_server_processing_ns, "2500000000"});
    text.response_headers = "HTTP/1.1 200 OK\nx-compute-type: 9\nx-compute: 8\nx-compute-times: 7\n";
    EXPECT(text, {SPAN_server_processing_ns, "-"});
}

/* Output that the total alone shows. */
static void test_totals(void **state)
{
    static const struct {
        unsigned output, total;
        const char *says;
    } cases[] = {{5, 20, "10"}, {5, 15, "5"}, {5, 14, "5"}, {0, 13, "3"}, {0, 10, "0"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char answer[256];
        snprintf(answer, sizeof(answer),
                 "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{"
                 "\"prompt_tokens\":10,\"completion_tokens\":%u,\"total_tokens\":%u}}",
                 cases[i].output, cases[i].total);
        const struct exchange_text text = {
            .url = OPENAI "chat/completions", .request = "{\"model\":\"m\",\"messages\":[]}", .response = answer};
        EXPECT(text, {SPAN_input_tokens, "10"}, {SPAN_output_tokens, cases[i].says});
    }
}

/* Calls of which the type is all that is told, and items of which the end is. */
static void test_responses_items(void **state)
{
    static const struct {
        const char *events, *calls, *server_calls;
    } streams[] = {
        {"{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"function_call\"}}", "1", "-"},
        {"{\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"function_call\"}}", "1",
         "-"},
        {"{\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\"}}", "1", "-"},
        {"{\"type\":\"response.output_item.done\",\"output_index\":3,\"item\":{\"type\":\"web_search_call\"}}", "0",
         "1"},
    };
    (void)state;
    struct exchange_text text = {
        .url = OPENAI "responses",
        .request = "{\"model\":\"m\",\"input\":\"x\"}",
        .response = "{\"object\":\"response\",\"status\":\"completed\",\"output\":[{\"type\":\"function_call\"}]}"};
    EXPECT(text, {SPAN_tool_calls, "1"});
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        char stream[512];
        snprintf(stream, sizeof(stream),
                 "data: %s\n\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n",
                 streams[i].events);
        text.request = "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}";
        text.response_headers = SSE_HEAD;
        text.response = stream;
        EXPECT(text, {SPAN_tool_calls, streams[i].calls}, {SPAN_server_tool_calls, streams[i].server_calls});
    }
}

/* Texts end before a character that does not fit; arguments of any length are checked to their
 * end. */
static void test_long_texts(void **state)
{
    enum { ARGUMENTS = 200000 };
    static char text[FACTS_TEXT_MAX + 8], json[ARGUMENTS + 1];
    struct facts *const facts = calloc(1, sizeof(*facts));
    (void)state;
    assert_non_null(facts);
    facts_init(facts, &config);
    for (unsigned before = 0; before < 4; before++) {
        memset(text, 'a', sizeof(text));
        memcpy(text + FACTS_TEXT_MAX - before, "\xf0\x9f\x98\x80", 4);
        facts_set_text(facts, FACT_RESPONSE_MODEL, text, sizeof(text));
        assert_int_equal(facts->text_bytes[FACT_RESPONSE_MODEL], FACTS_TEXT_MAX - before);
    }
    facts_set_text(facts, FACT_RESPONSE_MODEL, text, FACTS_TEXT_MAX);
    assert_int_equal(facts->text_bytes[FACT_RESPONSE_MODEL], FACTS_TEXT_MAX);
    memset(json, ' ', ARGUMENTS);
    for (size_t piece = 100; piece < ARGUMENTS; piece *= 5) {
        facts_call_begin(facts, 0);
        for (size_t at = 0; at < ARGUMENTS; at += piece)
            facts_call_arguments(facts, json + at, at + piece < ARGUMENTS ? piece : ARGUMENTS - at);
        facts_call_end(facts);
    }
    free(facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_workers_ai),       cmocka_unit_test(test_ai_sdk),
                                       cmocka_unit_test(test_llamacpp_answers), cmocka_unit_test(test_tgi_times),
                                       cmocka_unit_test(test_totals),           cmocka_unit_test(test_responses_items),
                                       cmocka_unit_test(test_long_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
