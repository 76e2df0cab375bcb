/*
 * The store's file: recognising it, making it, transactions. See store.h; the table layout is `schema` below.
 *
 * Called by pprofd (its one thread) and by the commands of pprofctl. Must never change a file that is not a store of
 * ours.
 *
 * Durability: WAL with synchronous=NORMAL. What was committed (and so acknowledged) survives the death of any process
 * at any moment. When the machine itself loses power, the last seconds of commits since the last checkpoint may be
 * missing, but the store is whole: blocks, rollups and `seen` go back together to the same moment. FULL would cost an
 * fsync for each group commit, twenty a second on a quiet disk, to protect telemetry from power cuts.
 */
#include "store_inner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#define SQL_ROLLUP_SUM(column, field) #column " INTEGER NOT NULL," #column "_n INTEGER NOT NULL,"
#define SQL_ROLLUP_KEY(ident) "," #ident " TEXT NOT NULL"
#define SQL_ROLLUP_SUMS ROLLUP_SUMS(SQL_ROLLUP_SUM)
#define SQL_ROLLUP_KEYS ROLLUP_KEYS(SQL_ROLLUP_KEY)

/* clang-format off: it takes literals and macros apart in ways that nobody can read */
static const char schema[] =
    "CREATE TABLE process(id INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, pid INTEGER, uid INTEGER,"
    " start_ns INTEGER, executable TEXT, host TEXT, service TEXT, team TEXT, container TEXT, labels TEXT, version TEXT,"
    " lost_tape_records INTEGER NOT NULL DEFAULT 0, lost_tape_bytes INTEGER NOT NULL DEFAULT 0,"
    " lost_spans INTEGER NOT NULL DEFAULT 0, lost_exchanges INTEGER NOT NULL DEFAULT 0);"
    /* Sequence numbers taken in, as ranges: a healthy process has one row, however many frames it sent. */
    "CREATE TABLE seen(process INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " PRIMARY KEY(process, first)) WITHOUT ROWID;"
    "CREATE TABLE block(id INTEGER PRIMARY KEY, process INTEGER, t_min INTEGER NOT NULL, t_max INTEGER NOT NULL,"
    " n INTEGER NOT NULL, merged INTEGER NOT NULL, raw BLOB);"
    "CREATE INDEX block_time ON block(t_min, t_max, n);"
    "CREATE INDEX block_fresh ON block(t_min, n) WHERE merged = 0;"
    "CREATE TABLE col(block INTEGER NOT NULL, field INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE UNIQUE INDEX col_place ON col(block, field);"
    /* Thousands of keys come again every hour: each is kept once. `rollup_hour` is how people read it. */
    "CREATE TABLE rollup_key(id INTEGER PRIMARY KEY" SQL_ROLLUP_KEYS ", UNIQUE(" ROLLUP_SQL_KEYS "));"
    /* id = hour << 32 | key: one integer is the cheapest key that SQLite has, and an hour stays together. */
    "CREATE TABLE rollup_cell(id INTEGER PRIMARY KEY, calls INTEGER NOT NULL, errors INTEGER NOT NULL," SQL_ROLLUP_SUMS
    " ttft BLOB NOT NULL, total BLOB NOT NULL);"
    "CREATE VIEW rollup_hour AS SELECT rollup_cell.id AS id, rollup_cell.id >> 32 AS hour,"
    " rollup_cell.id & 4294967295 AS key," ROLLUP_SQL_KEYS "," ROLLUP_SQL_VALUES
    " FROM rollup_cell JOIN rollup_key ON rollup_key.id = rollup_cell.id & 4294967295;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;";
/* clang-format on */

static const char *const sql[] = {
#define STORE_SQL(ident, text) text,
    STORE_SQLS(STORE_SQL)
#undef STORE_SQL
};

static _Thread_local char why[512];

const char *store_why(void)
{
    return why;
}

int store_because(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    return status;
}

static int status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return STORE_BUSY;
    case SQLITE_CORRUPT:
        return STORE_DAMAGED;
    case SQLITE_NOTADB:
        return STORE_FOREIGN;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return STORE_DENIED;
    default:
        return STORE_FAILED;
    }
}

int store_sqlite_failed(struct store *store, const char *doing)
{
    int code = store->db == NULL ? SQLITE_NOMEM : sqlite3_extended_errcode(store->db);
    int status = status_of(code);

    if (status == STORE_BUSY)
        return store_because(status, "another process has kept it locked for %d s; try again when that one is done",
                             STORE_BUSY_MS / 1000);
    return store_because(status, "%s failed: %s", doing, store->db == NULL ? "no memory" : sqlite3_errmsg(store->db));
}

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

static int pragma_int(sqlite3 *db, const char *text, int64_t *ret_value)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, text, -1, &statement, NULL);

    if (code != SQLITE_OK)
        return code;
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return code == SQLITE_ROW ? SQLITE_OK : code == SQLITE_DONE ? SQLITE_ERROR : code;
}

/* "file:" + path with the characters that mean something in a URI escaped, + "?immutable=1". Caller frees. */
static char *immutable_uri(const char *path)
{
    static const char tail[] = "?immutable=1";
    size_t room = 5 + 3 * strlen(path) + sizeof tail;
    char *uri = malloc(room);
    size_t n = 5;

    if (uri == NULL)
        return NULL;
    memcpy(uri, "file:", 5);
    for (const char *p = path; *p != '\0'; p++) {
        if (*p == '?' || *p == '#' || *p == '%')
            n += (size_t)snprintf(uri + n, room - n, "%%%02X", (unsigned)(unsigned char)*p);
        else
            uri[n++] = *p;
    }
    memcpy(uri + n, tail, sizeof tail);
    return uri;
}

/*
 * Is it ours? Asked without any lock and without a side file being made, because it may be anybody's. SQLite does the
 * reading: had we opened and closed the file ourselves, POSIX would drop the locks of every other handle in this
 * process.
 */
static int recognise(const char *path)
{
    sqlite3 *db = NULL;
    int64_t application = 0;
    int64_t version = 0;
    char *uri = immutable_uri(path);
    int code;

    if (uri == NULL)
        return store_because(STORE_FAILED, "no memory");
    code = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    if (code == SQLITE_OK)
        code = pragma_int(db, "PRAGMA application_id", &application);
    if (code == SQLITE_OK)
        code = pragma_int(db, "PRAGMA user_version", &version);
    (void)sqlite3_close(db);
    free(uri);
    if (code == SQLITE_NOTADB || (code == SQLITE_OK && application != STORE_APPLICATION_ID))
        return store_because(STORE_FOREIGN, "it is not a libpprof store; it was left as it is, name another file");
    if (code != SQLITE_OK)
        return store_because(status_of(code), "it cannot be read: %s", sqlite3_errstr(code));
    if (version > STORE_VERSION)
        return store_because(STORE_TOO_NEW,
                             "a later version of libpprof wrote it (format %lld, this program reads up to %d)",
                             (long long)version, STORE_VERSION);
    return 0;
}

/* What can be said before SQLite sees the file. *ret_new: it is to be made (missing or empty). */
static int inspect(const char *path, enum store_mode mode, bool *ret_new)
{
    struct stat st;

    *ret_new = false;
    if (stat(path, &st) != 0) {
        if (errno == EACCES)
            return store_because(STORE_DENIED, "no permission to enter its directory");
        if (errno != ENOENT)
            return store_because(STORE_FAILED, "%s", strerror(errno));
        if (mode == STORE_READ)
            return store_because(STORE_MISSING, "there is no such file");
        *ret_new = true;
        return 0;
    }
    if (!S_ISREG(st.st_mode))
        return store_because(STORE_FOREIGN, "it is %s, not a file",
                             S_ISDIR(st.st_mode) ? "a directory" : "a device, pipe or socket");
    if (access(path, mode == STORE_READ ? R_OK : R_OK | W_OK) != 0)
        return store_because(STORE_DENIED,
                             mode == STORE_READ ? "no permission to read it" : "no permission to write it");
    if (st.st_size == 0) {
        if (mode == STORE_READ)
            return store_because(STORE_FOREIGN, "the file is empty: nothing was recorded into it");
        *ret_new = true;
        return 0;
    }
    return recognise(path);
}

/* The schema and the application id in one transaction, before WAL: the file is never seen half made. */
static int create(struct store *store)
{
    char pragmas[256];
    int64_t application = 0;

    if (sqlite3_exec(store->db, "PRAGMA auto_vacuum=INCREMENTAL; BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK)
        return store_sqlite_failed(store, "making the store");
    /* Another process may have made it while this one waited for the lock. */
    if (pragma_int(store->db, "PRAGMA application_id", &application) == SQLITE_OK &&
        application == STORE_APPLICATION_ID)
        return sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? 0
                                                                                : store_sqlite_failed(store, "opening");
    (void)snprintf(pragmas, sizeof pragmas, "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
                   STORE_APPLICATION_ID, STORE_VERSION);
    if (sqlite3_exec(store->db, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(store->db, pragmas, NULL, NULL, NULL) != SQLITE_OK) {
        int status = store_sqlite_failed(store, "making the store");

        (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        return status;
    }
    return 0;
}

static int open_writing(struct store *store, const char *path, bool is_new)
{
    bool made = false;

    if (is_new) {
        /* Made here and not by SQLite, so that only its owner can read it whatever the umask says. */
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        made = fd >= 0;
        if (made)
            (void)close(fd);
        else if (errno == ENOENT)
            return store_because(STORE_MISSING, "its directory does not exist; make it first");
        else if (errno != EEXIST)
            return store_because(errno == EACCES || errno == EROFS || errno == EPERM ? STORE_DENIED : STORE_FAILED,
                                 "it cannot be made: %s", strerror(errno));
    }
    if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return store_sqlite_failed(store, "opening");
    (void)sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    if (is_new) {
        int status = create(store);

        if (status != 0) {
            /* A half-made file (the disk is full) would be taken for somebody else's next time. */
            if (made)
                (void)unlink(path);
            return status;
        }
    }
    if (sqlite3_exec(store->db,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000;"
                     "PRAGMA cache_size=-32768; PRAGMA journal_size_limit=67108864; PRAGMA trusted_schema=OFF",
                     NULL, NULL, NULL) != SQLITE_OK)
        return store_sqlite_failed(store, "opening");
    return 0;
}

/* On read-only media a file in WAL mode can be read only as immutable, which is right as long as no log lies beside it.
 */
static int open_immutable(struct store *store, const char *path)
{
    char *uri = immutable_uri(path);
    struct stat st;
    char log[4200];
    int code = SQLITE_NOMEM;

    if ((size_t)snprintf(log, sizeof log, "%s-wal", path) < sizeof log && stat(log, &st) == 0 && st.st_size > 0) {
        free(uri);
        return store_because(STORE_DENIED,
                             "its last changes lie in %s, which cannot be read in a directory without "
                             "write permission; copy both files elsewhere",
                             log);
    }
    (void)sqlite3_close(store->db);
    store->db = NULL;
    if (uri != NULL)
        code = sqlite3_open_v2(uri, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    free(uri);
    return code == SQLITE_OK ? 0 : store_sqlite_failed(store, "opening");
}

static int open_reading(struct store *store, const char *path)
{
    int64_t tables = 0;
    int code;

    if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return store_sqlite_failed(store, "opening");
    (void)sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    code = pragma_int(store->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY) {
        int status = open_immutable(store, path);

        if (status != 0)
            return status;
        code = pragma_int(store->db, "SELECT count(*) FROM sqlite_schema", &tables);
    }
    if (code != SQLITE_OK)
        return store_sqlite_failed(store, "reading");
    (void)sqlite3_exec(store->db, "PRAGMA trusted_schema=OFF; PRAGMA cache_size=-32768", NULL, NULL, NULL);
    return 0;
}

int store_open(const char *path, enum store_mode mode, struct store **ret_store)
{
    struct store *store;
    bool is_new;
    int status = inspect(path, mode, &is_new);

    if (status != 0)
        return status;
    store = calloc(1, sizeof *store);
    if (store == NULL)
        return store_because(STORE_FAILED, "no memory");
    store->writing = mode == STORE_WRITE;
    store->data_version = -1;
    for (size_t f = 0; f < SPAN_FIELD_COUNT; f++)
        span_column_init(&store->column[f]);
    span_column_init(&store->process_column);
    /* One working memory for all; a failure to lend leaves a column with its own. Column 0 is done last. */
    for (size_t f = 1; f < SPAN_FIELD_COUNT; f++)
        (void)span_column_borrow(&store->column[f], &store->column[0]);
    status = store->writing ? open_writing(store, path, is_new) : open_reading(store, path);
    if (status == 0 && store->writing) {
        store->rollup = calloc(1, sizeof *store->rollup);
        if (store->rollup == NULL)
            status = store_because(STORE_FAILED, "no memory");
        else
            rollup_init(store->rollup, STORE_GROUPS_PER_HOUR, store_rollup_load, store);
    }
    if (status != 0) {
        char reason[sizeof why];

        memcpy(reason, why, sizeof why);
        store->writing = false; /* nothing to tidy up in a file that would not open */
        store_close(store);
        memcpy(why, reason, sizeof why);
        return status;
    }
    *ret_store = store;
    return STORE_OK;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->in_transaction)
        store_rollback(store);
    for (size_t i = 0; i < STORE_SQL_COUNT; i++)
        (void)sqlite3_finalize(store->statement[i]);
    /* A store at rest is one plain file, which can be copied and read on read-only media; fails harmlessly while others
     * have it open. */
    if (store->writing) {
        (void)sqlite3_busy_timeout(store->db, 0);
        (void)sqlite3_exec(store->db, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    }
    (void)sqlite3_close(store->db);
    store_processes_clear(store);
    free(store->by_identity);
    free(store->by_id);
    if (store->rollup != NULL)
        rollup_done(store->rollup);
    free(store->rollup);
    for (size_t f = SPAN_FIELD_COUNT; f > 0; f--)
        span_column_done(&store->column[f - 1]);
    span_column_done(&store->process_column);
    free(store->row_process);
    free(store);
}

int store_begin(struct store *store)
{
    sqlite3_stmt *statement;
    int status;

    if (!store->writing)
        return store_because(STORE_DENIED, "it was opened for reading");
    status = store_run(store, store_statement(store, STORE_SQL_begin), "beginning a transaction");
    if (status != 0)
        return status;
    store->in_transaction = true;
    statement = store_statement(store, STORE_SQL_data_version);
    if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW) {
        status = store_sqlite_failed(store, "beginning a transaction");
        store_rollback(store);
        return status;
    }
    if (sqlite3_column_int64(statement, 0) != store->data_version) {
        store->data_version = sqlite3_column_int64(statement, 0);
        rollup_clear(store->rollup);
        store_processes_clear(store);
    }
    (void)sqlite3_reset(statement);
    store_processes_trim(store);
    return STORE_OK;
}

int store_commit(struct store *store)
{
    int status = store_rollup_save(store);

    if (status == 0)
        status = store_run(store, store_statement(store, STORE_SQL_commit), "committing");
    if (status != 0) {
        char reason[sizeof why];

        memcpy(reason, why, sizeof why);
        store_rollback(store);
        memcpy(why, reason, sizeof why);
        return status;
    }
    store->in_transaction = false;
    rollup_trim(store->rollup, STORE_HOURS_KEPT);
    return STORE_OK;
}

void store_rollback(struct store *store)
{
    if (!store->in_transaction)
        return;
    store->in_transaction = false;
    /* What is in memory may hold what was just taken back. SQLite may have rolled back on its own (disk full). */
    rollup_clear(store->rollup);
    store_processes_clear(store);
    if (!sqlite3_get_autocommit(store->db))
        (void)store_run(store, store_statement(store, STORE_SQL_rollback), "rolling back");
}
