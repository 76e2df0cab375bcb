/* Predicted columns (span/predicted.c): what is written is read again with the same sources, damage
 * is noticed, and a reader that knows no other columns refuses them. */
#include "span_tests.h"

#include "span/codec.h"
#include "span/predicted.h"

enum { ROWS = 3000 };

static uint64_t waits[ROWS], decodes[ROWS], tokens[ROWS], model[ROWS];
static uint64_t some[(ROWS + 63) / 64], all[(ROWS + 63) / 64];

static void decode_to(struct span_column *column, const uint64_t *values, const uint64_t *present)
{
    struct span_buffer out;
    span_buffer_init(&out, 1 << 20);
    assert_int_equal(span_column_encode_u64(&out, values, present, ROWS, 3), 0);
    span_column_init(column);
    assert_int_equal(span_column_decode_u64(column, out.data, out.bytes, ROWS), 0);
    span_buffer_done(&out);
}

static int make_sources(void **state)
{
    uint64_t seed = 31;
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        waits[i] = random_next(&seed) % 900000 * 1000;
        decodes[i] = random_next(&seed) % 9000000 * 1000;
        tokens[i] = random_next(&seed) % 4000 + 1;
        model[i] = random_next(&seed) % 12;
        all[i / 64] |= UINT64_C(1) << (i % 64);
        some[i / 64] |= (uint64_t)(i % 9 != 0) << (i % 64);
    }
    return 0;
}

static void damage(struct span_buffer *out, bool text, const struct span_column *const *sources)
{
    struct span_column column;
    struct guard guard = guard_make(out->bytes);
    span_column_init(&column);
    for (size_t i = 0; i < out->bytes; i += i < 64 ? 1 : 37) {
        for (int cut = 0; cut < 2; cut++) {
            const size_t bytes = cut ? i : out->bytes;
            out->data[i] ^= cut ? 0 : 0x15;
            const uint8_t *data = guard_place(&guard, out->data, bytes);
            uint8_t numbers[SPAN_SOURCES_MAX];
            if (span_column_needs(text, data, bytes, numbers) > 0) {
                (void)(text ? span_column_decode_predicted_text(&column, data, bytes, ROWS, sources[0], true)
                            : span_column_decode_predicted_u64(&column, data, bytes, ROWS, sources));
            }
            out->data[i] ^= cut ? 0 : 0x15;
        }
    }
    span_column_done(&column);
    guard_free(&guard);
}

static void expect_numbers(struct span_buffer *out, const uint64_t *values, const uint64_t *present,
                           const struct span_column *const *sources, int n)
{
    struct span_column column;
    uint8_t numbers[SPAN_SOURCES_MAX];
    span_column_init(&column);
    assert_int_equal(span_column_needs(false, out->data, out->bytes, numbers), n);
    assert_int_equal(span_column_decode_predicted_u64(&column, out->data, out->bytes, ROWS, sources), 0);
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(span_bit(column.present, i), span_bit(present, i));
        assert_int_equal(column.u64[i], span_bit(present, i) ? values[i] : 0);
    }
    assert_int_equal(span_column_decode_u64(&column, out->data, out->bytes, ROWS), -1);
    span_column_done(&column);
    damage(out, false, sources);
}

/* A total is its parts, now and then more, here and there something else altogether. */
static void test_sums(void **state)
{
    static uint64_t total[ROWS];
    struct span_column wait, decode;
    struct span_buffer out;
    (void)state;
    decode_to(&wait, waits, all);
    decode_to(&decode, decodes, some);
    const struct span_column *const sources[] = {&wait, NULL, &decode};
    span_buffer_init(&out, 1 << 20);
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < ROWS; i++) {
            total[i] = waits[i] + decode.u64[i] + 5000 + (kind > 0 ? i % 3 * 1000 : 0);
            if (kind == 2 && i % 100 == 0)
                total[i] = i % 200 == 0 ? 0 : UINT64_MAX;
        }
        out.bytes = 0;
        assert_int_equal(
            span_column_predict_u64(&out, total, some, ROWS, sources, (const uint8_t *)"\x0f\x09\x11", 3, false, 3), 0);
        assert_true(kind == 2 || out.bytes < ROWS / 2);
        expect_numbers(&out, total, some, sources, 3);
    }
    span_buffer_done(&out);
    span_column_done(&wait);
    span_column_done(&decode);
}

/* A column says of what it is predicted, of one to SPAN_SOURCES_MAX others; else it is none. */
static void test_no_sources(void **state)
{
    struct span_column wait, column;
    struct span_buffer out;
    (void)state;
    decode_to(&wait, waits, all);
    const struct span_column *const sources[] = {&wait, &wait, &wait};
    span_buffer_init(&out, 1 << 20);
    span_column_init(&column);
    assert_int_equal(span_column_predict_u64(&out, waits, all, ROWS, sources, (const uint8_t *)"\x0f", 1, false, 3), 0);
    assert_int_equal(span_column_decode_predicted_u64(&column, out.data, out.bytes, ROWS, sources), 0);
    assert_int_equal(out.data[1], 1);
    const uint8_t how = out.data[0];
    for (unsigned bit = 0; bit < 8; bit++) {
        out.data[0] = how ^ (uint8_t)(1U << bit); /* of another codec */
        if ((SPAN_CODEC_PRESENCE & 1U << bit) == 0)
            assert_int_equal(span_column_decode_predicted_u64(&column, out.data, out.bytes, ROWS, sources), -1);
    }
    out.data[0] = how;
    memmove(out.data + 2, out.data + 3, out.bytes - 3);
    out.data[1] = 0;
    assert_int_equal(span_column_decode_predicted_u64(&column, out.data, out.bytes - 1, ROWS, sources), -1);
    span_column_done(&column);
    span_column_done(&wait);
    span_buffer_done(&out);
}

/* Bytes grow with tokens; some rows are of another kind. */
static void test_scaled(void **state)
{
    static uint64_t bytes[ROWS];
    struct span_column source;
    struct span_buffer out;
    (void)state;
    decode_to(&source, tokens, some);
    const struct span_column *const sources[] = {&source};
    span_buffer_init(&out, 1 << 20);
    for (size_t i = 0; i < ROWS; i++)
        bytes[i] = i % 20 == 7 ? 1500 : source.u64[i] * 210 + 1200;
    assert_int_equal(span_column_predict_u64(&out, bytes, all, ROWS, sources, (const uint8_t *)"\x47", 1, true, 3), 0);
    assert_true(out.bytes < ROWS);
    expect_numbers(&out, bytes, all, sources, 1);
    span_buffer_done(&out);
    span_column_done(&source);
}

/* A model decides the provider, but for a few rows. */
static void test_texts(void **state)
{
    static const char *const names[] = {"openai", "anthropic", "google", "mistral"};
    static struct span_text texts[ROWS];
    static struct span_text models[ROWS];
    static char model_names[12][8];
    struct span_column source, column;
    struct span_buffer out, plain;
    (void)state;
    span_buffer_init(&out, 1 << 20);
    span_buffer_init(&plain, 1 << 20);
    span_column_init(&source);
    span_column_init(&column);
    for (size_t i = 0; i < ROWS; i++) {
        const size_t of = i % 500 == 3 ? 0 : (size_t)model[i] % 4;
        snprintf(model_names[model[i]], 8, "m%u", (unsigned)model[i]);
        texts[i] = (struct span_text){names[of], (uint32_t)strlen(names[of])};
        models[i] = (struct span_text){model_names[model[i]], (uint32_t)strlen(model_names[model[i]])};
    }
    for (int is_text = 0; is_text < 2; is_text++) {
        out.bytes = 0;
        if (is_text) {
            assert_int_equal(span_column_encode_text(&out, models, some, ROWS, 3), 0);
            assert_int_equal(span_column_decode_text(&source, out.data, out.bytes, ROWS), 0);
        } else {
            decode_to(&source, model, some);
        }
        out.bytes = plain.bytes = 0;
        assert_int_equal(span_column_predict_text(&out, texts, all, ROWS, &source, 53, is_text, 3), 0);
        assert_int_equal(span_column_encode_text(&plain, texts, all, ROWS, 3), 0);
        assert_true(out.bytes < plain.bytes);
        assert_int_equal(span_column_decode_predicted_text(&column, out.data, out.bytes, ROWS, &source, is_text), 0);
        for (size_t i = 0; i < ROWS; i++) {
            const struct span_text *text = &column.dict[column.code[i]];
            assert_true(span_bit(column.present, i));
            assert_int_equal(text->bytes, texts[i].bytes);
            assert_memory_equal(text->data, texts[i].data, text->bytes);
        }
        assert_int_equal(span_column_decode_text(&column, out.data, out.bytes, ROWS), -1);
        if (is_text) {
            const struct span_column *const sources[] = {&source};
            damage(&out, true, sources);
        }
        span_column_done(&source);
    }
    /* A source that says something else in each row tells nothing. */
    decode_to(&source, decodes, all);
    assert_int_equal(span_column_predict_text(&out, texts, all, ROWS, &source, 17, false, 3), 1);
    span_column_done(&source);
    span_column_done(&column);
    span_buffer_done(&plain);
    span_buffer_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_scaled),
                                       cmocka_unit_test(test_no_sources), cmocka_unit_test(test_texts)};
    return cmocka_run_group_tests(tests, make_sources, NULL);
}
