/*
 * The request's header lines as the scribe gets them (shim/llm/header_lines.h): which come first,
 * what is cut, what is none.
 */
#include "shim/llm/header_lines.h"
#include "shim/llm/exchange.h"
#include "shim/scribe/beginning.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static char out[HEADER_LINES_BYTES_MAX + 1];

static const char *lines(const char *raw, size_t bytes, size_t room)
{
    out[header_lines_write(raw, bytes, out, room)] = '\0';
    return out;
}
#define LINES(raw) lines(raw, sizeof(raw) - 1, HEADER_LINES_BYTES_MAX)

static void what_matters_comes_first(void **state)
{
    (void)state;
    assert_string_equal(LINES("X-Other: 1\0authorization: Bearer a\0Cookie: c\0X-Api-Key:k\0"),
                        "authorization: Bearer a\nX-Api-Key:k\nX-Other: 1\nCookie: c\n");
    assert_string_equal(LINES("A: 1\0Authorization: first\0Authorization: second\0"),
                        "Authorization: first\nAuthorization: second\nA: 1\n");
    assert_string_equal(LINES("\001user@?query:none\0Accept: a\0"), "Accept: a\n\001user@?query:none\n");
    assert_string_equal(LINES("x-pprof-team: a\0x-pprofteam: b\0accept-language: c\0"),
                        "x-pprof-team: a\nx-pprofteam: b\naccept-language: c\n");
}

static void what_libcurl_does_not_send(void **state)
{
    (void)state;
    assert_string_equal(LINES("Expect:\0Accept: \t \0X-Empty;\0X;y: z\0no colon\0\0\r\nA: b\0Ok: 1\0"), "Ok: 1\n");
    assert_string_equal(LINES("A: b\r\nAuthorization: c\0Accept: d\ne\0"), "Accept: d\nA: b\n");
}

static void what_does_not_fit(void **state)
{
    char raw[3 * HEADER_OTHER_BYTES_MAX];
    (void)state;
    memset(raw, 'v', sizeof(raw));
    memcpy(raw, "X-Long: ", 8);
    raw[sizeof(raw) - 1] = '\0';
    assert_int_equal(strlen(lines(raw, sizeof(raw), sizeof(out) - 1)), HEADER_OTHER_BYTES_MAX + 1);
    memcpy(raw, "Accept: ", 8);
    assert_int_equal(strlen(lines(raw, sizeof(raw), sizeof(out) - 1)), sizeof(raw));
    assert_string_equal(lines(raw, sizeof(raw), sizeof(raw) - 1), "");
    assert_string_equal(lines(raw, sizeof(raw) - 1, sizeof(out) - 1), ""); /* no end: cut off on its way */
    assert_string_equal(lines("Accept: a\0B: c\0", 15, 12), "Accept: a\n");
    assert_string_equal(lines(NULL, 0, 0), "");
}

/* A beginning on the tape is whole, or none: its three texts fill what the record holds, and each
 * may be empty. */
static void what_begins(void **state)
{
    static const char text[] = "POSThttp://h/A: b\0";
    static const struct {
        uint32_t method, url, headers;
        bool whole;
    } cases[] = {{4, 9, 5, true},  {4, 14, 0, true},  {18, 0, 0, true},          {0, 18, 0, true},
                 {0, 0, 18, true}, {0, 0, 0, true},   {19, 0, 0, false},         {4, 15, 0, false},
                 {4, 9, 6, false}, {0, 0, 19, false}, {4, UINT32_MAX, 0, false}, {4, 9, UINT32_MAX, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tape_begin begin = {.source = 1,
                                   .method_bytes = (uint16_t)cases[i].method,
                                   .url_bytes = cases[i].url,
                                   .headers_bytes = cases[i].headers,
                                   .flags = i % 2 ? TAPE_BEGIN_DECODED : 0};
        uint8_t payload[sizeof(begin) + 18];
        char kept[HEADER_LINES_BYTES_MAX];
        struct exchange_start start = {.time_ns = 0};
        enum tape_source source;
        memcpy(payload, &begin, sizeof(begin));
        memcpy(payload + sizeof(begin), text, 18);
        struct tape_record record = {.time_ns = 77, .payload = payload, .bytes = sizeof(payload)};
        assert_int_equal(beginning_read(&record, kept, &start, &source), cases[i].whole);
        assert_int_equal(start.time_ns, cases[i].whole ? 77 : 0);
        if (cases[i].whole) {
            assert_int_equal(start.method_bytes, cases[i].method);
            assert_int_equal(start.url_bytes, cases[i].url);
            assert_ptr_equal(start.url, start.method + cases[i].method);
            assert_int_equal(start.decoded, i % 2);
        }
        record.bytes = sizeof(begin) - 1;
        assert_false(beginning_read(&record, kept, &start, &source));
        record.bytes = sizeof(begin);
        assert_int_equal(beginning_read(&record, kept, &start, &source), i == 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matters_comes_first),
        cmocka_unit_test(what_libcurl_does_not_send),
        cmocka_unit_test(what_does_not_fit),
        cmocka_unit_test(what_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
