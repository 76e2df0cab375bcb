/*
 * The request's header lines as the scribe gets them (shim/llm/header_lines.h): which come first,
 * what is cut, what is none.
 */
#include "shim/llm/header_lines.h"
#include "shim/llm/exchange.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_matters_comes_first),
        cmocka_unit_test(what_libcurl_does_not_send),
        cmocka_unit_test(what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
