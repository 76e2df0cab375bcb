/*
 * A column of sketches: the first bucket, the number of buckets and the counts of each call, each
 * kind apart, as alike things compress best. Called by block.c, column_text.c (to decode) and the
 * store's merge, on any thread. Decoding trusts nothing.
 */
#include "codec.h"
#include "sketch.h"

enum { COUNTS_LEVEL = 1 };

/* Takes one value apart. False when it is not as span_sketch_write writes it. */
static bool take_apart(const struct span_text *text, uint64_t *ret_first, uint64_t *ret_n, const uint8_t **ret_counts)
{
    const uint8_t *data = (const uint8_t *)text->data;
    struct span_reader reader = {data, data + text->bytes, false};
    uint64_t n = 0;
    *ret_first = span_take_varint(&reader);
    *ret_counts = reader.at;
    for (; !reader.bad && reader.at < reader.end; n++)
        (void)span_take_varint(&reader);
    *ret_n = n;
    return !reader.bad && n > 0 && *ret_first < SPAN_SKETCH_BUCKETS && n <= SPAN_SKETCH_BUCKETS - *ret_first;
}

/* Fills the m first buckets and numbers of counts, and joins the counts. Their bytes, or -1 when
 * some value is of another kind. */
static long gather(const struct span_text *values, const uint64_t *present, size_t n, uint64_t *first, uint64_t *counts,
                   uint8_t *joined)
{
    uint8_t *to = joined;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *from;
        if (!span_bit(present, i))
            continue;
        if (!take_apart(&values[i], &first[at], &counts[at], &from))
            return -1;
        const size_t bytes = (size_t)((const uint8_t *)values[i].data + values[i].bytes - from);
        memcpy(to, from, bytes);
        to += bytes;
        at++;
    }
    return (long)(to - joined);
}

static void write_apart(struct span_buffer *out, const uint64_t *first, const uint64_t *counts, size_t m,
                        const uint8_t *joined, size_t bytes, size_t codec_at, int zstd_level)
{
    span_nested_write(out, first, m, zstd_level);
    span_nested_write(out, counts, m, zstd_level);
    const size_t counts_at = out->bytes;
    /* Counts hardly repeat in rows: the lowest level makes them smaller than the store's, and is
     * read faster. */
    const size_t frame =
        span_zstd_append(out, joined, bytes, zstd_level < COUNTS_LEVEL ? zstd_level : COUNTS_LEVEL, false);
    if (out->failed)
        return;
    if (frame != 0 && bytes <= frame * SPAN_ZSTD_RATIO_MAX) {
        out->data[codec_at] |= SPAN_CODEC_ZSTD;
        return;
    }
    out->bytes = counts_at;
    span_buffer_append(out, joined, bytes);
}

int span_column_encode_sketch(struct span_buffer *out, const struct span_text *values, const uint64_t *present,
                              size_t n, int zstd_level)
{
    if (n == 0 || n > SPAN_BLOCK_ROWS_MAX || span_buffer_codec(out) == NULL)
        return -1;
    unsigned presence;
    const size_t m = span_presence_count(present, n, &presence);
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += span_bit(present, i) ? values[i].bytes : 0;
    uint64_t *first = span_codec_scratch(out->codec, SPAN_SLOT_TEXT_HASH, (m + 1) * sizeof(*first));
    uint64_t *counts = span_codec_scratch(out->codec, SPAN_SLOT_TEXT_CODES, (m + 1) * sizeof(*counts));
    uint8_t *joined = span_codec_scratch(out->codec, SPAN_SLOT_TEXT_BYTES, bytes + 1);
    if (first == NULL || counts == NULL || joined == NULL) {
        out->failed = true;
        return -1;
    }
    const long counted = m == 0 ? -1 : gather(values, present, n, first, counts, joined);
    if (counted < 0)
        return span_column_encode_text(out, values, present, n, zstd_level);
    const size_t codec_at = out->bytes;
    span_put_byte(out, SPAN_CODEC_SKETCHES | presence);
    span_presence_write(out, present, n, m, presence);
    write_apart(out, first, counts, m, joined, (size_t)counted, codec_at, zstd_level);
    return out->failed ? -1 : 0;
}

/* All counts, as they lie in the input or unpacked; they are the rest of it. */
static const uint8_t *read_joined(struct span_column *column, struct span_reader *reader, bool zstd, size_t *ret_bytes)
{
    const size_t left = span_left(reader);
    const uint8_t *data = span_take(reader, left);
    *ret_bytes = left;
    if (!zstd || data == NULL)
        return data;
    const long size = span_zstd_size(data, left, left * SPAN_ZSTD_RATIO_MAX);
    uint8_t *memory = size < 0 ? NULL : span_codec_scratch(column->codec, SPAN_SLOT_TEXT_BYTES, (size_t)size + 1);
    if (memory == NULL || span_zstd_unpack(column->codec, memory, (size_t)size, data, left) != 0)
        return NULL;
    *ret_bytes = (size_t)size;
    return memory;
}

/* Puts one value together again at *to. Returns its bytes, 0 when the counts do not reach or are
 * too long. */
static size_t put_together(uint8_t *to, uint64_t first, uint64_t n, struct span_reader *counts)
{
    const size_t head = span_varint_put(to, first);
    const uint8_t *from = counts->at;
    if (n <= span_left(counts)) {
        uint8_t high = 0;
        for (uint64_t i = 0; i < n; i++)
            high |= from[i];
        if (high < 0x80) { /* a byte each, as nearly always */
            memcpy(to + head, from, (size_t)n);
            counts->at += n;
            return head + (size_t)n;
        }
    }
    for (uint64_t i = 0; i < n; i++)
        (void)span_take_varint(counts);
    const size_t bytes = (size_t)(counts->at - from);
    if (counts->bad || head + bytes > SPAN_TEXT_MAX)
        return 0;
    memcpy(to + head, from, bytes);
    return head + bytes;
}

int span_sketches_read(struct span_column *column, struct span_reader *reader, size_t m, bool zstd)
{
    uint64_t *first = span_codec_scratch(column->codec, SPAN_SLOT_TEXT_HASH, (m + 1) * sizeof(*first));
    size_t bytes = 0;
    if (m == 0 || first == NULL || span_nested_read(column, reader, m) != 0)
        return -1;
    memcpy(first, column->u64, m * sizeof(*first));
    if (span_nested_read(column, reader, m) != 0)
        return -1;
    const uint64_t *n = column->u64;
    for (size_t i = 0; i < m; i++)
        if (first[i] >= SPAN_SKETCH_BUCKETS || n[i] == 0 || n[i] > SPAN_SKETCH_BUCKETS - first[i])
            return -1;
    const uint8_t *joined = read_joined(column, reader, zstd, &bytes);
    if (joined == NULL || span_text_room(column, m, bytes + m * SPAN_VARINT_MAX) != 0)
        return -1;
    struct span_reader counts = {joined, joined + bytes, false};
    uint8_t *to = column->bytes;
    for (size_t i = 0; i < m; i++) {
        const size_t size = put_together(to, first[i], n[i], &counts);
        if (size == 0)
            return -1;
        column->dict[i] = (struct span_text){(const char *)to, (uint32_t)size};
        to += size;
    }
    column->n_dict = m;
    return counts.at == counts.end ? 0 : -1;
}
