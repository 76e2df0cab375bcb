/*
 * Whether a store's log (SQLite's -wal) is where it belongs. While a store is being written, a row
 * in its main file says that a log belongs to it: it is put into the log first and carried from
 * there into the file, and goes at a clean end, before the log does. So a file with the row and no
 * log beside it, whoever was killed when, was copied without its log, or its log was removed: what
 * was only in there is not known to be lost, nor known to be here.
 *
 * Called by store.c and store_open.c (writers) and store_loss.c (readers). Must never take the row
 * of another writer away, nor say that of a store whose log is there.
 */
#include "store_inner.h"

#include <stdio.h>
#include <sys/stat.h>

#define HAS_LOG "SELECT value FROM meta WHERE key='log'"
#define PUT_LOG "INSERT OR IGNORE INTO meta(key,value) VALUES('log',1)"
#define DROP_LOG "DELETE FROM meta WHERE key='log'"

/* A reader makes an empty one where there is none. */
static bool log_is_empty(const struct store *store)
{
    char path[STORE_PATH_MAX + 8];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s-wal", sqlite3_db_filename(store->db, "main"));
    return stat(path, &st) != 0 || st.st_size == 0;
}

/* In the transaction that is open: as long as it is, nobody else ends the log. */
static int look(struct store *store, bool *ret_said, bool *ret_gone)
{
    int64_t value = 0;
    int code = store_pragma_int(store->db, HAS_LOG, &value);

    *ret_said = code == SQLITE_OK;
    *ret_gone = *ret_said && log_is_empty(store);
    /* Without a row that is SQLITE_ERROR. */
    return code == SQLITE_OK || code == SQLITE_ERROR ? 0 : store_sqlite_failed(store, "reading losses");
}

static int look_alone(struct store *store, bool *ret_said, bool *ret_gone)
{
    bool alone = sqlite3_get_autocommit(store->db) != 0;
    int status = alone ? store_begin_read(store) : 0;

    if (status != 0)
        return status;
    status = look(store, ret_said, ret_gone);
    if (alone) {
        int ended = store_run(store, store_statement(store, STORE_SQL_commit), "reading losses");
        status = status != 0 ? status : ended;
    }
    return status;
}

int store_log_is_gone(struct store *store, bool *ret_gone)
{
    bool said;

    return look_alone(store, &said, ret_gone);
}

int store_log_begin(struct store *store)
{
    bool said;
    bool gone;
    int status = look_alone(store, &said, &gone);

    if (status != 0 || (said && !gone))
        return status;
    status = store_begin(store);
    if (status != 0)
        return gone ? status : 0;
    status = look(store, &said, &gone); /* another writer may have come before */
    if (status == 0 && gone)
        status = store_note_loss(store, STORE_LOSS_log_missing, 1, 0);
    else if (status == 0 && !said && sqlite3_exec(store->db, PUT_LOG, NULL, NULL, NULL) != SQLITE_OK)
        status = store_sqlite_failed(store, "opening");
    if (status == 0)
        status = store_commit(store);
    else
        store_rollback(store);
    if (status == 0)
        (void)sqlite3_exec(store->db, "PRAGMA wal_checkpoint(PASSIVE)", NULL, NULL, NULL);
    return gone ? status : 0; /* without the row it is as before there were any */
}

bool store_log_drop(struct store *store)
{
    return sqlite3_exec(store->db, DROP_LOG, NULL, NULL, NULL) == SQLITE_OK;
}

void store_log_end(struct store *store)
{
    bool wal = true;

    if (store_log_drop(store)) {
        (void)sqlite3_exec(store->db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
        if (store_in_wal_mode(store->db, &wal) == SQLITE_OK && !wal)
            return;
        (void)sqlite3_exec(store->db, PUT_LOG, NULL, NULL, NULL); /* others go on */
    }
    /* Else the last to go would take the log, and leave the row. */
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}
