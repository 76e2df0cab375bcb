/*
 * Reads blocks. Called by the collector, by export and by tests, on any thread. The input is
 * hostile until proven otherwise.
 */
#include "block.h"
#include "codec.h"

int span_block_open(struct span_block_view *view, const uint8_t *data, size_t bytes)
{
    struct span_reader reader = {data, data + bytes, false};
    const unsigned format = span_take_byte(&reader);
    const uint64_t n = span_take_varint(&reader);
    view->n = 0;
    view->n_columns = 0;
    if (format > SPAN_BLOCK_FORMAT)
        return SPAN_BLOCK_TOO_NEW;
    if (reader.bad || format != SPAN_BLOCK_FORMAT || n == 0 || n > SPAN_BLOCK_ROWS_MAX)
        return SPAN_BLOCK_BAD;
    size_t columns = 0;
    unsigned before = 0;
    while (reader.at < reader.end) {
        const unsigned number = span_take_byte(&reader);
        const uint64_t size = span_take_varint(&reader);
        if (reader.bad || number <= before || size == 0 || size > span_left(&reader))
            return SPAN_BLOCK_BAD;
        before = number;
        view->column[columns].number = (uint8_t)number;
        view->column[columns].data = span_take(&reader, (size_t)size);
        view->column[columns].bytes = (size_t)size;
        columns++;
    }
    view->n = (size_t)n;
    view->n_columns = columns;
    return 0;
}

const uint8_t *span_block_find(const struct span_block_view *view, enum span_field field, size_t *ret_bytes)
{
    const uint8_t number = span_fields[field].number;
    for (size_t i = 0; i < view->n_columns; i++) {
        if (view->column[i].number == number) {
            *ret_bytes = view->column[i].bytes;
            return view->column[i].data;
        }
    }
    return NULL;
}

void span_block_init(struct span_block *block)
{
    block->n = 0;
    for (size_t i = 0; i < SPAN_FIELD_COUNT; i++) {
        block->has[i] = false;
        span_column_init(&block->column[i]);
    }
}

void span_block_done(struct span_block *block)
{
    /* Column 0 lends its working memory to the others: it goes last. */
    for (size_t i = SPAN_FIELD_COUNT; i-- > 0;)
        span_column_done(&block->column[i]);
    span_block_init(block);
}

static int decode_field(struct span_block *block, enum span_field field, const uint8_t *data, size_t bytes, size_t n)
{
    struct span_column *column = &block->column[field];
    if (field != 0 && column->codec == NULL && span_column_borrow(column, &block->column[0]) != 0)
        return -1;
    return span_fields[field].type <= SPAN_ID64 ? span_column_decode_u64(column, data, bytes, n)
                                                : span_column_decode_text(column, data, bytes, n);
}

int span_block_decode(struct span_block *block, const uint8_t *data, size_t bytes)
{
    struct span_block_view view;
    block->n = 0;
    memset(block->has, 0, sizeof(block->has));
    if (span_block_open(&view, data, bytes) != 0)
        return -1;
    for (size_t i = 0; i < view.n_columns; i++) {
        const enum span_field field = span_field_by_number(view.column[i].number);
        if (field == SPAN_FIELD_COUNT)
            continue; /* written by a later version */
        if (decode_field(block, field, view.column[i].data, view.column[i].bytes, view.n) != 0) {
            memset(block->has, 0, sizeof(block->has));
            return -1;
        }
        block->has[field] = true;
    }
    block->n = view.n;
    return 0;
}

void span_block_row(const struct span_block *block, size_t i, struct span *ret_span)
{
    span_init(ret_span);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const struct span_column *column = &block->column[f];
        if (!block->has[f] || !span_bit(column->present, i))
            continue;
        if (span_fields[f].type <= SPAN_ID64) {
            span_set_u64(ret_span, (enum span_field)f, column->u64[i]);
        } else {
            const struct span_text *text = &column->dict[column->code[i]];
            span_set_text(ret_span, (enum span_field)f, text->data, text->bytes);
        }
    }
}
