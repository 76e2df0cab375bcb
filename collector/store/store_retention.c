/*
 * What the store lets go with time: the ids of responses, STORE_IDS_DAYS after their hour was
 * merged, texts that did not recur, processes that are over, free pages. Nothing else of a call
 * goes, and nothing that is counted changes.
 *
 * Called by the merge when it has nothing else to do; each step in a transaction of its own.
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

static int ids_step(struct store *store, int64_t now_s, bool *ret_more)
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

/* Pages that merging freed go back to the file system once they are an eighth of the file, then all
 * of them, step by step. *ret_more as in store.h. */
static int give_back(struct store *store, bool *ret_more)
{
    int64_t value[2] = {0, 0};
    static const char *const text[2] = {"PRAGMA freelist_count", "PRAGMA page_count"};
    int status;

    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *statement = NULL;

        if (sqlite3_prepare_v2(store->db, text[i], -1, &statement, NULL) != SQLITE_OK)
            return store_sqlite_failed(store, "giving back free pages");
        if (sqlite3_step(statement) == SQLITE_ROW)
            value[i] = sqlite3_column_int64(statement, 0);
        (void)sqlite3_finalize(statement);
    }
    store->giving_back = value[0] >= 64 && (store->giving_back || value[0] * 8 >= value[1]);
    if (!store->giving_back)
        return 0;
    status = store_begin(store);
    if (status != 0)
        return status;
    if (sqlite3_exec(store->db, "PRAGMA incremental_vacuum(2048)" /* 8 MB in one step */, NULL, NULL, NULL) !=
        SQLITE_OK) {
        status = store_sqlite_failed(store, "giving back free pages");
        store_rollback(store);
        return status;
    }
    status = store_commit(store);
    *ret_more = status == 0;
    return status;
}

int store_let_go(struct store *store, uint64_t now_ns, uint64_t grace_ns, bool *ret_more)
{
    const uint64_t over_ns = now_ns > grace_ns ? (now_ns - grace_ns) / STORE_HOUR_NS * STORE_HOUR_NS : 0;
    int status = ids_step(store, (int64_t)(now_ns / 1000000000), ret_more);

    /* Processes say again each hour what a text looks like: nobody counts on these. */
    if (status == 0 && !*ret_more && over_ns > STORE_HOUR_NS)
        status = store_forget_step(store, over_ns - STORE_HOUR_NS, ret_more);
    if (status == 0 && !*ret_more)
        status = store_pack_step(store, over_ns / STORE_HOUR_NS, ret_more);
    if (status == 0 && !*ret_more && store->look_for_departing && over_ns > 0) {
        status = store_depart_step(store, over_ns, ret_more);
        store->look_for_departing = *ret_more;
    }
    return status != 0 || *ret_more ? status : give_back(store, ret_more);
}
