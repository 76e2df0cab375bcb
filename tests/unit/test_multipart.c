/* multipart.c: fields and files of forms in any cutting, boundaries that almost match, forms that
 * lie. */
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

static bool feed_text(const char *body, size_t step, struct log *log)
{
    return feed(body, strlen(body), step, log);
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

/* What a part is called and whether it is a file, by the lines of its head alone. */
static void heads(void **state)
{
    static const struct {
        const char *head, *says;
    } cases[] = {
        {"content-disposition: form-data; name=a", "a=v\n"},
        {"Content-Disposition:;name=a", "a=v\n"},
        {"content-disposition:; \t name=a ;x", "a=v\n"},
        {"content-disposition: form-data; NAME=\"a\"", "a=v\n"},
        {"content-disposition: form-data; kind=b; name=a", "a=v\n"},         /* as long */
        {"content-disposition: form-data; named=b; nam=c; name=a", "a=v\n"}, /* begins alike */
        {"content-disposition: form-data; name; name=a", "=v\n"},
        {"content-disposition: form-data; name=a\tb", "a=v\n"},
        {"content-disposition: form-data; name=\"a b\tc;name=d\"", "a b\tc;name=d=v\n"},
        {"content-disposition: form-data; name=a;name=b", "a=v\n"},
        {"content-disposition: form-data; x=a name=b; name=c", "c=v\n"},
        {"A\ncontent-disposition: form-data; name=a", "a=v\n"}, /* two bytes are not yet an empty line */
        {"content-disposition: form-data; name=\"\"", "=v\n"},
        {"content-disposition: form-data; name=", "=v\n"},
        {"content-disposition: form-data", "=v\n"},
        {"content-disposition:", "=v\n"},
        {"content-disposition; name=a", "=v\n"},
        {"content-disposer: x; name=a", "=v\n"},
        {"x-content-disposition: x; name=a", "=v\n"},
        {"content-type: text/plain; name=b\r\ncontent-disposition: form-data; name=a", "a=v\n"},
        {"content-disposition: form-data; name=a\r\ncontent-type: text/plain; name=b; filename=c", "a=v\n"},
        {"content-disposition: form-data; name=a; filename=b", "a: 1 bytes\n"},
        {"content-disposition: form-data; name=a; filename=\"\"", "a: 1 bytes\n"},
        {"content-disposition: form-data; name=a; filename*=UTF-8''b", "a: 1 bytes\n"},
        {"content-disposition: form-data; name=a; fileName=b", "a: 1 bytes\n"},
        {"content-disposition: form-data; name=a; filenames=b; filenam=c; profiles=d", "a=v\n"},
        {"content-disposition: form-data; name=a\n", NULL}, /* its end is a line's, with or without CR */
    };
    char body[512];
    struct log log;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int bytes = snprintf(body, sizeof(body), "--b\r\n%s\r\n\r\nv\r\n--b--\r\n", cases[i].head);
        assert_true(feed(body, (size_t)bytes, 7, &log));
        assert_string_equal(log.text, cases[i].says ? cases[i].says : "a=\r\nv\n");
    }
    assert_true(feed_text("--b\r\n\r\nv\r\n--b-x\r\n\r\nw\r\n--b-y\r\n\r\nu\r\n--b--", 4,
                          &log)); /* two dashes end it, not one */
    assert_string_equal(log.text, "=v\n=w\n=u\n");
    assert_true(feed_text("--b\r\n\r\nv\r\n--b\r\n\nw\r\n--b--", 1, &log)); /* no head at all */
    assert_string_equal(log.text, "=v\n=w\n");
    assert_true(feed_text("--b\n\r\nv\r\n--b\r\r\n\nw\r\n--b--", 1, &log)); /* the first line ends without CR */
    assert_string_equal(log.text, "=v\n=w\n");
    assert_true(feed_text("--b\r\nA\r\n\r\nv\r\n--b- -\r\nx", 3, &log)); /* nothing is read after the end */
    assert_string_equal(log.text, "=v\n");
}

/* A part's head is its own: what an earlier part was called, or that it was a file, is
 * forgotten. */
static void parts_forget(void **state)
{
    static const char body[] = "--b\r\ncontent-disposition: form-data; name=a; filename=x\r\n\r\n12345\r\n--b\r\n"
                               "content-type: text/plain\r\n\r\nv\r\n--b--";
    struct log log;
    (void)state;
    assert_true(feed(body, sizeof(body) - 1, 4, &log));
    assert_string_equal(log.text, "a: 5 bytes\n=v\n");
}

/* Exactly as long as there is room for, and one byte more. */
static void limits(void **state)
{
    char body[1024], text[600];
    struct log log;
    (void)state;
    memset(text, 'n', sizeof(text));
    for (int more = 0; more < 2; more++) {
        const int name = MULTIPART_NAME_MAX + more, value = MULTIPART_VALUE_MAX + more;
        int bytes =
            snprintf(body, sizeof(body), "--b\r\ncontent-disposition: form-data; name=%.*s\r\n\r\n%.*s\r\n--b--", name,
                     text, value, text);
        assert_true(feed(body, (size_t)bytes, 5, &log));
        assert_int_equal(log.bytes, MULTIPART_NAME_MAX + 1 + MULTIPART_VALUE_MAX + (more ? 3 : 0) + 1);
        assert_int_equal(strstr(log.text, "...") != NULL, more);
        bytes = snprintf(body, sizeof(body), "--%.*s\r\n\r\nv\r\n--%.*s--", MULTIPART_BOUNDARY_MAX - 2 + more, text,
                         MULTIPART_BOUNDARY_MAX - 2 + more, text);
        assert_int_equal(feed(body, (size_t)bytes, 5, &log), !more);
        assert_string_equal(log.text, more ? "" : "=v\n");
        /* The line's last byte within the buffer belongs to the name, the next is passed over. */
        const int filled = MULTIPART_LINE_MAX - (int)strlen("content-disposition: ; name=a");
        bytes = snprintf(body, sizeof(body), "--b\r\ncontent-disposition: %.*s; name=ab\r\n\r\nv\r\n--b--",
                         filled - 1 + more, text);
        assert_true(feed(body, (size_t)bytes, 5, &log));
        assert_string_equal(log.text, more ? "a=v\n" : "ab=v\n");
    }
    assert_true(feed_text("--1\r\n\r\nv\r\n--1--", 1, &log)); /* the shortest boundary */
    assert_false(feed_text("--\r\n\r\nv\r\n----", 1, &log));
    assert_false(feed_text("-1-\r\n\r\nv\r\n-1---", 1, &log));
}

/* Those who do not ask for files are not told of them. */
static void files_unasked(void **state)
{
    static const struct multipart_handler fields = {on_field, NULL};
    static const char body[] = "--b\r\ncontent-disposition: form-data; name=a; filename=x\r\n\r\n12345\r\n--b--";
    struct multipart scanner;
    struct log log = {0};
    (void)state;
    multipart_init(&scanner, &fields, &log);
    multipart_push(&scanner, body, sizeof(body) - 1);
    assert_true(multipart_complete(&scanner));
    assert_int_equal(log.bytes, 0);
}

/* Every byte replaced by those that mean something here: nothing but sane calls comes out (ASan
 * watches the rest). */
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_cutting),     cmocka_unit_test(long_values_and_lines),
                                       cmocka_unit_test(what_is_no_form), cmocka_unit_test(damaged),
                                       cmocka_unit_test(heads),           cmocka_unit_test(parts_forget),
                                       cmocka_unit_test(limits),          cmocka_unit_test(files_unasked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
