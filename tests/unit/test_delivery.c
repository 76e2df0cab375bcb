/*
 * How answers and requests may arrive, for the whole way from bytes to span: marks, line ends,
 * labels that do not fit, encodings, several responses to one request, forms, and bodies of any
 * size in an exchange that does not grow.
 */
#include "dialect_expect.h"

#include <malloc.h>
#include <zlib.h>

#define MARK "\xef\xbb\xbf"
#define CHAT "https://api.openai.com/v1/chat/completions"
#define JSON_HEAD "HTTP/1.1 200 OK\nContent-Type: application/json\n"
#define ANSWER                                                                                                         \
    "{\"id\":\"c\",\"model\":\"m-1\",\"choices\":[{\"index\":0,\"message\":{\"content\":\"hi\"},\"finish_reason\":"    \
    "\"stop\"}],"                                                                                                      \
    "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}"
#define PIECE "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}"
#define LAST                                                                                                           \
    "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,"             \
    "\"completion_tokens\":2}}"

static const char streaming[] = "{\"model\":\"m\",\"stream\":true}";

/* One stream of two events in every shape that the standard allows; and its end without a blank
 * line, or cut within the mark of the end. */
static void test_streams(void **state)
{
    static const char *const bodies[] = {
        "data: " PIECE "\n\ndata: " LAST "\n\ndata: [DONE]\n\n",
        "data:" PIECE "\r\n\r\ndata:" LAST "\r\n\r\ndata:[DONE]\r\n\r\n",
        "data: " PIECE "\r\rdata: " LAST "\r\rdata: [DONE]\r\r",
        MARK "data: " PIECE "\n\ndata: " LAST "\n\ndata: [DONE]",
        "\n\n: hello\n\ndata: " PIECE "\n\n:\n: ping\n\ndata: " LAST "\n\n",
        "id: 1\nretry: 5\nx\nx: y\ndata: " PIECE "\nevent: late\n\nevent: e\ndata: " LAST "\nid: 2\n\ndata: [DONE]\n\n",
        "data: {\"id\":\"c\",\ndata: \"choices\":[{\"index\":0,\ndata:  \"delta\":{\"content\":\"a\"}}]}\n\ndata: " LAST
        "\n\ndata: [DONE]\n\n",
        "data: " PIECE "\n\ndata: " LAST,
        /* what comes after the end belongs to nothing */
        "data: " PIECE "\n\ndata: " LAST "\n\ndata: [DONE]\n\ndata: {\"id\":\"z\",\"usage\":{\"prompt_tokens\":99,"
        "\"completion_tokens\":98}}\n\ndata: " PIECE "\n\n",
        "data: " PIECE "\n\ndata: " LAST "\n\ndata: [DO",
    };
    static const char *const heads[] = {SSE_HEAD, JSON_HEAD, "HTTP/1.1 200 OK\n",
                                        "HTTP/1.1 200 OK\nContent-Type: text/plain; charset=utf-8\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++) {
            const bool cut_mark = i + 1 == sizeof(bodies) / sizeof(bodies[0]);
            const struct exchange_text text = {
                .url = CHAT, .request = streaming, .response_headers = heads[h], .response = bodies[i]};
            EXPECT(text, {SPAN_stream_events, cut_mark ? "3" : "2"}, {SPAN_content_chunks, "1"},
                   {SPAN_response_stream, "1"}, {SPAN_input_tokens, "7"}, {SPAN_output_tokens, "2"},
                   {SPAN_finish_reasons, "stop"}, {SPAN_response_id, "c"}, {SPAN_completeness, "whole"});
        }
}

/* Plain answers: whatever the label, however asked; a byte order mark, blanks before, rubbish
 * after, keys twice, NUL and bad UTF-8 within. */
static void test_plain(void **state)
{
    static const char *const bodies[] = {
        ANSWER,
        MARK ANSWER,
        "\r\n \t\n" ANSWER,
        ANSWER "\r\n",
        ANSWER " <!-- 12 ms -->",
        "{\"model\":\"x\",\"usage\":{\"prompt_tokens\":1},\"deep\":{\"model\":\"y\"},\"model\":\"z\"," /* the last wins
                                                                                                        */
        "\"choices\":[{\"message\":{\"content\":\"\xff\xc3(\"}}],"
        "\"\\u0000\":1,\"\xfe\":[\"\\ud800\"],"
        "\""
        "id\":\"c\",\"model\":\"m-1\","
        "\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7.0,\"completion_tokens\":\"2\"}}"};
    static const char *const heads[] = {JSON_HEAD, SSE_HEAD, "HTTP/1.1 200 OK\n",
                                        "HTTP/1.1 200 OK\nContent-Type: application/octet-stream\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++) {
            const struct exchange_text text = {
                .url = CHAT, .request = streaming, .response_headers = heads[h], .response = bodies[i]};
            EXPECT(text, {SPAN_response_stream, "0"}, {SPAN_request_stream, "1"}, {SPAN_stream_events, "-"},
                   {SPAN_response_model, "m-1"}, {SPAN_input_tokens, "7"}, {SPAN_output_tokens, "2"},
                   {SPAN_finish_reasons, "stop"}, {SPAN_completeness, "whole"});
        }
}

/* Counts that are none stay unknown. */
static void test_odd_numbers(void **state)
{
    static const char *const odd[] = {"-1",
                                      "1.5",
                                      "1e400",
                                      "1e999999999999999999999",
                                      "99999999999999999999999",
                                      "\"many\"",
                                      "null",
                                      "18446744073709551615",
                                      "9223372036854775808",
                                      "1099511627777",
                                      "\"18446744073709551615\"",
                                      "true",
                                      "[7]",
                                      "{}"};
    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        char body[200];
        snprintf(body, sizeof(body), "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":%s,\"completion_tokens\":1.2e1}}",
                 odd[i]);
        const struct exchange_text text = {.url = CHAT, .request = "{\"model\":\"m\"}", .response = body};
        EXPECT(text, {SPAN_input_tokens, "-"}, {SPAN_output_tokens, "12"});
    }
}

static void test_errors_without_json(void **state)
{
    static const char *const bodies[] = {
        "", "<html><h1>502 Bad Gateway</h1></html>", "upstream timed out", "error code: 1015", "{", MARK};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        const struct exchange_text text = {.url = CHAT,
                                           .request = streaming,
                                           .response_headers = "HTTP/1.1 502 X\nContent-Type: text/html\n",
                                           .response = bodies[i]};
        EXPECT(text, {SPAN_error_type, "502"}, {SPAN_status, "502"}, {SPAN_input_tokens, "-"},
               {SPAN_stream_events, "-"}, {SPAN_finish_reasons, "-"}, {SPAN_tool_calls, "-"}, {SPAN_empty_answer, "-"},
               {SPAN_request_model, "m"});
    }
}

/* Requests begin with a mark as well, and lack whatever JSON does not need. */
static void test_requests(void **state)
{
    static const char *const requests[] = {
        MARK "{\"model\":\"m\",\"stream\":false}", "\r\n\t{ \"stream\" : false , \"model\" : \"m\" } \n",
        "{\"messages\":[{\"content\":[[[[[{\"model\":\"x\"}]]]]]}],\"model\":\"\\u006d\",\"stream\":false}"};
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        const struct exchange_text text = {.url = CHAT, .request = requests[i], .response = ANSWER};
        EXPECT(text, {SPAN_request_model, "m"}, {SPAN_request_stream, "0"});
    }
}

/* The form's file comes first, the model last; every cutting of the form. */
static void test_form(void **state)
{
    static const char form[] =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
        "RIFF\r\n--\r\r\n--a\r\n\0{\"model\":\"no\"}\r\n--b\r\n"
        "Content-Disposition: form-data; name=\"stream\"\r\n\r\nfalse\r\n--b\r\n"
        "Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n";
    static struct span span;
    (void)state;
    for (size_t cut = 0; cut < sizeof(form); cut++) {
        const struct exchange_text text = {.url = "https://api.openai.com/v1/audio/transcriptions",
                                           .response = "{\"text\":\"x\"}"};
        struct exchange *const exchange = exchange_run_open(&config, &text);
        exchange_request_body(exchange, 1, (const uint8_t *)form, cut);
        exchange_request_body(exchange, 2, (const uint8_t *)form + cut,
                              sizeof(form) - 1 - (cut < sizeof(form) ? cut : 0));
        exchange_response_body(exchange, 3000, (const uint8_t *)text.response, strlen(text.response));
        assert_true(exchange_run_close(exchange, &text, 5000, &span));
        assert_string_equal(exchange_field(&span, SPAN_request_model), "whisper-1");
        assert_string_equal(exchange_field(&span, SPAN_request_stream), "0");
    }
}

static size_t deflated(const char *text, int window, uint8_t *to, size_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)strlen(text);
    z.next_out = to;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

/* Encoded bodies are read; what nobody can undo states nothing, and nothing is not zero. */
static void test_encodings(void **state)
{
    static uint8_t data[4096];
    static const struct {
        const char *head;
        int window;
    } readable[] = {{"Content-Encoding: gzip\n", 31},
                    {"content-encoding: X-GZIP\n", 31},
                    {"Content-Encoding: deflate\n", 15},
                    {"Content-Encoding: deflate\n", -15},
                    {"Content-Encoding: identity\nContent-Encoding: gzip\n", 31}};
    static const char *const others[] = {"Content-Encoding: gzip\nContent-Encoding: gzip\n",
                                         "Content-Encoding: gzip, br\n", "Content-Encoding: compress\n",
                                         "Content-Encoding: br\n", "Content-Encoding: zstd\n"};
    (void)state;
    char head[160];
    struct exchange_text text = {
        .url = CHAT, .request = streaming, .response_headers = head, .response = (const char *)data};
    for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
        snprintf(head, sizeof(head), SSE_HEAD "%s", readable[i].head);
        text.response_bytes =
            deflated("data: " PIECE "\n\ndata: " LAST "\n\ndata: [DONE]\n\n", readable[i].window, data, sizeof(data));
        EXPECT(text, {SPAN_stream_events, "2"}, {SPAN_input_tokens, "7"}, {SPAN_completeness, "whole"});
        text.response_bytes /= 2;
        EXPECT(text, {SPAN_output_tokens, "-"}, {SPAN_status, "200"}); /* cut within */
    }
    text.response_bytes = deflated("data: " PIECE "\n\n", 31, data, sizeof(data));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(head, sizeof(head), SSE_HEAD "%s", others[i]);
        EXPECT(text, {SPAN_stream_events, "-"}, {SPAN_input_tokens, "-"}, {SPAN_tool_calls, "-"},
               {SPAN_response_stream, "-"}, {SPAN_empty_answer, "-"}, {SPAN_status, "200"}, {SPAN_request_model, "m"});
    }
}

/* 100, 103, a redirect, authentication: the last response counts, with nothing of those before it,
 * and the request as it was. */
static void test_several_responses(void **state)
{
    static struct span span;
    static const char refused[] = "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"code\":\"e\"},"
                                  "\"usage\":{\"input_tokens\":99}}";
    static const char *const heads[] = {"HTTP/1.1 100 Continue\r\n",
                                        "HTTP/1.1 103 Early Hints\r\n",
                                        "HTTP/1.1 307 X\r\n",
                                        "Content-Type: text/html\r\n",
                                        "HTTP/2 401 \r\n",
                                        "Content-Encoding: br\r\n",
                                        "x-amzn-errortype: Old\r\n",
                                        "openai-processing-ms: 5\r\n",
                                        "Content-Encoding: identity\r\n",
                                        "HTTP/2 401 \r\n"};
    const struct exchange_text text = {.url = "http://localhost:11434/api/chat",
                                       .request = "{\"model\":\"m\",\"stream\":false,\"options\":{\"num_predict\":3}}",
                                       .response_headers = "HTTP/1.1 100 Continue\n"};
    (void)state;
    struct exchange *const exchange = exchange_run_open(&config, &text);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        exchange_response_header(exchange, 1900, heads[i], strlen(heads[i]));
    exchange_response_body(exchange, 1950, (const uint8_t *)refused, strlen(refused));
    exchange_response_header(exchange, 2000, "HTTP/2 200 \r\n", 13);
    static const char answer[] =
        "{\"model\":\"m\",\"message\":{\"content\":\"x\"},\"done\":true,\"done_reason\":\"stop\"}";
    exchange_response_body(exchange, 2100, (const uint8_t *)answer, strlen(answer));
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    static const struct expected expected[] = {{SPAN_status, "200"},          {SPAN_error_type, "-"},
                                               {SPAN_input_tokens, "-"},      {SPAN_request_model, "m"},
                                               {SPAN_max_tokens, "3"},        {SPAN_request_stream, "0"},
                                               {SPAN_finish_reasons, "stop"}, {SPAN_server_processing_ns, "-"},
                                               {SPAN_content_encoding, "-"},  {SPAN_completeness, "whole"}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
        assert_string_equal(exchange_field(&span, expected[i].field), expected[i].value);
}

/* 64 MB asked and 64 MB answered, in pieces: the exchange takes nothing more than at first. */
static void test_large(void **state)
{
    enum { PIECE_BYTES = 16 * 1024, PIECES = 64 * 1024 * 1024 / PIECE_BYTES };
    static uint8_t piece[PIECE_BYTES];
    static struct span span;
    static const char request[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"";
    static const char answer[] = "{\"choices\":[{\"message\":{\"content\":\"";
    static const char rest[] =
        "\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}";
    (void)state;
    memset(piece, 'x', sizeof(piece));
    const struct exchange_text text = {.url = CHAT};
    struct exchange *const exchange = exchange_run_open(&config, &text);
    const size_t before = mallinfo2().uordblks;
    exchange_request_body(exchange, 1, (const uint8_t *)request, strlen(request));
    for (size_t i = 0; i < PIECES; i++)
        exchange_request_body(exchange, 1, piece, sizeof(piece));
    exchange_request_body(exchange, 1, (const uint8_t *)"\"}]}", 4);
    exchange_response_body(exchange, 3000, (const uint8_t *)answer, strlen(answer));
    for (size_t i = 0; i < PIECES; i++)
        exchange_response_body(exchange, 3000, piece, sizeof(piece));
    exchange_response_body(exchange, 3000, (const uint8_t *)rest, strlen(rest));
    assert_true(mallinfo2().uordblks <= before);
    assert_true(exchange_run_close(exchange, &text, 5000, &span));
    assert_string_equal(exchange_field(&span, SPAN_output_tokens), "2");
    assert_string_equal(exchange_field(&span, SPAN_request_model), "m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_streams),     cmocka_unit_test(test_plain),
                                       cmocka_unit_test(test_odd_numbers), cmocka_unit_test(test_errors_without_json),
                                       cmocka_unit_test(test_requests),    cmocka_unit_test(test_form),
                                       cmocka_unit_test(test_encodings),   cmocka_unit_test(test_several_responses),
                                       cmocka_unit_test(test_large)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
