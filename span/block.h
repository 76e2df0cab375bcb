/*
 * A block: some spans as columns. FORMAT.md, section "Blocks".
 *
 * Used by the shim's scribe (write) and the collector (read, merge). Pure: no I/O, no globals.
 */
#pragma once

#include "column.h"

/* Encodes spans[0..n) in order, n from 1 to SPAN_BLOCK_ROWS_MAX; appends to `out`. Returns 0 or -1
 * (buffer failed). */
int span_block_encode(struct span_buffer *out, const struct span *const *spans, size_t n, int zstd_level);

/* Builds a block from columns that are already encoded: first begin, then each column in ascending
 * field number. */
int span_block_begin(struct span_buffer *out, size_t n);
int span_block_add(struct span_buffer *out, unsigned field_number, const uint8_t *data, size_t bytes);

/* Where the columns of a block lie; points into the block's bytes, which must outlive it. */
struct span_block_view {
    size_t n; /* rows */
    size_t n_columns;
    struct {
        uint8_t number; /* wire number; may be unknown to this version */
        const uint8_t *data;
        size_t bytes;
    } column[SPAN_FIELD_NUMBER_END];
};

enum { SPAN_BLOCK_BAD = -1, SPAN_BLOCK_TOO_NEW = -2 /* of a later format */ };
/* Reads the directory. Returns 0, or one of these codes. Unknown field numbers are kept in the view
 * (so that they can be passed on) and otherwise ignored. */
int span_block_open(struct span_block_view *view, const uint8_t *data, size_t bytes);

/* The encoded column of a field, or NULL when no row has it. */
const uint8_t *span_block_find(const struct span_block_view *view, enum span_field field, size_t *ret_bytes);

/* All known fields of a block decoded, to read whole spans (export, tests). Reused from block to
 * block. */
struct span_block {
    size_t n;
    bool has[SPAN_FIELD_COUNT];
    struct span_column column[SPAN_FIELD_COUNT];
};
void span_block_init(struct span_block *block);
void span_block_done(struct span_block *block);
int span_block_decode(struct span_block *block, const uint8_t *data, size_t bytes);
/* Row i as a span; texts are copied. */
void span_block_row(const struct span_block *block, size_t i, struct span *ret_span);
