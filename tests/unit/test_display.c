/* Numbers and texts as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "../../collector/commands/display.h"

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
    assert_int_equal(display_width("plain"), 5);
    assert_int_equal(display_width("Grüße"), 5);
    assert_int_equal(display_width("日本"), 4);
    assert_int_equal(display_cut("日本語", 5, &columns), 6);
    assert_int_equal(columns, 4);
    assert_int_equal(display_cut("\xff\xfe", 9, &columns), 2);
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
                5, 16, "??31m");      /* CSI as one C1 character */
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
    expect_written(display_csv, "plain", "plain");
    expect_written(display_csv, "a,\"b\"", "\"a,\"\"b\"\"\"");
    expect_written(display_md, "a|b", "a\\|b");
    expect_written(display_json, "a\"\\\x01", "\"a\\\"\\\\\\u0001\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration), cmocka_unit_test(test_count), cmocka_unit_test(test_size_share_rate),
        cmocka_unit_test(test_width),    cmocka_unit_test(test_safe),  cmocka_unit_test(test_cells),
    };
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
