/*
 * One column: the values of one field for the rows of a block, encoded as small as is cheap.
 *
 * Pure functions on caller's memory. The encoding is described in FORMAT.md, section "Columns".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "span.h"

/* Row i is present iff bit i of `present` is set; NULL means that every row is. */
static inline bool span_bit(const uint64_t *bits, size_t i)
{
    return bits == NULL || ((bits[i >> 6] >> (i & 63)) & 1);
}

/*
 * Appends a column. `values` holds n values (absent rows ignored), n from 1 to SPAN_BLOCK_ROWS_MAX;
 * a text has at most SPAN_TEXT_MAX bytes. Returns 0, or -1 when that does not hold or the buffer
 * failed. `zstd_level` 0 stores without zstd.
 */
int span_column_encode_u64(struct span_buffer *out, const uint64_t *values, const uint64_t *present, size_t n,
                           int zstd_level);
int span_column_encode_text(struct span_buffer *out, const struct span_text *values, const uint64_t *present, size_t n,
                            int zstd_level);

/*
 * A decoded column, reused from block to block. `type` is that of the field. For U64/ID64/BOOL
 * `u64` has n values (0 where absent). For texts `code` has n dictionary positions and `dict` the
 * distinct texts (pointing into `bytes`). Owner: the caller; one thread.
 */
struct span_column {
    size_t n;
    size_t n_dict;
    uint64_t *present; /* bit map, always filled */
    uint64_t *u64;
    uint32_t *code;
    struct span_text *dict;
    uint8_t *bytes;
    size_t rows_capacity, dict_capacity, bytes_capacity;
    struct span_codec *codec; /* working memory; owned unless lent */
    bool codec_lent;
};
void span_column_init(struct span_column *column);
/* Many columns of one thread may share one working memory: `lender` must outlive the borrower's
 * last decode. */
int span_column_borrow(struct span_column *borrower, struct span_column *lender);
void span_column_done(struct span_column *column);

/* Decodes; returns 0, or -1 when the data is damaged or memory ran out (the column is then empty).
 * Never reads outside data[0..bytes), never allocates more than the row count and
 * SPAN_FRAME_PAYLOAD_MAX justify. */
int span_column_decode_u64(struct span_column *column, const uint8_t *data, size_t bytes, size_t n);
int span_column_decode_text(struct span_column *column, const uint8_t *data, size_t bytes, size_t n);
