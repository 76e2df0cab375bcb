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

/* The numbers of all blocks, in the order of time. */
static int list_blocks(struct unite *unite, int64_t **ret_list)
{
    sqlite3_stmt *list = NULL;
    size_t capacity = 0;
    size_t n = 0;
    int status = unite_prepare(unite->from, "SELECT id FROM block ORDER BY t_min,id", &list);
    int code = SQLITE_DONE;

    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        if (n == capacity) {
            int64_t *grown;

            capacity = capacity == 0 ? 256 : capacity * 2;
            grown = realloc(*ret_list, capacity * sizeof(*grown));
            if (grown == NULL) {
                status = store_because(STORE_FAILED, "no memory");
                break;
            }
            *ret_list = grown;
        }
        (*ret_list)[n++] = sqlite3_column_int64(list, 0);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->from, "reading");
    (void)sqlite3_finalize(list);
    unite->told->blocks = n;
    return status;
}

static int unite_blocks(struct unite *unite)
{
    int64_t *list = NULL;
    int status = list_blocks(unite, &list);

    for (size_t i = 0; status == 0 && list != NULL && i < unite->told->blocks; i++) {
        status = unite_block(unite, list[i]);
        unite->told->blocks_done++;
        if (status == 0 && unite->progress != NULL)
            unite->progress(unite->context, unite->told);
    }
    free(list);
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
