/* Google's dialects on exchanges written from its documentation: generateContent, Interactions,
 * predict, and Anthropic on Vertex. */
#include "dialect_expect.h"

#define GEMINI "https://generativelanguage.googleapis.com/v1beta/"
#define VERTEX "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/"

static void test_generate(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = GEMINI "models/gemini-2.5-flash:generateContent?key=k",
        .request = "{\"system_instruction\":{\"parts\":{\"text\":\"be "
                   "brief\"}},\"contents\":[{\"parts\":[{\"text\":\"hi\"}]}],"
                   "\"generationConfig\":{\"maxOutputTokens\":50,\"candidateCount\":2,\"responseMimeType\":"
                   "\"application/json\"}}",
        .response_headers = "HTTP/1.1 200 OK\nServer-Timing: gfet4t7; dur=2936\nx-gemini-service-tier: standard\n",
        .response =
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"let me "
            "think\",\"thought\":true},{\"text\":\"{}\"}],\"role\":\"model\"},"
            "\"finishReason\":\"STOP\",\"index\":0},{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\","
            "\"args\":{}}},"
            "{\"text\":null}]},\"finishReason\":null,\"index\":1}],\"usageMetadata\":{\"promptTokenCount\":8,"
            "\"candidatesTokenCount\":4,"
            "\"thoughtsTokenCount\":20,\"cachedContentTokenCount\":3,\"toolUsePromptTokenCount\":7,\"totalTokenCount\":"
            "39,"
            "\"promptTokensDetails\":[{\"tokenCount\":5,\"modality\":\"AUDIO\"},{\"modality\":\"TEXT\",\"tokenCount\":"
            "3}],"
            "\"candidatesTokensDetails\":[{\"modality\":2,\"tokenCount\":2}]},\"modelVersion\":\"gemini-2.5-flash-09\","
            "\"responseId\":\"r-1\"}"};
    EXPECT(text, {SPAN_provider, "gcp.gemini"}, {SPAN_api, "generateContent"}, {SPAN_request_model, "gemini-2.5-flash"},
           {SPAN_response_model, "gemini-2.5-flash-09"}, {SPAN_response_id, "r-1"}, {SPAN_finish_reasons, "STOP,"},
           {SPAN_input_tokens, "15"}, {SPAN_output_tokens, "24"}, {SPAN_reasoning_tokens, "20"},
           {SPAN_cache_read_tokens, "3"}, {SPAN_input_audio_tokens, "5"}, {SPAN_output_image_tokens, "2"},
           {SPAN_tool_calls, "1"}, {SPAN_request_stream, "0"}, {SPAN_max_tokens, "50"}, {SPAN_choices_asked, "2"},
           {SPAN_json_invalid, "-"}, {SPAN_service_tier, "standard"}, {SPAN_server_processing_ns, "2936000000"},
           {SPAN_completeness, "whole"}, {SPAN_error_type, "-"});
}

/* The thought stands after its text: it must not count as an answer that is no JSON. */
static void test_generate_json_asked(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = VERTEX "google/models/gemini-2.5-pro:generateContent",
        .request = "{\"contents\":[],\"generation_config\":{\"response_mime_type\":\"application/json\"}}",
        .response = "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true}]},\"finishReason\":"
                    "\"MAX_TOKENS\"}],"
                    "\"usageMetadata\":{\"promptTokenCount\":3,\"thoughtsTokenCount\":9,\"totalTokenCount\":12}}"};
    EXPECT(text, {SPAN_provider, "gcp.vertex_ai"}, {SPAN_json_invalid, "-"}, {SPAN_empty_answer, "1"},
           {SPAN_truncated, "1"}, {SPAN_input_tokens, "3"}, {SPAN_output_tokens, "9"}, {SPAN_reasoning_tokens, "9"});
    text.response =
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true},{\"text\":\"no json\"}]}}]}";
    EXPECT(text, {SPAN_json_invalid, "1"}, {SPAN_empty_answer, "-"}, {SPAN_finish_reasons, "-"});
    /* Both customs of names may be mixed, and newer requests say it within a format. */
    static const char *const asked[] = {
        "{\"generationConfig\":{\"response_mime_type\":\"application/json\",\"max_output_tokens\":7}}",
        "{\"generation_config\":{\"responseMimeType\":\"application/json\",\"maxOutputTokens\":7}}",
        "{\"generationConfig\":{\"maxOutputTokens\":7,\"responseFormat\":[{\"text\":{\"mimeType\":\"application/"
        "json\",\"schema\":{}}}]}}",
    };
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        text.request = asked[i];
        EXPECT(text, {SPAN_json_invalid, "1"}, {SPAN_max_tokens, "7"});
    }
    text.request =
        "{\"generationConfig\":{\"responseMimeType\":\"text/x.enum\",\"responseSchema\":{\"type\":\"STRING\"}}}";
    EXPECT(text, {SPAN_json_invalid, "-"});
}

/* The model wrote a call that could not be read. */
static void test_generate_malformed(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = GEMINI "models/g:generateContent",
        .request = "{\"contents\":[]}",
        .response = "{\"candidates\":[{\"content\":{},\"finishReason\":\"MALFORMED_FUNCTION_CALL\"}]}"};
    EXPECT(text, {SPAN_tool_args_invalid, "1"}, {SPAN_tool_calls, "0"},
           {SPAN_finish_reasons, "MALFORMED_FUNCTION_CALL"}, {SPAN_empty_answer, "1"});
}

/* What the service runs itself comes as executableCode or, where the client asks to see it, as
 * toolCall. */
static void test_generate_server_tools(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = GEMINI "models/gemini-3-pro:generateContent",
        .request = "{\"tools\":[{\"googleSearch\":{}},{\"codeExecution\":{}}],\"contents\":[]}",
        .response =
            "{\"candidates\":[{\"content\":{\"parts\":[{\"toolCall\":{\"toolType\":\"GOOGLE_SEARCH_WEB\",\"id\":\"s\"}}"
            ","
            "{\"toolResponse\":{\"toolType\":\"GOOGLE_SEARCH_WEB\",\"id\":\"s\",\"response\":{}}},"
            "{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"1\"}},{\"codeExecutionResult\":{\"outcome\":"
            "\"OUTCOME_OK\"}},"
            "{\"text\":\"x\"}]},\"finishReason\":\"STOP\",\"groundingMetadata\":{\"webSearchQueries\":[\"q\"]}}]}"};
    EXPECT(text, {SPAN_server_tool_calls, "2"}, {SPAN_tool_calls, "0"}, {SPAN_empty_answer, "-"});
}

/* Made, asked after, answered; what "metadata" repeats counts once, and so do answers that are
 * fetched again. */
static void test_batches(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = GEMINI "models/gemini-2.5-flash:batchGenerateContent",
        .request = "{\"batch\":{\"input_config\":{\"requests\":{\"requests\":[]}}}}",
        .response = "{\"name\":\"batches/b\",\"metadata\":{\"state\":\"BATCH_STATE_PENDING\",\"batchStats\":"
                    "{\"requestCount\":\"2\"}}}"};
    EXPECT(text, {SPAN_api, "batch"}, {SPAN_request_model, "gemini-2.5-flash"},
           {SPAN_finish_reasons, "BATCH_STATE_PENDING"}, {SPAN_input_tokens, "-"}, {SPAN_empty_answer, "-"});
#define ANSWERS                                                                                                        \
    "{\"inlinedResponses\":{\"inlinedResponses\":[{\"response\":{\"usageMetadata\":{\"promptTokenCount\":3,"           \
    "\"candidatesTokenCount\":4,"                                                                                      \
    "\"thoughtsTokenCount\":5}}},{\"response\":{\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":2}" \
    "}}]}}"
    text.method = "GET";
    text.url = GEMINI "batches/b";
    text.request = NULL;
    text.response = "{\"name\":\"batches/b\",\"metadata\":{\"state\":\"BATCH_STATE_SUCCEEDED\",\"output\":" ANSWERS
                    "},\"done\":true,"
                    "\"response\":" ANSWERS "}";
    EXPECT(text, {SPAN_api, "batch"}, {SPAN_finish_reasons, "BATCH_STATE_SUCCEEDED"}, {SPAN_input_tokens, "4"},
           {SPAN_output_tokens, "11"}, {SPAN_reasoning_tokens, "5"});
    text.url = "https://api.mistral.ai/v1/batch/jobs/j";
    text.response = "{\"id\":\"j\",\"object\":\"batch\",\"model\":\"m\",\"status\":\"RUNNING\"}";
    EXPECT(text, {SPAN_api, "batch"}, {SPAN_response_id, "j"}, {SPAN_finish_reasons, "RUNNING"},
           {SPAN_provider, "mistral_ai"});
}

static void test_generate_stream(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = GEMINI "models/gemini-2.5-flash:streamGenerateContent?alt=sse",
        .request = "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"hi\"}]}]}",
        .response_headers = SSE_HEAD,
        .response =
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"th\",\"thought\":true}]}}],\"usageMetadata\":"
            "{\"promptTokenCount\":5,\"totalTokenCount\":5}}\r\n\r\n"
            "data: "
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"trafficType\":\"ON_"
            "DEMAND\"}}\r\n\r\n"
            "data: "
            "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"willContinue\":true}}]}}]}"
            "\r\n\r\n"
            "data: "
            "{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"$.a\","
            "\"stringValue\":"
            "\"x\"}],\"willContinue\":true}}]}}]}\r\n\r\n"
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{}}]}}]}\r\n\r\n"
            "data: "
            "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\",\"thoughtSignature\":\"Cg==\"}]},"
            "\"finishReason\":\"STOP\"}],"
            "\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":2,\"thoughtsTokenCount\":1,"
            "\"totalTokenCount\":8}}\r\n\r\n"};
    EXPECT(text, {SPAN_request_stream, "1"}, {SPAN_response_stream, "1"}, {SPAN_stream_events, "6"},
           {SPAN_content_chunks, "4"}, {SPAN_tool_calls, "1"}, {SPAN_input_tokens, "5"}, {SPAN_output_tokens, "3"},
           {SPAN_finish_reasons, "STOP"}, {SPAN_completeness, "whole"});
    /* cut off: what was seen stays */
    text.response = "data: "
                    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{"
                    "\"promptTokenCount\":5}}\r\n\r\n";
    text.error = "CURLE_RECV_ERROR";
    EXPECT(text, {SPAN_completeness, "cut"}, {SPAN_input_tokens, "5"}, {SPAN_output_tokens, "-"},
           {SPAN_content_chunks, "1"});
}

static void test_generate_array(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = VERTEX "google/models/gemini-2.5-flash:streamGenerateContent",
        .request = "{\"contents\":[]}",
        .response_headers = "HTTP/1.1 200 OK\nContent-Type: application/json; charset=UTF-8\n",
        .response = "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n,\r\n{\"candidates\":[{"
                    "\"content\":{\"parts\":["
                    "{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"1\"}},{\"codeExecutionResult\":{"
                    "\"output\":\"1\"}}]}}]}\n,\r\n"
                    "{\"candidates\":[{\"content\":{\"parts\":[{\"codeExecutionResult\":{\"outcome\":\"OUTCOME_OK\"}}]}"
                    "}]},{\"candidates\":"
                    "[{\"content\":{\"parts\":[{\"inlineData\":{\"mimeType\":\"image/"
                    "png\",\"data\":\"iVBO\"}}]},\"finishReason\":\"STOP\"}],"
                    "\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":2}}]\n"};
    EXPECT(text, {SPAN_response_stream, "1"}, {SPAN_stream_events, "4"}, {SPAN_content_chunks, "3"},
           {SPAN_server_tool_calls, "1"}, {SPAN_tool_calls, "0"}, {SPAN_input_tokens, "1"}, {SPAN_output_tokens, "2"},
           {SPAN_finish_reasons, "STOP"});
}

static void test_generate_blocked_and_errors(void **state)
{
    (void)state;
    struct exchange_text text = {.url = GEMINI "models/gemini-2.5-flash:streamGenerateContent?alt=sse",
                                 .response_headers = SSE_HEAD,
                                 .response = "data: "
                                             "{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},"
                                             "\"usageMetadata\":{\"promptTokenCount\":7}}\r\n\r\n"};
    EXPECT(text, {SPAN_filtered, "1"}, {SPAN_completeness, "whole"}, {SPAN_finish_reasons, "-"},
           {SPAN_input_tokens, "7"}, {SPAN_error_type, "-"});
    text.response_headers = "HTTP/1.1 429 Too Many Requests\nContent-Type: application/json\n";
    text.response = "[{\"error\":{\"code\":429,\"message\":\"quota\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{"
                    "\"status\":\"x\"}]}}]";
    EXPECT(text, {SPAN_error_type, "RESOURCE_EXHAUSTED"}, {SPAN_status, "429"});
    text.response_headers = SSE_HEAD;
    text.response = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\ndata: "
                    "{\"error\":{\"code\":503}}\r\n\r\n";
    EXPECT(text, {SPAN_error_type, "503"}, {SPAN_status, "200"}, {SPAN_content_chunks, "1"});
}

static void test_interactions(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = GEMINI "interactions",
        .request =
            "{\"model\":\"gemini-3-flash-preview\",\"input\":\"hi\",\"generation_config\":{\"max_output_tokens\":9}}",
        .response = "{\"id\":\"v1_x\",\"status\":\"completed\",\"model\":\"gemini-3-flash-preview\",\"service_tier\":"
                    "\"standard\",\"usage\":{"
                    "\"total_input_tokens\":9,\"total_output_tokens\":7,\"total_thought_tokens\":12,\"total_cached_"
                    "tokens\":2,\"total_tokens\":28,"
                    "\"input_tokens_by_modality\":[{\"modality\":\"image\",\"tokens\":4}]},\"steps\":[{\"type\":"
                    "\"thought\",\"signature\":\"s\"},"
                    "{\"type\":\"google_search_call\",\"id\":\"g\",\"arguments\":{}},{\"type\":\"google_search_"
                    "result\",\"call_id\":\"g\"},"
                    "{\"type\":\"function_call\",\"id\":\"c\",\"name\":\"f\",\"arguments\":{\"a\":1}},"
                    "{\"content\":[{\"text\":\"hello\",\"type\":\"text\"}],\"type\":\"model_output\"}]}"};
    EXPECT(text, {SPAN_api, "interactions"}, {SPAN_request_model, "gemini-3-flash-preview"}, {SPAN_response_id, "v1_x"},
           {SPAN_finish_reasons, "completed"}, {SPAN_input_tokens, "9"}, {SPAN_output_tokens, "19"},
           {SPAN_reasoning_tokens, "12"}, {SPAN_cache_read_tokens, "2"}, {SPAN_input_image_tokens, "4"},
           {SPAN_tool_calls, "1"}, {SPAN_server_tool_calls, "1"}, {SPAN_max_tokens, "9"}, {SPAN_empty_answer, "-"},
           {SPAN_service_tier, "standard"});
    text.response = "{\"id\":\"o\",\"outputs\":[{\"text\":\"hello\",\"type\":\"text\"},{\"type\":\"function_call\","
                    "\"name\":\"f\"}],\"status\":\"requires_action\"}";
    EXPECT(text, {SPAN_tool_calls, "1"}, {SPAN_finish_reasons, "requires_action"}, {SPAN_empty_answer, "-"},
           {SPAN_input_tokens, "-"});
    text.response = "{\"id\":\"b\",\"object\":\"interaction\",\"status\":\"in_progress\"}";
    EXPECT(text, {SPAN_finish_reasons, "in_progress"}, {SPAN_empty_answer, "-"});
    text.response = "{\"id\":\"b\",\"status\":\"budget_exceeded\",\"outputs\":[{\"text\":\"he\",\"type\":\"text\"}]}";
    EXPECT(text, {SPAN_finish_reasons, "budget_exceeded"}, {SPAN_truncated, "1"});
    text.response = "{\"id\":\"o\",\"outputs\":[{\"text\":\"hello\",\"type\":\"text\"}],\"status\":\"completed\"}";
    text.request = "{\"model\":\"m\",\"input\":\"hi\",\"response_format\":{\"type\":\"text\",\"mime_type\":"
                   "\"application\\/json\",\"schema\":{}}}";
    EXPECT(text, {SPAN_json_invalid, "1"});
    text.response_headers = "HTTP/1.1 400 Bad Request\n";
    text.response = "{\"error\":{\"message\":\"m\",\"code\":\"invalid_request\"}}";
    EXPECT(text, {SPAN_error_type, "invalid_request"}, {SPAN_tool_calls, "-"});
}

static void test_interactions_stream(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = GEMINI "interactions",
        .request =
            "{\"model\":\"gemini-3-flash-preview\",\"stream\":true,\"input\":[{\"type\":\"text\",\"text\":\"hi\"}]}",
        .response_headers = SSE_HEAD,
        .response =
            "event: interaction.created\ndata: "
            "{\"interaction\":{\"id\":\"v1_x\",\"status\":\"in_progress\",\"model\":\"gemini-3-flash-preview\"},"
            "\"event_type\":\"interaction.created\"}\n\n"
            "event: interaction.status_update\ndata: {\"interaction_id\":\"v1_x\",\"status\":\"in_progress\"}\n\n"
            "event: step.start\ndata: "
            "{\"index\":0,\"step\":{\"summary\":[{\"text\":\"Hm\",\"type\":\"text\"}],\"type\":\"thought\"}}\n\n"
            "event: step.delta\ndata: "
            "{\"index\":0,\"delta\":{\"content\":{\"text\":\"so\",\"type\":\"text\"},\"type\":\"thought_summary\"}}\n\n"
            "event: step.delta\ndata: {\"index\":0,\"delta\":{\"signature\":\"s\",\"type\":\"thought_signature\"}}\n\n"
            "event: step.stop\ndata: {\"index\":0,\"event_type\":\"step.stop\"}\n\n"
            "event: step.start\ndata: {\"index\":1,\"step\":{\"id\":\"q\",\"type\":\"google_search_call\"}}\n\n"
            "event: step.delta\ndata: "
            "{\"index\":1,\"delta\":{\"type\":\"google_search_call\",\"arguments\":{\"queries\":[\"x\"]}}}\n\n"
            "event: step.start\ndata: "
            "{\"step\":{\"id\":\"c1\",\"type\":\"function_call\",\"name\":\"f\",\"arguments\":{}},\"index\":2}\n\n"
            "event: step.delta\ndata: "
            "{\"delta\":{\"arguments\":\"{\\\"a\\\":\",\"type\":\"arguments_delta\"},\"index\":2}\n\n"
            "event: step.delta\ndata: {\"delta\":{\"arguments\":\"1\",\"type\":\"arguments_delta\"},\"index\":2}\n\n"
            "event: step.start\ndata: {\"index\":3,\"step\":{\"type\":\"model_output\"}}\n\n"
            "event: step.delta\ndata: {\"index\":3,\"delta\":{\"text\":\"hello\",\"type\":\"text\"}}\n\n"
            "event: interaction.completed\ndata: "
            "{\"interaction\":{\"id\":\"v1_x\",\"status\":\"requires_action\",\"usage\":{\"total_tokens\":299,"
            "\"total_input_tokens\":138,\"total_cached_tokens\":0,\"total_output_tokens\":20,\"total_thought_tokens\":"
            "141}},"
            "\"event_type\":\"interaction.completed\"}\n\n"
            "event: done\ndata: [DONE]\n\n"};
    EXPECT(text, {SPAN_request_stream, "1"}, {SPAN_stream_events, "14"}, {SPAN_content_chunks, "7"},
           {SPAN_tool_calls, "1"}, {SPAN_server_tool_calls, "1"}, {SPAN_tool_args_invalid, "1"},
           {SPAN_finish_reasons, "requires_action"}, {SPAN_input_tokens, "138"}, {SPAN_output_tokens, "161"},
           {SPAN_cache_read_tokens, "0"}, {SPAN_completeness, "whole"});
    text.response =
        "event: interaction.created\ndata: "
        "{\"interaction\":{\"id\":\"v1_x\",\"status\":\"in_progress\"},\"event_type\":\"interaction.created\"}\n\n"
        "event: error\ndata: "
        "{\"event_type\":\"error\",\"error\":{\"code\":\"service_unavailable\",\"message\":\"busy\"}}\n\n";
    EXPECT(text, {SPAN_error_type, "service_unavailable"}, {SPAN_finish_reasons, "-"}, {SPAN_response_id, "v1_x"});
}

static void test_predict(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = VERTEX "google/models/imagen-3.0-generate-002:predict",
        .request = "{\"instances\":[{\"prompt\":\"a cat\"}],\"parameters\":{\"sampleCount\":4}}",
        .response = "{\"predictions\":[{\"mimeType\":\"image/"
                    "png\",\"bytesBase64Encoded\":\"iVBO\"},{\"raiFilteredReason\":\"because\"}]}"};
    EXPECT(text, {SPAN_api, "predict"}, {SPAN_request_model, "imagen-3.0-generate-002"}, {SPAN_choices_asked, "4"},
           {SPAN_filtered, "1"}, {SPAN_empty_answer, "-"}, {SPAN_input_tokens, "-"}, {SPAN_provider, "gcp.vertex_ai"});
    text.url = VERTEX "google/models/text-bison:predict";
    text.request = "{\"instances\":[{\"prompt\":\"hi\"}],\"parameters\":{\"maxOutputTokens\":7}}";
    text.response =
        "{\"metadata\":{\"tokenMetadata\":{\"outputTokenCount\":{\"totalTokens\":5,\"totalBillableCharacters\":20},"
        "\"inputTokenCount\":"
        "{\"totalTokens\":3}}},\"predictions\":[{\"content\":\"hello\",\"safetyAttributes\":{\"blocked\":false}}]}";
    EXPECT(text, {SPAN_input_tokens, "3"}, {SPAN_output_tokens, "5"}, {SPAN_max_tokens, "7"}, {SPAN_filtered, "-"});
}

static void test_anthropic_on_vertex(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = VERTEX "anthropic/models/claude-sonnet-4@20250514:streamRawPredict",
        .request = "{\"anthropic_version\":\"vertex-2023-10-16\",\"stream\":true,\"max_tokens\":8,\"messages\":[]}",
        .response_headers = SSE_HEAD,
        .response =
            "event: message_start\ndata: "
            "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_vrtx_1\",\"model\":\"claude-sonnet-4-20250514\","
            "\"usage\":{\"input_tokens\":4,\"cache_read_input_tokens\":6,\"output_tokens\":1}}}\n\n"
            "event: content_block_delta\ndata: "
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n"
            "event: message_delta\ndata: "
            "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"},\"usage\":{\"output_tokens\":8}}"
            "\n\n"
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"};
    EXPECT(text, {SPAN_api, "messages"}, {SPAN_provider, "gcp.vertex_ai"},
           {SPAN_request_model, "claude-sonnet-4@20250514"}, {SPAN_response_model, "claude-sonnet-4-20250514"},
           {SPAN_input_tokens, "10"}, {SPAN_output_tokens, "8"}, {SPAN_request_stream, "1"},
           {SPAN_finish_reasons, "max_tokens"}, {SPAN_stream_events, "4"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_generate_json_asked),
        cmocka_unit_test(test_generate_malformed),
        cmocka_unit_test(test_generate_server_tools),
        cmocka_unit_test(test_generate_stream),
        cmocka_unit_test(test_generate_array),
        cmocka_unit_test(test_generate_blocked_and_errors),
        cmocka_unit_test(test_interactions),
        cmocka_unit_test(test_interactions_stream),
        cmocka_unit_test(test_predict),
        cmocka_unit_test(test_anthropic_on_vertex),
        cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
