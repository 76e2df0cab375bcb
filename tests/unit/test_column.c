/* Every codec of a column (span/column.c, column_read.c, column_text.c): round trips, sizes,
 * bounds, damage. */
#include "span_tests.h"

#include "span/codec.h"

enum { ROWS = 3000 };

/* Encodes, decodes at a guard page, compares; returns the encoded size. */
static size_t round_trip(const uint64_t *values, const uint64_t *present, size_t n, int level)
{
    struct span_buffer out;
    struct span_column column;
    span_buffer_init(&out, SPAN_FRAME_PAYLOAD_MAX);
    span_column_init(&column);
    assert_int_equal(span_column_encode_u64(&out, values, present, n, level), 0);
    struct guard guard = guard_make(out.bytes);
    const uint8_t *data = guard_place(&guard, out.data, out.bytes);
    assert_int_equal(span_column_decode_u64(&column, data, out.bytes, n), 0);
    assert_int_equal(column.n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(span_bit(column.present, i), span_bit(present, i));
        assert_int_equal(column.u64[i], span_bit(present, i) ? values[i] : 0);
    }
    const size_t bytes = out.bytes;
    guard_free(&guard);
    span_column_done(&column);
    span_buffer_done(&out);
    return bytes;
}

static size_t round_trip_text(const struct span_text *values, const uint64_t *present, size_t n, int level)
{
    struct span_buffer out;
    struct span_column column;
    span_buffer_init(&out, SPAN_FRAME_PAYLOAD_MAX);
    span_column_init(&column);
    assert_int_equal(span_column_encode_text(&out, values, present, n, level), 0);
    struct guard guard = guard_make(out.bytes);
    const uint8_t *data = guard_place(&guard, out.data, out.bytes);
    assert_int_equal(span_column_decode_text(&column, data, out.bytes, n), 0);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(span_bit(column.present, i), span_bit(present, i));
        assert_true(column.code[i] < column.n_dict);
        if (span_bit(present, i)) {
            const struct span_text *text = &column.dict[column.code[i]];
            assert_int_equal(text->bytes, values[i].bytes);
            assert_memory_equal(text->data, values[i].data, text->bytes);
        }
    }
    const size_t bytes = out.bytes;
    guard_free(&guard);
    span_column_done(&column);
    span_buffer_done(&out);
    return bytes;
}

/* Ids that providers draw at random take what they say, in whichever alphabet, and hardly more. */
static void test_random_ids(void **state)
{
    static const struct {
        const char *begin, *digits;
        unsigned length;
        double bits; /* of a digit */
    } ids[] = {
        {"chatcmpl-", "0123456789abcdef", 24, 4},
        {"resp_", "0123456789abcdef", 48, 4},
        {"chatcmpl-", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 29, 5.954},
        {"msg_01", "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", 22, 5.858},
    };
    enum { MANY = 16384, ROOM = 64 };
    uint64_t random = 3;
    static char text[MANY][ROOM];
    static struct span_text values[MANY];
    (void)state;
    for (size_t kind = 0; kind < sizeof(ids) / sizeof(ids[0]); kind++) {
        for (size_t i = 0; i < MANY; i++) {
            size_t bytes = (size_t)snprintf(text[i], ROOM, "%s", ids[kind].begin);
            for (unsigned d = 0; d < ids[kind].length; d++)
                text[i][bytes++] = ids[kind].digits[random_next(&random) % strlen(ids[kind].digits)];
            values[i] = (struct span_text){text[i], (uint32_t)bytes};
        }
        const double said = ids[kind].bits * ids[kind].length / 8 * MANY;
        const double taken = (double)round_trip_text(values, NULL, MANY, SPAN_ZSTD_LEVEL_STORE);
        print_message("%s…: %.3f bytes, of which %.3f say something\n", ids[kind].begin, taken / MANY, said / MANY);
        assert_true(taken < said * 1.01);
    }
}

static void test_bits_of_every_width(void **state)
{
    (void)state;
    uint64_t seed = 2;
    uint64_t values[70];
    uint64_t back[70];
    uint8_t packed[70 * 8 + 8];
    struct guard guard = guard_make(sizeof(packed));
    for (unsigned width = 0; width <= 64; width++) {
        const uint64_t mask = width == 0 ? 0 : UINT64_MAX >> (64 - width);
        for (size_t count = 0; count <= 70; count++) {
            for (size_t i = 0; i < count; i++)
                values[i] = random_next(&seed) & mask;
            span_bits_pack(packed, values, count, width);
            const uint8_t *at = guard_place(&guard, packed, span_packed_bytes(count, width));
            span_bits_unpack(back, at, count, width);
            assert_memory_equal(values, back, count * sizeof(values[0]));
        }
    }
    guard_free(&guard);
}

static void test_shapes_are_small(void **state)
{
    (void)state;
    static uint64_t v[ROWS];
    uint64_t seed = 3;
    for (size_t i = 0; i < ROWS; i++)
        v[i] = 443;
    assert_true(round_trip(v, NULL, ROWS, 1) <= 3); /* constant */
    for (size_t i = 0; i < ROWS; i++)
        v[i] = 1000 + i;
    assert_true(round_trip(v, NULL, ROWS, 0) <= 4); /* sequence numbers */
    for (size_t i = 0; i < ROWS; i++)
        v[i] = random_next(&seed) % 1024 * 1000;
    assert_true(round_trip(v, NULL, ROWS, 0) <= ROWS * 10 / 8 + 16); /* microseconds kept in nanoseconds */
    for (size_t i = 0; i < ROWS; i++)
        v[i] = random_next(&seed) % 16 + (i % 100 == 7 ? UINT64_C(1) << 60 : 0);
    assert_true(round_trip(v, NULL, ROWS, 0) <=
                ROWS / 2 + ROWS / 100 * 12 + 16); /* few outliers do not widen the rest */
    for (size_t i = 0; i < ROWS; i++)
        v[i] = (random_next(&seed) % 20 + 1) * UINT64_C(0x9e3779b97f4a7c15);
    assert_true(round_trip(v, NULL, ROWS, 0) <= ROWS * 5 / 8 + 20 * 8 + 16); /* few distinct ids */
    for (size_t i = 0; i < ROWS; i++)
        v[i] = random_next(&seed);
    assert_true(round_trip(v, NULL, ROWS, 3) <= ROWS * 8 + 32); /* noise costs what it is */
    for (size_t i = 0; i < ROWS; i++)
        v[i] = UINT64_C(1767225600000000000) + i * 86000000 + random_next(&seed) % 4096 * 1000;
    assert_true(round_trip(v, NULL, ROWS, 0) <= ROWS * 2); /* nearly sorted times */
}

/* How many bytes the encoder's choices cost, outliers of every size and number: a change of them is
 * looked at. */
static void test_what_outliers_cost(void **state)
{
    (void)state;
    static uint64_t v[ROWS];
    uint64_t seed = 4;
    size_t sum = 0;
    for (size_t every = 4; every < 20; every++) {
        for (unsigned wide = 9; wide <= 60; wide += 3) {
            for (size_t i = 0; i < ROWS; i++)
                v[i] = random_next(&seed) % 256 | (i % every == 1 ? UINT64_C(1) << wide : 0);
            sum += round_trip(v, NULL, 40 + every * 9, 0);
        }
    }
    assert_int_equal(sum, 79526);
}

/* zstd is tried on what is no noise by its bytes' frequencies, and on nothing else. */
static void test_what_is_compressed(void **state)
{
    (void)state;
    enum { BYTES = 6000 };
    static const struct {
        unsigned values, bytes;
        bool smaller;
    } cases[] = {{64, BYTES, true}, {150, BYTES, true}, {256, BYTES, false},
                 {40, 1000, true},  {16, 63, false},    {16, 64, false}};
    static uint8_t data[BYTES];
    uint64_t seed = 6;
    struct span_buffer out;
    span_buffer_init(&out, 1 << 20);
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        for (size_t i = 0; i < cases[c].bytes; i++)
            data[i] = (uint8_t)(random_next(&seed) % cases[c].values);
        assert_int_equal(span_zstd_append(&out, data, cases[c].bytes, 3, true) > 0, cases[c].smaller);
        assert_int_equal(span_zstd_append(&out, data, cases[c].bytes, 0, true), 0);
    }
    for (size_t i = 0; i < BYTES; i++)
        data[i] = (uint8_t)(i * 77); /* repeats itself, and has every byte as often as the others */
    assert_int_equal(span_zstd_append(&out, data, BYTES, 3, true), 0);
    memset(data, 7, BYTES);
    assert_true(span_zstd_append(&out, data, BYTES, 3, true) > 0);
    assert_true(span_zstd_append(&out, data, 64, 3, true) > 0);
    span_buffer_done(&out);
}

static void test_random_columns(void **state)
{
    (void)state;
    static uint64_t v[ROWS];
    static uint64_t present[ROWS / 64 + 1];
    uint64_t seed = 4;
    for (unsigned round = 0; round < 400; round++) {
        const size_t n = 1 + random_next(&seed) % (round % 10 == 0 ? ROWS : 70);
        const unsigned width = (unsigned)(random_next(&seed) % 65);
        const uint64_t mask = width == 0 ? 0 : UINT64_MAX >> (64 - width);
        const uint64_t base = random_next(&seed) >> random_next(&seed) % 64;
        const uint64_t factor = round % 3 == 0 ? random_next(&seed) % 5000 : 1;
        const unsigned density = (unsigned)(random_next(&seed) % 6);
        uint64_t sum = 0;
        memset(present, 0, sizeof(present));
        for (size_t i = 0; i < n; i++) {
            const uint64_t value = base + (random_next(&seed) & mask) * factor;
            v[i] = round % 4 == 0 ? (sum += value) : value;
            const uint64_t chance = random_next(&seed) % 100;
            const bool there = density == 0 || (density == 1 && chance < 2) || (density == 2 && chance < 50) ||
                               (density == 3 && chance < 98) || (density == 4 && i == n / 2);
            present[i >> 6] |= (uint64_t)there << (i & 63);
        }
        round_trip(v, present, n, round % 2 == 0 ? 3 : 0);
        round_trip(v, NULL, n, 1);
    }
}

static void test_largest_column(void **state)
{
    (void)state;
    uint64_t *v = calloc(SPAN_BLOCK_ROWS_MAX + 1, sizeof(*v));
    uint64_t seed = 5;
    assert_non_null(v);
    for (size_t i = 0; i < SPAN_BLOCK_ROWS_MAX; i++)
        v[i] = random_next(&seed) % 200000 * 1000;
    round_trip(v, NULL, SPAN_BLOCK_ROWS_MAX, SPAN_ZSTD_LEVEL_STORE);
    struct span_buffer out;
    span_buffer_init(&out, 1 << 20);
    assert_int_equal(span_column_encode_u64(&out, v, NULL, SPAN_BLOCK_ROWS_MAX + 1, 1), -1);
    assert_int_equal(span_column_encode_u64(&out, v, NULL, 0, 1), -1);
    span_buffer_done(&out);
    free(v);
}

static void test_texts(void **state)
{
    (void)state;
    static struct span_text v[ROWS];
    static char memory[ROWS][64];
    static uint64_t present[ROWS / 64 + 1];
    uint64_t seed = 6;
    for (size_t distinct = 1; distinct <= ROWS; distinct = distinct * 3 + 1) {
        for (size_t i = 0; i < ROWS; i++) {
            const int bytes = snprintf(memory[i], sizeof(memory[i]), "chatcmpl-%zu", random_next(&seed) % distinct);
            v[i] = (struct span_text){memory[i], (uint32_t)bytes};
            present[i >> 6] = random_next(&seed);
        }
        round_trip_text(v, NULL, ROWS, 3);
        round_trip_text(v, present, ROWS, 1);
        round_trip_text(v, present, 5, 0);
    }
    /* All distinct: random hexadecimal ids cost half a byte a digit and nothing for their common
     * beginning. */
    for (size_t i = 0; i < ROWS; i++) {
        const int bytes = snprintf(memory[i], sizeof(memory[i]), "chatcmpl-%016llx%016llx",
                                   (unsigned long long)random_next(&seed), (unsigned long long)random_next(&seed));
        v[i] = (struct span_text){memory[i], (uint32_t)bytes};
    }
    assert_true(round_trip_text(v, NULL, ROWS, 3) < ROWS * 17);
    /* Empty texts, one row, the longest text. */
    char longest[SPAN_TEXT_MAX + 1];
    memset(longest, 'y', sizeof(longest));
    const struct span_text odd[] = {{"", 0}, {longest, SPAN_TEXT_MAX}, {"", 0}, {longest, 1}};
    round_trip_text(odd, NULL, 4, 3);
    assert_int_equal(round_trip_text(odd, NULL, 1, 3), 1);
    const struct span_text too_long = {longest, SPAN_TEXT_MAX + 1};
    struct span_buffer out;
    span_buffer_init(&out, 4096);
    assert_int_equal(span_column_encode_text(&out, &too_long, NULL, 1, 0), -1);
    span_buffer_done(&out);
}

static void test_buffer_maximum(void **state)
{
    (void)state;
    uint64_t v[100];
    uint64_t seed = 7;
    for (size_t i = 0; i < 100; i++)
        v[i] = random_next(&seed);
    for (size_t max = 0; max < 802; max += 3) {
        struct span_buffer out;
        span_buffer_init(&out, max);
        assert_int_equal(span_column_encode_u64(&out, v, NULL, 100, 1), -1);
        assert_true(out.failed);
        span_buffer_done(&out);
    }
}

/* Decodes damaged bytes at a guard page: any answer is right that stays within bounds. */
static void decode_damaged(const struct guard *guard, const uint8_t *data, size_t bytes, size_t n)
{
    static struct span_column column;
    const uint8_t *at = guard_place(guard, data, bytes);
    if (span_column_decode_u64(&column, at, bytes, n) == 0)
        assert_int_equal(column.n, n);
    if (span_column_decode_text(&column, at, bytes, n) == 0) {
        for (size_t i = 0; i < n; i++) {
            assert_true(column.code[i] < column.n_dict);
            assert_true(column.dict[column.code[i]].bytes <= SPAN_TEXT_MAX);
        }
    } else {
        assert_int_equal(column.n, 0);
        assert_int_equal(column.n_dict, 0);
    }
    span_column_done(&column);
}

static void damage(const struct guard *guard, const uint8_t *data, size_t bytes, size_t n)
{
    uint8_t *copy = malloc(bytes + 1);
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    copy[bytes] = 0;
    for (size_t cut = 0; cut <= bytes + 1; cut++)
        decode_damaged(guard, copy, cut, n);
    for (size_t i = 0; i < bytes; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            copy[i] ^= (uint8_t)(1u << bit);
            decode_damaged(guard, copy, bytes, n);
            copy[i] ^= (uint8_t)(1u << bit);
        }
    }
    decode_damaged(guard, copy, bytes, n + 1);
    decode_damaged(guard, copy, bytes, n - 1);
    free(copy);
}

static void test_damage(void **state)
{
    (void)state;
    enum { N = 90 };
    uint64_t v[N];
    struct span_text t[N];
    char memory[N][32];
    uint64_t seed = 8;
    struct guard guard = guard_make(8192);
    struct span_buffer out;
    span_buffer_init(&out, 65536);
    for (unsigned shape = 0; shape < 6; shape++) {
        for (size_t i = 0; i < N; i++) {
            const uint64_t r = random_next(&seed);
            const uint64_t shaped[] = {r % 2,          r % 1000 * 1000,   r % 9 + (i == 5 ? r : 0),
                                       i * 50 + r % 7, (r % 3 + 1) << 50, r % 3 << 3};
            v[i] = shaped[shape];
            const int bytes =
                snprintf(memory[i], sizeof(memory[i]), "id-%zu", (size_t)(shape % 2 ? r % 8 : r % 100000));
            t[i] = (struct span_text){memory[i], (uint32_t)bytes};
        }
        const uint64_t present[2] = {random_next(&seed) | random_next(&seed), random_next(&seed)};
        out.bytes = 0;
        assert_int_equal(span_column_encode_u64(&out, v, shape % 2 ? present : NULL, N, 3), 0);
        damage(&guard, out.data, out.bytes, N);
        out.bytes = 0;
        assert_int_equal(span_column_encode_text(&out, t, shape % 3 ? NULL : present, N, 3), 0);
        damage(&guard, out.data, out.bytes, N);
    }
    span_buffer_done(&out);
    guard_free(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits_of_every_width),
        cmocka_unit_test(test_shapes_are_small),
        cmocka_unit_test(test_what_outliers_cost),
        cmocka_unit_test(test_what_is_compressed),
        cmocka_unit_test(test_random_columns),
        cmocka_unit_test(test_largest_column),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_random_ids),
        cmocka_unit_test(test_buffer_maximum),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
