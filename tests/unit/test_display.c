/* Numbers and texts as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "../../collector/base/display.h"
#include "../../collector/base/display_safe.h"
#include "../../collector/cli/cells.h"
#include "../../collector/cli/terminal.h"

static void expect_duration(uint64_t ns, const char *text)
{
    char out[DISPLAY_BYTES];
    display_duration(out, ns);
    assert_string_equal(out, text);
}

static void test_duration(void **state)
{
    (void)state;
    expect_duration(0, "0");
    expect_duration(1, "0.00us");
    expect_duration(850, "0.85us");
    expect_duration(9994, "9.99us");
    expect_duration(9995, "10us");
    expect_duration(999499, "999us");
    expect_duration(999500, "1.00ms");
    expect_duration(12345678, "12.3ms");
    expect_duration(99949999, "99.9ms");
    expect_duration(99950000, "100ms");
    expect_duration(999500000, "1.00s");
    expect_duration(1234567890, "1.23s");
    expect_duration(99949999999, "99.9s");
    expect_duration(99950000000, "1m40s");
    expect_duration(UINT64_C(3599499999999), "59m59s");
    expect_duration(UINT64_C(3599500000000), "1h00m");
    expect_duration(UINT64_C(11220000000000), "3h07m");
    expect_duration(UINT64_C(187200000000000), "2d04h");
    expect_duration(UINT64_MAX, "213503d23h");
}

static void expect_count(uint64_t count, const char *text)
{
    char out[DISPLAY_BYTES];
    display_count(out, count);
    assert_string_equal(out, text);
}

static void test_count(void **state)
{
    (void)state;
    expect_count(0, "0");
    expect_count(999, "999");
    expect_count(1000, "1,000");
    expect_count(1002003, "1,002,003");
    expect_count(9999999, "9,999,999");
    expect_count(10000000, "10.0M");
    expect_count(12345678, "12.3M");
    expect_count(999499999, "999M");
    expect_count(999500000, "1.00G");
    expect_count(UINT64_MAX, "18.4E");
}

static void test_size_share_rate(void **state)
{
    (void)state;
    char out[DISPLAY_BYTES];
    display_size(out, 1023);
    assert_string_equal(out, "1023 B");
    display_size(out, 4198);
    assert_string_equal(out, "4.1 KiB");
    display_size(out, 1048575);
    assert_string_equal(out, "1.0 MiB");
    display_share(out, 0);
    assert_string_equal(out, "0%");
    display_share(out, 0.004);
    assert_string_equal(out, "<1%");
    display_share(out, 0.366);
    assert_string_equal(out, "37%");
    display_rate(out, 134.4);
    assert_string_equal(out, "134");
    display_rate(out, 0.517);
    assert_string_equal(out, "0.52");
    display_id(out, 0xabcULL);
    assert_string_equal(out, "0000000000000abc");
}

static void test_width(void **state)
{
    (void)state;
    size_t columns;
    assert_int_equal(terminal_columns("plain"), 5);
    assert_int_equal(terminal_columns("Grüße"), 5);
    assert_int_equal(terminal_columns("日本"), 4);
    assert_int_equal(terminal_cut("日本語", 5, &columns), 6);
    assert_int_equal(columns, 4);
    assert_int_equal(terminal_cut("\xff\xfe", 9, &columns), 2);
    assert_int_equal(columns, 2);
}

static void expect_safe(const char *text, size_t bytes, size_t room, const char *expected)
{
    char *out = malloc(room); /* on the heap, so that the sanitizer sees a byte too many */
    assert_non_null(out);
    display_safe(out, room, (struct span_text){text, (uint32_t)bytes});
    assert_string_equal(out, expected);
    free(out);
}

static void test_safe(void **state)
{
    (void)state;
    expect_safe("plain", 5, 16, "plain");
    expect_safe("a\033[31mb", 7, 16, "a?[31mb");
    expect_safe("two\nlines", 9, 16, "two lines");
    expect_safe("a\0b", 3, 16, "a?b");
    expect_safe("\xc3", 1, 16, "?");
    expect_safe("\xc2\x9b"
                "31m",
                5, 16, "?31m");       /* CSI as one C1 character */
    expect_safe("Grüße", 7, 4, "Gr"); /* cut before the character that does not fit */
    expect_safe("", 0, 1, "");
}

static void expect_written(void (*write_cell)(FILE *, const char *), const char *text, const char *expected)
{
    char *data = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&data, &bytes);
    assert_non_null(out);
    write_cell(out, text);
    (void)fclose(out);
    assert_string_equal(data, expected);
    free(data);
}

static void test_cells(void **state)
{
    (void)state;
    expect_written(cell_csv, "plain", "plain");
    expect_written(cell_csv, "a,\"b\"", "\"a,\"\"b\"\"\"");
    expect_written(cell_md, "a|b", "a\\|b");
    expect_written(cell_json, "a\"\\\x01", "\"a\\\"\\\\\\u0001\"");
}

/* Marks of direction, joiners, tags, controls: one '?' each where people read, an escape where
 * programs do. */
static void test_hidden_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"\xe2\x80\xae", "\\u202e"}, {"\xe2\x80\xaa", "\\u202a"},
        {"\xe2\x81\xa6", "\\u2066"}, {"\xe2\x81\xa9", "\\u2069"},
        {"\xe2\x80\x8b", "\\u200b"}, {"\xe2\x80\x8f", "\\u200f"},
        {"\xef\xbb\xbf", "\\ufeff"}, {"\xd8\x9c", "\\u061c"},
        {"\xe2\x80\xa8", "\\u2028"}, {"\xe2\x80\xa9", "\\u2029"},
        {"\xc2\x80", "\\u0080"},     {"\xc2\x9b", "\\u009b"},
        {"\xc2\xad", "\\u00ad"},     {"\xf3\xa0\x81\x81", "\\udb40\\udc41"},
        {"\xe2\x81\xa0", "\\u2060"}, {"\x7f", "\\u007f"},
        {"\xef\xb8\x8f", "\\ufe0f"}, {"\033", "\\u001b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32], json[64];
        snprintf(text, sizeof(text), "a%sb", cases[i].text);
        snprintf(json, sizeof(json), "\"a%sb\"", cases[i].json);
        expect_safe(text, strlen(text), 16, "a?b");
        expect_written(cell_json, text, json);
        assert_string_equal(display_name(text), "a?b");
    }
    expect_written(cell_json, "Grüße 日本 \xf0\x9f\x98\x80 \xff", "\"Grüße 日本 \xf0\x9f\x98\x80 \xef\xbf\xbd\"");
}

/* A spreadsheet calculates none of it; numbers stay what they are. */
static void test_csv_formulas(void **state)
{
    (void)state;
    static const char *const formulas[] = {
        "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\"=1\"", "'=1", "-",
        "--1",  "=HYPERLINK(\"x\")",  "-1-1", "＝1",      "＋1",  "－1",  "＠x",  "−1",  "-1e",    "+"};
    for (size_t i = 0; i < sizeof(formulas) / sizeof(formulas[0]); i++) {
        char *data = NULL;
        size_t bytes = 0;
        FILE *out = open_memstream(&data, &bytes);
        cell_csv(out, formulas[i]);
        (void)fclose(out);
        if (strncmp(data, "\"'", 2) != 0)
            fail_msg("%s is written as %s", formulas[i], data);
        free(data);
    }
    static const char *const numbers[] = {"-1", "+1", "-0.5", "-1e9", "1.5", "-12E-3", "0"};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        expect_written(cell_csv, numbers[i], numbers[i]);
    expect_written(cell_csv, "a;=1", "\"a;=1\"");
}

/* Nothing becomes a link, an image, HTML, code, a heading or a cell of its own. */
static void test_md_markup(void **state)
{
    (void)state;
    expect_written(cell_md, "![x](http://e/)", "\\!\\[x\\](http\\://e/)");
    expect_written(cell_md, "[a](javascript:b)", "\\[a\\](javascript:b)");
    expect_written(cell_md, "<img src=x>", "\\<img src=x\\>");
    expect_written(cell_md, "&lt;b&gt;", "\\&lt;b\\&gt;");
    expect_written(cell_md, "`a` *b* _c_ ~~d~~ a|b \\", "\\`a\\` \\*b\\* \\_c\\_ \\~\\~d\\~\\~ a\\|b \\\\");
    expect_written(cell_md, "www.evil.example", "www\\.evil.example");
    expect_written(cell_md, "a@b.example", "a\\@b.example");
    expect_written(cell_md, "# a", "\\# a");
    expect_written(cell_md, "a\nb\r", "a b ");
    expect_written(cell_md, "gpt-4o-mini 2.5 (x)", "gpt-4o-mini 2.5 (x)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_size_share_rate),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_safe),
        cmocka_unit_test(test_cells),
        cmocka_unit_test(test_hidden_characters),
        cmocka_unit_test(test_csv_formulas),
        cmocka_unit_test(test_md_markup),
    };
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
