/*
 * Columns of which most is known from other columns of the same block: a total from its phases,
 * bytes from tokens, a provider from a model. What is stored is how far the prediction is off.
 * FORMAT.md, section "Predicted columns".
 *
 * They are in merged blocks of the store alone; in a frame a block decodes without knowing other
 * columns, and a predicted one is refused. Used by the store's merge (write) and its reading. Pure
 * functions on caller's memory.
 */
#pragma once

#include "column.h"

enum { SPAN_SOURCES_MAX = 8 };

/*
 * Appends the column of numbers as it is predicted from the sum of `sources` (decoded columns of
 * the same n rows; an absent value counts as 0), scaled by what fits best where `scaled`. Returns
 * 0, or -1 when the buffer failed.
 */
int span_column_predict_u64(struct span_buffer *out, const uint64_t *values, const uint64_t *present, size_t n,
                            const struct span_column *const *sources, const uint8_t *source_numbers, size_t n_sources,
                            bool scaled, int zstd_level);
/* Appends the column of texts as each is predicted from what one other column says (text or number,
 * as `is_text` says of it). 1: nothing was written, as the source says too many things. */
int span_column_predict_text(struct span_buffer *out, const struct span_text *values, const uint64_t *present, size_t n,
                             const struct span_column *source, uint8_t source_number, bool is_text, int zstd_level);

/* The numbers of the fields that a column's decoding needs: how many, 0 when it is not predicted,
 * -1 when it is damaged.
 */
int span_column_needs(bool is_text, const uint8_t *data, size_t bytes, uint8_t ret_numbers[SPAN_SOURCES_MAX]);
/* As span_column_decode_u64 and _text, with what span_column_needs named: NULL where the block has
 * no such column. */
int span_column_decode_predicted_u64(struct span_column *column, const uint8_t *data, size_t bytes, size_t n,
                                     const struct span_column *const *sources);
int span_column_decode_predicted_text(struct span_column *column, const uint8_t *data, size_t bytes, size_t n,
                                      const struct span_column *source, bool is_text);
