/* OpenAI Responses on exchanges written from the documentation: plain, streamed, in the background,
 * compacted, failed; other servers' habits. */
#include "dialect_expect.h"

static const char url[] = "https://api.openai.com/v1/responses";
static const char streamed[] = "{\"stream\":true,\"model\":\"gpt-5\",\"input\":\"hi\"}";

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":1," rest "}\n\n"
#define CREATED                                                                                                        \
    EVENT("response.created",                                                                                          \
          "\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"error\":null,"         \
          "\"incomplete_details\":null,\"model\":\"gpt-5-2025-08-07\",\"output\":[],\"service_tier\":\"auto\","        \
          "\"usage\":null}")
#define ENDED(type, status, more)                                                                                      \
    EVENT(type,                                                                                                        \
          "\"response\":{\"usage\":{\"total_tokens\":121,\"output_tokens\":45,\"output_tokens_details\":{\"reasoning_" \
          "tokens\":32},"                                                                                              \
          "\"input_tokens\":76,\"input_tokens_details\":{\"cached_tokens\":64,\"cache_write_tokens\":5}}," more        \
          "\"service_tier\":\"default\",\"model\":\"gpt-5-2025-08-07\",\"id\":\"resp_1\",\"status\":\"" status "\"}")
#define COMPLETED ENDED("response.completed", "completed", "\"incomplete_details\":null,\"error\":null,")

static void test_plain(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = url,
        .request = "{\"model\":\"gpt-5\",\"max_output_tokens\":300,\"input\":[{\"role\":\"user\",\"content\":[{"
                   "\"type\":\"input_text\",\"text\":\"hi\"}]}]}",
        .response =
            "{\"usage\":{\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":87,"
            "\"output_tokens_details\":"
            "{\"reasoning_tokens\":7},\"total_tokens\":123},\"id\":\"resp_67\",\"object\":\"response\",\"created_at\":"
            "1741476777,"
            "\"status\":\"completed\",\"error\":null,\"incomplete_details\":null,\"model\":\"gpt-5-2025-08-07\","
            "\"output\":["
            "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"hm\"}]},"
            "{\"type\":\"web_search_call\",\"id\":\"ws_1\",\"status\":\"completed\"},"
            "{\"type\":\"x_search_call\",\"id\":\"xs_1\",\"status\":\"completed\"},"
            "{\"arguments\":\"{\\\"city\\\":\",\"type\":\"function_call\",\"call_id\":\"call_1\",\"name\":\"weather\"},"
            "{\"type\":\"function_call\",\"call_id\":\"call_2\",\"name\":\"weather\",\"arguments\":\"{}\"},"
            "{\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hi\","
            "\"annotations\":[]}]}],"
            "\"service_tier\":\"default\"}"};
    EXPECT(text, {SPAN_request_model, "gpt-5"}, {SPAN_response_model, "gpt-5-2025-08-07"},
           {SPAN_response_id, "resp_67"}, {SPAN_finish_reasons, "completed"}, {SPAN_input_tokens, "36"},
           {SPAN_output_tokens, "87"}, {SPAN_cache_read_tokens, "0"}, {SPAN_cache_creation_tokens, "-"},
           {SPAN_reasoning_tokens, "7"}, {SPAN_max_tokens, "300"}, {SPAN_request_stream, "0"},
           {SPAN_response_stream, "0"}, {SPAN_server_tool_calls, "2"}, {SPAN_completeness, "whole"},
           {SPAN_error_type, "-"}, {SPAN_service_tier, "default"}, {SPAN_empty_answer, "-"}, {SPAN_api, "responses"},
           {SPAN_operation, "chat"});
    /* The type may stand after the arguments: then they are not checked, but the call is
     * counted. */
    EXPECT(text, {SPAN_tool_calls, "2"}, {SPAN_tool_args_invalid, "-"});
    text.response = "{\"output\":[{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":\"}],"
                    "\"status\":\"completed\"}";
    EXPECT(text, {SPAN_tool_calls, "1"}, {SPAN_tool_args_invalid, "1"}, {SPAN_input_tokens, "-"},
           {SPAN_usage_source, "-"});
}

static void test_ends(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = url,
        .request = "{\"prompt\":{\"id\":\"pmpt_1\",\"version\":\"2\"}}",
        .response =
            "{\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"status\":\"incomplete\",\"output\":[]}"};
    EXPECT(text, {SPAN_finish_reasons, "max_output_tokens"}, {SPAN_truncated, "1"}, {SPAN_prompt_name, "pmpt_1"},
           {SPAN_prompt_version, "2"}, {SPAN_empty_answer, "1"}, {SPAN_request_model, "-"});
    text.response =
        "{\"status\":\"completed\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"output\":[]}";
    EXPECT(text, {SPAN_finish_reasons, "completed"}, {SPAN_truncated, "-"});
    text.response = "{\"status\":\"incomplete\",\"output\":[],\"incomplete_details\":{\"reason\":\"content_filter\"}}";
    EXPECT(text, {SPAN_finish_reasons, "content_filter"}, {SPAN_filtered, "1"});
    /* In the background: the answer comes later, and counts with the first GET that shows it. */
    text.request = "{\"model\":\"o3\",\"background\":true,\"input\":\"x\"}";
    text.response = "{\"id\":\"resp_b\",\"object\":\"response\",\"status\":\"queued\",\"background\":true,\"output\":[]"
                    ",\"usage\":null}";
    EXPECT(text, {SPAN_finish_reasons, "queued"}, {SPAN_response_id, "resp_b"}, {SPAN_input_tokens, "-"},
           {SPAN_empty_answer, "-"}, {SPAN_completeness, "whole"}, {SPAN_tool_calls, "0"});
    text.method = "GET";
    text.url = "https://api.openai.com/v1/responses/resp_b";
    EXPECT(text, {SPAN_finish_reasons, "queued"}, {SPAN_input_tokens, "-"});
    text.response = "{\"id\":\"resp_b\",\"object\":\"response\",\"status\":\"completed\",\"output\":[],"
                    "\"usage\":{\"input_tokens\":9,\"output_tokens\":2}}";
    EXPECT(text, {SPAN_finish_reasons, "completed"}, {SPAN_input_tokens, "9"}, {SPAN_output_tokens, "2"});
    text = (struct exchange_text){.url = "https://api.openai.com/v1/responses/compact",
                                  .request = "{\"model\":\"gpt-5\",\"input\":[]}",
                                  .response = "{\"id\":\"resp_c\",\"object\":\"response.compaction\",\"output\":[{"
                                              "\"type\":\"compaction\",\"encrypted_content\":\"x\"}],"
                                              "\"usage\":{\"input_tokens\":139,\"input_tokens_details\":null,\"output_"
                                              "tokens\":438,\"output_tokens_details\":{},\"total_tokens\":577}}"};
    EXPECT(text, {SPAN_input_tokens, "139"}, {SPAN_output_tokens, "438"}, {SPAN_cache_read_tokens, "-"},
           {SPAN_api, "responses-compact"}, {SPAN_finish_reasons, "-"}, {SPAN_response_id, "resp_c"});
}

static void test_stream(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = url,
        .request = streamed,
        .response_headers = SSE_HEAD,
        .response = CREATED EVENT("response.in_progress", "\"response\":{\"status\":\"in_progress\",\"usage\":null}")
            EVENT("response.output_item.added",
                  "\"output_index\":0,\"item\":{\"id\":\"rs\",\"type\":\"reasoning\","
                  "\"summary\":[]}") EVENT("response.reasoning_summary_text.delta",
                                           "\"item_id\":\"rs\",\"output_index\":0,\"delta\":\"I think\"")
                EVENT("response.reasoning_summary_text.done",
                      "\"item_id\":\"rs\",\"output_index\":0,\"text\":\"I think\"")
                    EVENT("response.output_item.added",
                          "\"output_index\":1,\"item\":{\"id\":\"ws\",\"type\":\"web_search_call\"}")
                        EVENT("response.web_search_call.searching", "\"output_index\":1,\"item_id\":\"ws\"") EVENT(
                            "response.output_item.done",
                            "\"output_index\":1,\"item\":{\"id\":\"ws\",\"type\":\"web_search_call\"}")
                            EVENT("response.output_item.added", "\"output_index\":2,\"item\":{\"id\":\"fc\",\"type\":"
                                                                "\"function_call\",\"name\":\"f\",\"arguments\":\"\"}")
                                EVENT("response.function_call_arguments.delta",
                                      "\"item_id\":\"fc\",\"output_index\":2,\"delta\":\"{\\\"a\\\"\",\"obfuscation\":"
                                      "\"zz\"") EVENT("response.function_call_arguments.delta",
                                                      "\"item_id\":\"fc\",\"delta\":\":1}\",\"output_index\":2")
                                    EVENT("response.function_call_arguments.done",
                                          "\"item_id\":\"fc\",\"output_index\":2,\"arguments\":\"{\\\"a\\\":1}\"")
                                        EVENT("response.output_item.done",
                                              "\"output_index\":2,\"item\":{\"id\":\"fc\",\"type\":\"function_call\","
                                              "\"arguments\":\"{\\\"a\\\":1}\"}")
                                            EVENT("response.output_text.delta",
                                                  "\"output_index\":3,\"content_index\":0,\"delta\":\"\"")
                                                EVENT("response.output_text.delta",
                                                      "\"output_index\":3,\"content_index\":0,\"delta\":\"Hi\"")
                                                    EVENT(
                                                        "response.output_text.annotation.added",
                                                        "\"output_index\":3,\"annotation\":{\"type\":\"url_citation\"}")
                                                        EVENT("response.refusal.delta",
                                                              "\"output_index\":3,\"delta\":\"No\"") COMPLETED};
    EXPECT(text, {SPAN_stream_events, "18"}, {SPAN_content_chunks, "6"}, {SPAN_tool_calls, "1"},
           {SPAN_server_tool_calls, "1"}, {SPAN_tool_args_invalid, "-"}, {SPAN_input_tokens, "76"},
           {SPAN_output_tokens, "45"}, {SPAN_cache_read_tokens, "64"}, {SPAN_cache_creation_tokens, "5"},
           {SPAN_reasoning_tokens, "32"}, {SPAN_finish_reasons, "completed"}, {SPAN_response_id, "resp_1"},
           {SPAN_response_model, "gpt-5-2025-08-07"}, {SPAN_service_tier, "default"}, {SPAN_completeness, "whole"},
           {SPAN_refused, "1"}, {SPAN_response_stream, "1"}, {SPAN_request_stream, "1"});
    text.response = CREATED ENDED("response.incomplete", "incomplete",
                                  "\"incomplete_details\":{\"reason\":\"max_output_tokens\"},");
    EXPECT(text, {SPAN_finish_reasons, "max_output_tokens"}, {SPAN_completeness, "whole"}, {SPAN_content_chunks, "0"});
    /* Cut: what was seen stays, no usage, no finish. */
    text.response = CREATED EVENT("response.output_text.delta", "\"output_index\":0,\"delta\":\"Hi\"");
    text.removed = true;
    EXPECT(text, {SPAN_completeness, "cancelled"}, {SPAN_content_chunks, "1"}, {SPAN_input_tokens, "-"},
           {SPAN_finish_reasons, "-"}, {SPAN_response_id, "resp_1"});
}

#define BARE(rest) "data: {" rest "}\n\n"

static void test_other_servers(void **state)
{
    (void)state;
    /* No event lines, the type after everything, no output_index: items are told apart by their
     * ids. */
    struct exchange_text text = {
        .url = "http://127.0.0.1:8080/v1/responses",
        .request = streamed,
        .response_headers = SSE_HEAD,
        .response = BARE("\"item\":{\"name\":\"f\",\"id\":\"fc_a\",\"type\":\"function_call\"},\"type\":\"response."
                         "output_item.added\"")
            BARE("\"delta\":\"{\",\"item_id\":\"fc_a\",\"type\":\"response.function_call_arguments.delta\"")
                BARE("\"item\":{\"name\":\"g\",\"id\":\"fc_b\",\"type\":\"function_call\"},\"type\":\"response.output_"
                     "item.added\"")
                    BARE("\"item_id\":\"fc_b\",\"type\":\"response.function_call_arguments.delta\",\"delta\":\"{}\"")
                        BARE("\"delta\":\"x\",\"type\":\"response.output_text.delta\"")
                            BARE("\"response\":{\"status\":\"completed\",\"usage\":{\"prompt_tokens\":4,\"completion_"
                                 "tokens\":\"5\"}},\"type\":\"response.completed\"") "data: [DONE]\n\n"};
    EXPECT(text, {SPAN_tool_calls, "2"}, {SPAN_content_chunks, "5"}, {SPAN_input_tokens, "4"},
           {SPAN_output_tokens, "5"}, {SPAN_stream_events, "6"}, {SPAN_finish_reasons, "completed"},
           {SPAN_completeness, "whole"});
    /* Items of which only the end is told. */
    text.response = EVENT("response.output_item.done",
                          "\"output_index\":0,\"item\":{\"id\":\"fc\",\"type\":\"function_call\",\"arguments\":\"{}\"}")
        EVENT("response.output_item.done", "\"output_index\":1,\"item\":{\"type\":\"mcp_call\"}") COMPLETED;
    EXPECT(text, {SPAN_tool_calls, "1"}, {SPAN_server_tool_calls, "1"}, {SPAN_content_chunks, "1"});
    text.response = "{\"output\":[],\"usage\":{\"cost\":0.00025,\"cost_details\":{\"x\":1},\"input_tokens\":1}}";
    text.url = "https://openrouter.ai/api/v1/responses";
    EXPECT(text, {SPAN_cost_nanousd, "250000"}, {SPAN_response_stream, "0"}, {SPAN_request_stream, "1"});
    /* LiteLLM's ids carry the deployment and the upstream's own id. */
#define FIFTY "bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2"
    text.response = "{\"id\":\"resp_" FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY "\",\"status\":\"completed\",\"output\":[]}";
    EXPECT(text, {SPAN_response_id, "resp_" FIFTY FIFTY FIFTY FIFTY FIFTY FIFTY});
    text.response = "{\"output\":[],\"usage\":{\"cost_in_usd_ticks\":5000,\"input_tokens\":1}}";
    text.url = "https://api.x.ai/v1/responses";
    EXPECT(text, {SPAN_cost_nanousd, "500"}, {SPAN_provider, "x_ai"});
    /* A server that speaks something else under this path. */
    static struct span span;
    text.url = "http://survey.example/v1/responses";
    text.response = "{\"answers\":[1,2]}";
    assert_false(exchange_run(&config, &text, &span));
    /* vLLM with --enable-per-request-metrics */
    text = (struct exchange_text){
        .url = "http://127.0.0.1:8000/v1/responses",
        .request = "{\"model\":\"m\"}",
        .response = "{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[],\"metrics\":{\"queue_time_ms\":1,"
                    "\"time_to_first_token_ms\":2.5,\"generation_time_ms\":30}}"};
    EXPECT(text, {SPAN_server_queue_ns, "1000000"}, {SPAN_server_prefill_ns, "2500000"},
           {SPAN_server_decode_ns, "30000000"});
}

/* Who runs a call is not always said by its type; and a stream may have several answers. */
static void test_who_runs(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = url,
        .request = "{\"model\":\"gpt-5\"}",
        .response = "{\"status\":\"completed\",\"output\":[{\"type\":\"shell_call\",\"environment\":{\"type\":"
                    "\"container_reference\"}},"
                    "{\"type\":\"shell_call\",\"environment\":{\"type\":\"local\"}},{\"environment\":null,\"type\":"
                    "\"shell_call\"},"
                    "{\"execution\":\"client\",\"type\":\"tool_search_call\"},{\"type\":\"tool_search_call\","
                    "\"execution\":\"server\"},"
                    "{\"type\":\"tool_search_output\",\"execution\":\"client\"},{\"type\":\"shell_call_output\"}]}"};
    EXPECT(text, {SPAN_tool_calls, "3"}, {SPAN_server_tool_calls, "2"});
    text.request = streamed;
    text.response_headers = SSE_HEAD;
    text.response = CREATED EVENT(
        "response.output_item.added",
        "\"output_index\":0,\"item\":{\"type\":\"shell_call\",\"environment\":{\"type\":\"container_auto\"}}")
        EVENT("response.shell_call_command.delta", "\"delta\":\"ls\",\"output_index\":0")
            EVENT("response.code_interpreter_call.code.delta", "\"output_index\":1,\"delta\":\"print(1)\"")
                EVENT("response.output_item.added", "\"output_index\":2,\"item\":{\"type\":\"tool_search_call\",\"call_"
                                                    "id\":\"call_a\",\"execution\":\"client\"}")
                    EVENT("response.output_item.done", "\"output_index\":2,\"item\":{\"type\":\"tool_search_call\","
                                                       "\"call_id\":\"call_b\",\"execution\":\"client\"}") COMPLETED;
    EXPECT(text, {SPAN_tool_calls, "1"}, {SPAN_server_tool_calls, "1"}, {SPAN_content_chunks, "3"});
#define CALL(id)                                                                                                       \
    EVENT("response.output_item.added", "\"output_index\":0,\"item\":{\"id\":\"fc_" id                                 \
                                        "\",\"type\":\"function_call\",\"name\":\"f\",\"call_id\":\"call_" id "\"}")   \
    EVENT("response.function_call_arguments.delta", "\"output_index\":0,\"item_id\":\"fc_" id "\",\"delta\":\"{}\"")   \
    EVENT("response.output_item.done",                                                                                 \
          "\"output_index\":0,\"item\":{\"id\":\"fc_" id                                                               \
          "\",\"type\":\"function_call\",\"arguments\":\"{}\",\"call_id\":\"call_" id "\"}")
    text.response = CREATED CALL("1") COMPLETED CREATED CALL("2") COMPLETED;
    EXPECT(text, {SPAN_tool_calls, "2"}, {SPAN_content_chunks, "4"}, {SPAN_tool_args_invalid, "-"});
}

static void test_errors(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = url,
        .request = streamed,
        .response_headers = SSE_HEAD,
        .response =
            CREATED EVENT("response.code_interpreter_call_code.done", "\"output_index\":0,\"code\":\"print(1)\"")
                ENDED("response.failed", "failed", "\"error\":{\"code\":\"server_error\",\"message\":\"m\"},")};
    EXPECT(text, {SPAN_error_type, "server_error"}, {SPAN_finish_reasons, "failed"}, {SPAN_input_tokens, "76"},
           {SPAN_status, "200"});
    text.response =
        CREATED "event: error\ndata: "
                "{\"code\":\"rate_limit_exceeded\",\"type\":\"error\",\"message\":\"m\",\"param\":null}\n\n";
    EXPECT(text, {SPAN_error_type, "rate_limit_exceeded"}, {SPAN_completeness, "whole"}, {SPAN_finish_reasons, "-"});
    text.response = CREATED EVENT(
        "response.code_interpreter_call_code.done",
        "\"output_index\":0,\"code\":\"print(1)\"") "event: error\ndata: "
                                                    "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                                                    "\"code\":null,\"message\":\"m\"}}\n\n";
    EXPECT(text, {SPAN_error_type, "invalid_request_error"});
    text.response_headers = "HTTP/1.1 429 X\nContent-Type: application/json\n";
    text.response =
        "{\"error\":{\"message\":\"m\",\"type\":\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}";
    EXPECT(text, {SPAN_error_type, "tokens"}, {SPAN_status, "429"}, {SPAN_response_stream, "0"},
           {SPAN_tool_calls, "-"});
    text.url = "https://api.x.ai/v1/responses";
    text.response_headers = "HTTP/1.1 400 X\nContent-Type: application/json\n";
    text.response = "{\"code\":\"invalid-argument\",\"error\":\"text\"}";
    EXPECT(text, {SPAN_error_type, "invalid-argument"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain),    cmocka_unit_test(test_ends),
                                       cmocka_unit_test(test_stream),   cmocka_unit_test(test_other_servers),
                                       cmocka_unit_test(test_who_runs), cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
