/*
 * Uniting stores, see unite.h: in which order.
 *
 * Called by `pprofctl merge`. What a kill leaves is a sound store that says that something is
 * missing, and in which the same again goes on.
 */
#include "unite_inner.h"

#include <stdlib.h>

int unite_prepare(struct store *store, const char *sql, sqlite3_stmt **ret_statement)
{
    if (sqlite3_prepare_v2(store->db, sql, -1, ret_statement, NULL) == SQLITE_OK)
        return 0;
    return store_sqlite_failed(store, "uniting");
}

/* All blocks in the order of time, so that what the other store has of an hour is looked at once.
 * */
static int unite_blocks(struct unite *unite)
{
    sqlite3_stmt *list = NULL;
    int64_t n = 0;
    int status;
    int code = SQLITE_DONE;

    if (store_pragma_int(unite->from->db, "SELECT count(*) FROM block", &n) != SQLITE_OK)
        return store_sqlite_failed(unite->from, "reading");
    unite->told->blocks = (uint64_t)n;
    status = unite_prepare(unite->from, "SELECT id FROM block ORDER BY t_min,id", &list);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        status = unite_block(unite, sqlite3_column_int64(list, 0));
        unite->told->blocks_done++;
        if (status == 0 && unite->progress != NULL)
            unite->progress(unite->context, unite->told);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->from, "reading");
    (void)sqlite3_finalize(list);
    return status;
}

int store_unite(struct store *into, struct store *from, struct unite_told *told,
                void (*progress)(void *context, const struct unite_told *told), void *context)
{
    struct unite unite = {
        .into = into, .from = from, .told = told, .progress = progress, .context = context, .data_version = -1};
    int status = store_begin_read(from);

    if (status != 0)
        return status;
    span_buffer_init(&unite.out, (size_t)SPAN_BLOCK_ROWS_MAX * SPAN_TEXT_MAX);
    span_buffer_init(&unite.versions, (size_t)SPAN_BLOCK_ROWS_MAX * SPAN_TEXT_MAX);
    status = unite_begin(&unite);
    if (status == 0)
        status = unite_prompts(&unite);
    if (status == 0)
        status = unite_blocks(&unite);
    if (status == 0)
        status = unite_accounts(&unite);
    if (status == 0)
        status = unite_rules(&unite);
    if (status == 0)
        status = unite_end(&unite);
    (void)store_run(from, store_statement(from, STORE_SQL_commit), "reading");
    span_buffer_done(&unite.out);
    span_buffer_done(&unite.versions);
    free(unite.renumbered);
    free(unite.run);
    free(unite.process);
    free((void *)unite.facts);
    free(unite.kept);
    free(unite.values);
    free(unite.present);
    free(unite.texts);
    return status;
}
