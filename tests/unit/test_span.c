/* Setters, bounds and ids of a span (span/span.c). */
#include "span_tests.h"

static void test_table_is_in_order(void **state)
{
    (void)state;
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        assert_true(f == 0 || span_fields[f].number > span_fields[f - 1].number);
        assert_int_equal(span_field_by_number(span_fields[f].number), f);
        assert_int_equal(span_field_by_name(span_fields[f].ident, strlen(span_fields[f].ident)), f);
        if (span_fields[f].name[0] != '\0')
            assert_int_equal(span_field_by_name(span_fields[f].name, strlen(span_fields[f].name)), f);
    }
    assert_int_equal(span_field_by_number(0), SPAN_FIELD_COUNT);
    assert_int_equal(span_field_by_number(255), SPAN_FIELD_COUNT);
    assert_int_equal(span_field_by_number(70000), SPAN_FIELD_COUNT);
    assert_int_equal(span_field_by_name("", 0), SPAN_FIELD_COUNT);
    assert_int_equal(span_field_by_name("total", 5), SPAN_FIELD_COUNT);
}

static void test_absent_is_not_zero(void **state)
{
    (void)state;
    struct span span;
    span_init(&span);
    assert_false(span_has(&span, SPAN_input_tokens));
    span_set_u64(&span, SPAN_input_tokens, 0);
    assert_true(span_has(&span, SPAN_input_tokens));
    span_set_u64(&span, SPAN_reused, 17);
    assert_int_equal(span.value[SPAN_reused].u64, 1);
    span_clear(&span, SPAN_input_tokens);
    assert_false(span_has(&span, SPAN_input_tokens));
}

static void test_texts_are_bounded(void **state)
{
    (void)state;
    struct span span;
    char text[SPAN_TEXT_MAX + 8];
    span_init(&span);
    memset(text, 'x', sizeof(text));
    memcpy(text + SPAN_TEXT_MAX - 1, "\xe2\x82\xac", 3); /* a character across the limit is left out whole */
    span_set_text(&span, SPAN_host, text, sizeof(text));
    assert_int_equal(span.value[SPAN_host].text.bytes, SPAN_TEXT_MAX - 1);
    span_set_text(&span, SPAN_gap_sketch, text, sizeof(text));
    assert_false(span_has(&span, SPAN_gap_sketch));
    /* The last text gives its room back; when the arena is full the field is absent, not half
     * there. */
    for (int i = 0; i < 100; i++)
        span_set_text(&span, SPAN_host, text, 500);
    assert_int_equal(span.arena_used, 500);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        if (span_fields[f].type == SPAN_STR)
            span_set_text(&span, (enum span_field)f, text, 500);
    assert_true(span.arena_used <= SPAN_ARENA_BYTES);
    assert_true(span_has(&span, SPAN_host));
    assert_false(span_has(&span, SPAN_key_alias));
}

static void test_lists(void **state)
{
    (void)state;
    struct span span;
    span_init(&span);
    span_list_add(&span, SPAN_finish_reasons, "stop", 4);
    span_list_add(&span, SPAN_finish_reasons, "", 0);
    span_list_add(&span, SPAN_finish_reasons,
                  "a\x1f"
                  "b",
                  3);
    const struct span_text *text = &span.value[SPAN_finish_reasons].text;
    assert_int_equal(text->bytes, 9);
    assert_memory_equal(text->data,
                        "stop\x1f\x1f"
                        "a b",
                        9);
    for (int i = 0; i < 1000; i++)
        span_list_add(&span, SPAN_finish_reasons, "length", 6);
    assert_true(text->bytes <= SPAN_TEXT_MAX);
    assert_memory_equal(text->data + text->bytes - 6, "length", 6);
}

static void test_copy_owns_its_texts(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct span from;
    struct span to;
    struct span again;
    make_span(&from, 5, &seed);
    span_copy(&to, &from);
    span_copy(&again, &from);
    memset(from.arena, '?', sizeof(from.arena));
    assert_spans_equal(&to, &again);
    assert_memory_equal(to.value[SPAN_response_id].text.data, "chatcmpl-", 9);
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, 8);
}

static void test_ids(void **state)
{
    (void)state;
    enum { N = 5000 };
    static uint8_t ids[N][8];
    uint8_t identity[16] = {1, 2, 3};
    uint8_t trace[16];
    uint8_t other[16];
    struct span span;
    span_init(&span);
    for (unsigned i = 0; i < N; i++) {
        span_set_u64(&span, SPAN_seq, i + 1);
        span_derive_ids(identity, &span, trace, ids[i]);
    }
    qsort(ids, N, sizeof(ids[0]), compare_ids);
    for (unsigned i = 1; i < N; i++)
        assert_memory_not_equal(ids[i - 1], ids[i], sizeof(ids[i]));
    uint8_t id[8];
    span_derive_ids(identity, &span, other, id);
    assert_memory_equal(trace, other, sizeof(trace));
    identity[15] ^= 1;
    span_derive_ids(identity, &span, other, id);
    assert_memory_not_equal(trace, other, sizeof(trace));
    /* Others derived the same from what was stored long ago. */
    for (uint8_t i = 0; i < 16; i++)
        identity[i] = (uint8_t)(i + 1);
    span_set_u64(&span, SPAN_seq, 5);
    span_derive_ids(identity, &span, trace, id);
    assert_memory_equal(id, "\x4e\x44\x4d\xfb\x29\x2d\x92\xcb", 8);
    assert_memory_equal(trace, "\x05\xac\x75\x0e\x73\x0c\x76\x4f\xfb\x0f\x15\x2c\x89\x26\x77\x95", 16);
    /* A traceparent wins. */
    span_set_u64(&span, SPAN_trace_hi, UINT64_C(0x0af7651916cd43dd));
    span_set_u64(&span, SPAN_trace_lo, UINT64_C(0x8448eb211c80319c));
    span_derive_ids(identity, &span, trace, id);
    assert_memory_equal(trace, "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c", 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_in_order),   cmocka_unit_test(test_absent_is_not_zero),
        cmocka_unit_test(test_texts_are_bounded),   cmocka_unit_test(test_lists),
        cmocka_unit_test(test_copy_owns_its_texts), cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
