/* The histogram (span/sketch.c): error bound, merging, bytes. */
#include "span_tests.h"

#include "span/sketch.h"

static void test_error_is_bounded(void **state)
{
    (void)state;
    uint64_t seed = 21;
    for (uint64_t value = 0; value < 64; value++) {
        assert_int_equal(span_sketch_middle(span_sketch_bucket(value)), value);
    }
    for (unsigned i = 0; i < 200000; i++) {
        const uint64_t value = random_next(&seed) >> (i % 64);
        const unsigned bucket = span_sketch_bucket(value);
        assert_true(bucket < SPAN_SKETCH_BUCKETS);
        const uint64_t middle = span_sketch_middle(bucket);
        const uint64_t error = middle > value ? middle - value : value - middle;
        assert_true(error <= value / 64 + (value % 64 != 0));
        assert_int_equal(span_sketch_bucket(middle), bucket);
    }
    assert_int_equal(span_sketch_bucket(UINT64_MAX), SPAN_SKETCH_BUCKETS - 1);
}

static void test_quantiles(void **state)
{
    (void)state;
    static struct span_sketch sketch;
    span_sketch_init(&sketch);
    assert_int_equal(span_sketch_quantile(&sketch, 0.5), 0);
    for (uint64_t value = 1; value <= 60; value++) {
        span_sketch_add(&sketch, value, 1);
    }
    assert_int_equal(span_sketch_quantile(&sketch, 0), 1);
    assert_int_equal(span_sketch_quantile(&sketch, 0.5), 30);
    assert_int_equal(span_sketch_quantile(&sketch, 0.99), 60);
    assert_int_equal(span_sketch_quantile(&sketch, 1), 60);
    span_sketch_add(&sketch, 1000001, 940);
    assert_true(span_sketch_quantile(&sketch, 1) <= 1000001);
    assert_true(span_sketch_quantile(&sketch, 0.5) >= 1000001 - 1000001 / 64);
    span_sketch_add(&sketch, 5, UINT64_MAX);
    assert_int_equal(sketch.count, UINT64_MAX); /* stops, does not wrap */
    assert_int_equal(span_sketch_quantile(&sketch, 0.5), 5);
}

static void test_merge_is_addition(void **state)
{
    (void)state;
    static struct span_sketch whole, left, right, back;
    uint64_t seed = 22;
    span_sketch_init(&whole);
    span_sketch_init(&left);
    span_sketch_init(&right);
    for (unsigned i = 0; i < 5000; i++) {
        const uint64_t value = random_next(&seed) >> (random_next(&seed) % 64);
        span_sketch_add(&whole, value, i % 3);
        span_sketch_add(i % 2 ? &left : &right, value, i % 3);
    }
    span_sketch_merge(&left, &right);
    assert_memory_equal(&left, &whole, sizeof(whole));
    struct span_buffer out;
    span_buffer_init(&out, 65536);
    assert_int_equal(span_sketch_write(&out, &whole), 0);
    assert_int_equal(span_sketch_read(&back, out.data, out.bytes), 0);
    assert_memory_equal(&back, &whole, sizeof(whole));
    struct guard guard = guard_make(out.bytes);
    for (size_t i = 0; i < out.bytes; i++) {
        (void)span_sketch_read(&back, guard_place(&guard, out.data, i), i);
        out.data[i] ^= 0x80;
        (void)span_sketch_read(&back, guard_place(&guard, out.data, out.bytes), out.bytes);
        out.data[i] ^= 0x80;
    }
    guard_free(&guard);
    span_buffer_done(&out);
}

static void test_bad_bytes(void **state)
{
    (void)state;
    static struct span_sketch sketch;
    static const struct {
        const char *data;
        size_t bytes;
    } bad[] = {
        {"", 0},
        {"\x05", 1} /* a maximum without values */,
        {"\x05\x05", 2},
        {"\x05\x05\x00", 3} /* zero times */,
        {"\x06\x05\x01", 3} /* maximum in another bucket */,
        {"\x05\x80\x10\x01", 4} /* bucket out of range */,
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(span_sketch_read(&sketch, (const uint8_t *)bad[i].data, bad[i].bytes), -1);
        assert_int_equal(sketch.count, 0);
    }
    assert_int_equal(span_sketch_read(&sketch, (const uint8_t *)"\x00", 1), 0);
    assert_int_equal(span_sketch_read(&sketch, (const uint8_t *)"\x05\x05\x02", 3), 0);
    assert_int_equal(sketch.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_is_bounded),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_merge_is_addition),
        cmocka_unit_test(test_bad_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
