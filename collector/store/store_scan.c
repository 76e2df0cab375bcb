/*
 * Reading one block, only the wanted columns of it, fresh and merged alike; and the sums over all.
 *
 * Called by store_steps.c (reports, export), store_check.c and store_merge.c; nobody else reads
 * block and col.
 */
#include "store_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../span/predicted.h"

/* A sound column for which there is no memory now must not be taken for a damaged one. */
static int undecoded(const char *column)
{
    if (errno == ENOMEM)
        return store_because(STORE_FAILED, "no memory");
    return store_because(STORE_DAMAGED, "column %s is damaged", column);
}

bool store_is_text(enum span_field field)
{
    return span_fields[field].type == SPAN_STR || span_fields[field].type == SPAN_LIST ||
           span_fields[field].type == SPAN_BLOB;
}

int store_decode(struct span_column *column, enum span_field field, const uint8_t *data, size_t bytes, size_t n)
{
    errno = 0; /* for undecoded */
    if ((store_is_text(field) ? span_column_decode_text(column, data, bytes, n)
                              : span_column_decode_u64(column, data, bytes, n)) == 0)
        return 0;
    return undecoded(span_fields[field].ident);
}

/* The bytes of one column of a merged block, good until the statement is reset: 1, 0 when absent,
 * negative status. */
static int find_column(struct store *store, int64_t block, unsigned number, const uint8_t **ret_data, size_t *ret_bytes)
{
    sqlite3_stmt *statement;
    int code;

    if (store->building != NULL && store->building->block == block) {
        *ret_data = store->building->at[number].data;
        *ret_bytes = store->building->at[number].bytes;
        return *ret_data != NULL;
    }
    statement = store_statement(store, STORE_SQL_col_get);
    if (statement == NULL)
        return store_sqlite_failed(store, "reading a column");
    (void)sqlite3_bind_int64(statement, 1, block);
    (void)sqlite3_bind_int64(statement, 2, number);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        int status = store_column_blob(statement, 0, ret_data, ret_bytes);

        if (status == 0 && *ret_data == NULL)
            status = store_because(STORE_DAMAGED, "an empty column");
        if (status != 0)
            (void)sqlite3_reset(statement);
        return status == 0 ? 1 : status;
    }
    if (code != SQLITE_DONE) {
        int status = store_sqlite_failed(store, "reading a column");

        (void)sqlite3_reset(statement);
        return status;
    }
    (void)sqlite3_reset(statement);
    return 0;
}

static int merged_column(struct store *store, int64_t block, enum span_field field, struct span_column *column,
                         size_t n, unsigned depth);

/* The columns that this one is predicted from, decoded into the store's own. `depth` ends what a
 * damaged file leads round in circles. */
static int read_sources(struct store *store, int64_t block, const uint8_t *numbers, int n_numbers, size_t n,
                        unsigned depth, const struct span_column *sources[SPAN_SOURCES_MAX])
{
    for (int i = 0; i < n_numbers; i++) {
        const enum span_field field = span_field_by_number(numbers[i]);
        int found;

        sources[i] = NULL;
        if (field == SPAN_FIELD_COUNT || depth == STORE_PREDICTED_DEPTH)
            return store_because(STORE_DAMAGED, "a column is predicted from one that cannot be");
        found = merged_column(store, block, field, &store->column[field], n, depth + 1);
        if (found < 0)
            return found;
        if (found == 1)
            sources[i] = &store->column[field];
    }
    return 0;
}

static int decode_predicted(struct store *store, int64_t block, enum span_field field, struct span_column *column,
                            size_t n, const struct span_column *const *sources, bool source_is_text)
{
    const uint8_t *data = NULL;
    size_t bytes = 0;
    int found = find_column(store, block, span_fields[field].number, &data, &bytes);
    int failed;

    if (found != 1)
        return found;
    errno = 0; /* for undecoded */
    failed = store_is_text(field)
                 ? span_column_decode_predicted_text(column, data, bytes, n, sources[0], source_is_text)
                 : span_column_decode_predicted_u64(column, data, bytes, n, sources);
    (void)sqlite3_reset(store->statement[STORE_SQL_col_get]);
    return failed == 0 ? 1 : undecoded(span_fields[field].ident);
}

static int decode_merged(struct store *store, int64_t block, enum span_field field, struct span_column *column,
                         size_t n, unsigned depth)
{
    const struct span_column *sources[SPAN_SOURCES_MAX] = {NULL};
    uint8_t numbers[SPAN_SOURCES_MAX];
    const uint8_t *data = NULL;
    size_t bytes = 0;
    int found = find_column(store, block, span_fields[field].number, &data, &bytes);
    int needs;
    int status;

    if (found != 1)
        return found;
    needs = span_column_needs(store_is_text(field), data, bytes, numbers);
    status = needs > 0    ? 0
             : needs == 0 ? store_decode(column, field, data, bytes, n)
                          : store_because(STORE_DAMAGED, "column %s is damaged", span_fields[field].ident);
    (void)sqlite3_reset(store->statement[STORE_SQL_col_get]);
    if (status != 0 || needs == 0)
        return status == 0 ? 1 : status;
    status = read_sources(store, block, numbers, needs, n, depth, sources);
    if (status != 0)
        return status;
    return decode_predicted(store, block, field, column, n, sources, store_is_text(span_field_by_number(numbers[0])));
}

static int merged_column(struct store *store, int64_t block, enum span_field field, struct span_column *column,
                         size_t n, unsigned depth)
{
    const bool own = column == &store->column[field];
    int found;

    if (own && block == store->cached_block && store->cached[field])
        return 1;
    found = decode_merged(store, block, field, column, n, depth);
    if (own)
        store->cached[field] = found == 1 && block == store->cached_block;
    return found;
}

void store_cache_columns(struct store *store, int64_t block)
{
    store->cached_block = block;
    memset(store->cached, 0, sizeof(store->cached));
}

int store_merged_column(struct store *store, int64_t block, enum span_field field, struct span_column *column, size_t n)
{
    return merged_column(store, block, field, column, n, 0);
}

static int room_for_rows(struct store *store, size_t n)
{
    const struct span_process **grown;

    if (n <= store->row_process_capacity)
        return 0;
    grown = realloc(store->row_process, n * sizeof(const struct span_process *));
    if (grown == NULL)
        return store_because(STORE_FAILED, "no memory");
    store->row_process = grown;
    store->row_process_capacity = n;
    return 0;
}

static int process_column(struct store *store, int64_t block, size_t n)
{
    const uint8_t *data = NULL;
    size_t bytes = 0;
    int found = find_column(store, block, STORE_FIELD_PROCESS, &data, &bytes);

    if (found == 0)
        return store_because(STORE_DAMAGED, "the column of processes is missing");
    errno = 0; /* for undecoded */
    if (found == 1 && span_column_decode_u64(&store->process_column, data, bytes, n) != 0)
        found = undecoded("of processes");
    (void)sqlite3_reset(store->statement[STORE_SQL_col_get]);
    return found == 1 ? 0 : found;
}

int store_row_processes(struct store *store, int64_t block, int64_t process_id, size_t n)
{
    struct store_process *known = NULL;
    int64_t last = 0;
    int status = room_for_rows(store, n);

    if (status == 0 && process_id <= 0)
        status = process_column(store, block, n);
    if (status != 0)
        return status;
    for (size_t i = 0; i < n; i++) {
        int64_t id = process_id > 0 ? process_id : store_int(store->process_column.u64[i]);

        if (known == NULL || id != last) {
            known = store_process_by_id(store, id, &status);
            last = id;
        }
        if (status != 0)
            return status;
        if (known == NULL)
            return store_because(STORE_DAMAGED, "process %lld is not in the process table", (long long)id);
        store->row_process[i] = &known->process;
    }
    return 0;
}

/* One wanted column of a block: 1, 0 when no row has it, or negative status. */
static int read_column(struct store *store, int64_t id, const struct span_block_view *view, enum span_field field,
                       size_t n)
{
    size_t bytes;
    const uint8_t *data;
    int status;

    if (view == NULL)
        return store_merged_column(store, id, field, &store->column[field], n);
    data = span_block_find(view, field, &bytes);
    if (data == NULL)
        return 0;
    status = store_decode(&store->column[field], field, data, bytes, n);
    return status == 0 ? 1 : status;
}

/* Without start_ns nothing can be said of a row, and callers rely on it. */
static int read_columns(struct store *store, int64_t id, const struct span_block_view *view,
                        const struct store_wanted *wanted, struct store_rows *rows)
{
    const struct {
        enum span_field field;
        bool wanted;
    } also[] = {{SPAN_start_ns, true},
                {SPAN_seq, wanted->seq},
                {SPAN_prompt_id, wanted->prompt},
                {SPAN_prompt_version, wanted->prompt},
                {SPAN_prompt_variant, wanted->parts},
                {SPAN_prompt_text_id, wanted->parts}};

    for (size_t i = 0; i < wanted->n_fields + sizeof(also) / sizeof(also[0]); i++) {
        enum span_field field = i < wanted->n_fields ? wanted->fields[i] : also[i - wanted->n_fields].field;
        int found;

        if (rows->has[field] || (i >= wanted->n_fields && !also[i - wanted->n_fields].wanted))
            continue;
        found = read_column(store, id, view, field, rows->n);
        if (found < 0)
            return found;
        rows->has[field] = found == 1;
        rows->column[field] = found == 1 ? &store->column[field] : NULL;
    }
    return rows->has[SPAN_start_ns] ? 0 : store_because(STORE_DAMAGED, "its spans have no times");
}

static int read_found(struct store *store, sqlite3_stmt *block, int64_t id, const struct store_wanted *wanted,
                      struct store_rows *rows)
{
    int64_t n = sqlite3_column_int64(block, 1);
    bool merged = sqlite3_column_int64(block, 2) == STORE_MERGED;
    const uint8_t *raw;
    size_t bytes;
    struct span_block_view view;
    int status = store_column_blob(block, 3, &raw, &bytes);

    if (status != 0)
        return status;
    if (n < 1 || n > SPAN_BLOCK_ROWS_MAX)
        return store_because(STORE_DAMAGED, "its number of rows is not possible");
    rows->n = (size_t)n;
    if (!merged)
        status = raw == NULL ? SPAN_BLOCK_BAD : span_block_open(&view, raw, bytes);
    if (status == SPAN_BLOCK_TOO_NEW)
        return store_because(STORE_DAMAGED, "a later version of libpprof wrote it");
    if (status != 0 || (!merged && view.n != rows->n))
        return store_because(STORE_DAMAGED, "its directory of columns is damaged");
    store_cache_columns(store, merged ? id : 0);
    status = read_columns(store, id, merged ? NULL : &view, wanted, rows);
    store_cache_columns(store, 0);
    if (status == 0)
        status = store_row_processes(store, id, merged ? 0 : sqlite3_column_int64(block, 0), rows->n);
    rows->process = store->row_process;
    rows->of_process = merged ? 0 : sqlite3_column_int64(block, 0);
    return status;
}

int store_read_block(struct store *store, int64_t id, const struct store_wanted *wanted, struct store_rows *ret_rows)
{
    sqlite3_stmt *block = store_statement(store, STORE_SQL_block_get);
    int status;
    int code;

    memset(ret_rows, 0, sizeof(*ret_rows));
    if (block == NULL)
        return store_sqlite_failed(store, "reading");
    (void)sqlite3_bind_int64(block, 1, id);
    code = sqlite3_step(block);
    if (code == SQLITE_ROW)
        status = read_found(store, block, id, wanted, ret_rows);
    else
        status = code == SQLITE_DONE ? STORE_GONE : store_sqlite_failed(store, "reading");
    (void)sqlite3_reset(block);
    return status;
}

static int sums(struct store *store, const char *text, uint64_t *const *ret_values, int n)
{
    sqlite3_stmt *statement = NULL;
    int status = 0;

    if (sqlite3_prepare_v2(store->db, text, -1, &statement, NULL) != SQLITE_OK || sqlite3_step(statement) != SQLITE_ROW)
        status = store_sqlite_failed(store, "reading the totals");
    else
        for (int i = 0; i < n; i++)
            *ret_values[i] = (uint64_t)sqlite3_column_int64(statement, i);
    (void)sqlite3_finalize(statement);
    return status;
}

int store_totals(struct store *store, struct store_totals *ret_totals)
{
    struct store_totals totals = {0};
    uint64_t pages = 0;
    uint64_t page_bytes = 0;
    int status = sums(store, "SELECT count(*), sum(n), min(t_min), max(t_max) FROM block INDEXED BY block_time",
                      (uint64_t *const[]){&totals.blocks, &totals.spans, &totals.first_ns, &totals.last_ns}, 4);

    if (status == 0)
        status = sums(store, "SELECT (SELECT count(*) FROM process_row)+(SELECT count(*) FROM departed)",
                      (uint64_t *const[]){&totals.processes}, 1);
    if (status == 0)
        status = sums(store, "PRAGMA page_count", (uint64_t *const[]){&pages}, 1);
    if (status == 0)
        status = sums(store, "PRAGMA page_size", (uint64_t *const[]){&page_bytes}, 1);
    if (status != 0)
        return status;
    totals.bytes = pages * page_bytes;
    *ret_totals = totals;
    return STORE_OK;
}
