/*
 * The shadow of a handle's options: URL cleaning, and libcurl's rules for bodies and requests.
 */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "shim/tap/curl/shadow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct shadow shadow;

static int init(void **state)
{
    (void)state;
    shadow_init(&shadow);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    shadow_drop(&shadow);
    return 0;
}

static void set_text(CURLoption option, const char *text)
{
    shadow_set(&shadow, option, (uintptr_t)text);
}

static void set_long(CURLoption option, long value)
{
    shadow_set(&shadow, option, (uintptr_t)value);
}

static void assert_url(const char *expected)
{
    char url[SHADOW_URL_BYTES_MAX + 64];
    size_t bytes = shadow_url(&shadow, url, sizeof(url));
    assert_int_equal(bytes, strlen(expected));
    assert_memory_equal(url, expected, bytes);
}

static void test_url(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/chat/completions"},
        {"HTTPS://api.openai.com/v1?key=secret#top", "https://api.openai.com/v1"},
        {"http://user:pa@ss@host:8080/a/b", "http://host:8080/a/b"},
        {"http://host", "http://host/"},
        {"http://host?key=secret", "http://host/"},
        {"http://host#x", "http://host/"},
        {"http:///host/a", "http://host/a"},
        {"localhost:11434/api/chat", "http://localhost:11434/api/chat"},
        {"user@localhost/api?redirect=https://elsewhere/", "http://localhost/api"},
        {"http://[::1]:99/x", "http://[::1]:99/x"},
        {"ftp://host/x", ""},
        {"ftp.host.org/x", ""},
        {"file:///etc/passwd", ""},
        {"ws://host/x", ""},
        {"http://ho\nst/x", ""},
        {"http://", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set_text(CURLOPT_URL, cases[i][0]);
        assert_url(cases[i][1]);
    }
    static const struct {
        const char *url;
        enum shadow_scheme scheme;
    } schemes[] = {{"ws://host/x", SHADOW_SCHEME_SOCKET},   {"WSS://host/x", SHADOW_SCHEME_SOCKET},
                   {"wsx://host/x", SHADOW_SCHEME_OTHER},   {"wst://host/x", SHADOW_SCHEME_OTHER},
                   {"wssx://host/x", SHADOW_SCHEME_OTHER},  {"hs://host/x", SHADOW_SCHEME_OTHER},
                   {"w://host/x", SHADOW_SCHEME_OTHER},     {"abc://host/x", SHADOW_SCHEME_OTHER},
                   {"http://host/x", SHADOW_SCHEME_HTTP},   {"httq://host/x", SHADOW_SCHEME_OTHER},
                   {"httpx://host/x", SHADOW_SCHEME_OTHER}, {"httpss://host/x", SHADOW_SCHEME_OTHER},
                   {"https://host/x", SHADOW_SCHEME_HTTPS}};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        set_text(CURLOPT_URL, schemes[i].url);
        assert_int_equal(shadow.scheme, schemes[i].scheme);
    }
    set_text(CURLOPT_URL, NULL);
    assert_url("");
}

static void test_url_too_long(void **state)
{
    (void)state;
    char text[2 * SHADOW_URL_BYTES_MAX];
    memset(text, 'a', sizeof(text));
    memcpy(text, "http://host/", 12);
    text[sizeof(text) - 1] = '\0';
    memcpy(text + sizeof(text) - 9, "/the/end", 9);
    set_text(CURLOPT_URL, text); /* the beginning of its path is missing */
    char cut[SHADOW_URL_BYTES_MAX + 64];
    cut[shadow_url(&shadow, cut, sizeof(cut) - 1)] = '\0';
    assert_true(shadow.url_cut);
    assert_memory_equal(cut, "http://host/a", 13);
    assert_string_equal(cut + strlen(cut) - 9, "a/the/end");
    set_text(CURLOPT_URL, cut); /* exactly full */
    assert_false(shadow.url_cut);
    assert_url(cut);
    char small[64];
    assert_int_equal(shadow_url(&shadow, small, sizeof(small)), 0);
}

static void test_url_options(void **state)
{
    (void)state;
    set_text(CURLOPT_URL, "host:80/x");
    set_text(CURLOPT_DEFAULT_PROTOCOL, "https");
    assert_url("https://host:80/x");
    set_long(CURLOPT_PORT, 8443);
    assert_url("https://host:8443/x");
    set_text(CURLOPT_URL, "https://[fe80::1]/x");
    assert_url("https://[fe80::1]:8443/x");
    set_long(CURLOPT_PORT, 0);
    assert_url("https://[fe80::1]/x");
    set_text(CURLOPT_URL, "host/x");
    set_text(CURLOPT_DEFAULT_PROTOCOL, "gopher");
    assert_url("");
}

/* A URL that is set over another leaves nothing of it, whichever two they are: some are known to be
 * the same at once.
 */
static void test_url_over_url(void **state)
{
    static const char *const urls[] = {
        "http://h/p",     "https://h/p",   "HTTP://h/p",    "http:///h/p", "http://h/p?q",
        "http://u:p@h/p", "http://h/p#f",  "http://h/p/",   "http://h/",   "http://h",
        "http://h/pp",    "http://h:80/p", "http://H/p",    "h/p",         "ftp://h/p",
        "http://h/p\n",   "http://h/",     "https://h/p?q", "ws://h/p",    "",
        "http://h/p x",   "http://",       "https://h",     "http://h/P"};
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        for (size_t j = 0; j < sizeof(urls) / sizeof(urls[0]); j++) {
            static const struct shadow_texts none;
            struct shadow fresh;
            shadow_init(&fresh);
            shadow_set(&fresh, CURLOPT_URL, (uintptr_t)urls[j]);
            set_text(CURLOPT_URL, urls[i]);
            set_text(CURLOPT_URL, urls[j]);
            char got[SHADOW_URL_BYTES_MAX + 64], want[sizeof(got)];
            const size_t bytes = shadow_url(&fresh, want, sizeof(want));
            assert_int_equal(shadow_url(&shadow, got, sizeof(got)), bytes);
            assert_memory_equal(got, want, bytes);
            assert_int_equal(shadow.scheme, fresh.scheme);
            assert_int_equal(shadow.host_bytes, fresh.host_bytes);
            const struct shadow_texts *ours = shadow_texts(&shadow), *theirs = shadow_texts(&fresh);
            assert_string_equal((ours ? ours : &none)->beside, (theirs ? theirs : &none)->beside);
            shadow_drop(&fresh);
        }
}

/* What was found out about URL and method is forgotten as soon as one of them is another. */
static void test_judged_anew(void **state)
{
    static const struct {
        CURLoption option;
        uintptr_t value;
    } changes[] = {{CURLOPT_URL, (uintptr_t) "http://h/other"},
                   {CURLOPT_URL, (uintptr_t) "https://h/p"},
                   {CURLOPT_URL, (uintptr_t)NULL},
                   {CURLOPT_URL, (uintptr_t) "h/p"},
                   {CURLOPT_PORT, 81},
                   {CURLOPT_DEFAULT_PROTOCOL, (uintptr_t) "https"},
                   {CURLOPT_CUSTOMREQUEST, (uintptr_t) "PATCH"},
                   {CURLOPT_POST, 1},
                   {CURLOPT_POSTFIELDS, (uintptr_t) "x"},
                   {CURLOPT_COPYPOSTFIELDS, (uintptr_t) "x"},
                   {CURLOPT_UPLOAD, 1},
                   {CURLOPT_NOBODY, 1},
                   {CURLOPT_MIMEPOST, (uintptr_t) "part"},
                   {CURLOPT_HTTPGET, 1}};
    static const char *const urls[] = {"http://h/p", "h/p"};
    const size_t n = sizeof(changes) / sizeof(changes[0]);
    (void)state;
    for (size_t i = 0; i < 2 * n * n; i++) {
        char before[SHADOW_URL_BYTES_MAX], after[sizeof(before)];
        drop(state);
        init(state);
        set_text(CURLOPT_URL, urls[i % 2]);
        shadow_set(&shadow, changes[i / 2 / n].option, changes[i / 2 / n].value);
        const size_t bytes = shadow_url(&shadow, before, sizeof(before));
        char method[SHADOW_METHOD_BYTES_MAX + 1];
        strcpy(method, shadow_method(&shadow));
        shadow.judged = SHADOW_CANDIDATE;
        shadow.judged_request = shadow.request;
        shadow_set(&shadow, changes[i / 2 % n].option, changes[i / 2 % n].value);
        if (shadow_url(&shadow, after, sizeof(after)) != bytes || memcmp(before, after, bytes) != 0 ||
            strcmp(method, shadow_method(&shadow)) != 0)
            assert_true(shadow.judged == SHADOW_UNJUDGED || shadow.judged_request != shadow.request);
    }
}

static void test_request(void **state)
{
    (void)state;
    assert_string_equal(shadow_method(&shadow), "GET");
    set_long(CURLOPT_POST, 1);
    assert_string_equal(shadow_method(&shadow), "POST");
    assert_true(shadow_body_is_read(&shadow));
    set_text(CURLOPT_POSTFIELDS, "x");
    assert_false(shadow_body_is_read(&shadow));
    set_text(CURLOPT_POSTFIELDS, NULL);
    assert_true(shadow_body_is_read(&shadow));
    set_long(CURLOPT_NOBODY, 1);
    assert_string_equal(shadow_method(&shadow), "HEAD");
    set_long(CURLOPT_NOBODY, 0);
    assert_string_equal(shadow_method(&shadow), "GET");
    set_long(CURLOPT_UPLOAD, 1);
    assert_string_equal(shadow_method(&shadow), "PUT");
    assert_true(shadow_body_is_read(&shadow));
    set_long(CURLOPT_NOBODY, 0);
    assert_string_equal(shadow_method(&shadow), "PUT");
    set_text(CURLOPT_CUSTOMREQUEST, "POST");
    assert_string_equal(shadow_method(&shadow), "POST");
    set_text(CURLOPT_CUSTOMREQUEST, NULL);
    set_text(CURLOPT_MIMEPOST, "part");
    assert_int_equal(shadow.request, SHADOW_MULTIPART);
    assert_false(shadow_body_is_read(&shadow));
    set_long(CURLOPT_HTTPGET, 0);
    assert_int_equal(shadow.request, SHADOW_MULTIPART);
    set_long(CURLOPT_HTTPGET, 1);
    assert_string_equal(shadow_method(&shadow), "GET");
}

static void test_copied_fields(void **state)
{
    (void)state;
    char source[] = "ab\0cd";
    set_text(CURLOPT_COPYPOSTFIELDS, source); /* no size: up to the NUL */
    assert_int_equal(shadow.copied.bytes, 2);
    memset(source, 'z', 2);
    assert_memory_equal(shadow.copied.data, "ab", 2);
    assert_string_equal(shadow_method(&shadow), "POST");

    set_long(CURLOPT_POSTFIELDSIZE, 1); /* a size that grows (from -1) takes the copy away, as in libcurl */
    assert_int_equal(shadow.fields_kind, SHADOW_FIELDS_NONE);
    assert_null(shadow.copied.data);

    set_long(CURLOPT_POSTFIELDSIZE_LARGE, 5);
    set_text(CURLOPT_COPYPOSTFIELDS, source); /* size first: that many, NUL included */
    assert_int_equal(shadow.copied.bytes, 5);
    assert_memory_equal(shadow.copied.data, "zz\0cd", 5);
    set_long(CURLOPT_POSTFIELDSIZE, 3); /* smaller: stays */
    assert_int_equal(shadow.fields_kind, SHADOW_FIELDS_COPY);

    set_text(CURLOPT_POSTFIELDS, source);
    assert_null(shadow.copied.data);
    assert_ptr_equal(shadow.fields, source);
    set_long(CURLOPT_POSTFIELDSIZE, 100); /* a pointer stays whatever the size becomes */
    assert_int_equal(shadow.fields_kind, SHADOW_FIELDS_POINTER);
    set_text(CURLOPT_COPYPOSTFIELDS, NULL);
    assert_int_equal(shadow.fields_kind, SHADOW_FIELDS_NONE);
}

static void test_large_copy(void **state)
{
    (void)state;
    size_t bytes = 5 * KEEP_BLOCK_BYTES + 3;
    char *source = malloc(bytes);
    memset(source, 'q', bytes);
    shadow_set(&shadow, CURLOPT_POSTFIELDSIZE_LARGE, bytes);
    set_text(CURLOPT_COPYPOSTFIELDS, source);
    assert_int_equal(shadow.copied.bytes, bytes);
    assert_memory_equal(shadow.copied.data, source, bytes);
    free(source);
}

static void test_copy_is_independent(void **state)
{
    (void)state;
    struct shadow duplicate;
    set_text(CURLOPT_COPYPOSTFIELDS, "body");
    set_text(CURLOPT_XOAUTH2_BEARER, "token");
    set_text(CURLOPT_URL, "http://host/x");
    shadow_copy(&duplicate, &shadow);
    assert_ptr_not_equal(duplicate.copied.data, shadow.copied.data);
    shadow_drop(&shadow);
    shadow_init(&shadow);
    assert_memory_equal(duplicate.copied.data, "body", 4);
    assert_memory_equal(duplicate.bearer.data, "token", 5);
    assert_int_equal(duplicate.request, SHADOW_POST);
    assert_url("");
    shadow_drop(&duplicate);
}

static void test_dropped_copies_are_wiped(void **state)
{
    (void)state;
    struct keep first = {0}, second = {0};
    assert_int_equal(keep_set(&first, "secret", 6), 0);
    char *block = first.data;
    keep_drop(&first);
    assert_int_equal(keep_set(&second, "", 0), 0);
    assert_ptr_equal(second.data, block); /* recycled */
    assert_memory_equal(second.data, "\0\0\0\0\0\0", 6);
    keep_drop(&second);
    assert_int_equal(keep_set(&first, "", (size_t)KEEP_BYTES_MAX + 1), -12);
    assert_null(first.data);
}

static void test_large_copies_together(void **state)
{
    (void)state;
    char *body = calloc(1, KEEP_BYTES_MAX);
    struct keep copies[KEEP_TOTAL_BYTES_MAX / KEEP_BYTES_MAX] = {{0}}, another = {0};
    assert_non_null(body);
    for (unsigned i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
        assert_int_equal(keep_set(&copies[i], body, KEEP_BYTES_MAX), 0);
    assert_int_equal(keep_set(&another, body, KEEP_BLOCK_BYTES + 1), -12);
    assert_int_equal(keep_set(&another, body, KEEP_BLOCK_BYTES), 0); /* small ones go on */
    keep_drop(&copies[0]);
    assert_int_equal(keep_set(&another, body, KEEP_BYTES_MAX), 0);
    keep_drop(&another);
    for (unsigned i = 0; i < sizeof(copies) / sizeof(copies[0]); i++)
        keep_drop(&copies[i]);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_copies_together),
        cmocka_unit_test_setup_teardown(test_url, init, drop),
        cmocka_unit_test_setup_teardown(test_url_too_long, init, drop),
        cmocka_unit_test_setup_teardown(test_url_options, init, drop),
        cmocka_unit_test_setup_teardown(test_url_over_url, init, drop),
        cmocka_unit_test_setup_teardown(test_judged_anew, init, drop),
        cmocka_unit_test_setup_teardown(test_request, init, drop),
        cmocka_unit_test_setup_teardown(test_copied_fields, init, drop),
        cmocka_unit_test_setup_teardown(test_large_copy, init, drop),
        cmocka_unit_test_setup_teardown(test_copy_is_independent, init, drop),
        cmocka_unit_test(test_dropped_copies_are_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
