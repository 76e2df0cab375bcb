/*
 * The columns of a merged block as the merge writes them: what of it is told by its other columns,
 * where that is smaller; and in which order they are put into the file.
 *
 * Called by the merge for each field, and when all are there. Must never change what a column says,
 * only how it is written.
 */
#include "store_inner.h"

#include <stdlib.h>
#include <string.h>

#include "../../span/predicted.h"

/* What is known of a field from others of the block; each must come after those it is predicted
 * from. */
static const struct prediction {
    uint8_t field; /* enum span_field */
    bool scaled;   /* else as it is: times of parts and of the whole */
    uint8_t n_sources;
    uint8_t source[SPAN_SOURCES_MAX];
} predictions[] = {
    {SPAN_decode_ns, true, 1, {SPAN_output_tokens}},
    {SPAN_ttft_ns, false, 6, {SPAN_queue_ns, SPAN_dns_ns, SPAN_connect_ns, SPAN_tls_ns, SPAN_send_ns, SPAN_wait_ns}},
    {SPAN_first_text_ns, false, 1, {SPAN_ttft_ns}},
    {SPAN_total_ns, false, 2, {SPAN_ttft_ns, SPAN_decode_ns}},
    {SPAN_total_ns,
     false,
     7,
     {SPAN_queue_ns, SPAN_dns_ns, SPAN_connect_ns, SPAN_tls_ns, SPAN_send_ns, SPAN_wait_ns, SPAN_decode_ns}},
    {SPAN_total_ns, false, 2, {SPAN_wait_ns, SPAN_decode_ns}},
    {SPAN_content_chunks, true, 1, {SPAN_output_tokens}},
    {SPAN_stream_events, true, 1, {SPAN_output_tokens}},
    {SPAN_stream_events, true, 1, {SPAN_content_chunks}},
    {SPAN_request_bytes, true, 1, {SPAN_input_tokens}},
    {SPAN_response_bytes, true, 1, {SPAN_output_tokens}},
    {SPAN_response_bytes, true, 1, {SPAN_content_chunks}},
    {SPAN_response_stream, false, 1, {SPAN_request_stream}},
    {SPAN_request_model, false, 1, {SPAN_prompt_id}},
    {SPAN_response_model, false, 1, {SPAN_request_model}},
    {SPAN_provider, false, 1, {SPAN_request_model}},
    {SPAN_host, false, 1, {SPAN_request_model}},
    {SPAN_path, false, 1, {SPAN_request_model}},
    {SPAN_api, false, 1, {SPAN_request_model}},
    {SPAN_operation, false, 1, {SPAN_request_model}},
    {SPAN_key_alias, false, 1, {SPAN_request_model}},
    {SPAN_finish_reasons, false, 1, {SPAN_request_model}},
};

enum { N_PREDICTIONS = sizeof(predictions) / sizeof(predictions[0]) };

bool store_is_predicted(enum span_field field)
{
    for (size_t i = 0; i < N_PREDICTIONS; i++)
        if (predictions[i].field == field)
            return true;
    return false;
}

enum span_field store_predicted(size_t i)
{
    for (size_t at = 0; at < N_PREDICTIONS; at++)
        if ((at == 0 || predictions[at].field != predictions[at - 1].field) && i-- == 0)
            return (enum span_field)predictions[at].field;
    return SPAN_FIELD_COUNT;
}

static int encode(const struct prediction *prediction, const struct store_gathered *gathered,
                  const struct span_column *const *sources, struct span_buffer *to)
{
    const enum span_field field = (enum span_field)prediction->field;
    uint8_t numbers[SPAN_SOURCES_MAX] = {0};

    for (size_t i = 0; i < prediction->n_sources; i++)
        numbers[i] = span_fields[prediction->source[i]].number;
    to->bytes = 0;
    if (store_is_text(field))
        return span_column_predict_text(to, gathered->texts, gathered->present, gathered->rows, sources[0], numbers[0],
                                        store_is_text((enum span_field)prediction->source[0]), SPAN_ZSTD_LEVEL_STORE);
    return span_column_predict_u64(to, gathered->values, gathered->present, gathered->rows, sources, numbers,
                                   prediction->n_sources, prediction->scaled, SPAN_ZSTD_LEVEL_STORE);
}

/* Into `out` where that is smaller. The sources are read from the block that is being written, so
 * they are what its readers will have. */
static int try_one(struct store *store, int64_t block, const struct prediction *prediction,
                   const struct store_gathered *gathered, struct span_buffer *out, struct span_buffer *other)
{
    const struct span_column *sources[SPAN_SOURCES_MAX];
    bool any = false;
    int status;

    for (size_t i = 0; i < prediction->n_sources; i++) {
        const enum span_field source = (enum span_field)prediction->source[i];
        int found = store_merged_column(store, block, source, &store->column[source], gathered->rows);

        if (found < 0)
            return found;
        sources[i] = found == 1 ? &store->column[source] : NULL;
        any |= found == 1;
    }
    if (!any)
        return 0;
    status = encode(prediction, gathered, sources, other);
    if (status < 0)
        return store_because(STORE_FAILED, "a merged column does not fit in memory");
    if (status == 0 && other->bytes < out->bytes) {
        out->bytes = 0;
        span_buffer_append(out, other->data, other->bytes);
    }
    return out->failed ? store_because(STORE_FAILED, "no memory") : 0;
}

int store_predict(struct store *store, int64_t block, enum span_field field, const struct store_gathered *gathered,
                  struct span_buffer *out, struct span_buffer *other)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < N_PREDICTIONS; i++)
        if (predictions[i].field == field)
            status = try_one(store, block, &predictions[i], gathered, out, other);
    return status;
}

/* ---- where they lie ---- */

int store_columns_keep(struct store_columns *columns, unsigned number, const struct span_buffer *encoded)
{
    uint8_t *data = malloc(encoded->bytes + 1);

    if (data == NULL)
        return store_because(STORE_FAILED, "no memory");
    memcpy(data, encoded->data, encoded->bytes);
    free(columns->at[number].data);
    columns->at[number].data = data;
    columns->at[number].bytes = encoded->bytes;
    return 0;
}

void store_columns_done(struct store_columns *columns)
{
    for (size_t i = 0; i < SPAN_FIELD_NUMBER_END; i++)
        free(columns->at[i].data);
    memset(columns, 0, sizeof(*columns));
}

/* A page of a table, as SQLite makes them; one of another size is filled as it comes. */
enum { PAGE = 4096, PAGE_HEAD = 8, ROW_HEAD = 18 /* sizes, number, block and field, at most */, ROW_TAIL = 6 };

/*
 * What a row takes of its page of the table: what does not fit goes to pages of its own, whole ones
 * where that can be. https://www.sqlite.org/fileformat2.html, section 1.6.
 */
static size_t bytes_of_row(size_t bytes)
{
    const size_t whole = bytes + ROW_HEAD;
    const size_t most = PAGE - 35;
    const size_t least = (PAGE - 12) * 32 / 255 - 23;
    const size_t local = whole <= most ? whole : least + (whole - least) % (PAGE - 4);

    return (local <= most ? local : least) + ROW_TAIL;
}

/* The column that takes most of those that are left and fit; SPAN_FIELD_NUMBER_END: none does. */
static unsigned largest(const struct store_columns *columns, const bool *placed, size_t room)
{
    unsigned found = SPAN_FIELD_NUMBER_END;
    size_t most = 0;

    for (unsigned i = 0; i < SPAN_FIELD_NUMBER_END; i++) {
        const size_t bytes = columns->at[i].data == NULL || placed[i] ? 0 : bytes_of_row(columns->at[i].bytes);

        if (bytes > most && bytes <= room) {
            most = bytes;
            found = i;
        }
    }
    return found;
}

static int put_one(struct store *store, const struct store_columns *columns, unsigned number)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_col_put);
    int status;

    if (statement == NULL)
        return store_sqlite_failed(store, "merging");
    (void)sqlite3_bind_int64(statement, 1, columns->block);
    (void)sqlite3_bind_int64(statement, 2, number);
    (void)sqlite3_bind_blob64(statement, 3, columns->at[number].data, columns->at[number].bytes, SQLITE_STATIC);
    status = store_run(store, statement, "merging");
    (void)sqlite3_clear_bindings(statement);
    return status;
}

/* Rows fill pages in the order in which they come, and half a page is left of each large column: as
 * they came, a fourth of these pages stayed empty. */
int store_columns_put(struct store *store, const struct store_columns *columns)
{
    bool placed[SPAN_FIELD_NUMBER_END] = {false};
    size_t room = PAGE - PAGE_HEAD;
    int status = 0;

    while (status == 0) {
        unsigned next = largest(columns, placed, room);

        if (next == SPAN_FIELD_NUMBER_END) {
            room = PAGE - PAGE_HEAD;
            next = largest(columns, placed, SIZE_MAX);
        }
        if (next == SPAN_FIELD_NUMBER_END)
            return 0;
        const size_t bytes = bytes_of_row(columns->at[next].bytes);
        room = bytes < room ? room - bytes : 0;
        placed[next] = true;
        status = put_one(store, columns, next);
    }
    return status;
}
