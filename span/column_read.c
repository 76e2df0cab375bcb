/*
 * Decodes a numeric column. Called by block_read.c, column_text.c and the collector's scans, on any
 * thread. The input is hostile until proven otherwise: never reads outside it, never writes past
 * the rows, never allocates more than the rows justify.
 */
#include "codec.h"
#include "column.h"

#include <stdlib.h>

void span_column_init(struct span_column *column)
{
    *column = (struct span_column){0};
}

void span_column_done(struct span_column *column)
{
    free(column->present);
    free(column->u64);
    free(column->code);
    free(column->dict);
    free(column->bytes);
    if (!column->codec_lent)
        span_codec_free(column->codec);
    *column = (struct span_column){0};
}

static struct span_codec *column_codec(struct span_column *column)
{
    if (column->codec == NULL)
        column->codec = span_codec_new();
    return column->codec;
}

int span_column_borrow(struct span_column *borrower, struct span_column *lender)
{
    if (borrower == lender || borrower->codec != NULL)
        return -1;
    borrower->codec = column_codec(lender);
    borrower->codec_lent = borrower->codec != NULL;
    return borrower->codec_lent ? 0 : -1;
}

int span_column_begin(struct span_column *column, size_t n)
{
    column->n = 0;
    column->n_dict = 0;
    if (n == 0 || n > SPAN_BLOCK_ROWS_MAX || column_codec(column) == NULL)
        return -1;
    if (n <= column->rows_capacity)
        return 0;
    size_t capacity = 64;
    while (capacity < n)
        capacity *= 2;
    free(column->present);
    free(column->u64);
    free(column->code);
    column->present = calloc(capacity / 64, sizeof(uint64_t));
    column->u64 = calloc(capacity, sizeof(uint64_t));
    column->code = calloc(capacity, sizeof(uint32_t));
    const bool whole = column->present != NULL && column->u64 != NULL && column->code != NULL;
    column->rows_capacity = whole ? capacity : 0;
    return whole ? 0 : -1;
}

static void presence_fill(uint64_t *present, size_t n, bool value)
{
    const size_t words = (n + 63) / 64;
    memset(present, value ? 0xff : 0, words * sizeof(*present));
    if (value && n % 64 != 0)
        present[words - 1] = (UINT64_C(1) << (n % 64)) - 1;
}

static int presence_bitmap(uint64_t *present, struct span_reader *reader, size_t n, size_t *ret_m)
{
    const uint8_t *bits = span_take(reader, (n + 7) / 8);
    if (bits == NULL)
        return -1;
    memset(present, 0, (n + 63) / 64 * sizeof(*present));
    for (size_t i = 0; i < (n + 7) / 8; i++)
        present[i / 8] |= (uint64_t)bits[i] << (i % 8 * 8);
    if (n % 64 != 0 && present[n / 64] >> (n % 64) != 0)
        return -1;
    size_t m = 0;
    for (size_t word = 0; word < (n + 63) / 64; word++)
        m += (size_t)__builtin_popcountll(present[word]);
    *ret_m = m;
    return 0;
}

int span_presence_read(struct span_column *column, struct span_reader *reader, size_t n, unsigned form, size_t *ret_m)
{
    uint64_t *present = column->present;
    if (form == SPAN_CODEC_BITMAP)
        return presence_bitmap(present, reader, n, ret_m);
    presence_fill(present, n, form != SPAN_CODEC_FEW);
    *ret_m = n;
    if (form == SPAN_CODEC_ALL)
        return 0;
    const uint64_t listed = span_take_varint(reader);
    if (reader->bad || listed > n)
        return -1;
    size_t next = 0;
    for (uint64_t i = 0; i < listed; i++) {
        const uint64_t gap = span_take_varint(reader);
        if (reader->bad || gap >= n - next)
            return -1;
        const size_t row = next + (size_t)gap;
        present[row >> 6] ^= UINT64_C(1) << (row & 63);
        next = row + 1;
        if (next == n && i + 1 < listed)
            return -1;
    }
    *ret_m = form == SPAN_CODEC_FEW ? (size_t)listed : n - (size_t)listed;
    return 0;
}

static int read_packed(struct span_reader *reader, uint64_t *to, size_t count, bool patched)
{
    const unsigned width = span_take_byte(reader);
    if (reader->bad || width > (patched ? 63 : 64))
        return -1;
    /* Exceptions stand before the bits but are applied after them: remember where. */
    const uint64_t exceptions = patched ? span_take_varint(reader) : 0;
    if (reader->bad || exceptions > count)
        return -1;
    struct span_reader listed = *reader;
    for (uint64_t i = 0; i < exceptions * 2; i++)
        (void)span_take_varint(reader);
    const uint8_t *bits = span_take(reader, span_packed_bytes(count, width));
    if (bits == NULL)
        return -1;
    span_bits_unpack(to, bits, count, width);
    size_t next = 0;
    for (uint64_t i = 0; i < exceptions; i++) {
        const uint64_t gap = span_take_varint(&listed);
        const uint64_t high = span_take_varint(&listed);
        if (gap >= count - next)
            return -1;
        to[next + gap] |= high << width;
        next += (size_t)gap + 1;
        if (next == count && i + 1 < exceptions)
            return -1;
    }
    return 0;
}

static int read_plane(struct span_codec *codec, struct span_reader *reader, uint64_t *to, size_t count, unsigned shift)
{
    const unsigned mode = span_take_byte(reader);
    const uint8_t *plane = NULL;
    if (mode == SPAN_PLANE_FILL) {
        const uint64_t value = (uint64_t)span_take_byte(reader) << shift;
        for (size_t i = 0; i < count; i++)
            to[i] |= value;
        return reader->bad ? -1 : 0;
    }
    if (mode == SPAN_PLANE_RAW) {
        plane = span_take(reader, count);
    } else if (mode == SPAN_PLANE_ZSTD) {
        const uint64_t size = span_take_varint(reader);
        const uint8_t *frame = size > span_left(reader) ? NULL : span_take(reader, (size_t)size);
        uint8_t *memory = span_codec_scratch(codec, SPAN_SLOT_BYTES, count);
        if (frame != NULL && memory != NULL && span_zstd_unpack(codec, memory, count, frame, (size_t)size) == 0)
            plane = memory;
    }
    if (plane == NULL)
        return -1;
    for (size_t i = 0; i < count; i++)
        to[i] |= (uint64_t)plane[i] << shift;
    return 0;
}

static int read_planes(struct span_codec *codec, struct span_reader *reader, uint64_t *to, size_t count)
{
    const unsigned planes = span_take_byte(reader);
    if (reader->bad || planes == 0 || planes > 8)
        return -1;
    memset(to, 0, count * sizeof(*to));
    for (unsigned p = 0; p < planes; p++)
        if (read_plane(codec, reader, to, count, p * 8) != 0)
            return -1;
    return 0;
}

static int read_residuals(struct span_codec *codec, struct span_reader *reader, uint64_t *to, size_t count,
                          unsigned storage)
{
    switch (storage) {
    case SPAN_CODEC_ZERO:
        memset(to, 0, count * sizeof(*to));
        return 0;
    case SPAN_CODEC_PLANES:
        return read_planes(codec, reader, to, count);
    default:
        return read_packed(reader, to, count, storage == SPAN_CODEC_PATCHED);
    }
}

static int read_for(struct span_codec *codec, struct span_reader *reader, uint64_t *to, size_t m, unsigned storage)
{
    const uint64_t base = span_take_varint(reader);
    const uint64_t divisor = storage == SPAN_CODEC_ZERO ? 1 : span_take_varint(reader);
    if (reader->bad || read_residuals(codec, reader, to, m, storage) != 0)
        return -1;
    for (size_t i = 0; i < m; i++)
        to[i] = base + to[i] * divisor;
    return 0;
}

static int read_delta(struct span_codec *codec, struct span_reader *reader, uint64_t *to, size_t m, unsigned storage)
{
    const uint64_t first = span_take_varint(reader);
    const uint64_t step = span_unzigzag(span_take_varint(reader));
    const uint64_t divisor = storage == SPAN_CODEC_ZERO ? 1 : span_take_varint(reader);
    if (reader->bad || m == 0 || read_residuals(codec, reader, to + 1, m - 1, storage) != 0)
        return -1;
    to[0] = first;
    uint64_t value = first;
    for (size_t i = 1; i < m; i++) {
        value += step + to[i] * divisor;
        to[i] = value;
    }
    return 0;
}

static int read_dict(struct span_codec *codec, struct span_reader *reader, uint64_t *to, size_t m, unsigned storage)
{
    const uint64_t found = span_take_varint(reader);
    const uint8_t *distinct = reader->bad || found == 0 || found > m ? NULL : span_take(reader, (size_t)found * 8);
    if (distinct == NULL || read_residuals(codec, reader, to, m, storage) != 0)
        return -1;
    for (size_t i = 0; i < m; i++) {
        if (to[i] >= found)
            return -1;
        to[i] = span_load64(distinct + to[i] * 8);
    }
    return 0;
}

/* Everything after codec byte and presence, to its very end. */
static int read_body(struct span_codec *codec, unsigned how, uint64_t *to, size_t m, const uint8_t *data, size_t bytes)
{
    const unsigned storage = how & SPAN_CODEC_STORAGE;
    if (how & SPAN_CODEC_ZSTD) {
        /* Only packed bodies are wrapped: head, width, exceptions of at most 13 bytes, 8 bytes a
         * value, 8 a distinct value. */
        const long size = span_zstd_size(data, bytes, 64 + m * (13 + 8 + 8));
        uint8_t *memory = size < 0 ? NULL : span_codec_scratch(codec, SPAN_SLOT_DENSE, (size_t)size + 1);
        if (memory == NULL || span_zstd_unpack(codec, memory, (size_t)size, data, bytes) != 0)
            return -1;
        data = memory;
        bytes = (size_t)size;
    }
    struct span_reader reader = {data, data + bytes, false};
    int status = -1;
    switch (how & SPAN_CODEC_TRANSFORM) {
    case SPAN_CODEC_FOR:
        status = read_for(codec, &reader, to, m, storage);
        break;
    case SPAN_CODEC_DELTA:
        status = read_delta(codec, &reader, to, m, storage);
        break;
    case SPAN_CODEC_DICT:
        status = read_dict(codec, &reader, to, m, storage);
        break;
    default:
        break;
    }
    return status != 0 || reader.at != reader.end ? -1 : 0;
}

int span_values_read(struct span_codec *codec, uint64_t *to, size_t m, const uint8_t *data, size_t bytes)
{
    if (bytes == 0 || (data[0] & (SPAN_CODEC_RESERVED | SPAN_CODEC_PRESENCE)) != 0)
        return -1;
    return read_body(codec, data[0], to, m, data + 1, bytes - 1);
}

/* Moves m dense values to their rows, from the end so that none is overwritten, and zeros the
 * absent ones. */
static void scatter(struct span_column *column, size_t n, size_t m)
{
    size_t at = m;
    for (size_t i = n; i-- > 0;)
        column->u64[i] = span_bit(column->present, i) ? column->u64[--at] : 0;
}

static int decode_u64(struct span_column *column, const uint8_t *data, size_t bytes, size_t n)
{
    struct span_reader reader = {data, data + bytes, false};
    const unsigned how = span_take_byte(&reader);
    size_t m = 0;
    if (reader.bad || (how & SPAN_CODEC_RESERVED) ||
        span_presence_read(column, &reader, n, how & SPAN_CODEC_PRESENCE, &m) != 0 ||
        read_body(column->codec, how, column->u64, m, reader.at, span_left(&reader)) != 0)
        return -1;
    if (m < n)
        scatter(column, n, m);
    return 0;
}

int span_column_decode_u64(struct span_column *column, const uint8_t *data, size_t bytes, size_t n)
{
    if (span_column_begin(column, n) != 0 || decode_u64(column, data, bytes, n) != 0)
        return -1;
    column->n = n;
    return 0;
}
