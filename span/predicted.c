/*
 * Writes and reads predicted columns. Called by the store's merge and by whoever reads merged
 * blocks, on any thread. Decoding trusts nothing; arithmetic on values is modulo 2^64, so that
 * every prediction can be made.
 */
#include "predicted.h"
#include "codec.h"

#include <stdlib.h>

enum { SCALE_BITS = 8 };

/* ---- numbers ---- */

/* The sum of the sources of row i. */
static uint64_t sum_of(const struct span_column *const *sources, size_t n_sources, size_t i)
{
    uint64_t sum = 0;
    for (size_t s = 0; s < n_sources; s++)
        sum += sources[s] == NULL ? 0 : sources[s]->u64[i];
    return sum;
}

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* How much a value grows with its source, in 256ths: the median over pairs of rows, so that rows of
 * another kind do not count. 0: it does not grow. */
static uint64_t scale_of(const uint64_t *values, const uint64_t *sums, size_t m)
{
    enum { PAIRS = 256 };
    int64_t slope[PAIRS];
    size_t found = 0;
    const size_t step = m / 2 / PAIRS + 1;
    for (size_t i = 0; i + m / 2 < m && found < PAIRS; i += step) {
        const int64_t across = (int64_t)(sums[i + m / 2] - sums[i]);
        const int64_t up = (int64_t)(values[i + m / 2] - values[i]);
        const int64_t far = INT64_C(1) << 48;
        if (across != 0 && sums[i] != 0 && sums[i + m / 2] != 0 && up > -far && up < far)
            slope[found++] = (up * (1 << SCALE_BITS) * 2 / across + 1) / 2;
    }
    if (found == 0)
        return 0;
    qsort(slope, found, sizeof(slope[0]), by_value);
    return slope[found / 2] < 0 ? 0 : (uint64_t)slope[found / 2];
}

/* The median of a sample of them. */
static uint64_t middle_of(const uint64_t *off, size_t m)
{
    enum { SAMPLE = 255 };
    int64_t sample[SAMPLE];
    size_t found = 0;
    const size_t step = m / SAMPLE + 1;
    for (size_t i = 0; i < m && found < SAMPLE; i += step)
        sample[found++] = (int64_t)off[i];
    qsort(sample, found, sizeof(sample[0]), by_value);
    return (uint64_t)sample[found / 2];
}

/* What all distances have in common, so that microseconds in nanoseconds cost nothing. At least
 * 1. */
static uint64_t unit_of(const uint64_t *off, size_t m, uint64_t middle)
{
    uint64_t unit = 0;
    for (size_t i = 0; i < m && unit != 1; i++) {
        uint64_t a = off[i] - middle;
        a = a >> 63 ? 0 - a : a;
        while (a != 0) {
            const uint64_t rest = unit == 0 ? 0 : unit % a;
            unit = a;
            a = rest;
        }
    }
    return unit == 0 ? 1 : unit;
}

/* Values and sums of the present rows, without gaps. */
static size_t gather(uint64_t *to, uint64_t *sums, const uint64_t *values, const uint64_t *present, size_t n,
                     const struct span_column *const *sources, size_t n_sources)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (span_bit(present, i)) {
            to[at] = values[i];
            sums[at++] = sum_of(sources, n_sources, i);
        }
    }
    return at;
}

int span_column_predict_u64(struct span_buffer *out, const uint64_t *values, const uint64_t *present, size_t n,
                            const struct span_column *const *sources, const uint8_t *source_numbers, size_t n_sources,
                            bool scaled, int zstd_level)
{
    if (n == 0 || n > SPAN_BLOCK_ROWS_MAX || span_buffer_codec(out) == NULL)
        return -1;
    unsigned presence;
    const size_t m = span_presence_count(present, n, &presence);
    uint64_t *off = span_codec_scratch(out->codec, SPAN_SLOT_ROWS, (m + 1) * sizeof(*off));
    uint64_t *sums = span_codec_scratch(out->codec, SPAN_SLOT_SOURCE, (m + 1) * sizeof(*sums));
    if (m == 0 || off == NULL || sums == NULL) {
        out->failed = true;
        return -1;
    }
    (void)gather(off, sums, values, present, n, sources, n_sources);
    const uint64_t scale = scaled ? scale_of(off, sums, m) : 1 << SCALE_BITS;
    for (size_t i = 0; i < m; i++)
        off[i] -= sums[i] * scale >> SCALE_BITS;
    const uint64_t middle = middle_of(off, m);
    const uint64_t unit = unit_of(off, m, middle);
    for (size_t i = 0; i < m; i++)
        off[i] = span_zigzag((uint64_t)((int64_t)(off[i] - middle) / (int64_t)unit));
    span_put_byte(out, SPAN_CODEC_PREDICTED | presence);
    span_put_byte(out, (unsigned)n_sources);
    span_buffer_append(out, source_numbers, n_sources);
    span_presence_write(out, present, n, m, presence);
    span_put_varint(out, scale);
    span_put_varint(out, span_zigzag(middle));
    span_put_varint(out, unit);
    if (!out->failed && span_column_encode_u64(out, off, NULL, m, zstd_level) != 0)
        out->failed = true;
    return out->failed ? -1 : 0;
}

static int decode_u64(struct span_column *column, const uint8_t *data, size_t bytes, size_t n,
                      const struct span_column *const *sources)
{
    struct span_reader reader = {data, data + bytes, false};
    const unsigned how = span_take_byte(&reader);
    const unsigned n_sources = span_take_byte(&reader);
    size_t m = 0;
    if (reader.bad || (how & ~(unsigned)SPAN_CODEC_PRESENCE) != SPAN_CODEC_PREDICTED || n_sources == 0 ||
        n_sources > SPAN_SOURCES_MAX || span_take(&reader, n_sources) == NULL ||
        span_presence_read(column, &reader, n, how & SPAN_CODEC_PRESENCE, &m) != 0 || m == 0)
        return -1;
    const uint64_t scale = span_take_varint(&reader);
    const uint64_t middle = span_unzigzag(span_take_varint(&reader));
    const uint64_t unit = span_take_varint(&reader);
    if (reader.bad || span_values_read(column->codec, column->u64, m, reader.at, span_left(&reader)) != 0)
        return -1;
    size_t at = m;
    for (size_t i = n; i-- > 0;) {
        if (!span_bit(column->present, i)) {
            column->u64[i] = 0;
            continue;
        }
        const uint64_t off = span_unzigzag(column->u64[--at]) * unit + middle;
        column->u64[i] = (sum_of(sources, n_sources, i) * scale >> SCALE_BITS) + off;
    }
    return 0;
}

int span_column_decode_predicted_u64(struct span_column *column, const uint8_t *data, size_t bytes, size_t n,
                                     const struct span_column *const *sources)
{
    if (span_column_begin(column, n) != 0 || decode_u64(column, data, bytes, n, sources) != 0)
        return -1;
    column->n = n;
    return 0;
}

/* ---- texts ---- */

/*
 * What the source says of each row as a small number: 0 nothing, else 1 + the position of the value
 * among the distinct ones, in the order of their first rows (for texts: of the column's
 * dictionary). Returns how many there are, or 0 without memory.
 */
static size_t classes_of(struct span_codec *codec, const struct span_column *source, bool is_text, size_t n,
                         uint32_t *ret_class)
{
    if (source == NULL || is_text) {
        for (size_t i = 0; i < n; i++)
            ret_class[i] = source != NULL && span_bit(source->present, i) ? source->code[i] + 1 : 0;
        return source == NULL ? 1 : source->n_dict + 1;
    }
    size_t slots = 64;
    while (slots < n * 2)
        slots *= 2;
    uint32_t *table = span_codec_scratch(codec, SPAN_SLOT_TABLE, slots * sizeof(*table));
    uint64_t *distinct = span_codec_scratch(codec, SPAN_SLOT_DENSE, n * sizeof(*distinct));
    if (table == NULL || distinct == NULL)
        return 0;
    memset(table, 0, slots * sizeof(*table));
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        if (!span_bit(source->present, i)) {
            ret_class[i] = 0;
            continue;
        }
        const uint64_t value = source->u64[i];
        size_t slot = (value * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (slots - 1);
        while (table[slot] != 0 && distinct[table[slot] - 1] != value)
            slot = (slot + 1) & (slots - 1);
        if (table[slot] == 0) {
            distinct[found++] = value;
            table[slot] = (uint32_t)found;
        }
        ret_class[i] = table[slot];
    }
    return found + 1;
}

/* Which code each class has mostly (the vote of Boyer and Moore: surely where more than half
 * agree). */
static void vote(uint64_t *map, uint32_t *votes, size_t n_classes, const uint32_t *class, const uint64_t *present,
                 const uint64_t *codes, size_t n)
{
    size_t at = 0;
    memset(map, 0, n_classes * sizeof(*map));
    memset(votes, 0, n_classes * sizeof(*votes));
    for (size_t i = 0; i < n; i++) {
        if (!span_bit(present, i))
            continue;
        const uint64_t code = codes[at++];
        if (votes[class[i]] == 0)
            map[class[i]] = code;
        votes[class[i]] = map[class[i]] == code ? votes[class[i]] + 1 : votes[class[i]] - 1;
    }
}

int span_column_predict_text(struct span_buffer *out, const struct span_text *values, const uint64_t *present, size_t n,
                             const struct span_column *source, uint8_t source_number, bool is_text, int zstd_level)
{
    if (n == 0 || n > SPAN_BLOCK_ROWS_MAX || span_buffer_codec(out) == NULL)
        return -1;
    unsigned presence;
    struct span_dictionary dict;
    const size_t m = span_presence_count(present, n, &presence);
    uint32_t *class = span_codec_scratch(out->codec, SPAN_SLOT_SOURCE, n * sizeof(*class));
    const size_t n_classes = class == NULL ? 0 : classes_of(out->codec, source, is_text, n, class);
    if (n_classes * 2 > m)
        return 1;
    uint64_t *map = span_codec_scratch(out->codec, SPAN_SLOT_GUESS, (n_classes + 1) * (sizeof(*map) + 4));
    if (n_classes == 0 || map == NULL || span_dictionary_start(&dict, out->codec, m) != 0 ||
        span_dictionary_build(&dict, out->codec, values, present, n) != 0) {
        out->failed = true;
        return -1;
    }
    vote(map, (uint32_t *)(map + n_classes), n_classes, class, present, dict.codes, n);
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (span_bit(present, i)) {
            const uint64_t guess = map[class[i]];
            dict.codes[at] = dict.codes[at] >= guess ? dict.codes[at] - guess : dict.codes[at] + dict.count - guess;
            at++;
        }
    }
    const size_t codec_at = out->bytes;
    span_put_byte(out, SPAN_CODEC_MAPPED | presence);
    span_put_byte(out, source_number);
    span_presence_write(out, present, n, m, presence);
    span_put_varint(out, dict.count);
    span_texts_write(out, &dict, codec_at, zstd_level);
    if (!out->failed)
        span_nested_write(out, map, n_classes, zstd_level);
    if (!out->failed)
        span_nested_write(out, dict.codes, m, zstd_level);
    return out->failed ? -1 : 0;
}

static int decode_text(struct span_column *column, const uint8_t *data, size_t bytes, size_t n,
                       const struct span_column *source, bool is_text)
{
    struct span_reader reader = {data, data + bytes, false};
    const unsigned how = span_take_byte(&reader);
    size_t m = 0;
    (void)span_take_byte(&reader);
    if (reader.bad || (how & SPAN_CODEC_RESERVED) || (how & SPAN_CODEC_SHAPE) != SPAN_CODEC_MAPPED ||
        span_presence_read(column, &reader, n, how & SPAN_CODEC_PRESENCE, &m) != 0)
        return -1;
    const uint64_t count = span_take_varint(&reader);
    if (reader.bad || count == 0 || count > m ||
        span_texts_read(column, &reader, (size_t)count, (how & SPAN_CODEC_ZSTD) != 0) != 0)
        return -1;
    uint32_t *class = span_codec_scratch(column->codec, SPAN_SLOT_SOURCE, n * sizeof(*class));
    const size_t n_classes = class == NULL ? 0 : classes_of(column->codec, source, is_text, n, class);
    uint64_t *map = span_codec_scratch(column->codec, SPAN_SLOT_GUESS, (n_classes + 1) * sizeof(*map));
    if (n_classes == 0 || map == NULL || n_classes > SPAN_BLOCK_ROWS_MAX ||
        span_nested_read_to(column, &reader, map, n_classes) != 0 || span_nested_read(column, &reader, m) != 0)
        return -1;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        column->code[i] = 0;
        if (span_bit(column->present, i)) {
            if (map[class[i]] >= count || column->u64[at] >= count)
                return -1;
            column->code[i] = (uint32_t)((map[class[i]] + column->u64[at++]) % count);
        }
    }
    return reader.at == reader.end ? 0 : -1;
}

int span_column_decode_predicted_text(struct span_column *column, const uint8_t *data, size_t bytes, size_t n,
                                      const struct span_column *source, bool is_text)
{
    if (span_column_begin(column, n) != 0)
        return -1;
    if (decode_text(column, data, bytes, n, source, is_text) != 0) {
        column->n_dict = 0;
        return -1;
    }
    column->n = n;
    return 0;
}

/* ---- what a column needs ---- */

int span_column_needs(bool is_text, const uint8_t *data, size_t bytes, uint8_t ret_numbers[SPAN_SOURCES_MAX])
{
    struct span_reader reader = {data, data + bytes, false};
    const unsigned how = span_take_byte(&reader);
    unsigned n = 0;
    if (is_text && (how & SPAN_CODEC_SHAPE) == SPAN_CODEC_MAPPED)
        n = 1;
    else if (!is_text && (how & SPAN_CODEC_TRANSFORM) == SPAN_CODEC_PREDICTED)
        n = span_take_byte(&reader);
    const uint8_t *numbers = n > SPAN_SOURCES_MAX ? NULL : span_take(&reader, n);
    if (numbers == NULL)
        return -1;
    memcpy(ret_numbers, numbers, n);
    return (int)n;
}
