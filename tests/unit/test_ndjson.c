/* JSON lines: blank lines are none, the last line may lack its end, every cut gives the same. */
#include "shim/llm/framing/ndjson.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char out[1024];

static void on_begin(void *context)
{
    (void)context;
    strcat(out, "<");
}

static void on_data(void *context, const char *data, size_t bytes)
{
    (void)context;
    strncat(out, data, bytes);
}

static void on_end(void *context)
{
    (void)context;
    strcat(out, ">");
}

static void expect(const char *text, const char *expected, bool complete)
{
    static const struct ndjson_handler handler = {on_begin, on_data, on_end};
    const size_t bytes = strlen(text);
    for (size_t step = 1; step <= bytes; step++) {
        struct ndjson ndjson;
        out[0] = '\0';
        ndjson_init(&ndjson, &handler, NULL);
        for (size_t at = 0; at < bytes; at += step)
            ndjson_push(&ndjson, text + at, step < bytes - at ? step : bytes - at);
        assert_int_equal(ndjson_end(&ndjson), complete);
        assert_string_equal(out, expected);
    }
}

static void test_lines(void **state)
{
    (void)state;
    expect("{\"a\":1}\n{\"a\":2}\n", "<{\"a\":1}><{\"a\":2}>", true);
    expect("\n \n{}\n\n\n{}", "<{}><{}>", false);
    expect(" \r\n\r\n", "", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
