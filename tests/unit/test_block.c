/* Blocks (span/block.c, block_read.c): spans in, the same spans out; columns handed on; damage. */
#include "span_tests.h"

enum { ROWS = 1500 };
static struct span spans[ROWS];
static const struct span *order[ROWS];

static int make_spans(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (size_t i = 0; i < ROWS; i++) {
        make_span(&spans[i], i + 1, &seed);
        order[i] = &spans[i];
    }
    return 0;
}

static void test_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 5, 63, 64, 65, SPAN_BLOCK_ROWS_SHIM, ROWS};
    struct span_buffer out;
    struct span_block *block = malloc(sizeof(*block));
    struct span row;
    assert_non_null(block);
    span_buffer_init(&out, SPAN_FRAME_PAYLOAD_MAX);
    span_block_init(block);
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        out.bytes = 0;
        assert_int_equal(span_block_encode(&out, order, sizes[s], s % 2 ? 1 : 3), 0);
        assert_int_equal(span_block_decode(block, out.data, out.bytes), 0);
        assert_int_equal(block->n, sizes[s]);
        assert_false(block->has[SPAN_parent_id]);
        for (size_t i = 0; i < sizes[s]; i++) {
            span_block_row(block, i, &row);
            assert_spans_equal(&row, &spans[i]);
        }
    }
    span_block_done(block);
    span_buffer_done(&out);
    free(block);
}

static void test_small_blocks_are_small(void **state)
{
    (void)state;
    struct span span;
    const struct span *one = &span;
    struct span_buffer out;
    span_init(&span);
    span_set_u64(&span, SPAN_seq, 1);
    span_set_u64(&span, SPAN_status, 200);
    span_buffer_init(&out, 4096);
    assert_int_equal(span_block_encode(&out, &one, 1, 1), 0);
    assert_int_equal(out.bytes, 2 + 4 + 5);
    out.bytes = 0;
    span_init(&span); /* a span that says nothing is a row all the same */
    assert_int_equal(span_block_encode(&out, &one, 1, 1), 0);
    assert_int_equal(out.bytes, 2);
    assert_int_equal(span_block_encode(&out, &one, 0, 1), -1);
    span_buffer_done(&out);
}

static void test_columns_are_handed_on(void **state)
{
    (void)state;
    struct span_buffer first;
    struct span_buffer second;
    struct span_block_view view;
    size_t bytes;
    span_buffer_init(&first, 1 << 20);
    span_buffer_init(&second, 1 << 20);
    assert_int_equal(span_block_encode(&first, order, 100, 1), 0);
    assert_int_equal(span_block_open(&view, first.data, first.bytes), 0);
    assert_int_equal(span_block_begin(&second, view.n), 0);
    for (size_t i = 0; i < view.n_columns; i++)
        assert_int_equal(span_block_add(&second, view.column[i].number, view.column[i].data, view.column[i].bytes), 0);
    assert_int_equal(first.bytes, second.bytes);
    assert_memory_equal(first.data, second.data, first.bytes);
    assert_non_null(span_block_find(&view, SPAN_status, &bytes));
    assert_null(span_block_find(&view, SPAN_parent_id, &bytes));
    /* A field of a later version is passed on and otherwise ignored. */
    assert_int_equal(span_block_add(&second, 254, (const uint8_t *)"future", 6), 0);
    assert_int_equal(span_block_open(&view, second.data, second.bytes), 0);
    assert_int_equal(view.column[view.n_columns - 1].number, 254);
    assert_memory_equal(view.column[view.n_columns - 1].data, "future", 6);
    struct span_block *block = malloc(sizeof(*block));
    assert_non_null(block);
    span_block_init(block);
    assert_int_equal(span_block_decode(block, second.data, second.bytes), 0);
    assert_int_equal(block->n, 100);
    span_block_done(block);
    free(block);
    span_buffer_done(&first);
    span_buffer_done(&second);
}

static void test_directory_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t bytes;
    } bad[] = {
        {"", 0},
        {"\x01", 1},
        {"\x00\x01", 2} /* no format */,
        {"\x01\x00", 2} /* no rows */,
        {"\x01\x81\x80\x04", 4} /* 65537 rows */,
        {"\x01\x80\x00", 3} /* overlong number */,
        {"\x01\x01\x00\x01"
         "x",
         5} /* field 0 */,
        {"\x01\x01\x05\x00", 4} /* empty column */,
        {"\x01\x01\x05\x02"
         "x",
         5} /* longer than the block */,
        {"\x01\x01\x05\x01"
         "x\x05\x01"
         "x",
         8} /* twice */,
        {"\x01\x01\x05\x01"
         "x\x04\x01"
         "x",
         8} /* descending */,
    };
    struct span_block_view view;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(span_block_open(&view, (const uint8_t *)bad[i].data, bad[i].bytes), SPAN_BLOCK_BAD);
    assert_int_equal(span_block_open(&view, (const uint8_t *)"\x02\x01", 2), SPAN_BLOCK_TOO_NEW);
    assert_int_equal(span_block_open(&view, (const uint8_t *)"\x01\x80\x80\x04", 4), 0);
    assert_int_equal(view.n, SPAN_BLOCK_ROWS_MAX);
}

/* Without the frame's checksum before it, a damaged block must still be harmless. */
static void test_damage(void **state)
{
    (void)state;
    struct span_buffer out;
    span_buffer_init(&out, 1 << 20);
    struct span_block *block = malloc(sizeof(*block));
    assert_non_null(block);
    span_block_init(block);
    assert_int_equal(span_block_encode(&out, order, 40, 3), 0);
    struct guard guard = guard_make(out.bytes);
    struct span row;
    for (size_t i = 0; i < out.bytes; i++) {
        const uint8_t was = out.data[i];
        out.data[i] = (uint8_t)(was ^ (1u << (i % 8)));
        const uint8_t *at = guard_place(&guard, out.data, out.bytes);
        if (span_block_decode(block, at, out.bytes) == 0)
            span_block_row(block, block->n - 1, &row);
        else
            assert_int_equal(block->n, 0);
        at = guard_place(&guard, out.data, i);
        (void)span_block_decode(block, at, i);
        out.data[i] = was;
    }
    assert_int_equal(span_block_decode(block, out.data, out.bytes), 0);
    guard_free(&guard);
    span_block_done(block);
    span_buffer_done(&out);
    free(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_small_blocks_are_small),
        cmocka_unit_test(test_columns_are_handed_on),
        cmocka_unit_test(test_directory_is_checked),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, make_spans, NULL);
}
