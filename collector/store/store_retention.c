/*
 * What the store lets go with time: the ids of responses, STORE_IDS_DAYS after their hour was
 * merged. Nothing else of a call goes, and nothing that is counted changes.
 *
 * Called by the merge when it has nothing else to do; one block a step, in a transaction of its
 * own.
 */
#include "store_inner.h"

/* The next block whose ids are due: 1, 0, or negative status. */
static int next_due(struct store *store, int64_t now_s, int64_t *ret_block)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_ids_due);
    int code;

    if (statement == NULL)
        return store_sqlite_failed(store, "letting ids go");
    (void)sqlite3_bind_int64(statement, 1, now_s);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_block = sqlite3_column_int64(statement, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "letting ids go");
    (void)sqlite3_reset(statement);
    return code == SQLITE_ROW;
}

int store_ids_keep(struct store *store, int64_t block, int64_t until_s)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_ids_until);

    if (statement == NULL)
        return store_sqlite_failed(store, "merging");
    (void)sqlite3_bind_int64(statement, 1, block);
    (void)sqlite3_bind_int64(statement, 2, until_s);
    return store_run(store, statement, "merging");
}

static int drop_ids(struct store *store, int64_t block)
{
    sqlite3_stmt *drop = store_statement(store, STORE_SQL_col_drop_one);
    sqlite3_stmt *mark = store_statement(store, STORE_SQL_ids_until);
    int status;

    if (drop == NULL || mark == NULL)
        return store_sqlite_failed(store, "letting ids go");
    (void)sqlite3_bind_int64(drop, 1, block);
    (void)sqlite3_bind_int64(drop, 2, span_fields[SPAN_response_id].number);
    status = store_run(store, drop, "letting ids go");
    (void)sqlite3_bind_int64(mark, 1, block);
    (void)sqlite3_bind_null(mark, 2);
    return status == 0 ? store_run(store, mark, "letting ids go") : status;
}

int store_ids_step(struct store *store, int64_t now_s, bool *ret_more)
{
    int64_t block = 0;
    int status = next_due(store, now_s, &block);

    *ret_more = false;
    if (status != 1)
        return status;
    status = store_begin(store);
    if (status != 0)
        return status;
    status = next_due(store, now_s, &block); /* another writer may have been there */
    if (status == 1)
        status = drop_ids(store, block);
    if (status == 0)
        status = store_commit(store);
    else
        store_rollback(store);
    *ret_more = status == 0;
    return status;
}
