/* Server-sent events: line ends, comments, marks and cuts of every kind give the same events. */
#include "shim/llm/framing/sse.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char out[4096];

static void add(const char *text, size_t bytes)
{
    const size_t used = strlen(out);
    assert_true(used + bytes < sizeof(out));
    memcpy(out + used, text, bytes);
    out[used + bytes] = '\0';
}

static void on_begin(void *context, const char *name, size_t bytes)
{
    (void)context;
    add("<", 1);
    add(name, bytes);
    add("|", 1);
}

static void on_data(void *context, const char *data, size_t bytes)
{
    (void)context;
    add(data, bytes);
}

static void on_end(void *context)
{
    (void)context;
    add(">", 1);
}

static void on_done(void *context)
{
    (void)context;
    add("DONE", 4);
}

static const struct sse_handler handler = {on_begin, on_data, on_end, on_done};

static void feed(const char *text, size_t step, size_t cut)
{
    struct sse sse;
    const size_t bytes = strlen(text);
    struct guard guard = guard_make(bytes);
    out[0] = '\0';
    sse_init(&sse, &handler, NULL);
    for (size_t at = 0; at < bytes;) {
        size_t piece = at < cut ? cut - at : step;
        piece = piece < bytes - at ? piece : bytes - at;
        sse_push(&sse, (const char *)guard_place(&guard, text + at, piece), piece);
        guard_gone(&guard, piece);
        at += piece;
    }
    (void)sse_end(&sse);
    guard_free(&guard);
}

/* `text` with LF, and with CR and CR LF in its place, at every cut. */
static void expect(const char *text, const char *expected)
{
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    for (size_t e = 0; e < 3; e++) {
        char other[2048] = "";
        for (const char *p = text; *p; p++)
            strncat(other, *p == '\n' ? ends[e] : p, *p == '\n' ? 2 : 1);
        feed(other, strlen(other), 0);
        assert_string_equal(out, expected);
        feed(other, 1, 0);
        assert_string_equal(out, expected);
        for (size_t cut = 1; cut < strlen(other); cut++) {
            feed(other, strlen(other), cut);
            assert_string_equal(out, expected);
        }
    }
}

static void test_events(void **state)
{
    (void)state;
    expect("data: {\"a\":1}\n\ndata:{\"a\":2}\n\ndata: [DONE]\n\n", "<|{\"a\":1}><|{\"a\":2}>DONE");
    expect("event: ping\ndata: {}\n\n: comment\n\nid: 7\nretry: 10\ndata: x\n\n", "<ping|{}><|x>");
    expect("\xef\xbb\xbf"
           "data: x\n\n",
           "<|x>");
    expect("data: a\ndata: b\n\n", "<|a\nb>");
    expect("data: [DONE] \n", "DONE");
    expect("data: last, no blank line", "<|last, no blank line>");
    expect("data: [DO\n\ndata: [DONE]x\n\n", "<|[DO><|[DONE]x>");
    expect("data:\n\ndata:   \n\nevent: done\n\n", "");
    expect(" data: no field\n\n", "");
    expect(":\n\n:\n:keep-alive\n\ndata: {\"x\":\"[DONE]\"}\n\n", "<|{\"x\":\"[DONE]\"}>");
    expect("data: [1]\n\ndata: [\n\n", "<|[1]><|[>");
    expect("data:  two blanks\n\n", "<|two blanks>"); /* blanks before JSON mean nothing */
}

static void test_counts(void **state)
{
    (void)state;
    struct sse sse;
    static const char text[] = ": a\n: b\ndata: 1\n\ndata: [DONE]\n\n";
    sse_init(&sse, &handler, NULL);
    sse_push(&sse, text, sizeof(text) - 1);
    assert_true(sse_end(&sse));
    assert_int_equal(sse.events, 1);
    assert_int_equal(sse.comments, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_events), cmocka_unit_test(test_counts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
