/* url.c: splitting and decoding, also of what no URL should look like. */
#include "shim/llm/recognise/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VIEW(view) (view).bytes ? (view).data : "", (view).bytes

static void expect_view(struct url_view view, const char *text)
{
    assert_int_equal(view.bytes, strlen(text));
    assert_true(!view.bytes || !memcmp(view.data, text, view.bytes));
}

static void splits(void **state)
{
    static const struct {
        const char *url, *scheme, *host, *path, *query;
        unsigned port;
    } cases[] = {
        {"https://api.openai.com/v1/chat/completions?a=b#c", "https", "api.openai.com", "/v1/chat/completions", "a=b",
         443},
        {"http://user:p@ss@h:8080/x", "http", "h", "/x", "", 8080},
        {"http://[::1]:11434/api/chat", "http", "::1", "/api/chat", "", 11434},
        {"http://[fe80::1%25eth0]/", "http", "fe80::1%25eth0", "/", "", 80},
        {"api.openai.com/v1", "", "api.openai.com", "/v1", "", 0},
        {"HTTPS://h.:/", "HTTPS", "h", "/", "", 443},
        {"https://h", "https", "h", "", "", 443},
        {"https://h?x=/v1/messages", "https", "h", "", "x=/v1/messages", 443},
        {"https://h#/v1/messages?", "https", "h", "", "", 443},
        {"https://h/a?b#c?d", "https", "h", "/a", "b", 443},
        {"ftp://h/a:b/@", "ftp", "h", "/a:b/@", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct url url;
        assert_true(url_split(cases[i].url, strlen(cases[i].url), &url));
        expect_view(url.scheme, cases[i].scheme);
        expect_view(url.host, cases[i].host);
        expect_view(url.path, cases[i].path);
        expect_view(url.query, cases[i].query);
        assert_int_equal(url.port, cases[i].port);
    }
}

static void refuses(void **state)
{
    static const char *const cases[] = {"",
                                        "/v1/chat",
                                        "http://",
                                        "http:///x",
                                        "http://:80/",
                                        "http://h:99999/",
                                        "http://h:1x/",
                                        "http://[::1",
                                        "http://[::1]x/",
                                        "file:///etc/passwd",
                                        "http://a@/"};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct url url;
        assert_false(url_split(cases[i], strlen(cases[i]), &url));
    }
}

static void decodes(void **state)
{
    static const struct {
        const char *text, *decoded;
    } cases[] = {{"a%3Ab", "a:b"}, {"%", "%"},       {"%2", "%2"},  {"%zz", "%zz"},
                 {"%00x", "%00x"}, {"%2F%2f", "//"}, {"%%41", "%A"}};
    char out[16];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t bytes = url_decode(cases[i].text, strlen(cases[i].text), out, sizeof(out));
        assert_int_equal(bytes, strlen(cases[i].decoded));
        assert_memory_equal(out, cases[i].decoded, bytes);
    }
    assert_int_equal(url_decode("abcdef", 6, out, 3), 3);
}

/* Every beginning of a URL, each in memory of exactly its size: ASan sees any read past it. */
static void reads_nothing_beyond(void **state)
{
    static const char text[] = "https://u:p@[::1]:443/v1/models/gemini%2Dpro:generateContent?key=%41#f";
    (void)state;
    for (size_t bytes = 0; bytes < sizeof(text); bytes++) {
        char *copy = malloc(bytes + !bytes);
        struct url url;
        char out[128];
        assert_non_null(copy);
        memcpy(copy, text, bytes);
        if (url_split(copy, bytes, &url))
            assert_true(url_decode(VIEW(url.path), out, sizeof(out)) <= bytes);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(splits), cmocka_unit_test(refuses), cmocka_unit_test(decodes),
                                       cmocka_unit_test(reads_nothing_beyond)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
