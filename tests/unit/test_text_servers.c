/*
 * Dialects of text generation servers on exchanges written from their documentation: TGI,
 * SageMaker, SGLang, Triton, watsonx, llama.cpp, Aleph Alpha, AI21.
 */
#include "dialect_expect.h"

#include <zlib.h>

#define TGI "http://localhost:3000/generate"

static void test_tgi(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = TGI,
        .request = "{\"inputs\":\"hi\",\"parameters\":{\"max_new_tokens\":20,\"details\":true}}",
        .response_headers =
            "HTTP/1.1 200 OK\nx-prompt-tokens: 16\nx-generated-tokens: 75\nx-compute-time: 2.5\nx-queue-time: 3\n",
        .response = "{\"generated_text\":\"hello\",\"details\":{\"finish_reason\":\"length\",\"generated_tokens\":20,"
                    "\"prefill\":[{\"id\":1},"
                    "{\"id\":2}],\"tokens\":[{\"text\":\"hello\"}]}}"};
    EXPECT(text, {SPAN_api, "tgi-generate"}, {SPAN_input_tokens, "16"}, {SPAN_output_tokens, "20"},
           {SPAN_finish_reasons, "length"}, {SPAN_truncated, "1"}, {SPAN_max_tokens, "20"},
           {SPAN_server_processing_ns, "2500000000"}, {SPAN_server_queue_ns, "3000000"},
           {SPAN_usage_source, "provider"}, {SPAN_request_stream, "0"});
    text.response_headers = "HTTP/1.1 200 OK\n";
    EXPECT(text, {SPAN_input_tokens, "2"}, {SPAN_output_tokens, "20"});
    text.response = "[{\"generated_text\":\"hello\",\"details\":null}]";
    EXPECT(text, {SPAN_input_tokens, "-"}, {SPAN_output_tokens, "-"}, {SPAN_usage_source, "-"},
           {SPAN_empty_answer, "-"});
    text.response_headers = "HTTP/1.1 422 Unprocessable Entity\n";
    text.url = "https://x.endpoints.huggingface.cloud/";
    text.response = "{\"error\":\"Input validation error\",\"error_type\":\"validation\"}";
    EXPECT(text, {SPAN_error_type, "validation"}, {SPAN_status, "422"});
}

static void test_tgi_stream(void **state)
{
    (void)state;
    struct exchange_text text = {.url = "http://localhost:3000/generate_stream",
                                 .request = "{\"inputs\":\"hi\"}",
                                 .response_headers = SSE_HEAD,
                                 .response =
                                     "data:{\"index\":1,\"token\":{\"id\":5,\"text\":\"a\",\"logprob\":-0.1,"
                                     "\"special\":false},\"generated_text\":null,\"details\":null}\n\n"
                                     "data:{\"index\":2,\"token\":{\"id\":2,\"text\":\"</"
                                     "s>\",\"logprob\":0.0,\"special\":true},\"generated_text\":\"a\",\"details\":{"
                                     "\"finish_reason\":\"eos_token\",\"generated_tokens\":2,\"input_length\":9}}\n\n"};
    EXPECT(text, {SPAN_request_stream, "1"}, {SPAN_stream_events, "2"}, {SPAN_content_chunks, "1"},
           {SPAN_input_tokens, "9"}, {SPAN_output_tokens, "2"}, {SPAN_finish_reasons, "eos_token"},
           {SPAN_completeness, "whole"});
    text.response =
        "data:{\"token\":{\"text\":\"a\"}}\n\ndata:{\"error\":\"Request failed\",\"error_type\":\"generation\"}\n\n";
    EXPECT(text, {SPAN_error_type, "generation"}, {SPAN_content_chunks, "1"}, {SPAN_finish_reasons, "-"});
}

static void test_alike(void **state)
{
    (void)state;
    static struct span span;
    struct exchange_text text = {.url = TGI,
                                 .request = "{\"text\":\"hi\",\"sampling_params\":{\"max_new_tokens\":16}}",
                                 .response = "{\"text\":\"hello\",\"meta_info\":{\"id\":\"s-1\",\"finish_reason\":{"
                                             "\"type\":\"stop\",\"matched\":2},\"prompt_tokens\":5,"
                                             "\"completion_tokens\":16,\"cached_tokens\":1}}"};
    EXPECT(text, {SPAN_response_id, "s-1"}, {SPAN_input_tokens, "5"}, {SPAN_output_tokens, "16"},
           {SPAN_cache_read_tokens, "1"}, {SPAN_finish_reasons, "stop"}, {SPAN_max_tokens, "16"});
    text.url = "http://localhost:8000/v2/models/ensemble/generate";
    text.response = "{\"model_name\":\"ensemble\",\"model_version\":\"1\",\"text_output\":\"hello\"}";
    EXPECT(text, {SPAN_response_model, "ensemble"}, {SPAN_empty_answer, "-"});
    text.url = TGI; /* somebody else's: no call of a model */
    text.response = "{\"text\":\"hello\",\"id\":7}";
    assert_false(exchange_run(&config, &text, &span));
}

/* One message of an AWS event stream with an event type and a payload. */
static size_t put_part(uint8_t *to, const char *payload)
{
    static const char headers[] = "\x0b:event-type\x07\0\x0bPayloadPart\x0d:message-type\x07\0\x05"
                                  "event";
    const size_t headers_bytes = sizeof(headers) - 1, payload_bytes = strlen(payload),
                 total = 12 + headers_bytes + payload_bytes + 4;
    const uint32_t prelude[] = {(uint32_t)total, (uint32_t)headers_bytes};
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(prelude[i / 4] >> (24 - 8 * (i % 4)));
    const uint32_t check = (uint32_t)crc32(0, to, 8);
    for (unsigned i = 0; i < 4; i++)
        to[8 + i] = (uint8_t)(check >> (24 - 8 * i));
    memcpy(to + 12, headers, headers_bytes);
    memcpy(to + 12 + headers_bytes, payload, payload_bytes);
    const uint32_t last = (uint32_t)crc32(0, to, (uInt)(total - 4));
    for (unsigned i = 0; i < 4; i++)
        to[total - 4 + i] = (uint8_t)(last >> (24 - 8 * i));
    return total;
}

static void test_sagemaker(void **state)
{
    (void)state;
    static uint8_t stream[4096];
    struct exchange_text text = {
        .url = "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/my-endpoint/invocations",
        .request = "{\"inputs\":\"hi\",\"parameters\":{\"max_new_tokens\":20}}",
        .response = "[{\"generated_text\":\"hello\"}]"};
    EXPECT(text, {SPAN_api, "sagemaker-invoke"}, {SPAN_request_model, "my-endpoint"}, {SPAN_provider, "aws.sagemaker"},
           {SPAN_max_tokens, "20"}, {SPAN_input_tokens, "-"}, {SPAN_empty_answer, "-"});
    text.response = "{\"id\":\"c\",\"model\":\"lmi\",\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":"
                    "\"stop\",\"index\":0}],\"usage\":{"
                    "\"prompt_tokens\":3,\"completion_tokens\":1}}";
    EXPECT(text, {SPAN_response_id, "c"}, {SPAN_response_model, "lmi"}, {SPAN_finish_reasons, "stop"},
           {SPAN_input_tokens, "3"}, {SPAN_output_tokens, "1"});
    size_t at = put_part(stream, "data:{\"token\":{\"text\":\"a\",\"special\":false}}\n\n");
    at +=
        put_part(stream + at,
                 "data:{\"token\":{\"text\":\"b\"},\"generated_text\":\"ab\",\"details\":{\"finish_reason\":\"length\","
                 "\"generated_tokens\":2}}\n\n");
    text.url = "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/my-endpoint/invocations-response-stream";
    text.response_headers = "HTTP/1.1 200 OK\nContent-Type: application/vnd.amazon.eventstream\n";
    text.response = (const char *)stream;
    text.response_bytes = at;
    EXPECT(text, {SPAN_request_stream, "1"}, {SPAN_stream_events, "2"}, {SPAN_content_chunks, "2"},
           {SPAN_finish_reasons, "length"}, {SPAN_output_tokens, "2"}, {SPAN_completeness, "whole"});
    /* Slices know nothing of lines. */
    at = put_part(stream, "data:{\"token\":{\"te");
    at += put_part(stream + at, "xt\":\"a\",\"special\":false}}\n\ndata:{\"token\":{\"text\":\"b\"},\"generated_text\":"
                                "\"ab\",\"details\":{\"finish_");
    at += put_part(stream + at, "reason\":\"length\",\"generated_tokens\":2}}\n\n");
    text.response_bytes = at;
    EXPECT(text, {SPAN_stream_events, "3"}, {SPAN_content_chunks, "1"}, {SPAN_finish_reasons, "length"},
           {SPAN_output_tokens, "2"}, {SPAN_completeness, "whole"});
    /* Parts are cut anywhere, and one may hold several events. */
    at = put_part(stream, "data:{\"token\":{\"text\":\"a\",\"special\":false}}\n\ndata:{\"token\":{\"te");
    at += put_part(stream + at, "xt\":\"b\"},\"details\":{\"finish_reason\":\"length\",\"generated_tokens\":2}}\n");
    text.response_bytes = at;
    EXPECT(text, {SPAN_stream_events, "2"}, {SPAN_content_chunks, "2"}, {SPAN_finish_reasons, "length"},
           {SPAN_output_tokens, "2"}, {SPAN_completeness, "whole"});
    at = put_part(stream, "\n{\"token\":{\"text\":\"a\"}}\n{\"token\":");
    at += put_part(stream + at, "{\"text\":\"b\"},\"details\":{\"finish_reason\":\"eos_token\"}}");
    text.response_bytes = at;
    EXPECT(text, {SPAN_stream_events, "2"}, {SPAN_content_chunks, "2"}, {SPAN_finish_reasons, "eos_token"},
           {SPAN_completeness, "whole"});
    at = put_part(stream, "data:{\"token\":{\"text\":\"a\"}}\n\ndata:{\"token\":{\"te");
    text.response_bytes = at;
    EXPECT(text, {SPAN_stream_events, "1"}, {SPAN_content_chunks, "1"}, {SPAN_finish_reasons, "-"},
           {SPAN_completeness, "cut"});
}

#define HUGGINGFACE "https://router.huggingface.co/hf-inference/models/"

/* What kind of model it is the answer tells; errors are as good as any. */
static void test_huggingface(void **state)
{
    (void)state;
    static struct span span;
    struct exchange_text text = {.url = HUGGINGFACE "openai-community/gpt2",
                                 .request = "{\"inputs\":\"hi\"}",
                                 .response = "[{\"generated_text\":\"hello\"}]"};
    EXPECT(text, {SPAN_api, "tgi-generate"}, {SPAN_request_model, "openai-community/gpt2"},
           {SPAN_provider, "huggingface"});
    text.response_headers = "HTTP/1.1 503 X\nContent-Type: application/json\n";
    text.response = "{\"error\":\"Model openai-community/gpt2 is currently loading\",\"estimated_time\":20.0}";
    EXPECT(text, {SPAN_error_type, "503"});
    text.response = "Not Found";
    EXPECT(text, {SPAN_error_type, "503"});
    text.response_headers = NULL;
    text.response = "[[{\"label\":\"POSITIVE\",\"score\":0.99}]]";
    assert_false(exchange_run(&config, &text, &span));
    text.response = "\xff\xd8\xff\xe0";
    assert_false(exchange_run(&config, &text, &span));
    text.response = "[[0.1,-0.2],[0.3,4]]";
    EXPECT(text, {SPAN_api, "embeddings"}, {SPAN_operation, "embeddings"},
           {SPAN_request_model, "openai-community/gpt2"}, {SPAN_empty_answer, "-"});
    text.response = "[0.1,-0.2]";
    EXPECT(text, {SPAN_api, "embeddings"});
    text.request = "{\"inputs\":{\"source_sentence\":\"a\",\"sentences\":[\"b\",\"c\"]}}"; /* those are scores */
    assert_false(exchange_run(&config, &text, &span));
}

#define WATSONX "https://us-south.ml.cloud.ibm.com/ml/v1/text/"
#define RESULT(text, generated, input, stop)                                                                           \
    "{\"model_id\":\"ibm/granite\",\"results\":[{\"generated_text\":\"" text "\",\"generated_token_count\":" generated \
    ",\"input_token_count\":" input ",\"stop_reason\":\"" stop "\"}]}"

static void test_watsonx(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = WATSONX "generation?version=2024-05-01",
        .request = "{\"model_id\":\"ibm/"
                   "granite\",\"input\":\"hi\",\"parameters\":{\"max_new_tokens\":5},\"project_id\":\"p\"}",
        .response = RESULT("hello", "5", "7", "max_tokens")};
    EXPECT(text, {SPAN_api, "watsonx-generation"}, {SPAN_provider, "ibm.watsonx.ai"},
           {SPAN_request_model, "ibm/granite"}, {SPAN_response_model, "ibm/granite"}, {SPAN_input_tokens, "7"},
           {SPAN_output_tokens, "5"}, {SPAN_finish_reasons, "max_tokens"}, {SPAN_truncated, "1"},
           {SPAN_max_tokens, "5"}, {SPAN_request_stream, "0"});
    text.url = WATSONX "generation_stream?version=2024-05-01";
    text.response_headers = SSE_HEAD;
    text.response = "id: 1\nevent: message\ndata: " RESULT(
        "", "0", "8", "not_finished") "\n\n"
                                      "id: 2\nevent: message\ndata: " RESULT(
                                          "the", "1", "0", "not_finished") "\n\n"
                                                                           "id: 3\nevent: message\ndata: " RESULT(
                                                                               "", "2", "0", "eos_token") "\n\n";
    EXPECT(text, {SPAN_request_stream, "1"}, {SPAN_stream_events, "3"}, {SPAN_content_chunks, "1"},
           {SPAN_input_tokens, "8"}, {SPAN_output_tokens, "2"}, {SPAN_finish_reasons, "eos_token"},
           {SPAN_completeness, "whole"});
    text.response = "id: 1\nevent: message\ndata: " RESULT("the", "1", "8", "NOT_FINISHED") "\n\n";
    text.error = "CURLE_RECV_ERROR";
    EXPECT(text, {SPAN_completeness, "cut"}, {SPAN_finish_reasons, "-"}, {SPAN_input_tokens, "8"},
           {SPAN_output_tokens, "1"});
    text.error = NULL;
    text.response_headers = "HTTP/1.1 404 Not Found\n";
    text.response =
        "{\"errors\":[{\"code\":\"model_not_supported\",\"message\":\"m\"}],\"trace\":\"t\",\"status_code\":404}";
    EXPECT(text, {SPAN_error_type, "model_not_supported"});
    /* chat is OpenAI's shape, with its own name of the model */
    text.url = WATSONX "chat?version=2024-05-01";
    text.request = "{\"model_id\":\"ibm/granite\",\"messages\":[]}";
    text.response_headers = NULL;
    text.response = "{\"id\":\"chat-1\",\"model_id\":\"ibm/"
                    "granite\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],"
                    "\"usage\":{\"completion_tokens\":1,\"prompt_tokens\":2,\"total_tokens\":3}}";
    EXPECT(text, {SPAN_api, "chat-completions"}, {SPAN_request_model, "ibm/granite"},
           {SPAN_response_model, "ibm/granite"}, {SPAN_input_tokens, "2"});
}

static void test_llamacpp(void **state)
{
    (void)state;
    struct exchange_text text = {.url = "http://127.0.0.1:8080/completion",
                                 .request = "{\"prompt\":\"hi\",\"n_predict\":4,\"json_schema\":{}}",
                                 .response = "{\"index\":0,\"content\":\"hello\",\"stop\":true,\"model\":\"m.gguf\","
                                             "\"tokens_predicted\":4,\"tokens_evaluated\":6,"
                                             "\"stop_type\":\"limit\",\"stopping_word\":\"\",\"tokens_cached\":9,"
                                             "\"timings\":{\"cache_n\":2,\"prompt_n\":4,"
                                             "\"prompt_ms\":1.5,\"predicted_n\":4,\"predicted_ms\":20}}"};
    EXPECT(text, {SPAN_api, "llamacpp-completion"}, {SPAN_response_model, "m.gguf"}, {SPAN_input_tokens, "6"},
           {SPAN_output_tokens, "4"}, {SPAN_cache_read_tokens, "2"}, {SPAN_server_prefill_ns, "1500000"},
           {SPAN_server_decode_ns, "20000000"}, {SPAN_finish_reasons, "limit"}, {SPAN_truncated, "1"},
           {SPAN_max_tokens, "4"}, {SPAN_json_invalid, "1"});
    text.response = "[{\"index\":0,\"content\":\"1\",\"stop\":true,\"tokens_predicted\":4,\"tokens_evaluated\":6,"
                    "\"stopped_eos\":true},"
                    "{\"index\":1,\"content\":\"2\",\"stop\":true,\"tokens_predicted\":1,\"tokens_evaluated\":3,"
                    "\"stopped_eos\":false,"
                    "\"stopped_word\":true,\"stopped_limit\":false}]";
    EXPECT(text, {SPAN_input_tokens, "9"}, {SPAN_output_tokens, "5"}, {SPAN_finish_reasons, "eos,word"},
           {SPAN_json_invalid, "-"});
    text.url = "http://127.0.0.1:8080/infill";
    text.request = "{\"input_prefix\":\"int main\",\"input_suffix\":\"}\",\"stream\":true}";
    text.response_headers = SSE_HEAD;
    text.response = "data: "
                    "{\"index\":0,\"content\":\"a\",\"tokens\":[1],\"stop\":false,\"tokens_predicted\":1,\"tokens_"
                    "evaluated\":6}\n\n"
                    "data: "
                    "{\"index\":0,\"content\":\"\",\"stop\":true,\"tokens_predicted\":2,\"tokens_evaluated\":6,\"stop_"
                    "type\":\"eos\"}\n\n";
    EXPECT(text, {SPAN_stream_events, "2"}, {SPAN_content_chunks, "1"}, {SPAN_output_tokens, "2"},
           {SPAN_input_tokens, "6"}, {SPAN_finish_reasons, "eos"}, {SPAN_completeness, "whole"});
    text.response_headers = "HTTP/1.1 200 OK\n";
    text.response = "data: {\"content\":\"a\",\"stop\":false}\n\ndata: "
                    "{\"error\":{\"code\":500,\"message\":\"m\",\"type\":\"server_error\"}}\n\n";
    EXPECT(text, {SPAN_error_type, "server_error"}, {SPAN_content_chunks, "1"});
}

static void test_aleph_alpha(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://api.aleph-alpha.com/complete",
        .request = "{\"model\":\"luminous-base\",\"prompt\":[{\"type\":\"text\",\"data\":\"hi\"}],\"maximum_tokens\":3,"
                   "\"n\":2}",
        .response = "{\"completions\":[{\"completion\":\"a\",\"finish_reason\":\"maximum_tokens\"},{\"completion\":"
                    "\"b\",\"finish_reason\":null}],"
                    "\"model_version\":\"2022-04\",\"num_tokens_prompt_total\":9,\"num_tokens_generated\":6}"};
    EXPECT(text, {SPAN_api, "aleph-complete"}, {SPAN_request_model, "luminous-base"}, {SPAN_response_model, "2022-04"},
           {SPAN_input_tokens, "9"}, {SPAN_output_tokens, "6"}, {SPAN_finish_reasons, "maximum_tokens,"},
           {SPAN_truncated, "1"}, {SPAN_max_tokens, "3"}, {SPAN_choices_asked, "2"});
    text.request = "{\"model\":\"luminous-base\",\"prompt\":\"hi\",\"stream\":true}";
    text.response_headers = SSE_HEAD;
    text.response =
        "data: {\"type\":\"stream_chunk\",\"index\":0,\"completion\":\"a\"}\n\n"
        "data: "
        "{\"type\":\"stream_summary\",\"index\":0,\"model_version\":\"2022-04\",\"finish_reason\":\"end_of_text\"}\n\n"
        "data: {\"type\":\"completion_summary\",\"num_tokens_prompt_total\":1,\"num_tokens_generated\":1}\n\ndata: "
        "[DONE]\n\n";
    EXPECT(text, {SPAN_stream_events, "3"}, {SPAN_content_chunks, "1"}, {SPAN_finish_reasons, "end_of_text"},
           {SPAN_input_tokens, "1"}, {SPAN_output_tokens, "1"}, {SPAN_completeness, "whole"});
    const struct exchange_text embed = {
        .url = "https://x.inference.pharia.ai/v1/semantic_embed",
        .request = "{\"model\":\"luminous-base\"}",
        .response = "{\"model_version\":\"2022-04\",\"embedding\":[0.1,0.2],\"num_tokens_prompt_total\":2}"};
    EXPECT(embed, {SPAN_api, "embeddings"}, {SPAN_response_model, "2022-04"}, {SPAN_input_tokens, "2"},
           {SPAN_empty_answer, "-"});
    text.response_headers = "HTTP/1.1 401 Unauthorized\n";
    text.response = "{\"error\":\"bad token\",\"code\":\"UNAUTHENTICATED\"}";
    EXPECT(text, {SPAN_error_type, "UNAUTHENTICATED"});
    text = (struct exchange_text){.url = "https://api.ai21.com/studio/v1/j2-ultra/complete",
                                  .request = "{\"prompt\":\"hi\",\"numResults\":1,\"maxTokens\":8}",
                                  .response = "{\"id\":\"u\",\"prompt\":{\"text\":\"hi\"},\"completions\":[{\"data\":{"
                                              "\"text\":\"a\"},\"finishReason\":{\"reason\":\"length\"}}]}"};
    EXPECT(text, {SPAN_provider, "ai21"}, {SPAN_request_model, "j2-ultra"}, {SPAN_response_id, "u"},
           {SPAN_finish_reasons, "length"}, {SPAN_max_tokens, "8"}, {SPAN_input_tokens, "-"}, {SPAN_empty_answer, "-"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tgi),       cmocka_unit_test(test_tgi_stream),  cmocka_unit_test(test_alike),
        cmocka_unit_test(test_sagemaker), cmocka_unit_test(test_huggingface), cmocka_unit_test(test_watsonx),
        cmocka_unit_test(test_llamacpp),  cmocka_unit_test(test_aleph_alpha),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
