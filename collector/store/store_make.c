/*
 * Making a store: built whole under a name of its own in the same directory, then put under the
 * store's name in one step. So nobody ever sees half a store, and a creator that is killed leaves
 * only a file that the next one removes.
 *
 * Called by store_open.c when there is no file or an empty one. Must never replace a file with
 * anything in it. One creator at a time per directory: they lock the directory itself.
 */
#include "store_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SQL_ROLLUP_SUM(column, field) "," #column " INTEGER NOT NULL," #column "_n INTEGER NOT NULL"
#define SQL_ROLLUP_KEY(ident) #ident " TEXT NOT NULL"
#define SQL_ROLLUP_SKETCH(column, field) "," #column " BLOB NOT NULL"
#define SQL_LOSS_NAME(ident) ", lost_" #ident
#define SQL_LOSS(ident) " lost_" #ident " INTEGER NOT NULL DEFAULT 0,"
#define SQL_ROLLUP_SUMS ROLLUP_SUMS(SQL_ROLLUP_SUM)
#define SQL_ROLLUP_KEYS ROLLUP_KEYS(SQL_ROLLUP_KEY, ",")
#define SQL_ROLLUP_SKETCHES ROLLUP_SKETCHES(SQL_ROLLUP_SKETCH)

/* clang-format off: it takes literals and macros apart in ways that nobody can read */
static const char schema[] =
    /* Sequence numbers taken in, as ranges: a healthy process has one row, however many frames it
     * sent.
     */
    "CREATE TABLE seen(process INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " PRIMARY KEY(process, first)) WITHOUT ROWID;"
    "CREATE TABLE block(id INTEGER PRIMARY KEY, process INTEGER, t_min INTEGER NOT NULL, t_max INTEGER "
    "NOT NULL,"
    " n INTEGER NOT NULL, merged INTEGER NOT NULL, raw BLOB" STORE_SQL_IDS_UNTIL STORE_SQL_SETTLED
    ");" STORE_SQL_IDS_INDEX STORE_SQL_SETTLED_INDEX "CREATE INDEX block_time ON block(t_min, t_max, n);"
    "CREATE INDEX block_fresh ON block(t_min, n) WHERE merged = 0;"
    "CREATE TABLE col(block INTEGER NOT NULL, field INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE UNIQUE INDEX col_place ON col(block, field);"
    /* What was lost beyond what processes say of themselves: STORE_LOSSES in store.h. */
    "CREATE TABLE loss(kind TEXT PRIMARY KEY, events INTEGER NOT NULL, spans INTEGER NOT NULL,"
    " last_ns INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;";

/* What stores that were united with this one counted as lost, each by its meta.store_id. */
const char store_schema_origins[] =
    "CREATE TABLE origin_loss(origin INTEGER NOT NULL, kind TEXT NOT NULL, events INTEGER NOT NULL,"
    " spans INTEGER NOT NULL, PRIMARY KEY(origin, kind)) WITHOUT ROWID;";

const char store_schema_processes[] =
    /* What is the same for all processes of a program on a host; uid -1: not known. */
    "CREATE TABLE program(id INTEGER PRIMARY KEY, executable TEXT NOT NULL, host TEXT NOT NULL, service TEXT NOT NULL,"
    " team TEXT NOT NULL, container TEXT NOT NULL, labels TEXT NOT NULL, version TEXT NOT NULL, uid INTEGER NOT NULL,"
    " UNIQUE(executable, host, service, team, container, labels, version, uid));"
    /* Blocks name processes by their number, so none is given twice. final: the sequence number of
     * the frame with which the process said that it ends; 0: it did not. from_frame: frames before
     * that one went to another store, which this one was not united with; 0: by its time. */
    "CREATE TABLE process_row(id INTEGER PRIMARY KEY AUTOINCREMENT, identity BLOB NOT NULL UNIQUE,"
    " program INTEGER NOT NULL, pid INTEGER NOT NULL, start_ns INTEGER NOT NULL," SPAN_LOSSES(
        SQL_LOSS) " final INTEGER NOT NULL DEFAULT 0, from_frame INTEGER NOT NULL DEFAULT 0);"
                  /* How people read it, and the store. */
                  "CREATE VIEW process AS SELECT p.id AS id, identity, pid, nullif(uid, -1) AS uid, start_ns, "
                  "executable, host,"
                  " service, team, container, labels, version" SPAN_LOSSES(
                      SQL_LOSS_NAME) ", final, program"
                                     " FROM process_row p JOIN program ON program.id = p.program;"
                                     /* Processes that are over: 4,096 in a row, as store_departed.c
                                      * writes them; and how to know them again. */
                                     "CREATE TABLE crowd(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, data BLOB NOT "
                                     "NULL);"
                                     "CREATE TABLE departed(id INTEGER PRIMARY KEY, process INTEGER NOT NULL, last "
                                     "INTEGER NOT NULL);";

const char store_schema_rollups[] =
    /* Thousands of keys come again every hour: each is kept once. `rollup_hour` is how people read
     * the hours that are not packed yet. */
    "CREATE TABLE rollup_key(id INTEGER PRIMARY KEY," SQL_ROLLUP_KEYS ", UNIQUE(" ROLLUP_SQL_KEYS "));"
    /* id = hour << 32 | key: one integer is the cheapest key that SQLite has, and an hour stays
     * together. */
    "CREATE TABLE rollup_cell(id INTEGER PRIMARY KEY, calls INTEGER NOT NULL, errors INTEGER NOT NULL" SQL_ROLLUP_SUMS
        SQL_ROLLUP_SKETCHES ");"
    "CREATE VIEW rollup_hour AS SELECT rollup_cell.id AS id, rollup_cell.id >> 32 AS hour,"
    " rollup_cell.id & 4294967295 AS key," ROLLUP_SQL_KEYS "," ROLLUP_SQL_VALUES
    " FROM rollup_cell JOIN rollup_key ON rollup_key.id = rollup_cell.id & 4294967295;";

/* Hours that are over, each as store_packed.c writes it; they are in `rollup_cell` no more. */
const char store_schema_packed[] = "CREATE TABLE rollup_packed(hour INTEGER PRIMARY KEY, data BLOB NOT NULL);";

const char store_schema_prompts[] =
    /* Texts of instructions as prompt_id tells them apart; done: it is settled whose they are. One
     * that went with several sets of tools or formats has a row of each. */
    "CREATE TABLE prompt_text(n INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL, setup INTEGER NOT NULL,"
    " done INTEGER NOT NULL, prompt INTEGER, version INTEGER, calls INTEGER NOT NULL, first_ns INTEGER NOT NULL,"
    " last_ns INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX prompt_text_id ON prompt_text(id, setup);"
    "CREATE INDEX prompt_text_rare ON prompt_text(last_ns) WHERE done=1 AND calls<" STORE_SQL_RECURS ";"
    "CREATE INDEX prompt_text_of ON prompt_text(prompt, version) WHERE calls>=" STORE_SQL_RECURS ";"
    /* What tells those that are not done from others; in a table of its own, whose pages are free
     * when they are. */
    "CREATE TABLE prompt_open(text INTEGER PRIMARY KEY, features BLOB NOT NULL, preview TEXT);"
    /* What all texts of a version of a prompt have; data as store_learn.c writes it. One that is
     * not settled is made anew whenever something is learned. */
    "CREATE TABLE prompt_template(prompt INTEGER NOT NULL, version INTEGER NOT NULL, scope INTEGER NOT NULL,"
    " setup INTEGER NOT NULL, texts INTEGER NOT NULL, data BLOB NOT NULL, first_ns INTEGER NOT NULL,"
    " last_ns INTEGER NOT NULL, alias INTEGER NOT NULL, settled INTEGER NOT NULL,"
    " alias_version INTEGER NOT NULL DEFAULT 0, PRIMARY KEY(prompt, version)) WITHOUT ROWID;"
    "CREATE INDEX prompt_template_last ON prompt_template(last_ns);"
    /* What a version looks like, as collector/prompts/shape_bytes.c writes it, and its preview
     * without what varies. Without a row of prompt_template it counts for nothing. */
    "CREATE TABLE prompt_shape(prompt INTEGER NOT NULL, version INTEGER NOT NULL, data BLOB NOT NULL, preview TEXT,"
    " PRIMARY KEY(prompt, version)) WITHOUT ROWID;"
    /* What people said of a prompt: its name, and whether it is another one; and when. part: '' of
     * all its calls, else of some of them (store_map.c). */
    "CREATE TABLE prompt_rule(prompt INTEGER NOT NULL, part TEXT NOT NULL, name TEXT, into_prompt INTEGER,"
    " said_ns INTEGER NOT NULL, PRIMARY KEY(prompt, part)) WITHOUT ROWID;"
    "CREATE INDEX prompt_rule_part ON prompt_rule(into_prompt) WHERE part>'';"
    /* A key whose prompt is the id of a text goes with the text. */
    "CREATE INDEX rollup_key_prompt ON rollup_key(prompt);";
/* clang-format on */

enum { LOCK_TRIES = 400, LOCK_RETRY_MS = 25, LINKS_MAX = 16 };

struct maker {
    char path[STORE_PATH_MAX];                /* where the store will be, links followed */
    char directory[STORE_PATH_MAX];           /* of it */
    const char *name;                         /* of it in the directory */
    char made[STORE_PATH_MAX + NAME_MAX + 8]; /* where it is built */
    int lock;
    unsigned set_aside; /* logs of a store that was there before */
};

static int cannot(int error)
{
    return store_errno("it cannot be made", error);
}

/* SQLite follows links, and so must we: the store lies where the last one points. */
static int follow(struct maker *maker, const char *path)
{
    char *slash;

    if ((size_t)snprintf(maker->path, sizeof(maker->path), "%s", path) >= sizeof(maker->path))
        return cannot(ENAMETOOLONG);
    for (int i = 0; i <= LINKS_MAX; i++) {
        char target[STORE_PATH_MAX];
        ssize_t bytes = readlink(maker->path, target, sizeof(target) - 1);
        size_t before;

        if (bytes < 0) {
            slash = strrchr(maker->path, '/');
            maker->name = slash == NULL ? maker->path : slash + 1;
            (void)snprintf(maker->directory, sizeof(maker->directory), "%.*s",
                           slash == NULL ? 2 : (int)(slash - maker->path) + 1, slash == NULL ? "./" : maker->path);
            return 0;
        }
        target[bytes] = '\0';
        slash = strrchr(maker->path, '/');
        before = target[0] == '/' || slash == NULL ? 0 : (size_t)(slash - maker->path) + 1;
        if (before + (size_t)bytes >= sizeof(maker->path))
            return cannot(ENAMETOOLONG);
        memcpy(maker->path + before, target, (size_t)bytes + 1);
    }
    return cannot(ELOOP);
}

/* Waits for other creators, but not for ever: the lock only keeps what they leave apart from what
 * they still need. */
static bool lock_directory(struct maker *maker)
{
    for (int i = 0; maker->lock >= 0 && i < LOCK_TRIES; i++) {
        struct timespec pause = {0, LOCK_RETRY_MS * 1000000L};

        if (flock(maker->lock, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            break;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

/* ".pprof.db.new-" + random; what creators that were killed left has such names too. */
static size_t made_stem(const struct maker *maker, char *stem, size_t room)
{
    return (size_t)snprintf(stem, room, ".%.200s.new-", maker->name);
}

static void remove_leftovers(const struct maker *maker)
{
    char stem[NAME_MAX + 1];
    size_t bytes = made_stem(maker, stem, sizeof(stem));
    DIR *directory = opendir(maker->directory);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (strncmp(entry->d_name, stem, bytes) == 0)
            (void)unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory != NULL)
        (void)closedir(directory);
}

/*
 * A store that was removed leaves its log when its writer was killed or still runs. SQLite would
 * play that into the new store. It is kept under another name, as there may be spans in it that lie
 * nowhere else.
 */
static void set_aside(struct maker *maker)
{
    static const char *const tails[] = {"-wal", "-journal", "-shm"};

    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        char from[STORE_PATH_MAX + 16];
        char to[STORE_PATH_MAX + 48];
        struct stat st;

        (void)snprintf(from, sizeof(from), "%s%s", maker->path, tails[i]);
        if (lstat(from, &st) != 0)
            continue;
        if (i == 2 || st.st_size == 0) {
            (void)unlink(from);
            continue;
        }
        (void)snprintf(to, sizeof(to), "%s.orphan-%llx", from, (unsigned long long)st.st_ino);
        if (rename(from, to) == 0)
            maker->set_aside++;
    }
}

static int fill(sqlite3 *db, unsigned orphans)
{
    char text[512];
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (sqlite3_exec(db,
                     "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=FULL; PRAGMA auto_vacuum=INCREMENTAL;"
                     "BEGIN EXCLUSIVE",
                     NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, store_schema_origins, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, store_schema_processes, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, store_schema_rollups, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, store_schema_packed, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_exec(db, store_schema_prompts, NULL, NULL, NULL) != SQLITE_OK)
        return -1;
    (void)snprintf(text, sizeof(text),
                   "INSERT INTO meta VALUES('begun_ns',%lld%09ld); INSERT INTO meta VALUES('store_id',random());"
                   "INSERT INTO loss SELECT 'log_orphaned',%u,0,%lld%09ld WHERE %u>0;"
                   "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
                   (long long)now.tv_sec, now.tv_nsec, orphans, (long long)now.tv_sec, now.tv_nsec, orphans,
                   STORE_APPLICATION_ID, STORE_VERSION);
    return sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

/* The whole store under maker->made. The file is made by us, so that only its owner can read it,
 * whatever the umask. */
static int build(struct maker *maker)
{
    char stem[NAME_MAX + 1];
    sqlite3 *db = NULL;
    int status = 0;
    int fd;

    (void)made_stem(maker, stem, sizeof(stem));
    (void)snprintf(maker->made, sizeof(maker->made), "%s%sXXXXXX", maker->directory, stem);
    fd = mkostemp(maker->made, O_CLOEXEC); /* mode 0600 */
    if (fd < 0)
        return cannot(errno);
    (void)close(fd);
    if (sqlite3_open_v2(maker->made, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
        fill(db, maker->set_aside) != 0)
        status = db == NULL ? store_no_memory()
                            : store_code("it cannot be made", sqlite3_extended_errcode(db), sqlite3_system_errno(db));
    if (sqlite3_close(db) != SQLITE_OK && status == 0)
        status = store_because(STORE_FAILED, "making the store failed");
    return status;
}

/* From its own name to the store's: over nothing, or over an empty file. 0, or a status; a file
 * that came between is left and is no failure. */
static int put_in_place(const struct maker *maker, bool replace)
{
    if (replace)
        return rename(maker->made, maker->path) == 0 ? 0 : cannot(errno);
    if (renameat2(AT_FDCWD, maker->made, AT_FDCWD, maker->path, RENAME_NOREPLACE) == 0 || errno == EEXIST)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return cannot(errno);
    if (link(maker->made, maker->path) == 0 || errno == EEXIST)
        return 0;
    /* A file system that knows neither: the directory's lock is what keeps creators apart. */
    return rename(maker->made, maker->path) == 0 ? 0 : cannot(errno);
}

static int make(struct maker *maker)
{
    struct stat st;
    bool there = stat(maker->path, &st) == 0;
    int status;

    if (there && st.st_size > 0)
        return 0; /* somebody else made it while this one waited */
    set_aside(maker);
    status = build(maker);
    /* It may have become somebody's while this one built. */
    if (status == 0 && there && (stat(maker->path, &st) != 0 || st.st_size > 0))
        there = false;
    if (status == 0)
        status = put_in_place(maker, there);
    (void)unlink(maker->made); /* gone already when it was renamed */
    return status;
}

int store_make(const char *path)
{
    struct maker maker = {.lock = -1};
    int status = follow(&maker, path);

    if (status != 0)
        return status;
    maker.lock = open(maker.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (maker.lock < 0 && errno != EACCES)
        return cannot(errno);
    if (lock_directory(&maker))
        remove_leftovers(&maker);
    status = make(&maker);
    if (maker.lock >= 0)
        (void)close(maker.lock);
    return status;
}
