/*
 * Writes blocks: from spans (the shim's scribe) or from columns that are encoded already (the
 * store's merge). Any thread; pure but for memory. Must never write a column that no row has.
 */
#include "block.h"
#include "codec.h"
#include "sketch.h"

/* Gathers the values of a field as the column encoders want them. */
static void gather_u64(uint64_t *to, uint64_t *present, const struct span *const *spans, size_t n,
                       enum span_field field)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t has = span_has(spans[i], field);
        to[i] = has ? spans[i]->value[field].u64 : 0;
        present[i >> 6] |= has << (i & 63);
    }
    for (size_t i = 0; span_fields[field].unit == SPAN_NS && i < n; i++)
        to[i] = span_whole_microseconds(to[i]);
}

static void gather_text(struct span_text *to, uint64_t *present, const struct span *const *spans, size_t n,
                        enum span_field field)
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t has = span_has(spans[i], field);
        to[i] = has ? spans[i]->value[field].text : (struct span_text){0};
        present[i >> 6] |= has << (i & 63);
    }
}

static int block_field(struct span_buffer *out, const struct span *const *spans, size_t n, enum span_field field,
                       int zstd_level)
{
    const size_t words = (n + 63) / 64;
    void *rows = span_codec_scratch(out->codec, SPAN_SLOT_ROWS, n * sizeof(struct span_text));
    uint64_t *present = span_codec_scratch(out->codec, SPAN_SLOT_PRESENT, words * sizeof(*present));
    if (rows == NULL || present == NULL)
        return -1;
    memset(present, 0, words * sizeof(*present));
    const size_t start = out->bytes;
    int status;
    if (span_fields[field].type <= SPAN_ID64) {
        gather_u64(rows, present, spans, n, field);
        status = span_column_encode_u64(out, rows, present, n, zstd_level);
    } else {
        gather_text(rows, present, spans, n, field);
        status = span_fields[field].type == SPAN_BLOB ? span_column_encode_sketch(out, rows, present, n, zstd_level)
                                                      : span_column_encode_text(out, rows, present, n, zstd_level);
    }
    if (status != 0)
        return -1;
    /* Number and size stand before the column but the size is known after it. */
    uint8_t head[1 + SPAN_VARINT_MAX];
    const size_t bytes = out->bytes - start;
    head[0] = span_fields[field].number;
    const size_t head_bytes = 1 + span_varint_put(head + 1, bytes);
    if (span_buffer_reserve(out, head_bytes) == NULL)
        return -1;
    memmove(out->data + start + head_bytes, out->data + start, bytes);
    memcpy(out->data + start, head, head_bytes);
    span_buffer_commit(out, head_bytes);
    return 0;
}

int span_block_begin(struct span_buffer *out, size_t n)
{
    if (n == 0 || n > SPAN_BLOCK_ROWS_MAX)
        return -1;
    span_put_byte(out, SPAN_BLOCK_FORMAT);
    span_put_varint(out, n);
    return out->failed ? -1 : 0;
}

int span_block_add(struct span_buffer *out, unsigned field_number, const uint8_t *data, size_t bytes)
{
    if (field_number == 0 || field_number >= SPAN_FIELD_NUMBER_END || bytes == 0)
        return -1;
    span_put_byte(out, field_number);
    span_put_varint(out, bytes);
    span_buffer_append(out, data, bytes);
    return out->failed ? -1 : 0;
}

int span_block_encode(struct span_buffer *out, const struct span *const *spans, size_t n, int zstd_level)
{
    if (span_block_begin(out, n) != 0 || span_buffer_codec(out) == NULL)
        return -1;
    /* Most fields are absent from most blocks: only those that some row has are looked at row by
     * row. */
    uint64_t any[(SPAN_FIELD_COUNT + 63) / 64] = {0};
    for (size_t i = 0; i < n; i++)
        for (size_t word = 0; word < sizeof(any) / sizeof(any[0]); word++)
            any[word] |= spans[i]->present[word];
    /* fields.def is in ascending order of numbers; test_span holds it to that. */
    for (unsigned field = 0; field < SPAN_FIELD_COUNT; field++) {
        if (span_bit(any, field) && block_field(out, spans, n, (enum span_field)field, zstd_level) != 0) {
            out->failed = true;
            return -1;
        }
    }
    return out->failed ? -1 : 0;
}
