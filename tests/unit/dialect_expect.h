/* For the tests of dialects: one exchange, fed in several cuttings, must give these facts each
 * time. Include once, in the test's own file. */
#pragma once

#include "exchange_run.h"

#include "shim/llm/facts/counted.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct exchange_config config = {.hash_key = {7}, .has_hash_key = true};

struct expected {
    enum span_field field;
    const char *value;
};

static void expect_n(struct exchange_text text, const struct expected *expected, size_t count)
{
    static struct span span;
    static const size_t steps[] = {0, 1, 2, 3, 7, 64};
    for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        text.step = steps[s];
        counted_forget();
        assert_true(exchange_run(&config, &text, &span));
        for (size_t i = 0; i < count; i++) {
            const char *const got = exchange_field(&span, expected[i].field);
            if (strcmp(got, expected[i].value) != 0)
                print_error("%s: %s, not %s\n", span_fields[expected[i].field].ident, got, expected[i].value);
            assert_string_equal(got, expected[i].value);
        }
    }
}

#define EXPECT(text, ...)                                                                                              \
    do {                                                                                                               \
        const struct expected list[] = {__VA_ARGS__};                                                                  \
        expect_n(text, list, sizeof(list) / sizeof(list[0]));                                                          \
    } while (0)

#define SSE_HEAD "HTTP/1.1 200 OK\nContent-Type: text/event-stream\n"
