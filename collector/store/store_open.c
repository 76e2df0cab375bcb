/*
 * Opening the store's file: telling whether it is ours, making it, and reading it where nothing may
 * be written.
 *
 * Called by store.c alone, in pprofd, record and the commands that read. Must never change a file
 * that is not ours, never leave a half-made store under the store's name, and never call a sound
 * file anything else, whoever was killed beside it or is writing to it right now.
 */
#include "store_inner.h"

#include <malloc.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    HEADER_BYTES = 100, /* SQLite's file header: https://www.sqlite.org/fileformat2.html, section 1.3 */
    AT_USER_VERSION = 60,
    AT_APPLICATION_ID = 68,
    /* A file that is being made, opened or closed by somebody else right now is looked at again, so
     * often. */
    OPEN_TRIES = 40,
    OPEN_RETRY_MS = 25,
    WAL_TRIES = 10,
    OUT_OF_DATE = -100, /* in place of SQLite's code: a version that store_migrate.c knows */
};

static uint32_t big_endian(const uint8_t *data)
{
    return (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
}

int store_pragma_int(sqlite3 *db, const char *text, int64_t *ret_value)
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

/*
 * The header's bytes as they lie in the file, without a lock, a journal's or a log's being looked
 * at, or a side file's being made: it may be anybody's file. What is asked of them never changes in
 * a store of ours, because it is put in its place whole (store_make.c). SQLite does the reading:
 * had we opened and closed the file ourselves, POSIX would drop the locks of every other handle in
 * this process.
 */
static int read_header(const char *path, uint8_t header[HEADER_BYTES], int *ret_errno)
{
    sqlite3 *db = NULL;
    sqlite3_file *file = NULL;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
    if (code == SQLITE_OK)
        code = file == NULL || file->pMethods == NULL ? SQLITE_CANTOPEN
                                                      : file->pMethods->xRead(file, header, HEADER_BYTES, 0);
    *ret_errno = db == NULL ? ENOMEM : sqlite3_system_errno(db);
    (void)sqlite3_close(db);
    return code;
}

static int other_version(long long version)
{
    return store_because(STORE_OTHER_VERSION, "%s version of libpprof wrote it (format %lld, this program has %d)",
                         version > STORE_VERSION ? "a later" : "an earlier", version, STORE_VERSION);
}

static int recognise(const char *path)
{
    uint8_t header[HEADER_BYTES] = {0};
    int error;
    int code = read_header(path, header, &error);

    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
        return store_code("it cannot be opened", code, error);
    if (code == SQLITE_IOERR_SHORT_READ || memcmp(header, "SQLite format 3", 16) != 0 ||
        big_endian(header + AT_APPLICATION_ID) != STORE_APPLICATION_ID)
        return store_because(STORE_FOREIGN, "another program wrote it");
    /* What lies in the log may be of a later version than the header, never of an earlier one. */
    if (big_endian(header + AT_USER_VERSION) > STORE_VERSION || big_endian(header + AT_USER_VERSION) < STORE_OLDEST)
        return other_version((long long)big_endian(header + AT_USER_VERSION));
    return 0;
}

/* The file's own name, links followed, whether or not it is there yet; "": it cannot be told. */
static void find_real(char out[PATH_MAX], const char *path)
{
    char target[PATH_MAX];
    ssize_t bytes = readlink(path, target, sizeof(target) - 1);

    if (realpath(path, out) != NULL)
        return;
    target[bytes < 0 ? 0 : bytes] = '\0';
    (void)snprintf(out, PATH_MAX, "%s", bytes < 0 ? path : target);
}

/*
 * ":memory:" and "file:…" are names like others, and SQLite would take them for none. Beside the
 * file lie others with longer names; where those do not fit, SQLite says only that it cannot open.
 */
int store_name(char out[STORE_PATH_MAX], const char *path)
{
    bool odd = path[0] == ':' || strncmp(path, "file:", 5) == 0;
    const char *const longest = "-journal";
    const sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    char real[PATH_MAX];

    if ((size_t)snprintf(out, STORE_PATH_MAX, "%s%s%s", odd ? "./" : "", path, longest) >= STORE_PATH_MAX)
        return store_errno("it cannot be opened", ENAMETOOLONG);
    out[strlen(out) - strlen(longest)] = '\0';
    find_real(real, out);
    const char *slash = strrchr(real, '/');
    size_t name = strlen(slash == NULL ? real : slash + 1);
    if (name + strlen(longest) > NAME_MAX)
        return store_because(STORE_FAILED,
                             "its name is too long: %zu bytes, and beside it must be room for %s; give one "
                             "of at most %zu",
                             name, longest, NAME_MAX - strlen(longest));
    if (system != NULL && strlen(real) + strlen(longest) > (size_t)system->mxPathname)
        return store_because(STORE_FAILED, "its path is too long: %zu bytes, and SQLite takes %zu; give a shorter one",
                             strlen(real), (size_t)system->mxPathname - strlen(longest));
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
            return store_errno("it cannot be opened", errno);
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

/* "file:" + path with the characters that mean something in a URI escaped, + tail. Caller frees. */
static char *make_uri(const char *path, const char *tail)
{
    size_t n = path[0] == '/' ? 7 : 5;
    size_t room = n + 3 * strlen(path) + strlen(tail) + 1;
    char *uri = malloc(room);

    if (uri == NULL)
        return NULL;
    /* An absolute path goes after an empty authority: two slashes at its own beginning would begin
     * one. */
    memcpy(uri, path[0] == '/' ? "file://" : "file:", n);
    for (const char *p = path; *p != '\0'; p++)
        if (*p == '?' || *p == '#' || *p == '%')
            n += (size_t)snprintf(uri + n, room - n, "%%%02X", (unsigned)(unsigned char)*p);
        else
            uri[n++] = *p;
    memcpy(uri + n, tail, strlen(tail) + 1);
    return uri;
}

static bool has_bytes(const char *path, const char *tail)
{
    char name[STORE_PATH_MAX + 16];
    struct stat st;

    return (size_t)snprintf(name, sizeof(name), "%s%s", path, tail) < sizeof(name) && stat(name, &st) == 0 &&
           st.st_size > 0;
}

/* A store of an earlier version is brought up to date by whoever may write. 0, or a status. */
static int update(const char *path)
{
    struct store *store = NULL;
    int status = access(path, W_OK) == 0 ? store_open(path, STORE_WRITE, &store) : STORE_DENIED;

    store_close(store);
    if (status == STORE_DENIED)
        return store_because(STORE_OTHER_VERSION,
                             "an earlier version of libpprof wrote it, and it must be brought up to "
                             "date first, which needs permission to write; read it once as its "
                             "owner");
    return status;
}

/* Opens with this URI tail and reads something, so that whatever hinders has shown itself: SQLite's
 * code. */
static int try_reading(struct store *store, const char *path, const char *tail, const char *pragma)
{
    char *uri = make_uri(path, tail);
    int64_t tables = 0;
    int64_t version = 0;
    int code;

    (void)sqlite3_close(store->db);
    store->db = NULL;
    if (uri == NULL)
        return SQLITE_NOMEM;
    code = sqlite3_open_v2(uri, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    free(uri);
    if (code != SQLITE_OK)
        return code;
    (void)sqlite3_extended_result_codes(store->db, 1);
    (void)sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    code = sqlite3_exec(store->db, pragma, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = store_pragma_int(store->db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (code == SQLITE_OK)
        code = store_pragma_int(store->db, "PRAGMA user_version", &version);
    if (code == SQLITE_OK && version != STORE_VERSION)
        return version < STORE_VERSION && version >= STORE_OLDEST ? OUT_OF_DATE : other_version(version);
    return code;
}

/*
 * Where no file may be made beside the store. A log without its index: the index is built in
 * memory, with nobody to be locked out, for whoever writes has the index there. No log: the file is
 * all there is, and stays so.
 */
static int read_unwritable(struct store *store, const char *path)
{
    int code;

    if (has_bytes(path, "-journal"))
        return SQLITE_READONLY_ROLLBACK;
    if (!has_bytes(path, "-wal"))
        return try_reading(store, path, "?immutable=1", "");
    if (has_bytes(path, "-shm"))
        return SQLITE_CANTOPEN;
    code = try_reading(store, path, "?vfs=unix-none", "PRAGMA locking_mode=EXCLUSIVE");
    (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code == SQLITE_OK && has_bytes(path, "-shm"))
        code = SQLITE_BUSY; /* somebody began to write meanwhile */
    return code;
}

/* A killed writer's half change is undone by whoever may write, as SQLite does it. Whether there is
 * another try. */
static bool undo_half_change(const char *path)
{
    sqlite3 *db = NULL;
    int64_t tables = 0;
    int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK) {
        (void)sqlite3_busy_timeout(db, STORE_BUSY_MS);
        code = store_pragma_int(db, "SELECT count(*) FROM sqlite_schema", &tables);
    }
    (void)sqlite3_close(db);
    return code == SQLITE_OK;
}

uint64_t store_now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

void store_nap(void)
{
    struct timespec pause = {0, OPEN_RETRY_MS * 1000000L};

    (void)nanosleep(&pause, NULL);
}

/* Codes that may be those of a moment: a writer that opens or closes the store makes and removes
 * files beside it. */
static bool may_pass(int code)
{
    if (code == SQLITE_IOERR_NOMEM)
        return false;
    switch (code & 0xff) {
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return true;
    default:
        return false;
    }
}

int store_open_reading(struct store *store, const char *path)
{
    int code = SQLITE_OK;

    for (int i = 0; i < OPEN_TRIES; i++) {
        bool is_new;
        int status = inspect(path, STORE_READ, &is_new);

        if (status != 0)
            return status;
        code = try_reading(store, path, "", "");
        if ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY)
            code = read_unwritable(store, path);
        if (code == SQLITE_OK) {
            (void)sqlite3_exec(store->db, "PRAGMA trusted_schema=OFF", NULL, NULL, NULL);
            return store_schema_check(store);
        }
        if (code == STORE_OTHER_VERSION)
            return code;
        if (code == OUT_OF_DATE) {
            status = update(path);
            if (status != 0)
                return status;
            continue;
        }
        if (code == SQLITE_READONLY_ROLLBACK && access(path, W_OK) == 0 && undo_half_change(path))
            continue;
        if (!may_pass(code))
            break;
        store_nap();
    }
    if (code == SQLITE_READONLY_ROLLBACK)
        return store_because(STORE_DENIED, "a change of it was interrupted and must be undone first, which needs "
                                           "permission to write; read it once as its owner");
    return store_code("reading failed", code, store->db == NULL ? 0 : sqlite3_system_errno(store->db));
}

int store_in_wal_mode(sqlite3 *db, bool *ret_wal)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const char *mode;
        size_t bytes;

        code = store_column_text(statement, 0, &mode, &bytes) == 0 ? SQLITE_OK : SQLITE_NOMEM;
        *ret_wal = mode != NULL && strcmp(mode, "wal") == 0;
    }
    (void)sqlite3_finalize(statement);
    return code;
}

static int set_up_writing(struct store *store)
{
    int64_t version = 0;

    (void)sqlite3_extended_result_codes(store->db, 1);
    (void)sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    /* Between the change to a log and the first look at it, somebody who closes the store may take
     * the change back. Where a file system cannot have a log it stays without. The cache holds a
     * transaction with all rollups; more of it would be pages that nobody asks for again. */
    for (int i = 0; i < WAL_TRIES; i++) {
        if (sqlite3_exec(store->db,
                         "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000;"
                         "PRAGMA cache_size=-8192; PRAGMA journal_size_limit=67108864; PRAGMA trusted_schema=OFF",
                         NULL, NULL, NULL) != SQLITE_OK ||
            store_pragma_int(store->db, "PRAGMA user_version", &version) != SQLITE_OK ||
            store_in_wal_mode(store->db, &store->has_log) != SQLITE_OK)
            return store_sqlite_failed(store, "opening");
        if (store->has_log)
            break;
    }
    if (version > STORE_VERSION || version < STORE_OLDEST)
        return other_version(version);
    int status = version < STORE_VERSION ? store_migrate(store) : 0;
    return status == 0 ? store_schema_check(store) : status;
}

int store_open_writing(struct store *store, const char *path)
{
    uint64_t until_ms = store_now_ms() + STORE_BUSY_MS;
    int status = 0;

    /* Where SQLite waited its time is over; two that change to a log at once are told that it is
     * locked, without any waiting (a lock for reading is never raised against another's). */
    for (int i = 0; i < OPEN_TRIES || (status == STORE_BUSY && store_now_ms() < until_ms); i++) {
        bool is_new;

        status = inspect(path, STORE_WRITE, &is_new);
        if (status == 0 && is_new) {
            status = store_make(path);
            if (status == 0)
                status = inspect(path, STORE_WRITE, &is_new);
        }
        if (status != 0)
            return status;
        if (is_new)
            continue; /* it went away again */
        if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
            status = set_up_writing(store);
        else
            status = store_sqlite_failed(store, "opening");
        /* A transaction is taken back above all when there is no memory: what that takes is made
         * now. */
        if (status == 0 && store_note_places(store, path) == 0 &&
            (!store->has_log || (status = store_log_begin(store)) == 0))
            return store_statement(store, STORE_SQL_rollback) != NULL ? 0 : store_sqlite_failed(store, "opening");
        if (status == STORE_OTHER_VERSION || status == STORE_FOREIGN ||
            (status == STORE_BUSY && store_now_ms() >= until_ms) ||
            (status != 0 && status != STORE_BUSY && !may_pass(sqlite3_extended_errcode(store->db))))
            return status;
        (void)sqlite3_close(store->db);
        store->db = NULL;
        store_nap();
    }
    return status != 0 ? status : store_because(STORE_FAILED, "it is moved or removed again and again");
}

bool store_file_is_broken(const char *path)
{
    char name[STORE_PATH_MAX];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    bool broken = false;
    if (store_name(name, path) != 0)
        return false;
    int code = sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

    if (code == SQLITE_OK) {
        (void)sqlite3_busy_timeout(db, STORE_BUSY_MS);
        code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL);
    }
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW) {
            const char *text;
            size_t bytes;

            (void)store_column_text(statement, 0, &text, &bytes);
            broken = text != NULL && strcmp(text, "ok") != 0;
        }
    }
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(db);
    return broken || (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

/* By itself the C library raises the size from which an allocation is a mapping of its own, once
 * one is freed, and keeps the next ones: https://man7.org/linux/man-pages/man3/mallopt.3.html */
void store_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 20);
}
