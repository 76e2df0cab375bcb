/*
 * Reading the store: blocks in the order of time, only the wanted columns of each, fresh and merged alike.
 *
 * Called by reports, export and check; with store_merge.c the only readers of block and col. The whole scan sees one
 * moment of the store, because its first statement stays open to the end. Not to be called again from its own callback.
 */
#include "store_inner.h"

#include <stdlib.h>
#include <string.h>

int store_decode(struct span_column *column, enum span_field field, const uint8_t *data, size_t bytes, size_t n)
{
    switch (span_fields[field].type) {
    case SPAN_STR:
    case SPAN_LIST:
    case SPAN_BLOB:
        return span_column_decode_text(column, data, bytes, n);
    default:
        return span_column_decode_u64(column, data, bytes, n);
    }
}

/* The bytes of one column of a merged block, good until the statement is reset: 1, 0 when absent, negative status. */
static int find_column(struct store *store, int64_t block, unsigned number, const uint8_t **ret_data, size_t *ret_bytes)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_col_get);
    int code;

    if (statement == NULL)
        return store_sqlite_failed(store, "reading a column");
    (void)sqlite3_bind_int64(statement, 1, block);
    (void)sqlite3_bind_int64(statement, 2, number);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_data = sqlite3_column_blob(statement, 0);
        *ret_bytes = (size_t)sqlite3_column_bytes(statement, 0);
        return *ret_data == NULL ? store_because(STORE_DAMAGED, "an empty column") : 1;
    }
    if (code != SQLITE_DONE) {
        int status = store_sqlite_failed(store, "reading a column");

        (void)sqlite3_reset(statement);
        return status;
    }
    (void)sqlite3_reset(statement);
    return 0;
}

int store_merged_column(struct store *store, int64_t block, enum span_field field, struct span_column *column, size_t n)
{
    const uint8_t *data = NULL;
    size_t bytes = 0;
    int found = find_column(store, block, span_fields[field].number, &data, &bytes);

    if (found != 1)
        return found;
    if (store_decode(column, field, data, bytes, n) != 0)
        found = store_because(STORE_DAMAGED, "column %s is damaged", span_fields[field].ident);
    (void)sqlite3_reset(store->statement[STORE_SQL_col_get]);
    return found;
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
    if (found == 1 && span_column_decode_u64(&store->process_column, data, bytes, n) != 0)
        found = store_because(STORE_DAMAGED, "the column of processes is damaged");
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

/* The wanted columns of the block in the current row of `list`: 0, STORE_DAMAGED, or worse. */
static int read_block(struct store *store, sqlite3_stmt *list, const enum span_field *fields, size_t n_fields,
                      struct store_rows *ret_rows)
{
    int64_t id = sqlite3_column_int64(list, 0);
    int64_t n = sqlite3_column_int64(list, 2);
    bool merged = sqlite3_column_int64(list, 3) == STORE_MERGED;
    struct span_block_view view;
    int status;

    memset(ret_rows, 0, sizeof *ret_rows);
    if (n < 1 || n > SPAN_BLOCK_ROWS_MAX)
        return store_because(STORE_DAMAGED, "its number of rows is not possible");
    ret_rows->n = (size_t)n;
    if (!merged) {
        const uint8_t *raw = sqlite3_column_blob(list, 4);

        if (raw == NULL || span_block_open(&view, raw, (size_t)sqlite3_column_bytes(list, 4)) != 0 ||
            view.n != ret_rows->n)
            return store_because(STORE_DAMAGED, "its directory of columns is damaged");
    }
    for (size_t i = 0; i <= n_fields; i++) {
        enum span_field field = i == n_fields ? SPAN_start_ns : fields[i];
        struct span_column *column = &store->column[field];
        int found;

        if (ret_rows->has[field])
            continue;
        if (merged) {
            found = store_merged_column(store, id, field, column, ret_rows->n);
        } else {
            size_t bytes;
            const uint8_t *data = span_block_find(&view, field, &bytes);

            found = data != NULL;
            if (data != NULL && store_decode(column, field, data, bytes, ret_rows->n) != 0)
                found = store_because(STORE_DAMAGED, "column %s is damaged", span_fields[field].ident);
        }
        if (found < 0)
            return found;
        ret_rows->has[field] = found == 1;
        ret_rows->column[field] = found == 1 ? column : NULL;
    }
    status = store_row_processes(store, id, merged ? 0 : sqlite3_column_int64(list, 1), ret_rows->n);
    ret_rows->process = store->row_process;
    return status;
}

int store_scan(struct store *store, const struct store_query *query,
               int (*each)(void *context, const struct store_rows *rows), void *context, uint64_t *ret_damaged)
{
    sqlite3_stmt *list = store_statement(store, STORE_SQL_blocks);
    uint64_t damaged = 0;
    int result = 0;
    int code = SQLITE_DONE;

    if (list == NULL)
        return store_sqlite_failed(store, "reading");
    if (ret_damaged != NULL)
        *ret_damaged = 0;
    if (query->until_ns == 0)
        return 0;
    (void)sqlite3_bind_int64(list, 1, store_int(query->since_ns));
    (void)sqlite3_bind_int64(list, 2, store_int(query->until_ns - 1));
    while (result == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        struct store_rows rows;

        store_processes_trim(store);
        result = read_block(store, list, query->fields, query->n_fields, &rows);
        if (result == STORE_DAMAGED) {
            damaged++;
            result = 0;
            continue;
        }
        if (result == 0)
            result = each(context, &rows);
    }
    if (result == 0 && code != SQLITE_DONE)
        result = store_sqlite_failed(store, "reading");
    (void)sqlite3_reset(list);
    if (ret_damaged != NULL)
        *ret_damaged = damaged;
    return result;
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
        status = sums(store, "SELECT count(*) FROM process", (uint64_t *const[]){&totals.processes}, 1);
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
