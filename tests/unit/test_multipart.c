/* multipart.c: fields and files of forms in any cutting, boundaries that almost match, forms that lie. */
#include "shim/llm/framing/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct log {
    char text[2048];
    size_t bytes;
};

static void say(struct log *log, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int bytes = vsnprintf(log->text + log->bytes, sizeof(log->text) - log->bytes, format, list);
    va_end(list);
    assert_true(bytes >= 0 && log->bytes + (size_t)bytes < sizeof(log->text));
    log->bytes += (size_t)bytes;
}

static void on_field(void *context, const char *name, size_t name_bytes, const char *value, size_t value_bytes,
                     bool cut)
{
    say(context, "%.*s=%.*s%s\n", (int)name_bytes, name, (int)value_bytes, value, cut ? "..." : "");
}

static void on_file(void *context, const char *name, size_t name_bytes, uint64_t bytes)
{
    say(context, "%.*s: %llu bytes\n", (int)name_bytes, name, (unsigned long long)bytes);
}

static const struct multipart_handler handler = {on_field, on_file};

static bool feed(const char *body, size_t bytes, size_t step, struct log *log)
{
    struct multipart form;
    *log = (struct log){0};
    multipart_init(&form, &handler, log);
    for (size_t at = 0; at < bytes; at += step) {
        const size_t size = bytes - at < step ? bytes - at : step;
        char *const copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, body + at, size);
        multipart_push(&form, copy, size);
        free(copy);
    }
    return multipart_complete(&form);
}

static const char form[] = "--b-1\r\n"
                           "Content-Disposition: form-data; name=\"model\"\r\n\r\n"
                           "whisper-1\r\n--b-1\r\n"
                           "content-type: audio/mpeg\r\n"
                           "content-disposition: form-data; filename=\"a;name=x.mp3\"; name=file\r\n\r\n"
                           "\r\n--b-\r\r\n--b-2\r\n-\r\n--b-1  \r\n"
                           "Content-Disposition: form-data; name=stream; other=1\r\n\r\n"
                           "true\r\n--b-1\r\n"
                           "Content-Disposition: form-data; name=\"empty\"\r\n\r\n"
                           "\r\n--b-1--\r\nepilogue --b-1";

static void any_cutting(void **state)
{
    struct log log;
    (void)state;
    for (size_t step = 1; step < sizeof(form); step++) {
        assert_true(feed(form, sizeof(form) - 1, step, &log));
        assert_string_equal(log.text, "model=whisper-1\nfile: 17 bytes\nstream=true\nempty=\n");
    }
    for (size_t bytes = 0; bytes < sizeof(form) - 30; bytes++)
        assert_false(feed(form, bytes, 3, &log));
}

static void long_values_and_lines(void **state)
{
    char body[4096];
    struct log log;
    (void)state;
    const int bytes = snprintf(
        body, sizeof(body),
        "--x\r\nX-Long: %0600d\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n%01000d\r\n--x--\r\n", 1, 2);
    assert_true(feed(body, (size_t)bytes, 13, &log));
    assert_true(strstr(log.text, "prompt=000") && strstr(log.text, "..."));
    assert_true(log.bytes < MULTIPART_VALUE_MAX + 20);
}

static void what_is_no_form(void **state)
{
    static const char *const bodies[] = {
        "", "--", "--\r\n", "{\"model\":1}", "no dashes\r\n--", "--b\r\nContent-Disposition: form-data; name"};
    char boundless[300];
    struct log log;
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_false(feed(bodies[i], strlen(bodies[i]), 2, &log));
        assert_int_equal(log.bytes, 0);
    }
    memset(boundless, '-', sizeof(boundless));
    assert_false(feed(boundless, sizeof(boundless), 7, &log));
}

/* Every byte replaced by those that mean something here: nothing but sane calls comes out (ASan watches the rest). */
static void damaged(void **state)
{
    char body[sizeof(form)];
    struct log log;
    (void)state;
    for (size_t at = 0; at < sizeof(form) - 1; at++) {
        for (const char *with = "\r\n-;\"="; *with; with++) {
            memcpy(body, form, sizeof(form));
            body[at] = *with;
            (void)feed(body, sizeof(form) - 1, 5, &log);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_cutting), cmocka_unit_test(long_values_and_lines),
                                       cmocka_unit_test(what_is_no_form), cmocka_unit_test(damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
