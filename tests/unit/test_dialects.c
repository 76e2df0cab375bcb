/* Dialects on exchanges written from the services' documentation: each fact, in several
 * cuttings. */
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/facts/dialect_answer.h"
#include "dialect_expect.h"

#define CHUNK(rest)                                                                                                    \
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-4o-2024-08-06\"," rest "}\n\n"

static void test_openai_plain(void **state)
{
    (void)state;
    const struct exchange_text text = {
        .url = "https://api.openai.com/v1/chat/completions",
        .request = "{\"model\":\"gpt-4o\",\"max_completion_tokens\":99,\"n\":2,\"messages\":[{\"role\":\"user\","
                   "\"content\":\"hi\"}]}",
        .response =
            "{\"id\":\"chatcmpl-9\",\"model\":\"gpt-4o-2024-08-06\",\"service_tier\":\"default\",\"choices\":["
            "{\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"b\"},\"finish_reason\":\"length\"},"
            "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_reason\":\"stop\"}],"
            "\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29,\"prompt_tokens_details\":"
            "{\"cached_tokens\":16,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":4}}}"};
    EXPECT(text, {SPAN_request_model, "gpt-4o"}, {SPAN_response_model, "gpt-4o-2024-08-06"},
           {SPAN_response_id, "chatcmpl-9"}, {SPAN_finish_reasons, "stop,length"}, {SPAN_input_tokens, "19"},
           {SPAN_output_tokens, "10"}, {SPAN_cache_read_tokens, "16"}, {SPAN_reasoning_tokens, "4"},
           {SPAN_input_audio_tokens, "0"}, {SPAN_max_tokens, "99"}, {SPAN_choices_asked, "2"},
           {SPAN_request_stream, "0"}, {SPAN_response_stream, "0"}, {SPAN_tool_calls, "0"},
           {SPAN_usage_source, "provider"}, {SPAN_completeness, "whole"}, {SPAN_truncated, "1"}, {SPAN_error_type, "-"},
           {SPAN_stream_events, "-"}, {SPAN_provider, "openai"}, {SPAN_operation, "chat"},
           {SPAN_api, "chat-completions"}, {SPAN_host, "api.openai.com"}, {SPAN_port, "443"}, {SPAN_status, "200"},
           {SPAN_service_tier, "default"});
}

static void test_openai_stream(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://api.openai.com/v1/chat/completions",
        .request = "{\"messages\":[],\"stream\":true,\"model\":\"gpt-4o\"}",
        .response_headers = SSE_HEAD,
        .response = ": OPENROUTER PROCESSING\n\n" CHUNK(
            "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]")
            CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"content\":\"He\"}}],\"usage\":null")
                CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{"
                      "\"name\":\"f\",\"arguments\":\"\"}}]}}]")
                    CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
                          "\"arguments\":\"{\\\"a\\\":\"}}]}}]")
                        CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{"
                              "\"arguments\":\"1}\"}}]}}]")
                            CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]")
                                CHUNK("\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6,\"total_"
                                      "tokens\":11}") "data: [DONE]\n\n"};
    EXPECT(text, {SPAN_stream_events, "7"}, {SPAN_content_chunks, "4"}, {SPAN_tool_calls, "1"},
           {SPAN_finish_reasons, "tool_calls"}, {SPAN_input_tokens, "5"}, {SPAN_output_tokens, "6"},
           {SPAN_response_stream, "1"}, {SPAN_request_stream, "1"}, {SPAN_completeness, "whole"},
           {SPAN_tool_args_invalid, "-"}, {SPAN_empty_answer, "-"});
    /* The same calls without index: a new id begins a new call. */
    text.response = CHUNK("\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\","
                          "\"arguments\":\"{}\"}}]}}]")
        CHUNK("\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{"
              "\\\"x\"}}]}}]") CHUNK("\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"!\"}}]},"
                                     "\"finish_reason\":\"tool_calls\"}]");
    EXPECT(text, {SPAN_tool_calls, "2"}, {SPAN_tool_args_invalid, "1"}, {SPAN_completeness, "whole"},
           {SPAN_input_tokens, "-"}, {SPAN_usage_source, "-"});
    /* Index 0 for both calls. */
    text.response = CHUNK("\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":"
                          "\"f\",\"arguments\":\"{}\"}},"
                          "{\"function\":{\"arguments\":\"{}\",\"name\":\"g\"},\"id\":\"b\",\"index\":0}]},\"finish_"
                          "reason\":\"tool_calls\"}]");
    EXPECT(text, {SPAN_tool_calls, "2"}, {SPAN_tool_args_invalid, "-"});
}

static void test_openai_relatives(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://api.x.ai/v1/chat/completions",
        .request = "{\"model\":\"grok-4\"}",
        .response =
            "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":"
            "10,"
            "\"completion_tokens\":5,\"total_tokens\":115,\"completion_tokens_details\":{\"reasoning_tokens\":100},"
            "\"cost_in_usd_ticks\":1234500}}"};
    EXPECT(text, {SPAN_output_tokens, "105"}, {SPAN_reasoning_tokens, "100"}, {SPAN_cost_nanousd, "123450"},
           {SPAN_provider, "x_ai"});
    text = (struct exchange_text){
        .url = "https://api.groq.com/openai/v1/chat/completions",
        .response_headers = SSE_HEAD,
        .request = "{\"stream\":true}",
        .response = CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"hm\"},\"finish_reason\":\"stop\"}],\"x_"
                          "groq\":{\"usage\":{\"queue_time\":0.25,"
                          "\"prompt_tokens\":\"18\",\"completion_tokens\":3.0,\"prompt_time\":0.001,\"completion_"
                          "time\":0.5,\"total_time\":0.501}}") "event: error\ndata: "
                                                               "{\"error\":{\"message\":\"m\",\"type\":\"invalid_"
                                                               "request_error\",\"code\":\"tool_use_failed\"}}\n\n"};
    EXPECT(text, {SPAN_input_tokens, "18"}, {SPAN_output_tokens, "3"}, {SPAN_server_queue_ns, "250000000"},
           {SPAN_server_prefill_ns, "1000000"}, {SPAN_error_type, "invalid_request_error"}, {SPAN_content_chunks, "1"});
    text = (struct exchange_text){.url = "https://openrouter.ai/api/v1/chat/completions",
                                  .request = "{}",
                                  .response = "   \n\n  "
                                              "{\"choices\":[{\"error\":{\"code\":502,\"message\":\"x\"},\"message\":{"
                                              "\"content\":null}}],\"usage\":{\"cost\":5.952e-05}}"};
    EXPECT(text, {SPAN_error_type, "502"}, {SPAN_cost_nanousd, "59520"}, {SPAN_finish_reasons, "-"});
    text = (struct exchange_text){.url = "http://127.0.0.1:8080/v1/chat/completions",
                                  .request = "{}",
                                  .response = "{\"choices\":[{\"message\":{\"content\":\"x\"},\"finish_reason\":"
                                              "\"stop\"}],\"timings\":{\"cache_n\":4,\"prompt_n\":6,"
                                              "\"prompt_ms\":12.5,\"predicted_n\":7,\"predicted_ms\":70}}"};
    EXPECT(text, {SPAN_input_tokens, "10"}, {SPAN_output_tokens, "7"}, {SPAN_usage_source, "server_timings"},
           {SPAN_server_prefill_ns, "12500000"}, {SPAN_server_decode_ns, "70000000"}, {SPAN_port, "8080"});
    text = (struct exchange_text){
        /* vLLM with --enable-per-request-metrics: in the last chunk of a stream; null where it
         * cannot be told */
        .url = "http://127.0.0.1:8000/v1/chat/completions",
        .response_headers = SSE_HEAD,
        .request = "{\"stream\":true}",
        .response = CHUNK(
            "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"metrics\":null")
            CHUNK("\"choices\":[],\"usage\":{\"prompt_tokens\":42,\"completion_tokens\":128},\"metrics\":{\"time_to_"
                  "first_token_ms\":85.25,"
                  "\"generation_time_ms\":1240.5,\"queue_time_ms\":12.5,\"mean_itl_ms\":null,\"output_token_metrics\":{"
                  "\"reasoning\":"
                  "{\"time_to_first_token_ms\":1,\"generation_time_ms\":2}}}")};
    EXPECT(text, {SPAN_server_queue_ns, "12500000"}, {SPAN_server_prefill_ns, "85250000"},
           {SPAN_server_decode_ns, "1240500000"}, {SPAN_content_chunks, "1"}, {SPAN_input_tokens, "42"});
}

static void test_openai_odd_calls(void **state)
{
    (void)state;
    struct exchange_text text = {.url = "http://gw.corp:4000/v1/chat/completions",
                                 .request = "{\"model\":\"m\",\"stream\":false}"};
    /* Whole answers: an element is a call, whatever the ids and indexes. */
    text.response = "{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"\",\"index\":0,\"function\":{\"name\":\"f\","
                    "\"arguments\":\"{}\"}},"
                    "{\"id\":\"\",\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\"}},{\"function\":{"
                    "\"name\":\"g\",\"arguments\":\"{}\"}}]},"
                    "\"finish_reason\":\"tool_calls\"},{\"index\":1,\"message\":{\"function_call\":{\"name\":\"h\","
                    "\"arguments\":\"{}\"}}}]}";
    EXPECT(text, {SPAN_tool_calls, "4"}, {SPAN_tool_args_invalid, "1"}, {SPAN_finish_reasons, "tool_calls,"});
    /* Streams without ids and indexes: the name begins a call. */
    text.request = "{\"model\":\"m\",\"stream\":true}";
    text.response_headers = SSE_HEAD;
    text.response = CHUNK("\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}"
                          "},{\"function\":{\"name\":\"g\"}}]}}]")
        CHUNK("\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}]},\"finish_"
              "reason\":\"tool_calls\"}]");
    EXPECT(text, {SPAN_tool_calls, "2"}, {SPAN_tool_args_invalid, "-"}, {SPAN_content_chunks, "2"});
    /* The old function_call is one, even if its name is repeated. */
    text.response = CHUNK("\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"\"}}}]")
        CHUNK("\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},\"finish_reason\":"
              "\"function_call\"}]");
    EXPECT(text, {SPAN_tool_calls, "1"}, {SPAN_tool_args_invalid, "-"}, {SPAN_finish_reasons, "function_call"});
}

static void test_openai_odd_usage(void **state)
{
    (void)state;
    /* new-api states zeros under the names of another API. */
    struct exchange_text text = {.url = "http://gw.corp:3000/v1/chat/completions",
                                 .request = "{\"model\":\"m\"}",
                                 .response = "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_"
                                             "tokens\":9,\"completion_tokens\":4,\"total_tokens\":13,"
                                             "\"prompt_tokens_details\":{\"cached_tokens\":3},\"input_tokens\":0,"
                                             "\"output_tokens\":0,\"prompt_cache_hit_tokens\":0,"
                                             "\"input_tokens_details\":null}}"};
    EXPECT(text, {SPAN_input_tokens, "9"}, {SPAN_output_tokens, "4"}, {SPAN_cache_read_tokens, "3"});
    /* A later object is laid over an earlier one: its zeros and what it leaves out erase
     * nothing. */
    text.response_headers = SSE_HEAD;
    text.response =
        CHUNK("\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}")
            CHUNK("\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":0}")
                CHUNK("\"choices\":[],\"usage\":{}");
    EXPECT(text, {SPAN_input_tokens, "9"}, {SPAN_output_tokens, "4"});
    text.url = "https://api.moonshot.ai/v1/chat/completions";
    text.response = CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"usage\":null}]")
        CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":7,"
              "\"completion_tokens\":2,\"cached_tokens\":5}}]");
    EXPECT(text, {SPAN_input_tokens, "7"}, {SPAN_output_tokens, "2"}, {SPAN_cache_read_tokens, "5"},
           {SPAN_finish_reasons, "stop"});
    text = (struct exchange_text){.url = "https://api.inceptionlabs.ai/v1/chat/completions",
                                  .request = "{}",
                                  .response = "{\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_"
                                              "tokens\":8,\"reasoning_tokens\":30,\"completion_tokens\":10,"
                                              "\"total_tokens\":48,\"cached_input_tokens\":4}}"};
    EXPECT(text, {SPAN_output_tokens, "40"}, {SPAN_reasoning_tokens, "30"}, {SPAN_cache_read_tokens, "4"});
}

static void test_openai_errors(void **state)
{
    (void)state;
    static const struct {
        const char *response, *type;
    } errors[] = {
        {"{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"x\"},\"type\":\"error\",\"code\":7}",
         "invalid_request_error"},
        {"{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\"}}", "not_found_error"},
        {"[{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\"}}]", "INVALID_ARGUMENT"},
        {"{\"object\":\"error\",\"message\":\"m\",\"type\":\"\",\"param\":null,\"code\":40301}", "40301"},
        {"{\"error_code\":\"BAD_REQUEST\",\"message\":\"m\"}", "BAD_REQUEST"},
        {"{\"error\":\"template not found\",\"error_type\":\"template_error\"}", "template_error"},
        {"{\"code\":\"invalid-argument\",\"error\":\"m\"}", "invalid-argument"},
        {"{\"detail\":\"m\"}", "422"},
    };
    struct exchange_text text = {.url = "https://router.huggingface.co/v1/chat/completions",
                                 .request = "{\"model\":\"m\",\"stream\":true}",
                                 .response_headers = "HTTP/1.1 422 X\nContent-Type: application/json\n"};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        text.response = errors[i].response;
        EXPECT(text, {SPAN_error_type, errors[i].type}, {SPAN_response_stream, "0"}, {SPAN_request_model, "m"});
    }
    /* Within a stream that began well: vLLM's flat error, an event of that name. */
    text.response_headers = SSE_HEAD;
    text.response =
        CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]") "data: "
                                                                           "{\"object\":\"error\",\"message\":\"m\","
                                                                           "\"type\":\"BadRequestError\",\"param\":"
                                                                           "null,\"code\":400}\n\ndata: [DONE]\n\n";
    EXPECT(text, {SPAN_error_type, "BadRequestError"}, {SPAN_content_chunks, "1"}, {SPAN_status, "200"});
    text.response = "event: error\ndata: {\"message\":\"m\",\"code\":\"overloaded\"}\n\n";
    EXPECT(text, {SPAN_error_type, "overloaded"});
}

/* Servers that nobody knows: a failed call has no answer to be known by. */
static void test_unknown_servers(void **state)
{
    (void)state;
    static struct span span;
    static const char refused[] = "HTTP/1.1 500 X\nContent-Type: application/json\n";
    struct exchange_text text = {.url = "http://gpu7:8080/rerank",
                                 .request = "{\"model\":\"m\",\"query\":\"q\",\"documents\":[]}",
                                 .response_headers = refused,
                                 .response = "{\"error\":{\"code\":500,\"type\":\"server_error\"}}"};
    EXPECT(text, {SPAN_error_type, "server_error"}, {SPAN_request_model, "m"}, {SPAN_api, "rerank"});
    text.url = "http://gpu7:8080/reranking";
    text.response_headers = NULL;
    text.response = "{\"model\":\"m\",\"results\":[],\"usage\":{\"prompt_tokens\":55,\"total_tokens\":55}}";
    EXPECT(text, {SPAN_input_tokens, "55"}, {SPAN_response_model, "m"}, {SPAN_api, "rerank"});
    text.url = "http://gpu7:8080/v1/audio/transcriptions";
    text.request = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--b--\r\n";
    text.response_headers = refused;
    text.response = "{\"error\":{\"code\":501,\"type\":\"not_supported_error\"}}";
    EXPECT(text, {SPAN_error_type, "not_supported_error"}, {SPAN_api, "audio"});
    /* A questionnaire takes answers too, and names no model. */
    text.url = "https://forms.example.com/forms/7/responses";
    text.request = "{\"answers\":[1,2]}";
    assert_false(exchange_run(&config, &text, &span));
}

/* Hugging Face serves models of every task under one path. */
static void test_other_tasks(void **state)
{
    (void)state;
    static struct span span;
    struct exchange_text text = {.url = "https://router.huggingface.co/hf-inference/models/org/m",
                                 .request = "{\"inputs\":\"x\"}",
                                 .response = "[{\"score\":0.9,\"label\":\"cat\"}]"};
    assert_false(exchange_run(&config, &text, &span));
    text.response_headers = "HTTP/1.1 200 OK\nContent-Type: image/jpeg\n";
    text.response = "\xff\xd8\xff";
    assert_false(exchange_run(&config, &text, &span));
    text.response_headers = NULL;
    text.response = "[{\"generated_text\":\"x\"}]";
    EXPECT(text, {SPAN_api, "tgi-generate"}, {SPAN_request_model, "org/m"});
    text.response_headers = "HTTP/1.1 503 X\n";
    text.response = "{\"error\":\"Model org/m is currently loading\"}";
    EXPECT(text, {SPAN_status, "503"}, {SPAN_request_model, "org/m"});
}

static void test_smaller_apis(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://eu-de.ml.cloud.ibm.com/ml/v1/text/embeddings?version=2024-05-02",
        .request = "{\"model_id\":\"ibm/slate\",\"inputs\":[\"x\"]}",
        .response = "{\"model_id\":\"ibm/"
                    "slate-v2\",\"results\":[{\"embedding\":[0.1]}],\"created_at\":\"2024\",\"input_token_count\":10}"};
    EXPECT(text, {SPAN_request_model, "ibm/slate"}, {SPAN_response_model, "ibm/slate-v2"}, {SPAN_input_tokens, "10"},
           {SPAN_api, "embeddings"});
    text = (struct exchange_text){
        .url = "https://ai.api.nvidia.com/v1/retrieval/nvidia/rerank-qa/reranking",
        .request = "{\"model\":\"nv-rerank\"}",
        .response =
            "{\"rankings\":[{\"index\":0,\"logit\":1.5}],\"usage\":{\"prompt_tokens\":12,\"total_tokens\":12}}"};
    EXPECT(text, {SPAN_input_tokens, "12"}, {SPAN_provider, "nvidia"}, {SPAN_api, "rerank"},
           {SPAN_operation, "rerank"});
    /* A segment's id is not the answer's. */
    text = (struct exchange_text){
        .url = "https://api.openai.com/v1/audio/transcriptions",
        .request = "{\"model\":\"gpt-4o-transcribe-diarize\",\"stream\":true}",
        .response_headers = SSE_HEAD,
        .response =
            "data: {\"id\":\"seg_0\",\"type\":\"transcript.text.segment\",\"text\":\"hi\",\"speaker\":\"A\"}\n\n"
            "data: "
            "{\"type\":\"transcript.text.done\",\"text\":\"hi\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":3,"
            "\"output_tokens\":5}}\n\n"};
    EXPECT(text, {SPAN_response_id, "-"}, {SPAN_content_chunks, "1"}, {SPAN_input_tokens, "3"},
           {SPAN_output_tokens, "5"});
    text.response =
        "data: "
        "{\"id\":\"trsc-1\",\"object\":\"transcription.chunk\",\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n"
        "data: {\"id\":\"trsc-1\",\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}]}\n\ndata: "
        "[DONE]\n\n";
    EXPECT(text, {SPAN_response_id, "trsc-1"}, {SPAN_content_chunks, "1"}, {SPAN_finish_reasons, "stop"});
}

static void test_anthropic(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://api.anthropic.com/v1/messages",
        .request = "{\"model\":\"claude-x\",\"max_tokens\":5,\"stream\":true}",
        .response_headers = SSE_HEAD,
        .response =
            "event: message_start\ndata: "
            "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-x-1\",\"usage\":{\"input_"
            "tokens\":10,"
            "\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":1000,\"cache_creation\":{\"ephemeral_5m_"
            "input_tokens\":60,"
            "\"ephemeral_1h_input_tokens\":40},\"output_tokens\":1}}}\n\n"
            "event: content_block_start\ndata: "
            "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
            "event: ping\ndata: {\"type\":\"ping\"}\n\n"
            "event: content_block_delta\ndata: "
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n"
            "event: content_block_start\ndata: "
            "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\","
            "\"name\":\"f\",\"input\":{}}}\n\n"
            "event: content_block_delta\ndata: "
            "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":"
            "\"},\"index\":1}\n\n"
            "event: content_block_delta\ndata: "
            "{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":"
            "\"2}\"}}\n\n"
            "event: message_delta\ndata: "
            "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":42}}\n\n"
            "event: message_stop\ndata: {\"type\":\"message_stop\"      }\n\n"};
    EXPECT(text, {SPAN_input_tokens, "1110"}, {SPAN_output_tokens, "42"}, {SPAN_cache_read_tokens, "1000"},
           {SPAN_cache_creation_tokens, "100"}, {SPAN_cache_creation_5m_tokens, "60"},
           {SPAN_cache_creation_1h_tokens, "40"}, {SPAN_finish_reasons, "tool_use"}, {SPAN_tool_calls, "1"},
           {SPAN_tool_args_invalid, "-"}, {SPAN_stream_events, "9"}, {SPAN_content_chunks, "4"},
           {SPAN_response_id, "msg_1"}, {SPAN_provider, "anthropic"}, {SPAN_completeness, "whole"});
    text.response = "event: error\ndata: "
                    "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    EXPECT(text, {SPAN_error_type, "overloaded_error"}, {SPAN_input_tokens, "-"}, {SPAN_tool_calls, "-"});
    text.response_headers = "HTTP/1.1 529 X\nContent-Type: text/event-stream\n";
    text.response = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}";
    EXPECT(text, {SPAN_error_type, "overloaded_error"}, {SPAN_status, "529"}, {SPAN_response_stream, "0"});
    text.response = "<html>";
    EXPECT(text, {SPAN_error_type, "529"}, {SPAN_completeness, "whole"});
}

/* Who stands before Anthropic answers in words of his own. */
static void test_anthropic_relays(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/anthropic/"
               "models/claude-x@1:streamRawPredict",
        .request = "{\"anthropic_version\":\"vertex-2023-10-16\",\"stream\":true}",
        .response_headers = "HTTP/1.1 429 X\nContent-Type: application/json\n",
        .response = "[{\"error\":{\"code\":429,\"message\":\"Quota exceeded\",\"status\":\"RESOURCE_EXHAUSTED\"}}]"};
    EXPECT(text, {SPAN_error_type, "RESOURCE_EXHAUSTED"}, {SPAN_request_model, "claude-x@1"}, {SPAN_api, "messages"},
           {SPAN_provider, "gcp.vertex_ai"});
    text.url = "https://r.services.ai.azure.com/anthropic/v1/messages";
    text.response = "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"m\"}}";
    EXPECT(text, {SPAN_error_type, "DeploymentNotFound"});
    text.response = "{\"error\":{\"type\":\"rate_limit_error\",\"code\":\"429\",\"message\":\"m\"}}";
    EXPECT(text, {SPAN_error_type, "rate_limit_error"});
    /* Two answers in one stream, each numbered from 0. */
    text.response_headers = SSE_HEAD;
    text.response =
        "data: "
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}"
        "\n\n"
        "data: "
        "{\"content_block\":{\"id\":\"s\",\"input\":{},\"name\":\"web_search\",\"type\":\"server_tool_use\"},\"index\":"
        "0,\"type\":\"content_block_start\"}\n\n"
        "data: "
        "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"a\",\"name\":"
        "\"f\",\"input\":{}}}\n\n"
        "data: "
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_2\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}"
        "\n\n"
        "data: "
        "{\"content_block\":{\"id\":\"b\",\"input\":{},\"name\":\"f\",\"type\":\"tool_use\"},\"index\":0,\"type\":"
        "\"content_block_start\"}\n\n"
        "data: "
        "{\"content_block\":{\"id\":\"c\",\"input\":{},\"name\":\"f\",\"type\":\"tool_use\"},\"index\":1,\"type\":"
        "\"content_block_start\"}\n\n"
        "data: "
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":9}}\n\n"
        "data: {\"type\":\"message_stop\"}\n\n";
    EXPECT(text, {SPAN_tool_calls, "3"}, {SPAN_server_tool_calls, "1"}, {SPAN_content_chunks, "4"},
           {SPAN_output_tokens, "9"});
}

/* Results of a batch: a line each. */
static void test_anthropic_results(void **state)
{
    (void)state;
    const struct exchange_text text = {.method = "GET",
                                       .url = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
                                       .response_headers = "HTTP/1.1 200 OK\nContent-Type: application/x-jsonl\n",
                                       .response =
                                           "{\"custom_id\":\"a\",\"result\":{\"type\":\"succeeded\",\"message\":{"
                                           "\"model\":\"claude-x-1\",\"usage\":{\"input_tokens\":2,"
                                           "\"cache_read_input_tokens\":10,\"output_tokens\":3}}}}\n"
                                           "{\"custom_id\":\"b\",\"result\":{\"type\":\"errored\",\"error\":{\"type\":"
                                           "\"error\",\"error\":{\"type\":\"api_error\"}}}}\n"
                                           "{\"custom_id\":\"c\",\"result\":{\"type\":\"succeeded\",\"message\":{"
                                           "\"model\":\"claude-x-1\",\"usage\":{\"input_tokens\":5,"
                                           "\"cache_read_input_tokens\":0,\"output_tokens\":4}}}}\n"};
    EXPECT(text, {SPAN_api, "batch"}, {SPAN_response_stream, "1"}, {SPAN_stream_events, "3"},
           {SPAN_content_chunks, "2"}, {SPAN_input_tokens, "17"}, {SPAN_output_tokens, "7"},
           {SPAN_response_model, "claude-x-1"}, {SPAN_error_type, "-"});
}

static unsigned count_twice(const struct dialect *dialect, const char *what, const struct json_rules *rules)
{
    unsigned twice = 0;
    for (unsigned i = 0; i < rules->count; i++)
        for (unsigned j = 0; j < i; j++)
            if (strcmp(rules->rule[i].path, rules->rule[j].path) == 0) {
                print_error("%s: its rules of %s name %s twice\n", dialect->name, what, rules->rule[i].path);
                twice++;
            }
    return twice;
}

static bool has_rules_below(const struct json_rules *rules, const char *path)
{
    const size_t bytes = strlen(path);
    for (unsigned i = 0; i < rules->count; i++)
        if (strncmp(rules->rule[i].path, path, bytes) == 0 && rules->rule[i].path[bytes] == '.')
            return true;
    return false;
}

static bool usage_knows(const char *name, unsigned fact)
{
    static struct facts facts;
    const struct json_value value = {
        .rule = USAGE_NAMED, .type = JSON_NUMBER, .has_u64 = true, .u64 = 1, .key = name, .key_bytes = strlen(name)};
    memset(&facts, 0, sizeof(facts));
    return dialect_usage_value(&facts, &value) && fact < FACT_NUMBER_COUNT &&
           facts_has_number(&facts, (enum facts_number)fact);
}

/* What the common rules say without it: the rule itself, or a count of "usage" by a name that is
 * known. */
static bool is_common(const struct json_rules *rules, const struct json_rule *rule)
{
    for (unsigned i = 0; i < dialect_answer_common.count; i++) {
        const struct json_rule *common = &dialect_answer_common.rule[i];
        if (strcmp(common->path, rule->path) == 0 && common->id == rule->id && common->flags == rule->flags)
            return true;
    }
    const char *name = rule->path + strlen("usage.");
    if (strncmp(rule->path, "usage.", strlen("usage.")) != 0 || strpbrk(name, ".[") != NULL ||
        has_rules_below(rules, rule->path))
        return false;
    return rule->id >= ANSWER_COUNT && usage_knows(name, rule->id - ANSWER_COUNT);
}

static unsigned count_common(const struct dialect *dialect, const char *what, const struct json_rules *rules)
{
    unsigned common = 0;
    for (unsigned i = 0; i < rules->count; i++)
        if (is_common(rules, &rules->rule[i])) {
            print_error("%s: its rules of %s repeat the common one for %s\n", dialect->name, what, rules->rule[i].path);
            common++;
        }
    return common;
}

static void no_common_rule_is_repeated(void **state)
{
    (void)state;
    unsigned repeated = 0;
    assert_true(dialect_answer_common.count > 10);
    for (size_t i = 0; dialects[i] != NULL; i++)
        repeated += count_common(dialects[i], "answers", &dialects[i]->plain.rules) +
                    count_common(dialects[i], "events", &dialects[i]->event.rules);
    assert_int_equal(repeated, 0);
}

/* Common rules hold in every dialect, plain and in a stream; where a dialect reads the path itself,
 * its own counts. */
static void common_rules_hold_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; dialects[i] != NULL; i++) {
        char api[32];
        (void)snprintf(api, sizeof(api), "%.*s", (int)strcspn(dialects[i]->apis, " "), dialects[i]->apis);
        const struct dialect *dialect = dialect_by_api(api);
        const struct dialect_scan *scans[] = {&dialect->plain, &dialect->event};
        for (unsigned s = 0; s < 2; s++) {
            static struct facts facts;
            static struct json_scan scan;
            static const char answer[] = "{\"usage\":{\"prompt_tokens\":7,\"cached_tokens\":3},"
                                         "\"error\":{\"type\":\"overloaded\"}}";
            memset(&facts, 0, sizeof(facts));
            if (dialect->open != NULL)
                dialect->open(&facts, api, "");
            json_scan_init(&scan, &scans[s]->rules, scans[s]->value, &facts, false);
            json_scan_push(&scan, answer, strlen(answer));
            if (!facts.error_seen)
                fail_msg("%s: an error is not seen (%s)", dialect->name, s == 0 ? "plain" : "event");
            if (!facts_has_number(&facts, FACT_CACHE_READ))
                fail_msg("%s: counts are not seen (%s)", dialect->name, s == 0 ? "plain" : "event");
        }
    }
}

static void no_rule_stands_twice(void **state)
{
    (void)state;
    unsigned twice = 0;
    for (size_t i = 0; dialects[i] != NULL; i++)
        twice += count_twice(dialects[i], "requests", &dialects[i]->request.rules) +
                 count_twice(dialects[i], "answers", &dialects[i]->plain.rules) +
                 count_twice(dialects[i], "events", &dialects[i]->event.rules);
    assert_int_equal(twice, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_rule_stands_twice),
                                       cmocka_unit_test(no_common_rule_is_repeated),
                                       cmocka_unit_test(common_rules_hold_everywhere),
                                       cmocka_unit_test(test_openai_plain),
                                       cmocka_unit_test(test_openai_stream),
                                       cmocka_unit_test(test_openai_relatives),
                                       cmocka_unit_test(test_openai_odd_calls),
                                       cmocka_unit_test(test_openai_odd_usage),
                                       cmocka_unit_test(test_openai_errors),
                                       cmocka_unit_test(test_unknown_servers),
                                       cmocka_unit_test(test_other_tasks),
                                       cmocka_unit_test(test_smaller_apis),
                                       cmocka_unit_test(test_anthropic),
                                       cmocka_unit_test(test_anthropic_relays),
                                       cmocka_unit_test(test_anthropic_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
