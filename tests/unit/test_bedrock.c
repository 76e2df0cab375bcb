/* Bedrock on exchanges written from its documentation: families of InvokeModel, Converse, what
 * event streams carry. */
#include "dialect_expect.h"

#include <zlib.h>

static uint8_t stream[16384];
static size_t stream_bytes;

static void put_u32(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static size_t put_header(uint8_t *to, const char *name, const char *value)
{
    const size_t name_bytes = strlen(name), value_bytes = strlen(value);
    to[0] = (uint8_t)name_bytes;
    memcpy(to + 1, name, name_bytes);
    memcpy(to + 1 + name_bytes, "\7\0", 2);
    to[3 + name_bytes] = (uint8_t)value_bytes;
    memcpy(to + 4 + name_bytes, value, value_bytes);
    return 4 + name_bytes + value_bytes;
}

static void put_message(const char *type, const char *key, const char *name, const char *payload)
{
    uint8_t *const to = stream + stream_bytes;
    size_t at = 12;
    at += put_header(to + at, ":message-type", type);
    at += put_header(to + at, key, name);
    const size_t headers = at - 12;
    memcpy(to + at, payload, strlen(payload));
    at += strlen(payload);
    put_u32(to, (uint32_t)at + 4);
    put_u32(to + 4, (uint32_t)headers);
    put_u32(to + 8, (uint32_t)crc32(0, to, 8));
    put_u32(to + at, (uint32_t)crc32(0, to, (uInt)at));
    stream_bytes += at + 4;
}

/* InvokeModel's envelope: {"bytes": base64 of the event} */
static void put_chunk(const char *event)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char payload[4096];
    char *to = payload + sprintf(payload, "{\"bytes\":\"");
    for (const uint8_t *p = (const uint8_t *)event; *p;) {
        uint32_t bits = 0;
        unsigned have = 0;
        for (; have < 3 && *p; have++)
            bits |= (uint32_t)*p++ << (16 - 8 * have);
        for (unsigned i = 0; i < 4; i++)
            *to++ = i <= have ? digits[bits >> (18 - 6 * i) & 63] : '=';
    }
    sprintf(to, "\",\"p\":\"abc\"}");
    put_message("event", ":event-type", "chunk", payload);
}

#define MODEL(name, verb) "https://bedrock-runtime.us-east-1.amazonaws.com/model/" name "/" verb
#define AWS_HEAD "HTTP/1.1 200 OK\nContent-Type: application/vnd.amazon.eventstream\n"

static struct exchange_text streamed(const char *url)
{
    return (struct exchange_text){.url = url,
                                  .request = "{}",
                                  .response_headers = AWS_HEAD,
                                  .response = (const char *)stream,
                                  .response_bytes = stream_bytes};
}

static void test_converse(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = MODEL("arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc", "converse"),
        .request = "{\"inferenceConfig\":{\"maxTokens\":9}}",
        .response = "{\"metrics\":{\"latencyMs\":12},\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{"
                    "\"citationsContent\":{\"content\":[{\"text\":\"a\"}],"
                    "\"citations\":[]}}]}},\"stopReason\":\"end_turn\",\"usage\":{\"inputTokens\":4,\"outputTokens\":5,"
                    "\"totalTokens\":109,"
                    "\"cacheWriteInputTokens\":70,\"cacheReadInputTokens\":30,\"cacheDetails\":[{\"inputTokens\":50,"
                    "\"ttl\":\"5m\"},{\"ttl\":\"1h\",\"inputTokens\":20}]}}"};
    EXPECT(text, {SPAN_request_model, "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"},
           {SPAN_input_tokens, "104"}, {SPAN_output_tokens, "5"}, {SPAN_cache_read_tokens, "30"},
           {SPAN_cache_creation_tokens, "70"}, {SPAN_cache_creation_5m_tokens, "50"},
           {SPAN_cache_creation_1h_tokens, "20"}, {SPAN_empty_answer, "-"}, {SPAN_max_tokens, "9"},
           {SPAN_server_processing_ns, "12000000"}, {SPAN_finish_reasons, "end_turn"}, {SPAN_tool_calls, "0"});
    text.response_headers = "HTTP/1.1 400 X\nx-amzn-errortype: "
                            "com.amazon.coral.validate#ValidationException:http://internal.amazon.com/coral/x/\n";
    text.response = "{\"message\":\"no\"}";
    EXPECT(text, {SPAN_error_type, "ValidationException"}, {SPAN_status, "400"}, {SPAN_tool_calls, "-"});
    stream_bytes = 0;
    put_message("event", ":event-type", "messageStart", "{\"p\":\"a\",\"role\":\"assistant\"}");
    put_message("event", ":event-type", "contentBlockDelta", "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"hi\"}}");
    put_message("exception", ":exception-type", "modelStreamErrorException",
                "{\"message\":\"broken\",\"originalStatusCode\":500}");
    text = streamed(MODEL("amazon.nova-lite-v1%3A0", "converse-stream"));
    EXPECT(text, {SPAN_error_type, "modelStreamErrorException"}, {SPAN_stream_events, "3"}, {SPAN_content_chunks, "1"},
           {SPAN_status, "200"});
}

/* What a family alone does. */
static void test_families(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = MODEL("cohere.command-r-v1%3A0", "invoke"),
        .request = "{}",
        .response = "{\"response_id\":\"r\",\"text\":\"\",\"generation_id\":\"g\",\"finish_reason\":\"COMPLETE\","
                    "\"tool_calls\":[{\"name\":\"f\",\"parameters\":{\"a\":1}},{\"name\":\"f\",\"parameters\":{}}]}"};
    EXPECT(text, {SPAN_tool_calls, "2"}, {SPAN_response_id, "g"}, {SPAN_finish_reasons, "COMPLETE"});
    text.url = MODEL("mistral.mistral-large-2407-v1%3A0", "invoke");
    text.response = "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
                    "\"id\":\"a\",\"function\":{\"name\":\"f\","
                    "\"arguments\":\"{}\"}}]},\"stop_reason\":\"tool_calls\"}]}";
    EXPECT(text, {SPAN_tool_calls, "1"}, {SPAN_finish_reasons, "tool_calls"});
    text.url = MODEL("us.deepseek.r1-v1%3A0", "invoke");
    text.response = "{\"choices\":[{\"text\":\"x\",\"stop_reason\":\"length\"}]}";
    EXPECT(text, {SPAN_finish_reasons, "length"}, {SPAN_truncated, "1"}, {SPAN_api, "invoke"});
    text.url = MODEL("twelvelabs.pegasus-1-2-v1%3A0", "invoke");
    text.response = "{\"message\":\"a video of a cat\",\"finishReason\":\"stop\"}";
    EXPECT(text, {SPAN_error_type, "-"}, {SPAN_finish_reasons, "stop"}, {SPAN_empty_answer, "-"});
    text.url = MODEL("stability.sd3-5-large-v1%3A0", "invoke");
    text.response = "{\"seeds\":[1],\"finish_reasons\":[null],\"images\":[\"aGk=\"]}";
    EXPECT(text, {SPAN_finish_reasons, "-"}, {SPAN_empty_answer, "-"}, {SPAN_operation, "generate_content"});
    text.response = "{\"seeds\":[1],\"finish_reasons\":[\"Filter reason: prompt\"],\"images\":[]}";
    EXPECT(text, {SPAN_finish_reasons, "Filter reason: prompt"});
    text.url = MODEL("amazon.titan-embed-text-v2%3A0", "invoke");
    text.response = "{\"embedding\":[0.1],\"inputTextTokenCount\":6}";
    EXPECT(text, {SPAN_input_tokens, "6"}, {SPAN_operation, "embeddings"}, {SPAN_api, "invoke"});
    text.url = MODEL("amazon.titan-text-express-v1", "invoke");
    text.response = "{\"inputTextTokenCount\":6,\"results\":[{\"tokenCount\":3,\"outputText\":\"no\","
                    "\"completionReason\":\"CONTENT_FILTERED\"}],"
                    "\"amazon-bedrock-guardrailAction\":\"INTERVENED\"}";
    EXPECT(text, {SPAN_input_tokens, "6"}, {SPAN_output_tokens, "3"}, {SPAN_filtered, "1"});
}

static void test_invoke_streams(void **state)
{
    (void)state;
    stream_bytes = 0;
    put_chunk("{\"event_type\":\"stream-start\",\"generation_id\":\"g\",\"is_finished\":false}");
    put_chunk(
        "{\"event_type\":\"tool-calls-chunk\",\"tool_call_delta\":{\"index\":0,\"name\":\"f\"},\"is_finished\":false}");
    put_chunk("{\"event_type\":\"tool-calls-generation\",\"tool_calls\":[{\"name\":\"f\",\"parameters\":{}}],\"is_"
              "finished\":false}");
    put_chunk("{\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\",\"is_finished\":true,\"response\":{\"tool_"
              "calls\":[{\"name\":\"f\"}]},"
              "\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":7,\"outputTokenCount\":8}}");
    struct exchange_text text = streamed(MODEL("cohere.command-r-plus-v1%3A0", "invoke-with-response-stream"));
    EXPECT(text, {SPAN_tool_calls, "1"}, {SPAN_content_chunks, "2"}, {SPAN_response_id, "g"}, {SPAN_input_tokens, "7"},
           {SPAN_output_tokens, "8"}, {SPAN_finish_reasons, "COMPLETE"}, {SPAN_completeness, "whole"});
    /* A guardrail's answer states no reason; the metrics end it. */
    stream_bytes = 0;
    put_chunk("{\"outputText\":\"blocked\",\"index\":0.0,\"totalOutputTextTokenCount\":3.0,\"inputTextTokenCount\":6.0,"
              "\"amazon-bedrock-guardrailAction\":\"INTERVENED\",\"amazon-bedrock-invocationMetrics\":{"
              "\"inputTokenCount\":6,\"outputTokenCount\":3}}");
    text = streamed(MODEL("amazon.titan-text-express-v1", "invoke-with-response-stream"));
    EXPECT(text, {SPAN_completeness, "whole"}, {SPAN_filtered, "1"}, {SPAN_input_tokens, "6"},
           {SPAN_finish_reasons, "-"});
    /* An ARN that hides whose events these are. */
    stream_bytes = 0;
    put_chunk("{\"type\":\"message_start\",\"message\":{\"id\":\"msg_bdrk_1\",\"model\":\"claude-x\",\"usage\":{"
              "\"input_tokens\":3,\"cache_read_input_tokens\":10,"
              "\"cache_creation_input_tokens\":0,\"output_tokens\":1}}}");
    put_chunk(
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}");
    put_chunk(
        "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}");
    put_chunk("{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
              "\"name\":\"f\",\"input\":{}}}");
    put_chunk("{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":"
              "\"{}\"}}");
    put_chunk("{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":5}}");
    put_chunk("{\"type\":\"message_stop\",\"amazon-bedrock-invocationMetrics\":{\"inputTokenCount\":3,"
              "\"outputTokenCount\":5,\"cacheReadInputTokenCount\":10}}");
    text = streamed(MODEL("arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc",
                          "invoke-with-response-stream"));
    EXPECT(text, {SPAN_input_tokens, "13"}, {SPAN_output_tokens, "5"}, {SPAN_tool_calls, "1"},
           {SPAN_tool_args_invalid, "-"}, {SPAN_content_chunks, "3"}, {SPAN_finish_reasons, "tool_use"},
           {SPAN_response_id, "msg_bdrk_1"}, {SPAN_response_model, "claude-x"}, {SPAN_stream_events, "7"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_converse), cmocka_unit_test(test_families),
                                       cmocka_unit_test(test_invoke_streams)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
