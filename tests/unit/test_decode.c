/* decode.c: every encoding in any cutting, bombs in bounded pieces, damage, windows that are too
 * large. */
#include "shim/llm/framing/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <brotli/encode.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

enum { TEXT_BYTES = 100000 };

struct sink {
    uint64_t bytes, sum;
    size_t largest;
};

static void take(void *context, const char *data, size_t bytes)
{
    struct sink *const sink = context;
    for (size_t i = 0; i < bytes; i++)
        sink->sum = sink->sum * 31 + (unsigned char)data[i];
    sink->bytes += bytes;
    sink->largest = bytes > sink->largest ? bytes : sink->largest;
}

static uint8_t text[TEXT_BYTES];

static int make_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < TEXT_BYTES; i++)
        text[i] = (uint8_t)("{\"choices\":[]}"[i % 14] + (i % 1000 == 0));
    return 0;
}

static size_t deflate_with(int window, uint8_t *to, size_t room)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = text;
    z.avail_in = TEXT_BYTES;
    z.next_out = to;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static size_t encode(unsigned which, uint8_t *to, size_t room)
{
    size_t bytes = room;
    switch (which) {
    case 0:
        return deflate_with(15 + 16, to, room);
    case 1:
        return deflate_with(15, to, room);
    case 2:
        return deflate_with(-15, to, room);
    case 3:
        assert_true(BrotliEncoderCompress(9, 22, BROTLI_MODE_TEXT, TEXT_BYTES, text, &bytes, to));
        return bytes;
    default:
        return ZSTD_compress(to, room, text, TEXT_BYTES, 3);
    }
}

static const enum decode_kind kinds[] = {DECODE_GZIP, DECODE_DEFLATE, DECODE_DEFLATE, DECODE_BROTLI, DECODE_ZSTD};
enum { KINDS = 5 };

static bool feed(enum decode_kind kind, const uint8_t *data, size_t bytes, size_t step, struct sink *sink)
{
    *sink = (struct sink){0};
    struct decode *const decode = decode_open(kind, take, sink);
    bool good = true;
    assert_non_null(decode);
    for (size_t at = 0; at < bytes && good; at += step) {
        const size_t size = bytes - at < step ? bytes - at : step;
        uint8_t *const copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, data + at, size);
        good = decode_push(decode, copy, size);
        free(copy);
    }
    good = good && decode_complete(decode);
    decode_close(decode);
    return good;
}

static void any_cutting(void **state)
{
    static const size_t steps[] = {1, 2, 3, 7, 100, 1 << 20};
    static uint8_t data[TEXT_BYTES * 2];
    struct sink want = {0}, got;
    (void)state;
    take(&want, (const char *)text, TEXT_BYTES);
    for (unsigned which = 0; which < KINDS; which++) {
        const size_t bytes = encode(which, data, sizeof(data));
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            assert_true(feed(kinds[which], data, bytes, steps[i], &got));
            assert_int_equal(got.bytes, want.bytes);
            assert_true(got.sum == want.sum);
            assert_true(got.largest <= DECODE_PIECE_BYTES);
        }
        assert_false(feed(kinds[which], data, bytes - 1, 50, &got)); /* cut short */
    }
}

/* Damage never makes it read or write outside (ASan), and never loops. */
static void damage(void **state)
{
    static uint8_t data[TEXT_BYTES * 2];
    struct sink got;
    (void)state;
    for (unsigned which = 0; which < KINDS; which++) {
        const size_t bytes = encode(which, data, sizeof(data));
        for (size_t at = 0; at < bytes; at += 1 + bytes / 200) {
            data[at] ^= 0x55;
            (void)feed(kinds[which], data, bytes, 64, &got);
            data[at] ^= 0x55;
        }
        const uint8_t garbage[] = "<html>not encoded at all</html>";
        assert_false(feed(kinds[which], garbage, sizeof(garbage), 5, &got));
    }
}

static void two_members_and_garbage(void **state)
{
    static uint8_t data[TEXT_BYTES];
    struct sink got;
    size_t bytes = encode(0, data, sizeof(data) / 2);
    (void)state;
    memcpy(data + bytes, data, bytes);
    assert_true(feed(DECODE_GZIP, data, bytes * 2, 11, &got));
    assert_int_equal(got.bytes, TEXT_BYTES * 2);
    memcpy(data + bytes, "trailing", 8);
    assert_true(feed(DECODE_GZIP, data, bytes + 8, 11, &got));
    assert_int_equal(got.bytes, TEXT_BYTES);
}

/* 64 MB of blanks in a few KB: comes in pieces, nothing grows. */
static void bomb(void **state)
{
    enum { BOMB = 64 * 1024 * 1024 };
    uint8_t *const blanks = calloc(BOMB, 1);
    static uint8_t data[256 * 1024];
    struct sink got;
    (void)state;
    assert_non_null(blanks);
    const size_t bytes = ZSTD_compress(data, sizeof(data), blanks, BOMB, 1);
    free(blanks);
    assert_false(ZSTD_isError(bytes));
    assert_true(feed(DECODE_ZSTD, data, bytes, 4096, &got));
    assert_int_equal(got.bytes, BOMB);
    assert_true(got.largest <= DECODE_PIECE_BYTES);
}

static void refuses_large_windows(void **state)
{
    static uint8_t data[TEXT_BYTES * 2];
    struct sink got;
    ZSTD_CCtx *const encoder = ZSTD_createCCtx();
    (void)state;
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_windowLog, 27);
    ZSTD_CCtx_setParameter(encoder, ZSTD_c_contentSizeFlag, 0);
    ZSTD_inBuffer in = {text, TEXT_BYTES, 0};
    ZSTD_outBuffer out = {data, sizeof(data), 0};
    assert_false(ZSTD_isError(ZSTD_compressStream2(encoder, &out, &in, ZSTD_e_flush)));
    assert_false(ZSTD_isError(ZSTD_compressStream2(encoder, &out, &in, ZSTD_e_end)));
    ZSTD_freeCCtx(encoder);
    assert_false(feed(DECODE_ZSTD, data, out.pos, 100, &got));
}

static void names(void **state)
{
    static const struct {
        const char *value;
        enum decode_kind kind;
    } cases[] = {{"gzip", DECODE_GZIP},          {" GZIP ", DECODE_GZIP},
                 {"x-gzip", DECODE_GZIP},        {"deflate", DECODE_DEFLATE},
                 {"br", DECODE_BROTLI},          {"zstd", DECODE_ZSTD},
                 {"identity", DECODE_NONE},      {"", DECODE_NONE},
                 {"gzip, br", DECODE_UNKNOWN},   {"compress", DECODE_UNKNOWN},
                 {"aws-chunked", DECODE_UNKNOWN}};
    struct sink sink;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(decode_kind(cases[i].value, strlen(cases[i].value)), cases[i].kind);
    assert_null(decode_open(DECODE_UNKNOWN, take, &sink));
    assert_null(decode_open(DECODE_NONE, take, &sink));
    decode_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_cutting),
                                       cmocka_unit_test(damage),
                                       cmocka_unit_test(two_members_and_garbage),
                                       cmocka_unit_test(bomb),
                                       cmocka_unit_test(refuses_large_windows),
                                       cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, make_text, NULL);
}
