/* Runs of assistants and batches, from the documentation: made, streamed, asked after; tokens are
 * counted once. */
#include "dialect_expect.h"

static const char runs[] = "https://api.openai.com/v1/threads/thread_1/runs";
static const char one_run[] = "https://api.openai.com/v1/threads/thread_1/runs/run_1";

#define USAGE                                                                                                          \
    "\"usage\":{\"prompt_tokens\":123,\"completion_tokens\":456,\"total_tokens\":579,\"prompt_token_details\":{"       \
    "\"cached_tokens\":7},"                                                                                            \
    "\"completion_tokens_details\":{\"reasoning_tokens\":9}}"
#define RUN(status, more)                                                                                              \
    "{\"id\":\"run_1\",\"object\":\"thread.run\",\"status\":\"" status                                                 \
    "\",\"model\":\"gpt-4o\",\"tools\":[{\"type\":\"x\"}]," more "}"
#define STEP(more)                                                                                                     \
    "{\"id\":\"step_1\",\"object\":\"thread.run.step\",\"run_id\":\"run_1\",\"type\":\"tool_calls\",\"status\":"       \
    "\"completed\"," more "}"
#define EVENT(name, data) "event: " name "\ndata: " data "\n\n"
#define MESSAGE(text)                                                                                                  \
    EVENT("thread.message.delta",                                                                                      \
          "{\"id\":\"msg_1\",\"object\":\"thread.message.delta\",\"delta\":{\"content\":[{\"index\":0,"                \
          "\"type\":\"text\",\"text\":{\"value\":\"" text "\",\"annotations\":[]}}]}}")
#define CALLS(call)                                                                                                    \
    EVENT("thread.run.step.delta",                                                                                     \
          "{\"id\":\"step_1\",\"object\":\"thread.run.step.delta\",\"delta\":{\"step_details\":{\"type\":"             \
          "\"tool_calls\",\"tool_calls\":[" call "]}}}")
#define DONE "event: done\ndata: [DONE]\n\n"

static void test_plain(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = runs,
        .request = "{\"assistant_id\":\"asst_1\",\"instructions\":\"be kind\",\"max_completion_tokens\":16}",
        .response = RUN("queued", "\"usage\":null,\"incomplete_details\":null,\"last_error\":null")};
    EXPECT(text, {SPAN_finish_reasons, "queued"}, {SPAN_response_id, "run_1"}, {SPAN_response_model, "gpt-4o"},
           {SPAN_request_model, "-"}, {SPAN_input_tokens, "-"}, {SPAN_empty_answer, "-"}, {SPAN_max_tokens, "16"},
           {SPAN_api, "runs"}, {SPAN_error_type, "-"}, {SPAN_tool_calls, "0"}, {SPAN_completeness, "whole"},
           {SPAN_operation, "invoke_agent"});
    text = (struct exchange_text){.url = one_run, .method = "GET", .response = RUN("completed", USAGE)};
    EXPECT(text, {SPAN_finish_reasons, "completed"}, {SPAN_input_tokens, "123"}, {SPAN_output_tokens, "456"},
           {SPAN_cache_read_tokens, "7"}, {SPAN_reasoning_tokens, "9"}, {SPAN_response_stream, "0"});
    text.response = RUN("incomplete", USAGE ",\"incomplete_details\":{\"reason\":\"max_completion_tokens\"}");
    EXPECT(text, {SPAN_finish_reasons, "max_completion_tokens"}, {SPAN_truncated, "1"});
    text.response = RUN("completed", USAGE ",\"incomplete_details\":{\"reason\":\"max_prompt_tokens\"}");
    EXPECT(text, {SPAN_finish_reasons, "completed"});
    text.response = RUN("failed", "\"last_error\":{\"code\":\"rate_limit_exceeded\",\"message\":\"m\"},\"usage\":null");
    EXPECT(text, {SPAN_finish_reasons, "failed"}, {SPAN_error_type, "rate_limit_exceeded"});
    text.response = RUN(
        "requires_action",
        "\"required_action\":{\"type\":\"submit_tool_outputs\",\"submit_tool_outputs\":{\"tool_calls\":["
        "{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"c2\"}]}}");
    EXPECT(text, {SPAN_finish_reasons, "requires_action"}, {SPAN_tool_calls, "2"});
    text.response_headers = "HTTP/1.1 400 X\n";
    text.response = "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}";
    EXPECT(text, {SPAN_error_type, "invalid_request_error"});
}

static void test_stream(void **state)
{
    (void)state;
    struct exchange_text text = {
        .url = "https://api.openai.com/v1/threads/runs",
        .response_headers = SSE_HEAD,
        .request = "{\"assistant_id\":\"asst_1\",\"stream\":true,\"thread\":{\"messages\":[{\"role\":\"user\","
                   "\"content\":\"x\"}]}}",
        .response = EVENT("thread.created", "{\"id\":\"thread_1\",\"object\":\"thread\",\"metadata\":{}}") EVENT(
            "thread.run.created", RUN("queued", "\"usage\":null")) EVENT("thread.run.step.created",
                                                                         STEP("\"usage\":null"))
            CALLS("{\"index\":0,\"id\":\"ci\",\"type\":\"code_interpreter\",\"code_interpreter\":{\"input\":\"\","
                  "\"outputs\":[]}}") CALLS("{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":"
                                            "\"f\",\"arguments\":\"\",\"output\":null}}")
                CALLS("{\"index\":0,\"type\":\"function\",\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}") EVENT(
                    "thread.run.step.completed",
                    STEP("\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"total_tokens\":3}"))
                    EVENT("thread.message.created",
                          "{\"id\":\"msg_1\",\"object\":\"thread.message\",\"status\":\"in_progress\",\"content\":[]}")
                        MESSAGE("Hel") MESSAGE("") MESSAGE("lo") EVENT("thread.run.completed", RUN("completed", USAGE))
                            DONE};
    EXPECT(text, {SPAN_stream_events, "12"}, {SPAN_content_chunks, "5"}, {SPAN_tool_calls, "1"},
           {SPAN_input_tokens, "123"}, {SPAN_output_tokens, "456"}, {SPAN_response_id, "run_1"},
           {SPAN_response_model, "gpt-4o"}, {SPAN_finish_reasons, "completed"}, {SPAN_completeness, "whole"},
           {SPAN_request_stream, "1"}, {SPAN_error_type, "-"}, {SPAN_tool_args_invalid, "-"});
    /* The calls asked for at the end are those of the deltas. No event names: the objects say what
     * they are. */
    text.response = "data: " RUN("queued", "\"usage\":null") "\n\n" CALLS(
        "{\"index\":0,\"id\":\"c1\",\"type\":"
        "\"function\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{\"}}") "data: " STEP(USAGE) "\n\n"
                                                      "data: " RUN("requires_action",
                                                                   "\"required_action\":{\"submit_tool_outputs\":{"
                                                                   "\"tool_calls\":[{\"id\":"
                                                                   "\"c1\"}]}},\"usage\":null") "\n\n";
    EXPECT(text, {SPAN_tool_calls, "1"}, {SPAN_tool_args_invalid, "1"}, {SPAN_finish_reasons, "requires_action"},
           {SPAN_input_tokens, "-"}, {SPAN_completeness, "whole"}, {SPAN_response_id, "run_1"});
    /* Cut after a step: its status and usage say nothing of the run. */
    text.response =
        EVENT("thread.run.created", RUN("queued", "\"usage\":null")) EVENT("thread.run.step.completed", STEP(USAGE));
    EXPECT(text, {SPAN_input_tokens, "-"}, {SPAN_finish_reasons, "queued"});
    text.response =
        EVENT("thread.run.created", RUN("queued", "\"usage\":null")) EVENT("thread.run.step.completed", STEP(USAGE))
            EVENT("error", "{\"code\":\"server_error\",\"type\":\"server_error_type\",\"message\":\"m\"}");
    EXPECT(text, {SPAN_error_type, "server_error_type"}, {SPAN_input_tokens, "-"});
}

static const char *input_of(const char *method, const char *url, const char *response)
{
    static struct span span;
    const struct exchange_text text = {.method = method, .url = url, .response = response};
    assert_true(exchange_run(&config, &text, &span));
    return exchange_field(&span, SPAN_input_tokens);
}

static void test_counted_once(void **state)
{
    (void)state;
    counted_forget();
    assert_string_equal(input_of("GET", one_run, RUN("in_progress", "\"usage\":null")), "-");
    assert_string_equal(input_of("GET", one_run, RUN("completed", USAGE)), "123");
    assert_string_equal(input_of("GET", one_run, RUN("completed", USAGE)), "-");
    assert_string_equal(input_of("POST", one_run, RUN("completed", USAGE)), "-");
    assert_string_equal(
        input_of("GET", one_run, "{\"id\":\"run_2\",\"object\":\"thread.run\",\"status\":\"completed\"," USAGE "}"),
        "123");
    /* A batch says 0 until it is done. */
    const char batch[] = "https://api.openai.com/v1/batches/batch_1";
    const char nothing[] = "{\"id\":\"batch_1\",\"object\":\"batch\",\"status\":\"validating\",\"usage\":{\"input_"
                           "tokens\":0,\"output_tokens\":0}}";
    const char done[] = "{\"id\":\"batch_1\",\"object\":\"batch\",\"status\":\"completed\",\"usage\":{\"input_tokens\":"
                        "5,\"output_tokens\":6}}";
    assert_string_equal(input_of("GET", batch, nothing), "0");
    assert_string_equal(input_of("GET", batch, nothing), "0");
    assert_string_equal(input_of("GET", batch, done), "5");
    assert_string_equal(input_of("GET", batch, done), "-");
    /* Chat completions may be replayed by a cache; each is a call. */
    const char chat[] =
        "{\"id\":\"c\",\"choices\":[{\"message\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":5}}";
    assert_string_equal(input_of("POST", "https://api.openai.com/v1/chat/completions", chat), "5");
    assert_string_equal(input_of("POST", "https://api.openai.com/v1/chat/completions", chat), "5");
    /* Old ids give way to new ones. */
    char id[32];
    for (int i = 0; i < 2100; i++)
        assert_true(counted_first(id, (size_t)snprintf(id, sizeof(id), "id-%d", i)));
    assert_false(counted_first("id-2099", 7));
    assert_true(counted_first("id-0", 4));
    assert_true(counted_first("", 0));
    assert_true(counted_first("", 0));
}

static void test_batches(void **state)
{
    (void)state;
    struct exchange_text text = {.url = "https://api.anthropic.com/v1/messages/batches",
                                 .request = "{\"requests\":[{\"custom_id\":\"a\",\"params\":{\"model\":\"claude-x\","
                                            "\"max_tokens\":9,\"messages\":[]}}]}",
                                 .response = "{\"id\":\"msgbatch_1\",\"type\":\"message_batch\",\"processing_status\":"
                                             "\"in_progress\",\"request_counts\":{\"processing\":1},"
                                             "\"results_url\":null}"};
    EXPECT(text, {SPAN_response_id, "msgbatch_1"}, {SPAN_finish_reasons, "in_progress"}, {SPAN_request_model, "-"},
           {SPAN_error_type, "-"}, {SPAN_empty_answer, "-"}, {SPAN_api, "batch"}, {SPAN_input_tokens, "-"});
    text.response_headers = "HTTP/1.1 404 X\n";
    text.response = "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"m\"}}";
    EXPECT(text, {SPAN_error_type, "not_found_error"});
    text = (struct exchange_text){
        .method = "GET",
        .url = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
        .response_headers = "HTTP/1.1 200 OK\nContent-Type: application/binary\n",
        .response = "{\"custom_id\":\"a\",\"result\":{\"type\":\"succeeded\",\"message\":{\"id\":\"msg_a\",\"model\":"
                    "\"claude-x\",\"usage\":{"
                    "\"input_tokens\":10,\"cache_read_input_tokens\":100,\"output_tokens\":3}}}}\n"
                    "{\"custom_id\":\"b\",\"result\":{\"type\":\"errored\",\"error\":{\"type\":\"error\",\"error\":{"
                    "\"type\":\"x\"}}}}\n"
                    "{\"custom_id\":\"c\",\"result\":{\"type\":\"succeeded\",\"message\":{\"id\":\"msg_c\",\"model\":"
                    "\"claude-x\",\"usage\":{"
                    "\"input_tokens\":1,\"cache_creation_input_tokens\":20,\"output_tokens\":4}}}}\n"};
    EXPECT(text, {SPAN_input_tokens, "131"}, {SPAN_output_tokens, "7"}, {SPAN_cache_read_tokens, "100"},
           {SPAN_cache_creation_tokens, "20"}, {SPAN_response_model, "claude-x"}, {SPAN_response_id, "-"},
           {SPAN_error_type, "-"}, {SPAN_completeness, "whole"});
    text = (struct exchange_text){.method = "GET",
                                  .url = "https://api.openai.com/v1/batches?limit=2",
                                  .response = "{\"object\":\"list\",\"data\":[{\"id\":\"batch_1\",\"status\":"
                                              "\"completed\",\"request_counts\":{},\"usage\":{\"input_tokens\":5}}],"
                                              "\"first_id\":\"batch_1\",\"has_more\":false}"};
    EXPECT(text, {SPAN_response_id, "-"}, {SPAN_finish_reasons, "-"}, {SPAN_input_tokens, "-"});
    static struct span span;
    text.url = "http://jobs.example/v1/batches";
    text.response = "{\"jobs\":[]}";
    assert_false(exchange_run(&config, &text, &span));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain), cmocka_unit_test(test_stream),
                                       cmocka_unit_test(test_counted_once), cmocka_unit_test(test_batches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
