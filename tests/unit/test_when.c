/* Points and spans of time as people type them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "../../collector/cli/when.h"

#define S UINT64_C(1000000000)
#define NOW (UINT64_C(1795410017) * S) /* 2026-11-23 05:00:17 UTC */

static void expect(const char *text, uint64_t seconds)
{
    uint64_t ns = 1;
    assert_int_equal(when_parse(text, NOW, &ns), 0);
    assert_int_equal(ns, seconds * S);
}

static void refuse(const char *text)
{
    uint64_t ns = 1;
    assert_int_equal(when_parse(text, NOW, &ns), -1);
    assert_int_equal(ns, 1);
}

static void set_zone(const char *zone)
{
    assert_int_equal(setenv("TZ", zone, 1), 0);
    tzset();
}

static void test_relative(void **state)
{
    (void)state;
    expect("90s", 1795410017 - 90);
    expect("15m", 1795410017 - 900);
    expect("24h", 1795410017 - 86400);
    expect("7d", 1795410017 - 7 * 86400);
    expect("4w", 1795410017 - 28 * 86400);
    expect("now", 1795410017);
    expect("100000d", 0); /* before 1970 is the beginning of everything */
    refuse("7");
    refuse("d");
    refuse("-7d");
    refuse("7 d");
    refuse("7days");
    refuse("99999999999999999999d");
    refuse("");
}

/* The nanoseconds of a 64-bit number end in 2554: what is later does not begin anew in 1970. */
static void test_far_times(void **state)
{
    static const char *const far[] = {"2555-01-01", "2560-06-01", "3000-01-01", "9999-12-31T23:59"};
    uint64_t before;
    (void)state;
    set_zone("UTC");
    expect("2262-04-12", UINT64_C(9223372800));
    assert_int_equal(when_parse("2554-01-01", NOW, &before), 0);
    for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
        uint64_t ns = 0;
        assert_int_equal(when_parse(far[i], NOW, &ns), 0);
        assert_true(ns > before && ns < UINT64_MAX);
    }
    refuse("1969-12-31");
}

static void test_dates(void **state)
{
    (void)state;
    set_zone("UTC");
    expect("2026-11-24", 1795478400);
    expect("2026-11-24T05:00", 1795496400);
    expect("2026-11-24 05:00:17", 1795496417);
    expect("2026-11-24T05:00:17Z", 1795496417);
    expect("2026-11-24T05:00+01:00", 1795492800);
    expect("2026-11-24T05:00-08", 1795525200);
    expect("2024-02-29", 1709164800);
    expect("@1700000000", 1700000000);
    expect("today", 1795392000);
    expect("yesterday", 1795305600);
    refuse("2026-02-29");
    refuse("2026-13-01");
    refuse("2026-00-01");
    refuse("2026-11-31");
    refuse("2026-11-24T24:00");
    refuse("2026-11-24T05");
    refuse("2026-11-24T05:60");
    refuse("2026-11-24x");
    refuse("2026-11-24T05:00+1");
    refuse("24.11.2026");
    refuse("1969-12-31");
    refuse("@");
    refuse("@17x");
}

static void test_local_time(void **state)
{
    (void)state;
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    expect("2026-11-24", 1795474800);
    expect("2026-07-01T12:00", 1782900000); /* summer time */
    expect("2026-07-01T12:00Z", 1782907200);
    set_zone("UTC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relative),
        cmocka_unit_test(test_far_times),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_local_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
