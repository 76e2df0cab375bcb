/* The histogram of a report (collector/query/histogram.c): error bound, quantiles, merging. */
#include "span_tests.h"

#include "collector/query/histogram.h"

static void test_error_is_bounded(void **state)
{
    (void)state;
    uint64_t seed = 21;
    for (uint64_t value = 0; value < 64; value++)
        assert_int_equal(histogram_middle(histogram_bucket(value)), value);
    for (unsigned i = 0; i < 200000; i++) {
        const uint64_t value = random_next(&seed) >> (i % 64);
        const unsigned bucket = histogram_bucket(value);
        assert_true(bucket < HISTOGRAM_BUCKETS);
        const uint64_t middle = histogram_middle(bucket);
        const uint64_t error = middle > value ? middle - value : value - middle;
        assert_true(error <= value / 64 + (value % 64 != 0));
        assert_int_equal(histogram_bucket(middle), bucket);
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void test_quantiles(void **state)
{
    static struct histogram whole, left, right;
    (void)state;
    assert_int_equal(histogram_quantile(&whole, 0.5), 0);
    for (uint64_t value = 1; value <= 60; value++) {
        histogram_add(&whole, value);
        histogram_add(value % 2 ? &left : &right, value);
    }
    assert_int_equal(histogram_quantile(&whole, 0), 1);
    assert_int_equal(histogram_quantile(&whole, 0.5), 30);
    assert_int_equal(histogram_quantile(&whole, 0.99), 60);
    assert_int_equal(histogram_quantile(&whole, 1), 60);
    histogram_merge(&left, &right);
    assert_memory_equal(&left, &whole, sizeof(whole));
    for (int i = 0; i < 940; i++)
        histogram_add(&whole, 1000001);
    assert_true(histogram_quantile(&whole, 1) <= 1000001);
    assert_true(histogram_quantile(&whole, 0.5) >= 1000001 - 1000001 / 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_error_is_bounded), cmocka_unit_test(test_quantiles)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
