/*
 * Encodes and decodes a text column: one text for all rows, or the distinct texts and each row's
 * position among them, or (when no two rows agree) the texts alone. Called by block.c, block_read.c
 * and the store's merge and scans, on any thread. Decoding trusts nothing.
 */
#include "codec.h"
#include "column.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static bool text_equal(const struct span_text *a, const struct span_text *b)
{
    return a->bytes == b->bytes && (a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0);
}

static void dictionary_add(struct span_dictionary *dict, const struct span_text *text, uint64_t hash)
{
    dict->text[dict->count] = *text;
    dict->hash[dict->count] = hash;
    dict->count++;
    dict->bytes += text->bytes;
}

static size_t dictionary_slot(const struct span_dictionary *dict, const struct span_text *text, uint64_t hash)
{
    size_t slot = hash & (dict->slots - 1);
    for (; dict->table[slot] != 0; slot = (slot + 1) & (dict->slots - 1)) {
        const uint32_t at = dict->table[slot] - 1;
        if (dict->hash[at] == hash && text_equal(&dict->text[at], text))
            break;
    }
    return slot;
}

static uint64_t dictionary_code(struct span_dictionary *dict, const struct span_text *text)
{
    const uint64_t hash = XXH3_64bits(text->bytes == 0 ? "" : text->data, text->bytes);
    const size_t slot = dictionary_slot(dict, text, hash);
    if (dict->table[slot] == 0) {
        dictionary_add(dict, text, hash);
        dict->table[slot] = (uint32_t)dict->count;
    }
    return dict->table[slot] - 1;
}

int span_dictionary_start(struct span_dictionary *dict, struct span_codec *codec, size_t m)
{
    *dict = (struct span_dictionary){.slots = 16};
    while (dict->slots < m * 2)
        dict->slots *= 2;
    dict->text = span_codec_scratch(codec, SPAN_SLOT_TEXT_DICT, m * sizeof(*dict->text));
    dict->hash = span_codec_scratch(codec, SPAN_SLOT_TEXT_HASH, m * sizeof(*dict->hash));
    dict->codes = span_codec_scratch(codec, SPAN_SLOT_TEXT_CODES, m * sizeof(*dict->codes));
    return dict->text == NULL || dict->hash == NULL || dict->codes == NULL ? -1 : 0;
}

int span_dictionary_build(struct span_dictionary *dict, struct span_codec *codec, const struct span_text *values,
                          const uint64_t *present, size_t n)
{
    const struct span_text *before = NULL;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!span_bit(present, i))
            continue;
        const struct span_text *text = &values[i];
        if (text->bytes > SPAN_TEXT_MAX)
            return -1;
        if (before != NULL && text_equal(before, text)) {
            dict->codes[at] = dict->codes[at - 1];
            at++;
            continue;
        }
        before = text;
        if (dict->table == NULL) {
            dict->table = span_codec_scratch(codec, SPAN_SLOT_TEXT_TABLE, dict->slots * sizeof(*dict->table));
            if (dict->table == NULL)
                return -1;
            memset(dict->table, 0, dict->slots * sizeof(*dict->table));
        }
        dict->codes[at++] = dictionary_code(dict, text);
    }
    return 0;
}

static size_t common_prefix(const struct span_dictionary *dict)
{
    size_t prefix = dict->text[0].bytes;
    for (size_t i = 1; i < dict->count && prefix > 0; i++) {
        const struct span_text *text = &dict->text[i];
        prefix = text->bytes < prefix ? text->bytes : prefix;
        while (prefix > 0 && memcmp(text->data, dict->text[0].data, prefix) != 0)
            prefix--;
    }
    return prefix;
}

void span_nested_write(struct span_buffer *out, const uint64_t *values, size_t count, int zstd_level)
{
    /* The size comes first but is known last; nearly always it takes one or two bytes. */
    const size_t start = out->bytes;
    if (span_column_encode_u64(out, values, NULL, count, zstd_level) != 0) {
        out->failed = true;
        return;
    }
    uint8_t size[SPAN_VARINT_MAX];
    const size_t bytes = out->bytes - start;
    const size_t head = span_varint_put(size, bytes);
    if (span_buffer_reserve(out, head) != NULL) {
        memmove(out->data + start + head, out->data + start, bytes);
        memcpy(out->data + start, size, head);
        span_buffer_commit(out, head);
    }
}

/* Texts by zstd, as span_zstd_append does it. What never repeats, as ids do not, becomes smaller at
 * the lowest level, which looks for no short matches: digits agree in a few by chance. */
static size_t append_texts(struct span_buffer *out, const uint8_t *joined, size_t bytes, int zstd_level)
{
    enum { LOWEST = 1 };
    const size_t at = out->bytes;
    const size_t frame = span_zstd_append(out, joined, bytes, zstd_level, true);
    const size_t end = out->bytes;
    if (frame == 0 || out->failed || zstd_level <= LOWEST)
        return frame;
    const size_t other = span_zstd_append(out, joined, bytes, LOWEST, true);
    if (other != 0 && other < frame && !out->failed) {
        memmove(out->data + at, out->data + end, other);
        out->bytes = at + other;
        return other;
    }
    out->bytes = end;
    return frame;
}

void span_texts_write(struct span_buffer *out, const struct span_dictionary *dict, size_t codec_at, int zstd_level)
{
    const size_t prefix = common_prefix(dict);
    span_put_varint(out, prefix);
    span_buffer_append(out, dict->text[0].data, prefix);
    uint64_t *lengths = dict->hash; /* no longer needed */
    const size_t bytes = dict->bytes - prefix * dict->count;
    uint8_t *joined = span_codec_scratch(out->codec, SPAN_SLOT_TEXT_BYTES, bytes + 1);
    if (joined == NULL) {
        out->failed = true;
        return;
    }
    size_t at = 0;
    for (size_t i = 0; i < dict->count; i++) {
        const size_t rest = dict->text[i].bytes - prefix;
        lengths[i] = rest;
        if (rest > 0) {
            memcpy(joined + at, dict->text[i].data + prefix, rest);
            at += rest;
        }
    }
    span_nested_write(out, lengths, dict->count, zstd_level);
    const size_t texts_at = out->bytes;
    const size_t frame = append_texts(out, joined, bytes, zstd_level);
    if (out->failed)
        return;
    if (frame != 0 && bytes <= frame * SPAN_ZSTD_RATIO_MAX) {
        out->data[codec_at] |= SPAN_CODEC_ZSTD;
        return;
    }
    out->bytes = texts_at;
    span_buffer_append(out, joined, bytes);
}

int span_column_encode_text(struct span_buffer *out, const struct span_text *values, const uint64_t *present, size_t n,
                            int zstd_level)
{
    if (n == 0 || n > SPAN_BLOCK_ROWS_MAX || span_buffer_codec(out) == NULL)
        return -1;
    unsigned presence;
    const size_t m = span_presence_count(present, n, &presence);
    struct span_dictionary dict;
    if (span_dictionary_start(&dict, out->codec, m + 1) != 0 ||
        span_dictionary_build(&dict, out->codec, values, present, n) != 0) {
        out->failed = true;
        return -1;
    }
    if (dict.count <= 1) {
        span_put_byte(out, SPAN_CODEC_SINGLE | presence);
        span_presence_write(out, present, n, m, presence);
        if (dict.count == 1)
            span_buffer_append(out, dict.text[0].data, dict.text[0].bytes);
        return out->failed ? -1 : 0;
    }
    const bool plain = dict.count == m;
    const size_t codec_at = out->bytes;
    span_put_byte(out, (plain ? SPAN_CODEC_PLAIN : SPAN_CODEC_TEXT_DICT) | presence);
    span_presence_write(out, present, n, m, presence);
    if (!plain)
        span_put_varint(out, dict.count);
    span_texts_write(out, &dict, codec_at, zstd_level);
    if (!plain && !out->failed)
        span_nested_write(out, dict.codes, m, zstd_level);
    return out->failed ? -1 : 0;
}

int span_text_room(struct span_column *column, size_t dict, size_t bytes)
{
    if (dict > column->dict_capacity) {
        size_t capacity = 16;
        while (capacity < dict)
            capacity *= 2;
        free(column->dict);
        column->dict = calloc(capacity, sizeof(*column->dict));
        column->dict_capacity = column->dict == NULL ? 0 : capacity;
    }
    if (bytes > column->bytes_capacity || column->bytes == NULL) { /* texts without bytes lie somewhere too */
        size_t capacity = 256;
        while (capacity < bytes)
            capacity *= 2;
        free(column->bytes);
        column->bytes = malloc(capacity);
        column->bytes_capacity = column->bytes == NULL ? 0 : capacity;
    }
    return column->dict_capacity < dict || column->bytes == NULL || column->bytes_capacity < bytes ? -1 : 0;
}

static int read_single(struct span_column *column, struct span_reader *reader, size_t n)
{
    const size_t bytes = span_left(reader);
    if (bytes > SPAN_TEXT_MAX || span_text_room(column, 1, bytes) != 0)
        return -1;
    if (bytes > 0)
        memcpy(column->bytes, reader->at, bytes);
    column->dict[0] = (struct span_text){(const char *)column->bytes, (uint32_t)bytes};
    column->n_dict = 1;
    memset(column->code, 0, n * sizeof(*column->code));
    return 0;
}

int span_nested_read_to(struct span_column *column, struct span_reader *reader, uint64_t *to, size_t count)
{
    const uint64_t size = span_take_varint(reader);
    const uint8_t *data = size > span_left(reader) ? NULL : span_take(reader, (size_t)size);
    return data == NULL ? -1 : span_values_read(column->codec, to, count, data, (size_t)size);
}

int span_nested_read(struct span_column *column, struct span_reader *reader, size_t count)
{
    return span_nested_read_to(column, reader, column->u64, count);
}

/* The `bytes` bytes of all suffixes, as they lie in the input or unpacked. */
static const uint8_t *read_joined(struct span_column *column, struct span_reader *reader, size_t bytes, bool zstd)
{
    if (!zstd)
        return span_take(reader, bytes);
    const uint64_t size = span_take_varint(reader);
    const uint8_t *frame = size > span_left(reader) ? NULL : span_take(reader, (size_t)size);
    if (frame == NULL || bytes > size * SPAN_ZSTD_RATIO_MAX ||
        span_zstd_size(frame, (size_t)size, bytes) != (long)bytes)
        return NULL;
    uint8_t *memory = span_codec_scratch(column->codec, SPAN_SLOT_TEXT_BYTES, bytes + 1);
    return memory == NULL || span_zstd_unpack(column->codec, memory, bytes, frame, (size_t)size) != 0 ? NULL : memory;
}

int span_texts_read(struct span_column *column, struct span_reader *reader, size_t count, bool zstd)
{
    const uint64_t prefix_bytes = span_take_varint(reader);
    const uint8_t *prefix = prefix_bytes > SPAN_TEXT_MAX ? NULL : span_take(reader, (size_t)prefix_bytes);
    if (prefix == NULL || span_nested_read(column, reader, count) != 0)
        return -1;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        if (column->u64[i] > SPAN_TEXT_MAX - prefix_bytes)
            return -1;
        bytes += (size_t)column->u64[i];
    }
    const uint8_t *joined = read_joined(column, reader, bytes, zstd);
    /* The prefix is repeated before each text: at most SPAN_TEXT_MAX per row. */
    if (joined == NULL || span_text_room(column, count, bytes + count * (size_t)prefix_bytes) != 0)
        return -1;
    uint8_t *to = column->bytes;
    for (size_t i = 0; i < count; i++) {
        const size_t rest = (size_t)column->u64[i];
        column->dict[i] = (struct span_text){(const char *)to, (uint32_t)(prefix_bytes + rest)};
        if (prefix_bytes > 0)
            memcpy(to, prefix, (size_t)prefix_bytes);
        if (rest > 0)
            memcpy(to + prefix_bytes, joined, rest);
        to += prefix_bytes + rest;
        joined += rest;
    }
    column->n_dict = count;
    return 0;
}

/* Codes of the m present rows, from u64 to their rows; absent rows get 0. */
static int place_codes(struct span_column *column, size_t n, size_t m)
{
    for (size_t i = 0; i < m; i++)
        if (column->u64[i] >= column->n_dict)
            return -1;
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        column->code[i] = span_bit(column->present, i) ? (uint32_t)column->u64[at++] : 0;
    return 0;
}

static int decode_text(struct span_column *column, const uint8_t *data, size_t bytes, size_t n)
{
    struct span_reader reader = {data, data + bytes, false};
    const unsigned how = span_take_byte(&reader);
    const unsigned shape = how & SPAN_CODEC_SHAPE;
    const bool zstd = (how & SPAN_CODEC_ZSTD) != 0;
    size_t m = 0;
    if (reader.bad || (how & SPAN_CODEC_RESERVED) || shape > SPAN_CODEC_SKETCHES ||
        span_presence_read(column, &reader, n, how & SPAN_CODEC_PRESENCE, &m) != 0)
        return -1;
    if (shape == SPAN_CODEC_SINGLE)
        return zstd ? -1 : read_single(column, &reader, n);
    if (shape == SPAN_CODEC_SKETCHES) {
        if (span_sketches_read(column, &reader, m, zstd) != 0)
            return -1;
    } else {
        const uint64_t count = shape == SPAN_CODEC_PLAIN ? m : span_take_varint(&reader);
        if (reader.bad || count == 0 || count > m || span_texts_read(column, &reader, (size_t)count, zstd) != 0)
            return -1;
    }
    if (shape != SPAN_CODEC_TEXT_DICT)
        for (size_t i = 0; i < m; i++)
            column->u64[i] = i;
    else if (span_nested_read(column, &reader, m) != 0)
        return -1;
    return place_codes(column, n, m) != 0 || reader.at != reader.end ? -1 : 0;
}

int span_column_decode_text(struct span_column *column, const uint8_t *data, size_t bytes, size_t n)
{
    if (span_column_begin(column, n) != 0)
        return -1;
    if (decode_text(column, data, bytes, n) != 0) {
        column->n_dict = 0;
        return -1;
    }
    column->n = n;
    return 0;
}
