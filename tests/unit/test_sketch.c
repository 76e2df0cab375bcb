/* The histogram (span/sketch.c) and its column (span/column_sketch.c): error bound, merging, bytes,
 * damage. */
#include "span_tests.h"

#include "span/codec.h"
#include "span/sketch.h"

static void test_error_is_bounded(void **state)
{
    (void)state;
    uint64_t seed = 21;
    unsigned before = 0;
    for (uint64_t value = 0; value < 16; value++)
        assert_int_equal(span_sketch_middle(span_sketch_bucket(value)), value);
    for (uint64_t value = 0; value < 100000; value++) {
        const unsigned bucket = span_sketch_bucket(value);
        assert_true(bucket == before || bucket == before + 1 || value < 64);
        before = bucket;
    }
    for (unsigned i = 0; i < 200000; i++) {
        const uint64_t value = random_next(&seed) >> (i % 64);
        const unsigned bucket = span_sketch_bucket(value);
        assert_true(bucket < SPAN_SKETCH_BUCKETS);
        const uint64_t middle = span_sketch_middle(bucket);
        const uint64_t error = middle > value ? middle - value : value - middle;
        assert_true(error <= value / 1000 * 45 + value % 1000 * 45 / 1000 + 1);
        assert_true(value < 16 || value > 1000 ? span_sketch_bucket(middle) == bucket : true);
    }
    assert_int_equal(span_sketch_bucket(UINT64_MAX), SPAN_SKETCH_BUCKETS - 1);
}

static void test_quantiles(void **state)
{
    (void)state;
    static struct span_sketch sketch;
    span_sketch_init(&sketch);
    assert_int_equal(span_sketch_quantile(&sketch, 0.5), 0);
    for (uint64_t value = 1; value <= 12; value++)
        span_sketch_add(&sketch, value, 1);
    assert_int_equal(span_sketch_quantile(&sketch, 0), 1);
    assert_int_equal(span_sketch_quantile(&sketch, 0.5), 6);
    assert_int_equal(span_sketch_quantile(&sketch, 0.99), 12);
    assert_int_equal(span_sketch_quantile(&sketch, 1), 12);
    span_sketch_add(&sketch, 1000001, 940);
    assert_in_range(span_sketch_quantile(&sketch, 1), 955000, 1045000);
    assert_in_range(span_sketch_quantile(&sketch, 0.5), 955000, 1045000);
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
    span_sketch_init(&back);
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
    assert_int_equal(span_sketch_merge_bytes(&back, out.data, out.bytes), 0);
    assert_memory_equal(&back, &whole, sizeof(whole));
    struct guard guard = guard_make(out.bytes);
    for (size_t i = 0; i < out.bytes; i++) {
        (void)span_sketch_merge_bytes(&back, guard_place(&guard, out.data, i), i);
        out.data[i] ^= 0x80;
        (void)span_sketch_merge_bytes(&back, guard_place(&guard, out.data, out.bytes), out.bytes);
        out.data[i] ^= 0x80;
    }
    guard_free(&guard);
    span_buffer_done(&out);
}

/* Counts of one byte are added another way than longer ones: the same sums on both sides of the
 * border, up to the last bucket, and one bucket too many is refused both ways. */
static void test_short_and_long_counts(void **state)
{
    (void)state;
    static const uint64_t largest[] = {1, 2, 126, 127, 128, 129, 16383, 16384, UINT32_MAX};
    uint64_t seed = 41;
    for (unsigned round = 0; round < 600; round++) {
        static struct span_sketch one, twice, back;
        const unsigned n = 1 + (unsigned)(random_next(&seed) % 30);
        const unsigned first = round % 2 ? SPAN_SKETCH_BUCKETS - n : (unsigned)(random_next(&seed) % 400);
        const uint64_t most = largest[round % (sizeof(largest) / sizeof(largest[0]))];
        span_sketch_init(&one);
        span_sketch_init(&back);
        for (unsigned i = 0; i < n; i++) {
            one.bucket[first + i] = i + 1 == n ? most : random_next(&seed) % (most + 1);
            one.count += one.bucket[first + i];
        }
        one.count += one.bucket[first] == 0;
        one.bucket[first] += one.bucket[first] == 0;
        struct span_buffer out;
        span_buffer_init(&out, 4096);
        assert_int_equal(span_sketch_write(&out, &one), 0);
        struct guard guard = guard_make(out.bytes);
        const uint8_t *bytes = guard_place(&guard, out.data, out.bytes);
        assert_int_equal(span_sketch_merge_bytes(&back, bytes, out.bytes), 0);
        assert_int_equal(span_sketch_merge_bytes(&back, bytes, out.bytes), 0);
        twice = one;
        span_sketch_merge(&twice, &one);
        assert_memory_equal(&back, &twice, sizeof(back));
        guard_free(&guard);
        span_put_byte(&out, 1);
        assert_int_equal(span_sketch_merge_bytes(&back, out.data, out.bytes), first + n < SPAN_SKETCH_BUCKETS ? 0 : -1);
        span_buffer_done(&out);
    }
}

static void test_bad_bytes(void **state)
{
    (void)state;
    static struct span_sketch sketch, before;
    static const struct {
        const char *data;
        size_t bytes;
    } bad[] = {
        {"", 0},
        {"\x05", 1} /* no counts */,
        {"\xf0\x03\x01", 3} /* bucket out of range */,
        {"\xef\x03\x01\x02", 4} /* one bucket too many */,
        {"\x05\x03\x80", 3} /* cut */,
        {"\x05\x03\x80\x00", 4} /* needless byte */,
        {"\x05\x03\x80\x80\x80\x80\x10", 7} /* a count that no call has */,
    };
    span_sketch_init(&sketch);
    assert_int_equal(span_sketch_merge_bytes(&sketch, (const uint8_t *)"\x05\x02\x00\x01", 4), 0);
    assert_int_equal(sketch.count, 3);
    assert_int_equal(sketch.bucket[5], 2);
    assert_int_equal(sketch.bucket[7], 1);
    before = sketch;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(span_sketch_merge_bytes(&sketch, (const uint8_t *)bad[i].data, bad[i].bytes), -1);
        assert_memory_equal(&sketch, &before, sizeof(before));
    }
}

/* ---- the column ---- */

enum { ROWS = 700 };

/* Streams of 1 to 500 gaps around 20 ms, every ninth row without, one with a stall of a minute. */
static void make_texts(struct span_text *texts, uint64_t *present, struct span_buffer *bytes)
{
    static struct span_sketch sketch;
    static size_t at[ROWS + 1];
    uint64_t seed = 23;
    memset(present, 0, (ROWS + 63) / 64 * sizeof(*present));
    for (size_t i = 0; i < ROWS; i++) {
        at[i] = bytes->bytes;
        if (i % 9 == 8)
            continue;
        present[i / 64] |= UINT64_C(1) << (i % 64);
        span_sketch_init(&sketch);
        for (uint64_t gaps = random_next(&seed) % 500 + 1; gaps > 0; gaps--)
            span_sketch_add(&sketch, 10000000 + random_next(&seed) % 20000000, 1 + gaps % 2 * 200);
        if (i == 77)
            span_sketch_add(&sketch, UINT64_C(60000000000), 1);
        assert_int_equal(span_sketch_write(bytes, &sketch), 0);
    }
    at[ROWS] = bytes->bytes;
    for (size_t i = 0; i < ROWS; i++)
        texts[i] = (struct span_text){(const char *)bytes->data + at[i], (uint32_t)(at[i + 1] - at[i])};
}

static void test_column_round_trip(void **state)
{
    static struct span_text texts[ROWS];
    uint64_t present[(ROWS + 63) / 64];
    struct span_buffer bytes;
    struct span_buffer out;
    struct span_buffer plain;
    struct span_column column;
    (void)state;
    span_buffer_init(&bytes, 1 << 20);
    span_buffer_init(&out, 1 << 20);
    span_buffer_init(&plain, 1 << 20);
    span_column_init(&column);
    make_texts(texts, present, &bytes);
    for (int level = 0; level <= 3; level += 3) {
        out.bytes = plain.bytes = 0;
        assert_int_equal(span_column_encode_sketch(&out, texts, present, ROWS, level), 0);
        assert_int_equal(span_column_encode_text(&plain, texts, present, ROWS, level), 0);
        assert_true(out.bytes < plain.bytes);
        assert_int_equal(out.data[0] & SPAN_CODEC_SHAPE, SPAN_CODEC_SKETCHES);
        assert_int_equal(span_column_decode_text(&column, out.data, out.bytes, ROWS), 0);
        for (size_t i = 0; i < ROWS; i++) {
            assert_int_equal(span_bit(column.present, i), span_bit(present, i));
            if (span_bit(present, i)) {
                const struct span_text *text = &column.dict[column.code[i]];
                assert_int_equal(text->bytes, texts[i].bytes);
                assert_memory_equal(text->data, texts[i].data, texts[i].bytes);
            }
        }
        struct guard guard = guard_make(out.bytes);
        for (size_t i = 0; i < out.bytes; i += level == 0 ? 7 : 1) {
            (void)span_column_decode_text(&column, guard_place(&guard, out.data, i), i, ROWS);
            out.data[i] ^= 0x80;
            (void)span_column_decode_text(&column, guard_place(&guard, out.data, out.bytes), out.bytes, ROWS);
            out.data[i] ^= 0x80;
        }
        guard_free(&guard);
    }
    /* What is no sketch is kept all the same. */
    texts[3] = (struct span_text){"\xff\xff", 2};
    out.bytes = 0;
    assert_int_equal(span_column_encode_sketch(&out, texts, present, ROWS, 3), 0);
    assert_int_equal(span_column_decode_text(&column, out.data, out.bytes, ROWS), 0);
    assert_memory_equal(column.dict[column.code[3]].data, "\xff\xff", 2);
    span_column_done(&column);
    span_buffer_done(&plain);
    span_buffer_done(&out);
    span_buffer_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_is_bounded),  cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_merge_is_addition), cmocka_unit_test(test_short_and_long_counts),
        cmocka_unit_test(test_bad_bytes),         cmocka_unit_test(test_column_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
