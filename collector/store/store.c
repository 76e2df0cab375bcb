/*
 * The store's handle: statements, transactions, and noticing that the file is no longer where it
 * was. See store.h; store_open.c opens the file, store_make.c makes it.
 *
 * Called by pprofd (its one thread) and by the commands of pprofctl. Must never commit into a file
 * that nobody can find any more.
 *
 * Durability: WAL with synchronous=NORMAL. What was committed (and so acknowledged) survives the
 * death of any process at any moment. When the machine itself loses power, the last seconds of
 * commits since the last checkpoint may be missing, but the store is whole: blocks, rollups and
 * `seen` go back together to the same moment. FULL would cost an fsync for each group commit,
 * twenty a second on a quiet disk, to protect telemetry from power cuts.
 */
#include "store_inner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLOSE_WAIT_MS = 1000 };

static const char *const sql[] = {
#define STORE_SQL(ident, text) text,
    STORE_SQLS(STORE_SQL)
#undef STORE_SQL
};

sqlite3_stmt *store_statement(struct store *store, enum store_sql which)
{
    sqlite3_stmt **statement = &store->statement[which];

    if (*statement == NULL) {
        if (sqlite3_prepare_v3(store->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK)
            return NULL;
    } else {
        (void)sqlite3_reset(*statement);
    }
    return *statement;
}

int store_run(struct store *store, sqlite3_stmt *statement, const char *doing)
{
    int code;

    if (statement == NULL)
        return store_sqlite_failed(store, doing);
    do {
        code = sqlite3_step(statement);
    } while (code == SQLITE_ROW);
    if (code != SQLITE_DONE) {
        int status = store_sqlite_failed(store, doing);

        (void)sqlite3_reset(statement);
        return status;
    }
    (void)sqlite3_reset(statement);
    return 0;
}

/* What a column's function set when it returned NULL:
 * https://www.sqlite.org/c3ref/column_blob.html */
static int no_column(sqlite3_stmt *row)
{
    return sqlite3_errcode(sqlite3_db_handle(row)) == SQLITE_NOMEM ? store_because(STORE_FAILED, "no memory") : 0;
}

int store_column_blob(struct sqlite3_stmt *row, int column, const uint8_t **ret_data, size_t *ret_bytes)
{
    *ret_data = sqlite3_column_blob(row, column);
    *ret_bytes = *ret_data == NULL ? 0 : (size_t)sqlite3_column_bytes(row, column);
    return *ret_data == NULL ? no_column(row) : 0;
}

int store_column_text(struct sqlite3_stmt *row, int column, const char **ret_text, size_t *ret_bytes)
{
    *ret_text = (const char *)sqlite3_column_text(row, column);
    *ret_bytes = *ret_text == NULL ? 0 : (size_t)sqlite3_column_bytes(row, column);
    return *ret_text == NULL ? no_column(row) : 0;
}

/* ---- where the file is ---- */

static bool note_place(struct store_place *place, const char *path, const char *tail)
{
    struct stat st;

    *place = (struct store_place){0};
    if ((size_t)snprintf(place->path, sizeof(place->path), "%s%s", path, tail) >= sizeof(place->path) ||
        stat(place->path, &st) != 0)
        return false;
    place->device = st.st_dev;
    place->inode = st.st_ino;
    place->known = true;
    return true;
}

static bool moved(const struct store_place *place)
{
    struct stat st;

    return place->known && (stat(place->path, &st) != 0 || st.st_dev != place->device || st.st_ino != place->inode);
}

static void leave_queue(struct store *store)
{
    if (store->queue >= 0)
        (void)close(store->queue);
    store->queue = -1;
}

int store_note_places(struct store *store, const char *path)
{
    const char *full = sqlite3_db_filename(store->db, "main");
    int away = 0;

    /* The directory of today is not that of tomorrow: SQLite's name is absolute. */
    if (!note_place(&store->place[0], full != NULL && full[0] != '\0' ? full : path, "") ||
        sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &away) != SQLITE_OK || away != 0)
        return -1;
    store->place[1].known = store->place[2].known = false;
    leave_queue(store);
    if (store->has_log) {
        /* SQLite has no locks on the log itself, so none is lost when this is closed. */
        if (note_place(&store->place[1], store->place[0].path, "-wal"))
            store->queue = open(store->place[1].path, O_RDONLY | O_CLOEXEC);
        (void)note_place(&store->place[2], store->place[0].path, "-shm");
    }
    return 0;
}

/* The file or what SQLite keeps beside it was removed, renamed or replaced by somebody. */
static bool is_away(const struct store *store)
{
    return moved(&store->place[0]) || moved(&store->place[1]) || moved(&store->place[2]);
}

static void finalize_all(struct store *store)
{
    for (size_t i = 0; i < STORE_SQL_COUNT; i++) {
        (void)sqlite3_finalize(store->statement[i]);
        store->statement[i] = NULL;
    }
}

static void forget(struct store *store)
{
    if (store->rollup != NULL)
        rollup_clear(store->rollup);
    store_processes_clear(store);
    store_prompts_forget(store);
    store->data_version = -1;
    store->counted = store->saved = 0;
    store->unsaved_commits = 0;
    store->unsaved_rows = 0;
}

/* Closes a handle whose files are no longer in their places, without touching what may lie there
 * now. */
static void leave(struct store *store)
{
    struct stat st;

    /* Only the log went: what is in it goes into the file, as long as nobody has begun another
     * log. */
    if (!moved(&store->place[0]) &&
        (stat(store->place[1].path, &st) != 0 || st.st_size == 0 || !moved(&store->place[1]))) {
        (void)store_log_drop(store);
        (void)sqlite3_exec(store->db, "PRAGMA wal_checkpoint(FULL)", NULL, NULL, NULL);
    }
    finalize_all(store);
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_close(store->db);
    store->db = NULL;
    leave_queue(store);
    forget(store);
}

/* Opens, or makes anew, the store under the same name. The transaction, if any, was rolled back
 * before. */
static int come_back(struct store *store)
{
    char path[STORE_PATH_MAX];
    int status;

    memcpy(path, store->place[0].path, sizeof(path));
    if (store->db != NULL)
        leave(store);
    store->away = 0;
    status = store_open_writing(store, path);
    if (status != 0) {
        (void)sqlite3_close(store->db); /* tried again at the next transaction */
        store->db = NULL;
        (void)snprintf(store->away_why, sizeof(store->away_why), "%s", store_why());
        store->away = store_because(status, "its file is gone, and another cannot be made: %.400s", store->away_why);
        (void)snprintf(store->away_why, sizeof(store->away_why), "%s", store_why());
        return status;
    }
    store->times_away++;
    return 0;
}

uint64_t store_times_away(const struct store *store)
{
    return store->times_away;
}

uint64_t store_work(const struct store *store)
{
    return store->block_bytes + store->rollup->soiled * STORE_GROUP_BYTES;
}

struct sqlite3 *store_sqlite(const struct store *store)
{
    return store->db;
}

/* ---- opening and closing ---- */

static int set_up(struct store *store)
{
    store->data_version = -1;
    span_buffer_init(&store->unpacked, STORE_PACKED_MAX);
    for (size_t f = 0; f < SPAN_FIELD_COUNT; f++)
        span_column_init(&store->column[f]);
    span_column_init(&store->process_column);
    for (size_t c = 0; c < STORE_CROWD_COLUMNS; c++)
        span_column_init(&store->crowd_column[c]);
    store_crowd_forget(store);
    store->look_for_departing = true;
    /* One working memory for all; a failure to lend leaves a column with its own. Column 0 is done
     * last. */
    for (size_t f = 1; f < SPAN_FIELD_COUNT; f++)
        (void)span_column_borrow(&store->column[f], &store->column[0]);
    if (!store->writing)
        return 0;
    store->rollup = calloc(1, sizeof(*store->rollup));
    if (store->rollup == NULL)
        return store_because(STORE_FAILED, "no memory");
    rollup_init(store->rollup, STORE_GROUPS_PER_HOUR, store_rollup_load, store);
    return 0;
}

int store_open(const char *path, enum store_mode mode, struct store **ret_store)
{
    struct store *store = calloc(1, sizeof(*store));
    char name[STORE_PATH_MAX];
    int status;

    if (store == NULL)
        return store_because(STORE_FAILED, "no memory");
    store->writing = mode == STORE_WRITE;
    store->queue = -1;
    status = store_name(name, path);
    if (status == 0)
        status = set_up(store);
    if (status == 0)
        status = store->writing ? store_open_writing(store, name) : store_open_reading(store, name);
    if (status != 0) {
        char reason[STORE_WHY_BYTES];

        (void)snprintf(reason, sizeof(reason), "%s", store_why());
        store->writing = false; /* nothing to tidy up in a file that would not open */
        store_close(store);
        return store_because(status, "%s", reason);
    }
    *ret_store = store;
    return STORE_OK;
}

/* Waits for the turn among the writers of this log, for which nobody else then waits. */
static bool take_turn(const struct store *store, uint64_t until_ms)
{
    while (store->queue >= 0) {
        if (flock(store->queue, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (store_now_ms() >= until_ms)
            break;
        store_nap();
    }
    return false;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->in_transaction)
        store_rollback(store);
    if (store->writing && store->db != NULL && is_away(store))
        leave(store);
    else if (store->writing && store->db != NULL && store->counted != store->saved && store_begin(store) == 0)
        (void)store_commit_all(store); /* else whoever opens it next counts again */
    finalize_all(store);
    /* A store at rest is one plain file, which can be copied and read on read-only media; fails
     * harmlessly while others have it open. */
    if (store->writing && store->db != NULL) {
        (void)sqlite3_busy_timeout(store->db, 0);
        /* Of writers that end at once each would see the other, and none make it so. */
        (void)take_turn(store, store_now_ms() + CLOSE_WAIT_MS);
        if (store->has_log)
            store_log_end(store);
    }
    (void)sqlite3_close(store->db);
    leave_queue(store); /* and with it the turn */
    store_processes_clear(store);
    free(store->by_identity);
    free(store->by_id);
    if (store->rollup != NULL)
        rollup_done(store->rollup);
    free(store->rollup);
    for (size_t f = SPAN_FIELD_COUNT; f > 0; f--)
        span_column_done(&store->column[f - 1]);
    span_column_done(&store->process_column);
    store_prompts_done(store);
    store_crowd_done(store);
    span_buffer_done(&store->unpacked);
    free(store->row_process);
    free(store);
}

/* Ending a transaction may want memory, too: what could not be ended then, and nobody knows of, is
 * ended now. */
static int end_left_over(struct store *store)
{
    return store->db == NULL || store->in_transaction || sqlite3_get_autocommit(store->db)
               ? 0
               : store_run(store, store_statement(store, STORE_SQL_rollback), "rolling back");
}

int store_begin_read(struct store *store)
{
    int status = end_left_over(store);

    return status != 0 ? status : store_run(store, store_statement(store, STORE_SQL_begin_read), "reading");
}

/*
 * SQLite's lock goes to whoever asks first when it is let go, and who waits asks ten times a
 * second: a writer that goes on and on would keep the others out. So who begins is first in a queue
 * of one. Where that cannot be had (no log, or its holder is stopped) it is as without.
 */
static int begin_in_turn(struct store *store)
{
    uint64_t until_ms = store_now_ms() + STORE_BUSY_MS;
    uint64_t now_ms;
    bool first;
    int status = end_left_over(store);

    if (status != 0)
        return status;
    first = take_turn(store, until_ms);
    now_ms = store_now_ms(); /* what the turn took is no more to be waited for */
    (void)sqlite3_busy_timeout(store->db, now_ms < until_ms ? (int)(until_ms - now_ms) : 0);
    status = store_run(store, store_statement(store, STORE_SQL_begin), "beginning a transaction");
    (void)sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    if (first)
        (void)flock(store->queue, LOCK_UN);
    return status;
}

/* Rolls back, and leaves the reason as it is. */
static void roll_back(struct store *store)
{
    char reason[STORE_WHY_BYTES];

    (void)snprintf(reason, sizeof(reason), "%s", store_why());
    store_rollback(store);
    (void)store_because(0, "%s", reason);
}

int store_begin(struct store *store)
{
    sqlite3_stmt *statement;
    int status;

    if (!store->writing)
        return store_because(STORE_DENIED, "it was opened for reading");
    if (store->db == NULL || is_away(store)) {
        status = come_back(store);
        if (status != 0)
            return status;
    }
    status = begin_in_turn(store);
    if (status != 0)
        return status;
    store->in_transaction = true;
    statement = store_statement(store, STORE_SQL_data_version);
    if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW) {
        status = store_sqlite_failed(store, "beginning a transaction");
        store_rollback(store);
        return status;
    }
    const int64_t version = sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    if (version != store->data_version) {
        forget(store);
        status = store_prompts_look(store);
        if (status == 0)
            status = store_rollup_catch_up(store);
        if (status != 0) {
            roll_back(store);
            return status;
        }
        store->data_version = version;
    }
    store_processes_trim(store);
    return STORE_OK;
}

static int commit(struct store *store, bool save)
{
    int status = save ? store_rollup_save(store) : 0;

    if (status == 0)
        status = store_run(store, store_statement(store, STORE_SQL_commit), "committing");
    /* Asked last, so that what is acknowledged was where it belongs after it was written. */
    if (status == 0 && is_away(store))
        status = store_because(STORE_MOVED, "it was moved, removed or replaced while it was in use");
    if (status != 0) {
        roll_back(store);
        return status;
    }
    store->in_transaction = false;
    if (save) {
        store->saved = store->counted;
        store->unsaved_commits = 0;
        store->unsaved_rows = 0;
        rollup_trim(store->rollup, STORE_HOURS_KEPT);
    }
    return STORE_OK;
}

int store_commit(struct store *store)
{
    store->unsaved_commits += store->counted != store->saved;
    return commit(store, store_rollup_due(store));
}

int store_commit_all(struct store *store)
{
    return commit(store, true);
}

void store_rollback(struct store *store)
{
    if (!store->in_transaction)
        return;
    store->in_transaction = false;
    /* What is in memory may hold what was just taken back. SQLite may have rolled back on its own
     * (disk full). */
    forget(store);
    if (!sqlite3_get_autocommit(store->db))
        (void)store_run(store, store_statement(store, STORE_SQL_rollback), "rolling back");
}
