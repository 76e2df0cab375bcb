/* The JSON scanner: the same values come out of every cutting, nothing is read beyond the input,
 * garbage misleads nobody. */
#include "shim/llm/json/json_scan.h"

#include "guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NAME = 1, TEXT, COUNT, BOX, ITEM, ANY, RAW, ROOT, DEEP };

static const struct json_rule table[] = {
    {"name", NAME, 0},   {"text", TEXT, JSON_PIECES}, {"usage.count", COUNT, 0},
    {"usage", BOX, 0},   {"list[].v", ITEM, 0},       {"grid[][]", ITEM, 0},
    {"map.*.n", ANY, 0}, {"raw", RAW, JSON_RAW},      {"a.b.c.d", DEEP, 0},
};
static struct json_rules rules = JSON_RULES(table);

struct log {
    char *text;
    size_t bytes, room;
    unsigned documents;
};

static void add(struct log *log, const char *text, size_t bytes)
{
    if (log->bytes + bytes + 1 > log->room) {
        log->room = (log->bytes + bytes + 1) * 2;
        log->text = realloc(log->text, log->room);
    }
    memcpy(log->text + log->bytes, text, bytes);
    log->bytes += bytes;
    log->text[log->bytes] = '\0';
}

/* Pieces are joined, so that the log does not depend on the cutting. */
static void on_value(void *context, const struct json_value *value)
{
    struct log *const log = context;
    char head[96] = "";
    static const char *const names[] = {"null", "false", "true", "num", "str", "{", "}", "[", "]", "raw"};
    if (value->first) {
        int used = snprintf(head, sizeof(head), "%u", value->rule);
        for (unsigned i = 0; i < value->indexes; i++)
            used += snprintf(head + used, sizeof(head) - (size_t)used, "/%u", value->index[i]);
        if (value->rule == ANY)
            used += snprintf(head + used, sizeof(head) - (size_t)used, "@%.*s", (int)value->key_bytes, value->key);
        used += snprintf(head + used, sizeof(head) - (size_t)used, " %s%s ", names[value->type], value->cut ? "!" : "");
        if (value->has_u64)
            used += snprintf(head + used, sizeof(head) - (size_t)used, "=%llu ", (unsigned long long)value->u64);
        add(log, head, (size_t)used);
    }
    add(log, value->text, value->bytes);
    if (value->last)
        add(log, ";", 1);
}

static void on_document(void *context)
{
    ((struct log *)context)->documents++;
}

static struct guard guard;

static int make_guard(void **state)
{
    (void)state;
    guard = guard_make(1 << 20);
    return 0;
}

static int free_guard(void **state)
{
    (void)state;
    guard_free(&guard);
    return 0;
}

static struct log scan_cut(const char *json, size_t bytes, size_t step, size_t cut, bool elements)
{
    struct log log = {0};
    struct json_scan scan;
    add(&log, "", 0);
    json_rules_compile(&rules);
    json_scan_init(&scan, &rules, on_value, &log, elements);
    scan.document = on_document;
    for (size_t at = 0; at < bytes;) {
        size_t piece = cut && at < cut ? cut - at : step;
        piece = piece < bytes - at ? piece : bytes - at;
        json_scan_push(&scan, (const char *)guard_place(&guard, json + at, piece), piece);
        guard_gone(&guard, piece);
        at += piece;
    }
    (void)json_scan_end(&scan);
    return log;
}

/* Whole, byte by byte, and cut in two at every position: always `expected`. */
static void expect(const char *json, const char *expected, bool elements)
{
    const size_t bytes = strlen(json);
    struct log log = scan_cut(json, bytes, bytes, 0, elements);
    assert_string_equal(log.text, expected);
    free(log.text);
    log = scan_cut(json, bytes, 1, 0, elements);
    assert_string_equal(log.text, expected);
    free(log.text);
    for (size_t cut = 1; cut < bytes; cut++) {
        log = scan_cut(json, bytes, bytes, cut, elements);
        assert_string_equal(log.text, expected);
        free(log.text);
    }
}

static void test_values(void **state)
{
    (void)state;
    expect("{\"name\":\"x\",\"usage\":{\"count\":12}}", "1 str x;4 { ;3 num =12 12;4 } ;", false);
    expect(" { \"usage\" : { \"count\" : 1.20e1 , \"q\":[] } , \"name\":null}", "4 { ;3 num =12 1.20e1;4 } ;1 null ;",
           false);
    expect("{\"usage\":null,\"name\":true,\"name\":false}", "4 null ;1 true ;1 false ;", false);
    expect("{\"list\":[{\"v\":1},{\"w\":2,\"v\":\"7\"},3,{\"v\":-1.5}]}", "5/0 num =1 1;5/1 str =7 7;5/3 num -1.5;",
           false);
    expect("{\"grid\":[[1,2],[],[3]]}", "5/0/0 num =1 1;5/0/1 num =2 2;5/2/0 num =3 3;", false);
    expect("{\"map\":{\"k1\":{\"n\":1},\"k\\u0032\":{\"n\":2}}}", "6@k1 num =1 1;6@k2 num =2 2;", false);
    expect("{\"a\":{\"b\":{\"x\":[{}],\"c\":{\"d\":\"ok\"}}}}", "9 str ok;", false);
}

static void test_strings(void **state)
{
    (void)state;
    expect("{\"text\":\"a\\nb\\\"\\\\\\/\\u0041\",\"na\\u006de\":\"y\"}", "2 str a\nb\"\\/A;1 str y;", false);
    expect("{\"text\":\"\\ud83d\\ude00!\",\"name\":\"\xf0\x9f\x98\x80\xc3\xa9\"}",
           "2 str \xf0\x9f\x98\x80!;1 str \xf0\x9f\x98\x80\xc3\xa9;", false);
    /* Surrogates without partner, bad hex, unknown escapes. */
    expect("{\"text\":\"\\ud83dx\\ude00\\uzz\\q\"}", "2 str \xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbdzzq;", false);
    expect("{\"text\":\"\",\"name\":\"\"}", "2 str ;1 str ;", false);
    expect("{\"skipped\":\"{\\\"name\\\":[\\\\\",\"name\":\"z\"}", "1 str z;", false);
}

static void test_raw(void **state)
{
    (void)state;
    expect("{\"raw\": [1, {\"a\":\"]}\"}] ,\"name\":1}", "7 raw [1, {\"a\":\"]}\"}];1 num =1 1;", false);
    expect("{\"raw\":\"x\\\"y\",\"name\":1}", "7 raw \"x\\\"y\";1 num =1 1;", false);
    expect("{\"raw\":12.5,\"name\":1}", "7 raw 12.5;1 num =1 1;", false);
}

static void test_several(void **state)
{
    (void)state;
    expect("{\"name\":1}{\"name\":2}\n\n{\"name\":3} ", "1 num =1 1;1 num =2 2;1 num =3 3;", false);
    expect("[{\"name\":1}\n,\r\n{\"name\":2}]", "1 num =1 1;1 num =2 2;", true);
    expect("[{\"name\":1}]", "", false);
    struct log log = scan_cut("[{\"name\":1},{\"name\":2}]", 23, 1, 0, true);
    assert_int_equal(log.documents, 2);
    free(log.text);
}

static void test_garbage(void **state)
{
    (void)state;
    expect("{\"name\":NaN,\"usage\":{\"count\":Infinity}}", "4 { ;4 } ;", false);
    expect("{\"usage\":{\"count\":1.5},\"name\":nul}", "4 { ;3 num 1.5;4 } ;", false);
    expect("{\"usage\":{\"count\":-3},\"name\":\"5x\"}", "4 { ;3 num -3;4 } ;1 str 5x;", false);
    expect("{\"usage\":{\"count\":18446744073709551616}}", "4 { ;3 num 18446744073709551616;4 } ;", false);
    expect("{,\"name\":1,}", "1 num =1 1;", false);
    expect("}}]]{\"name\":1}", "1 num =1 1;", false);
    expect("", "", false);
    expect("{\"name\"", "", false);
}

static void test_unbounded(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    char *const json = malloc(3 * MANY + 100);
    size_t bytes = (size_t)sprintf(json, "{\"deep\":");
    memset(json + bytes, '[', MANY);
    memset(json + bytes + MANY, ']', MANY);
    bytes += 2 * (size_t)MANY;
    bytes += (size_t)sprintf(json + bytes, ",\"name\":\"");
    memset(json + bytes, 'x', MANY / 2);
    bytes += MANY / 2;
    bytes += (size_t)sprintf(json + bytes, "\",\"usage\":{\"count\":");
    memset(json + bytes, '9', MANY / 4);
    bytes += MANY / 4;
    bytes += (size_t)sprintf(json + bytes, "}}");
    for (size_t step = 1; step < 100000; step = step * 7 + 3) {
        struct log log = scan_cut(json, bytes, step, 0, false);
        assert_non_null(strstr(log.text, "1 str! xxx"));
        assert_null(strstr(log.text, "="));
        assert_true(log.bytes < 2 * JSON_CAPTURE_MAX + 64);
        assert_int_equal(log.documents, 1);
        free(log.text);
        if (step == 1)
            step = 4000;
    }
    free(json);
}

static void test_long_pieces(void **state)
{
    (void)state;
    char json[4000] = "{\"text\":\"", expected[4000] = "2 str ";
    for (int i = 0; i < 300; i++) {
        strcat(json, i % 3 ? "word\\n" : "\\u00e9");
        strcat(expected, i % 3 ? "word\n" : "\xc3\xa9");
    }
    strcat(json, "\"}");
    strcat(expected, ";");
    expect(json, expected, false);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool number, whole;
        double value;
    } cases[] = {{"0", true, true, 0},
                 {"-0", true, true, 0},
                 {"12.0", true, true, 12},
                 {"1e3", true, true, 1000},
                 {"5952e-8", true, false, 5952e-8},
                 {"-7", true, false, -7},
                 {"", false, false, 0},
                 {"-", false, false, 0},
                 {"1e", false, false, 0},
                 {"1.2.3", false, false, 0},
                 {"0x10", false, false, 0},
                 {".5", false, false, 0},
                 {"1e999", true, false, 0},
                 {"1e-999", true, false, 0},
                 {"120e-1", true, true, 12}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double number = -1;
        bool whole = false;
        uint64_t integer = 0;
        assert_int_equal(json_number_parse(cases[i].text, strlen(cases[i].text), &number, &whole, &integer),
                         cases[i].number);
        assert_int_equal(whole, cases[i].whole);
        if (whole)
            assert_true((double)integer == cases[i].value);
        if (cases[i].number && number < 1e300 && number > -1e300)
            assert_true(number - cases[i].value < 1e-12 && cases[i].value - number < 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_strings), cmocka_unit_test(test_raw),
        cmocka_unit_test(test_several),     cmocka_unit_test(test_garbage), cmocka_unit_test(test_unbounded),
        cmocka_unit_test(test_long_pieces), cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, make_guard, free_guard);
}
