/* Ollama's own API: streams and plain answers, formats that ask for JSON, models that are loaded
 * and nothing more. */
#include "dialect_expect.h"

static void test_ollama(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "http://localhost:11434/api/chat",
        .request = "{\"model\":\"llama3\",\"options\":{\"num_predict\":8}}",
        .response_headers = "HTTP/1.1 200 OK\nContent-Type: application/x-ndjson\n",
        .response = "{\"model\":\"llama3\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"mm\"},"
                    "\"done\":false}\n"
                    "{\"model\":\"llama3\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
                    "\"function\":{\"name\":\"f\","
                    "\"arguments\":{\"a\":1}}},{\"function\":{\"name\":\"g\",\"arguments\":{}}}]},\"done\":false}\n"
                    "{\"model\":\"llama3\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done_reason\":"
                    "\"stop\",\"done\":true,"
                    "\"total_duration\":4883583458,\"load_duration\":1334875,\"prompt_eval_count\":26,\"prompt_eval_"
                    "duration\":342546000,"
                    "\"eval_count\":282,\"eval_duration\":4535599000}"};
    EXPECT(text, {SPAN_input_tokens, "26"}, {SPAN_output_tokens, "282"}, {SPAN_stream_events, "3"},
           {SPAN_content_chunks, "2"}, {SPAN_tool_calls, "2"}, {SPAN_finish_reasons, "stop"},
           {SPAN_request_stream, "1"}, {SPAN_server_load_ns, "1334875"}, {SPAN_server_processing_ns, "4883583458"},
           {SPAN_max_tokens, "8"}, {SPAN_completeness, "whole"});
    text.url = "http://localhost:11434/api/generate";
    text.request = "{\"model\":\"llama3\",\"prompt\":\"x\",\"stream\":false}";
    text.response_headers = NULL;
    text.response = "{\"model\":\"llama3\",\"response\":\"x\",\"done\":true,\"done_reason\":\"stop\",\"eval_count\":3}";
    EXPECT(text, {SPAN_input_tokens, "-"}, {SPAN_output_tokens, "3"}, {SPAN_response_stream, "0"},
           {SPAN_request_stream, "0"});
    text.response_headers = "HTTP/1.1 404 Not Found\n";
    text.response = "{\"error\":\"model not found\"}";
    EXPECT(text, {SPAN_error_type, "404"}, {SPAN_tool_calls, "-"});
}

/* JSON is asked for by the format alone: "json", or a schema, which is an object. */
static void test_ollama_formats(void **state)
{
    static const struct {
        const char *request, *flawed;
    } cases[] = {
        {"{\"model\":\"m\",\"prompt\":\"{\"}", "-"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"format\":\"\"}", "-"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"format\":\"a{b\"}", "-"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"format\":[{\"type\":\"object\"}]}", "-"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"format\":null}", "-"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"tools\":[{\"a\":1}]}", "-"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"format\":\"json\"}", "1"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"format\":{\"type\":\"object\"}}", "1"},
        {"{\"model\":\"m\",\"prompt\":\"x\",\"format\":{}}", "1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct exchange_text text = {
            .url = "http://localhost:11434/api/generate",
            .request = cases[i].request,
            .response = "{\"model\":\"m\",\"response\":\"no JSON\",\"done\":true,\"done_reason\":\"stop\"}"};
        EXPECT(text, {SPAN_json_invalid, cases[i].flawed});
    }
}

/* Loading a model, or putting it away, is asked of nobody: nothing is missing of the answer. */
static void test_ollama_loads(void **state)
{
    static const struct {
        const char *reason, *empty;
    } cases[] = {{"load", "-"}, {"unload", "-"}, {"stop", "1"}, {"loaded", "1"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char answer[128];
        snprintf(answer, sizeof(answer), "{\"model\":\"m\",\"response\":\"\",\"done\":true,\"done_reason\":\"%s\"}",
                 cases[i].reason);
        const struct exchange_text text = {
            .url = "http://localhost:11434/api/generate", .request = "{\"model\":\"m\"}", .response = answer};
        EXPECT(text, {SPAN_empty_answer, cases[i].empty});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ollama), cmocka_unit_test(test_ollama_formats),
                                       cmocka_unit_test(test_ollama_loads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
