/*
 * Rows as spans, see span_rows.h. Called by export; reads block after block.
 */
#include "span_rows.h"

static void row_to_span(const struct store_rows *rows, size_t row, struct span *ret_span)
{
    span_init(ret_span);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const struct span_column *column = rows->column[f];
        if (!rows->has[f] || !span_bit(column->present, row))
            continue;
        switch (span_fields[f].type) {
        case SPAN_U64:
        case SPAN_BOOL:
        case SPAN_ID64:
            span_set_u64(ret_span, (enum span_field)f, column->u64[row]);
            break;
        case SPAN_STR:
        case SPAN_LIST:
        case SPAN_BLOB: {
            struct span_text text = column->dict[column->code[row]];
            span_set_text(ret_span, (enum span_field)f, text.data, text.bytes);
            break;
        }
        }
    }
}

static int each_block(void *context, const struct store_rows *rows)
{
    struct span_rows *all = context;
    for (size_t row = 0; row < rows->n; row++) {
        uint64_t start = rows->column[SPAN_start_ns]->u64[row];
        if (start < all->since_ns || start >= all->until_ns)
            continue;
        row_to_span(rows, row, &all->span);
        int enough = all->each(all->context, rows->process[row], &all->span);
        if (enough != 0)
            return enough;
    }
    return 0;
}

int span_rows_scan(struct span_rows *rows, struct store *store)
{
    enum span_field fields[SPAN_FIELD_COUNT];
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        fields[f] = (enum span_field)f;
    struct store_query query = {
        .since_ns = rows->since_ns, .until_ns = rows->until_ns, .fields = fields, .n_fields = SPAN_FIELD_COUNT};
    return store_scan(store, &query, each_block, rows, &rows->damaged);
}
