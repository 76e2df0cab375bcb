/* Cohere's dialect on exchanges written from its documentation: both versions of chat, generate,
 * errors. */
#include "dialect_expect.h"

static void test_v2_plain(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://api.cohere.com/v2/chat",
        .request = "{\"stream\":false,\"model\":\"command-a-03-2025\",\"max_tokens\":30,\"messages\":[{\"role\":"
                   "\"user\",\"content\":\"hi\"}]}",
        .response =
            "{\"id\":\"i-1\",\"message\":{\"role\":\"assistant\",\"tool_plan\":\"I "
            "will\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\","
            "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"b\",\"type\":\"function\",\"function\":{"
            "\"name\":\"f\","
            "\"arguments\":\"{x\"}}],\"content\":null},\"finish_reason\":\"TOOL_CALL\",\"usage\":{\"billed_units\":{"
            "\"input_tokens\":41,"
            "\"output_tokens\":25},\"cached_tokens\":144,\"tokens\":{\"input_tokens\":1441,\"output_tokens\":54}}}"};
    EXPECT(text, {SPAN_api, "chat"}, {SPAN_provider, "cohere"}, {SPAN_operation, "chat"},
           {SPAN_request_model, "command-a-03-2025"}, {SPAN_response_model, "-"}, {SPAN_response_id, "i-1"},
           {SPAN_finish_reasons, "TOOL_CALL"}, {SPAN_input_tokens, "1441"}, {SPAN_output_tokens, "54"},
           {SPAN_cache_read_tokens, "144"}, {SPAN_tool_calls, "2"}, {SPAN_tool_args_invalid, "1"},
           {SPAN_max_tokens, "30"}, {SPAN_error_type, "-"}, {SPAN_completeness, "whole"});
    text.response = "{\"usage\":{\"tokens\":null,\"billed_units\":{\"input_tokens\":4}},\"message\":{\"content\":[{"
                    "\"type\":\"thinking\",\"thinking\":"
                    "\"hm\"},{\"type\":\"text\",\"text\":\"hello\"}]},\"finish_reason\":\"MAX_TOKENS\",\"id\":\"i\"}";
    EXPECT(text, {SPAN_input_tokens, "4"}, {SPAN_output_tokens, "-"}, {SPAN_truncated, "1"}, {SPAN_tool_calls, "0"},
           {SPAN_empty_answer, "-"}, {SPAN_cache_read_tokens, "-"});
}

#define EVENT(type, rest) "event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"

static void test_v2_stream(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://api.cohere.com/v2/chat",
        .request = "{\"stream\":true,\"model\":\"command-r\",\"messages\":[]}",
        .response_headers = SSE_HEAD,
        .response = EVENT("message-start",
                          ",\"id\":\"i-2\",\"delta\":{\"message\":{\"role\":\"assistant\",\"content\":[],\"tool_plan\":"
                          "\"\","
                          "\"tool_calls\":[],\"citations\":[]}}") EVENT("tool-plan-delta",
                                                                        ",\"delta\":{\"message\":{\"tool_plan\":\"I\"}"
                                                                        "}") EVENT("tool-call-start",
                                                                                   ",\"index\":0,\"delta\":{"
                                                                                   "\"message\":{\"tool_calls\":{"
                                                                                   "\"id\":\"a\",\"type\":\"function\","
                                                                                   "\"function\":{\"name\":\"f\","
                                                                                   "\"arguments\":\"\"}}}}")
            EVENT("tool-call-delta",
                  ",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"arguments\":"
                  "\"{\"}}}}") "event: tool-call-delta\ndata: "
                               "{\"delta\":{\"message\":{\"tool_calls\":{\"function\":{"
                               "\"arguments\":\"}\"}}}},\"index\":0}\n\n" EVENT(
                                   "tool-call-end",
                                   ",\"index\":0") "event: tool-call-start\ndata: "
                                                   "{\"delta\":{\"message\":{\"tool_calls\":{\"id\":"
                                                   "\"b\",\"function\":{\"name\":\"g\"}}}},"
                                                   "\"index\":1}\n\n" EVENT("content-start", ",\"index\":0,\"delta\":"
                                                                                             "{\"message\":{"
                                                                                             "\"content\":{\"type\":"
                                                                                             "\"text\",\"text\":\"\"}"
                                                                                             "}}")
                                                       EVENT("content-delta", ",\"index\":0,\"delta\":{\"message\":{"
                                                                              "\"content\":{\"text\":\"a\"}}}")
                                                           EVENT("citation-start",
                                                                 ",\"index\":0,\"delta\":{\"message\":"
                                                                 "{\"citations\":{\"text\":\"a\"}}}")
                                                               EVENT("content-delta", ",\"index\":0,\"delta\":{"
                                                                                      "\"message\":{\"content\":{"
                                                                                      "\"thinking\":\"t\"}}}")
                                                                   EVENT("message-end", ",\"delta\":{\"finish_"
                                                                                        "reason\":\"COMPLETE\","
                                                                                        "\"usage\":{\"billed_"
                                                                                        "units\":{\"input_tokens\":"
                                                                                        "1,\"output_tokens\":2},"
                                                                                        "\"tokens\":{\"input_"
                                                                                        "tokens\":71,\"output_"
                                                                                        "tokens\":3}}}") "data: "
                                                                                                         "[DONE]"
                                                                                                         "\n\n"};
    EXPECT(text, {SPAN_stream_events, "12"}, {SPAN_content_chunks, "7"}, {SPAN_tool_calls, "2"},
           {SPAN_tool_args_invalid, "-"}, {SPAN_response_id, "i-2"}, {SPAN_input_tokens, "71"},
           {SPAN_output_tokens, "3"}, {SPAN_finish_reasons, "COMPLETE"}, {SPAN_completeness, "whole"},
           {SPAN_request_stream, "1"});
    text.response = EVENT("message-start", ",\"id\":\"i-3\"")
        EVENT("message-end", ",\"delta\":{\"finish_reason\":\"ERROR\",\"usage\":{},\"error\":\"bad "
                             "tool\",\"error_type\":\"INVALID_TOOL_GENERATION\"}");
    EXPECT(text, {SPAN_error_type, "INVALID_TOOL_GENERATION"}, {SPAN_finish_reasons, "ERROR"}, {SPAN_input_tokens, "-"},
           {SPAN_response_id, "i-3"});
}

static void test_v1(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://api.cohere.ai/v1/chat",
        .request =
            "{\"message\":\"hi\",\"preamble\":\"be brief\",\"chat_history\":[{\"role\":\"USER\",\"message\":\"x\"}]}",
        .response = "{\"response_id\":\"r\",\"generation_id\":\"g-1\",\"text\":\"hello\",\"chat_history\":[{"
                    "\"message\":\"hello\"}],\"tool_calls\":["
                    "{\"name\":\"f\",\"parameters\":{}}],\"finish_reason\":\"COMPLETE\",\"meta\":{\"tokens\":{\"input_"
                    "tokens\":501,"
                    "\"output_tokens\":35},\"billed_units\":{\"input_tokens\":6,\"output_tokens\":33}}}"};
    EXPECT(text, {SPAN_response_id, "g-1"}, {SPAN_request_model, "-"}, {SPAN_input_tokens, "501"},
           {SPAN_output_tokens, "35"}, {SPAN_tool_calls, "1"}, {SPAN_request_stream, "0"});
    text.request = "{\"message\":\"hi\",\"stream\":true}";
    text.response_headers = "HTTP/1.1 200 OK\nContent-Type: application/stream+json\n";
    text.response =
        "{\"is_finished\":false,\"event_type\":\"stream-start\",\"generation_id\":\"g-2\"}\n"
        "{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\",\"text\":\"I\"}\n"
        "{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\",\"tool_call_delta\":{\"index\":0,\"name\":\"f\"}}\n"
        "{\"is_finished\":false,\"event_type\":\"tool-calls-generation\",\"tool_calls\":[{\"name\":\"f\","
        "\"parameters\":{}}]}\n"
        "{\"is_finished\":false,\"event_type\":\"text-generation\",\"text\":\"hello\"}\n"
        "{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\",\"response\":{\"generation_"
        "id\":\"g-2\",\"text\":\"hello\","
        "\"tool_calls\":[{\"name\":\"f\"}],\"meta\":{\"billed_units\":{\"input_tokens\":6,\"output_tokens\":1}}}}\n";
    EXPECT(text, {SPAN_stream_events, "6"}, {SPAN_content_chunks, "4"}, {SPAN_tool_calls, "1"},
           {SPAN_response_id, "g-2"}, {SPAN_input_tokens, "6"}, {SPAN_output_tokens, "1"},
           {SPAN_finish_reasons, "COMPLETE"}, {SPAN_completeness, "whole"});
    text.response_headers = "HTTP/1.1 200 OK\n"; /* and no content-type: lines, because a stream was asked for */
    text.response = "{\"event_type\":\"text-generation\",\"text\":\"a\",\"is_finished\":false}\n{\"event_type\":"
                    "\"stream-end\",\"response\":"
                    "{\"tool_calls\":[{\"name\":\"f\"},{\"name\":\"g\"}]}}";
    EXPECT(text, {SPAN_stream_events, "2"}, {SPAN_content_chunks, "1"}, {SPAN_tool_calls, "2"},
           {SPAN_completeness, "whole"});
}

static void test_generate_and_errors(void **state)
{
    (void)state;
    struct exchange_text text = {.url = "https://api.cohere.ai/v1/generate",
                                 .request = "{\"prompt\":\"Once\",\"model\":\"command\",\"num_generations\":2}",
                                 .response = "{\"id\":\"g\",\"generations\":[{\"id\":\"x\",\"text\":\"b\",\"finish_"
                                             "reason\":\"MAX_TOKENS\",\"index\":1},{\"id\":\"y\",\"index\":0,"
                                             "\"text\":\"a\",\"finish_reason\":\"COMPLETE\"}],\"prompt\":\"Once\","
                                             "\"meta\":{\"billed_units\":{\"input_tokens\":1,"
                                             "\"output_tokens\":2}}}"};
    EXPECT(text, {SPAN_api, "generate"}, {SPAN_response_id, "g"}, {SPAN_finish_reasons, "COMPLETE,MAX_TOKENS"},
           {SPAN_choices_asked, "2"}, {SPAN_input_tokens, "1"}, {SPAN_output_tokens, "2"}, {SPAN_empty_answer, "-"});
    text.response_headers = "HTTP/1.1 429 Too Many Requests\n";
    text.response = "{\"id\":\"e\",\"message\":\"trial key\"}";
    EXPECT(text, {SPAN_error_type, "429"}, {SPAN_response_id, "-"}, {SPAN_finish_reasons, "-"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v2_plain),
        cmocka_unit_test(test_v2_stream),
        cmocka_unit_test(test_v1),
        cmocka_unit_test(test_generate_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
