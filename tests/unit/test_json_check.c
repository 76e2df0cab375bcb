/* The validator: accepts JSON and nothing else, in any cutting; and the order-independent hash
 * beside it. */
#include "shim/llm/identity/json_canon.h"
#include "shim/llm/json/json_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool valid(const char *text, size_t step)
{
    struct json_check check;
    json_check_init(&check);
    for (size_t at = 0, bytes = strlen(text); at < bytes; at += step)
        json_check_push(&check, text + at, step < bytes - at ? step : bytes - at);
    return json_check_valid(&check);
}

static void test_valid(void **state)
{
    (void)state;
    static const char *const good[] = {"{}",
                                       "[]",
                                       " {\"a\":1, \"b\":[true,false,null,-0.5e+3,\"\\u00e9\\n\"]} \n",
                                       "0",
                                       "-1",
                                       "\"x\"",
                                       "1e5",
                                       "[[[[1]]],{\"a\":{\"b\":[]}}]",
                                       "null"};
    static const char *const bad[] = {"",         " ",        "{",          "{]",          "[}",
                                      "{\"a\"}",  "{\"a\":}", "{\"a\":1,}", "[1,]",        "[,1]",
                                      "01",       "1.",       "1e",         "1e+-5",       "1e--5",
                                      "1e+",      "+1",       "tru",        "truee",       "{}x",
                                      "{} {}",    "\"a",      "\"\\x\"",    "\"\\u12g4\"", "```json\n{}\n```",
                                      "\"a\nb\"", "{'a':1}",  "-",          "[1 2]",       "{1:2}",
                                      "NaN"};
    for (size_t step = 1; step < 6; step++) {
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
            assert_true(valid(good[i], step));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
            assert_false(valid(bad[i], step));
    }
}

static void test_deep(void **state)
{
    (void)state;
    static char deep[20001];
    memset(deep, '[', 10000);
    memset(deep + 10000, ']', 10000);
    assert_true(valid(deep, 1000));
    deep[19999] = '\0';
    assert_false(valid(deep, 1000));
}

static void canon(const char *json, size_t step, uint64_t sum[2])
{
    struct json_canon canon;
    json_canon_init(&canon);
    for (size_t at = 0, bytes = strlen(json); at < bytes; at += step)
        json_canon_push(&canon, json + at, step < bytes - at ? step : bytes - at);
    json_canon_end(&canon);
    memcpy(sum, canon.sum, sizeof(canon.sum));
}

static void test_canon(void **state)
{
    (void)state;
    static const char *const same[] = {"[{\"name\":\"caf\\u00e9\",\"p\":{\"x\":[1,2],\"y\":true}},{}]",
                                       " [ {\"p\" : {\"y\":true, \"x\":[1, 2]},\n\"name\":\"caf\xc3\xa9\"} , { } ]"};
    static const char *const other[] = {"[{\"name\":\"caf\\u00e9\",\"p\":{\"x\":[2,1],\"y\":true}},{}]",
                                        "[{},{\"name\":\"caf\\u00e9\",\"p\":{\"x\":[1,2],\"y\":true}}]",
                                        "[{\"name\":\"caf\\u00e9\",\"p\":{\"x\":[1,2],\"y\":\"true\"}},{}]",
                                        "[{\"nam\":\"ecaf\\u00e9\",\"p\":{\"x\":[1,2],\"y\":true}},{}]"};
    uint64_t first[2], sum[2];
    canon(same[0], 1000, first);
    for (size_t step = 1; step < 20; step++)
        for (size_t i = 0; i < 2; i++) {
            canon(same[i], step, sum);
            assert_memory_equal(sum, first, sizeof(sum));
        }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        canon(other[i], 7, sum);
        assert_memory_not_equal(sum, first, sizeof(sum));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_valid), cmocka_unit_test(test_deep),
                                       cmocka_unit_test(test_canon)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
