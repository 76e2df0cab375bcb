/*
 * Working memory of encoders and decoders, and the helpers that column.c, column_read.c and
 * column_text.c share.
 *
 * Not for use outside span/. One thread per struct span_codec; it belongs to a span_buffer or a
 * span_column, so that nothing here is global (the shim may not have thread-local or static state
 * of this size).
 */
#pragma once

#include "varint.h"

struct span_column;

/* Each user of scratch has a slot of its own, so that a nested column cannot overwrite what its
 * text column still needs. */
enum span_slot {
    SPAN_SLOT_ROWS, /* block.c: values of a field as it is gathered */
    SPAN_SLOT_PRESENT,
    SPAN_SLOT_DENSE, /* column: values of the rows that are present */
    SPAN_SLOT_RESIDUAL,
    SPAN_SLOT_DELTA,
    SPAN_SLOT_TABLE,
    SPAN_SLOT_CODES,
    SPAN_SLOT_BYTES,     /* a byte plane, a body before zstd, a body after zstd */
    SPAN_SLOT_TEXT_DICT, /* column_text */
    SPAN_SLOT_TEXT_HASH,
    SPAN_SLOT_TEXT_TABLE,
    SPAN_SLOT_TEXT_CODES,
    SPAN_SLOT_TEXT_BYTES,
    SPAN_SLOT_SOURCE, /* predicted: sums of sources, classes of rows */
    SPAN_SLOT_GUESS,  /* predicted: what each class has mostly */
    SPAN_SLOT_COUNT,
};

/* What the first byte of a column says; FORMAT.md, section "Columns". */
enum {
    SPAN_CODEC_TRANSFORM = 0x03,
    SPAN_CODEC_FOR = 0x00,
    SPAN_CODEC_DELTA = 0x01,
    SPAN_CODEC_DICT = 0x02,
    SPAN_CODEC_PREDICTED = 0x03, /* with the storage bits 0; merged blocks alone */

    SPAN_CODEC_STORAGE = 0x0c,
    SPAN_CODEC_ZERO = 0x00,
    SPAN_CODEC_PACKED = 0x04,
    SPAN_CODEC_PATCHED = 0x08,
    SPAN_CODEC_PLANES = 0x0c,

    SPAN_CODEC_SHAPE = 0x0f, /* of a text column */
    SPAN_CODEC_SINGLE = 0x00,
    SPAN_CODEC_TEXT_DICT = 0x01,
    SPAN_CODEC_PLAIN = 0x02,
    SPAN_CODEC_SKETCHES = 0x03,
    SPAN_CODEC_MAPPED = 0x04, /* merged blocks alone */

    SPAN_CODEC_PRESENCE = 0x30,
    SPAN_CODEC_ALL = 0x00,
    SPAN_CODEC_BITMAP = 0x10,
    SPAN_CODEC_FEW = 0x20,  /* the rows that are present are listed */
    SPAN_CODEC_MOST = 0x30, /* the rows that are absent are listed */

    SPAN_CODEC_ZSTD = 0x40,
    SPAN_CODEC_RESERVED = 0x80,

    SPAN_PLANE_FILL = 0,
    SPAN_PLANE_RAW = 1,
    SPAN_PLANE_ZSTD = 2,
};

/* First byte of a block. */
enum { SPAN_BLOCK_FORMAT = 1 };

/* Hostile input may not unpack to more than this many times its size (a real text column reaches
 * about 10). */
enum { SPAN_ZSTD_RATIO_MAX = 64, SPAN_ZSTD_SLACK = 4096 };

struct span_codec *span_codec_new(void);
void span_codec_free(struct span_codec *codec); /* takes NULL */
/* At least `bytes` bytes, contents undefined; NULL when memory ran out. Valid until the same slot
 * is asked for again.
 */
void *span_codec_scratch(struct span_codec *codec, enum span_slot slot, size_t bytes);

/* The buffer's codec, made if need be; NULL (and the buffer failed) when memory ran out. */
struct span_codec *span_buffer_codec(struct span_buffer *buffer);
/* Room for `bytes` more bytes at data + bytes; NULL (and failed) when there is none. Does not
 * change `bytes`. */
uint8_t *span_buffer_reserve(struct span_buffer *buffer, size_t bytes);
/* Counts bytes that were written into the reserve; past the maximum the buffer fails. */
void span_buffer_commit(struct span_buffer *buffer, size_t bytes);

/*
 * Appends data as one zstd frame if that is worth while: returns its size, or 0 when nothing was
 * appended. `prefix` asks for the size as a varint before the frame (and counts it).
 */
size_t span_zstd_append(struct span_buffer *out, const uint8_t *data, size_t bytes, int level, bool prefix);
/* The size a zstd frame unpacks to, or -1 when it does not say or says more than `max`. */
long span_zstd_size(const uint8_t *data, size_t bytes, size_t max);
/* Unpacks exactly to_bytes bytes, else -1. */
int span_zstd_unpack(struct span_codec *codec, uint8_t *to, size_t to_bytes, const uint8_t *data, size_t bytes);

/* ---- bits.c: values of `width` bits (0 to 64), least significant bit first ---- */
static inline size_t span_packed_bytes(size_t count, unsigned width)
{
    return (count * width + 7) / 8;
}
/* Writes span_packed_bytes() bytes plus up to 7 bytes of zeros after them. Values are cut to
 * `width` bits. */
void span_bits_pack(uint8_t *to, const uint64_t *values, size_t count, unsigned width);
/* Reads span_packed_bytes() bytes and not one more. */
void span_bits_unpack(uint64_t *to, const uint8_t *data, size_t count, unsigned width);

/* ---- column.c ---- */
/* Counts the rows that are present; *ret_form is the cheapest SPAN_CODEC_ALL, … for them. */
size_t span_presence_count(const uint64_t *present, size_t n, unsigned *ret_form);
void span_presence_write(struct span_buffer *out, const uint64_t *present, size_t n, size_t m, unsigned form);

/* ---- column_read.c ---- */
/* Makes room for n rows and empties the column. */
int span_column_begin(struct span_column *column, size_t n);
/* Fills the column's presence map; *ret_m is how many rows are present. */
int span_presence_read(struct span_column *column, struct span_reader *reader, size_t n, unsigned form, size_t *ret_m);
/* Decodes a numeric column without presence of exactly m values, the whole of data, to `to`. */
int span_values_read(struct span_codec *codec, uint64_t *to, size_t m, const uint8_t *data, size_t bytes);

/* ---- column_text.c ---- */
/* Distinct texts in order of first appearance, and each present row's position. Its memory is the
 * codec's scratch. */
struct span_dictionary {
    struct span_text *text;
    uint64_t *hash;
    uint64_t *codes;
    uint32_t *table; /* position + 1; made when the second distinct text appears */
    size_t slots;
    size_t count;
    size_t bytes; /* of all distinct texts */
};
/* For m present rows of n. 0, or -1: no memory, or a text is too long. */
int span_dictionary_start(struct span_dictionary *dict, struct span_codec *codec, size_t m);
int span_dictionary_build(struct span_dictionary *dict, struct span_codec *codec, const struct span_text *values,
                          const uint64_t *present, size_t n);
/* The distinct texts, and back into the column's dictionary; the codec byte at codec_at says
 * whether by zstd. */
void span_texts_write(struct span_buffer *out, const struct span_dictionary *dict, size_t codec_at, int zstd_level);
int span_texts_read(struct span_column *column, struct span_reader *reader, size_t count, bool zstd);
/* A numeric column of `count` values inside a text column: its size, then itself. Reading leaves
 * them in column->u64.
 */
void span_nested_write(struct span_buffer *out, const uint64_t *values, size_t count, int zstd_level);
int span_nested_read_to(struct span_column *column, struct span_reader *reader, uint64_t *to, size_t count);
int span_nested_read(struct span_column *column, struct span_reader *reader, size_t count);
/* Room for that many texts of that many bytes together. */
int span_text_room(struct span_column *column, size_t dict, size_t bytes);

/* ---- column_sketch.c ---- */
/* The dictionary of m values from a column of sketches, each row its own; the reader is then at its
 * end. */
int span_sketches_read(struct span_column *column, struct span_reader *reader, size_t m, bool zstd);
