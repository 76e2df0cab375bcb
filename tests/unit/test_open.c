/*
 * A sound store is never refused and never called damaged: whoever was killed while making, opening, writing, merging
 * or closing it, whoever writes to it now, and wherever it lies (no write permission, read-only media, a log without
 * its index). And what was put into a file that went away is never called stored.
 */
#include "collector_tests.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>

static char directory[64];
static char file[128];

static int setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof file, "%s/pprof.db", directory);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)chmod(directory, 0700);
    test_remove(directory);
    return 0;
}

static const char *beside(const char *tail)
{
    static char name[200];

    snprintf(name, sizeof name, "%s%s", file, tail);
    return name;
}

static struct store *open_store(enum store_mode mode)
{
    struct store *store = NULL;
    int status = store_open(file, mode, &store);

    if (status != STORE_OK)
        print_message("%d: %s\n", status, store_why());
    assert_int_equal(status, STORE_OK);
    return store;
}

static unsigned files_like(const char *part)
{
    DIR *at = opendir(directory);
    struct dirent *entry;
    unsigned n = 0;

    assert_non_null(at);
    while ((entry = readdir(at)) != NULL)
        n += strstr(entry->d_name, part) != NULL;
    closedir(at);
    return n;
}

/* ---- kills ---- */

static void failed(const char *what)
{
    print_message("%s: %s\n", what, store_why());
    _exit(1);
}

/* Opens (or makes) the store, writes, merges and closes, again and again; in a child, until it is killed. */
static void live(unsigned process)
{
    for (uint64_t s = 1;; s++) {
        struct store *store = NULL;
        struct span_process from;
        bool repeat;
        bool more;

        if (store_open(file, STORE_WRITE, &store) != STORE_OK)
            failed("opening");
        test_process(&from, process);
        if (store_begin(store) != STORE_OK || store_take_process(store, &from) != STORE_OK ||
            test_take(store, process, s, &repeat) != STORE_OK || store_commit(store) != STORE_OK ||
            store_merge_step(store, &more) != STORE_OK)
            failed("writing");
        store_close(store);
    }
}

static void kill_after(pid_t child, useconds_t us)
{
    int code;

    usleep(us);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFSIGNALED(code)); /* else it failed by itself */
}

/* Where the log is there, or was not needed, nobody says that it is missing. */
static uint64_t logs_missing(struct store *store)
{
    struct store_loss loss;

    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    return loss.events[STORE_LOSS_log_missing];
}

static void assert_sound(void)
{
    struct store *store = NULL;
    int status = store_open(file, STORE_READ, &store);

    if (status == STORE_MISSING)
        return; /* killed before there was anything */
    if (status != STORE_OK)
        print_message("%d: %s\n", status, store_why());
    assert_int_equal(status, STORE_OK);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    assert_int_equal(logs_missing(store), 0);
    store_close(store);
    assert_false(store_file_is_broken(file));
}

/* LIBPPROF_KILLS in the environment asks for more of them. */
static void test_killed_at_any_moment(void **state)
{
    const char *asked = getenv("LIBPPROF_KILLS");
    int kills = asked != NULL ? atoi(asked) : 160;
    uint64_t random = 29;

    (void)state;
    for (int i = 0; i < kills; i++) {
        bool fresh = i % 2 == 0; /* the store is made in the first milliseconds */
        pid_t child;

        if (fresh) {
            test_remove(directory);
            assert_int_equal(mkdir(directory, 0700), 0);
        }
        child = fork();
        if (child == 0)
            live((unsigned)i % 4);
        kill_after(child, (useconds_t)(random_next(&random) % (fresh ? 12000 : 40000)));
        assert_sound();
        store_close(open_store(STORE_WRITE));
        assert_sound();
        assert_int_equal(files_like(".new-"), 0);
        assert_int_equal(files_like("orphan"), 0);
        assert_int_equal(files_like(""), 3); /* the store, and the directory's own two */
    }
}

static void test_read_while_somebody_lives(void **state)
{
    pid_t child = fork();

    (void)state;
    if (child == 0)
        live(0);
    while (access(file, F_OK) != 0)
        usleep(1000);
    for (int i = 0; i < 150; i++) {
        struct store *store = open_store(STORE_READ);
        struct store_totals totals;

        assert_int_equal(store_totals(store, &totals), STORE_OK);
        assert_int_equal(logs_missing(store), 0);
        if (i % 25 == 0)
            assert_int_equal(store_check(store, test_fault, NULL), 0);
        store_close(store);
    }
    kill_after(child, 0);
    assert_sound();
}

static void test_many_creators(void **state)
{
    enum { CREATORS = 8, ROUNDS = 6 };

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct store *store;
        pid_t child[CREATORS];

        if (round % 2 == 1)
            close(open(file, O_WRONLY | O_CREAT, 0644)); /* an empty file is made a store too */
        for (unsigned c = 0; c < CREATORS; c++) {
            child[c] = fork();
            if (child[c] == 0) {
                store = open_store(STORE_WRITE);
                test_fill(store, 1, 1 + c * 3, 3);
                store_close(store);
                _exit(0);
            }
        }
        for (unsigned c = 0; c < CREATORS; c++) {
            int code;

            assert_int_equal(waitpid(child[c], &code, 0), child[c]);
            assert_int_equal(code, 0);
        }
        store = open_store(STORE_READ);
        test_holds(store, 1, CREATORS * 3);
        assert_int_equal(logs_missing(store), 0);
        store_close(store);
        assert_int_equal(files_like(""), 3);
        unlink(file);
    }
}

static void test_through_links(void **state)
{
    char real[160];
    struct stat st;

    (void)state;
    snprintf(real, sizeof real, "%s/real.db", directory);
    assert_int_equal(symlink("real.db", beside("1")), 0);
    assert_int_equal(symlink("pprof.db1", file), 0);
    store_close(open_store(STORE_WRITE));
    assert_int_equal(lstat(real, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_sound();
}

/* ---- where nothing may be written ---- */

/* A store as a killed writer leaves it: 2 frames in the file, 2 more only in the log. */
static void leave_log(void)
{
    struct store *store = open_store(STORE_WRITE);
    pid_t child;

    test_fill(store, 1, 1, 2);
    store_close(store);
    child = fork();
    if (child == 0) {
        store = open_store(STORE_WRITE);
        test_fill(store, 1, 3, 2);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(access(beside("-wal"), F_OK), 0);
}

/* In a child that may write nothing here: root lets go of its rights. */
static void read_as_nobody(uint64_t frames, int want)
{
    pid_t child = fork();
    int code;

    if (child == 0) {
        struct store *store = NULL;
        int status;

        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
            _exit(10);
        status = store_open(file, STORE_READ, &store);
        if (status != want) {
            print_message("%d instead of %d: %s\n", status, want, store_why());
            _exit(11);
        }
        if (status == STORE_OK) {
            test_holds(store, 1, frames);
            if (store_check(store, test_fault, NULL) != 0)
                _exit(12);
        }
        store_close(store);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
}

static void open_to_all(mode_t of_directory)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < 4; i++)
        if (access(beside(tails[i]), F_OK) == 0)
            assert_int_equal(chmod(beside(tails[i]), 0444), 0);
    assert_int_equal(chmod(directory, of_directory), 0);
}

static void test_read_without_write_permission(void **state)
{
    (void)state;
    leave_log();
    open_to_all(0555);
    read_as_nobody(4, STORE_OK); /* log and index */
    assert_int_equal(chmod(directory, 0700), 0);
    assert_int_equal(unlink(beside("-shm")), 0);
    open_to_all(0555);
    read_as_nobody(4, STORE_OK); /* log without index */
    assert_int_equal(access(beside("-shm"), F_OK), -1);
    assert_int_equal(chmod(directory, 0700), 0);
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(chmod(beside("-wal"), 0600), 0);
    store_close(open_store(STORE_WRITE));
    open_to_all(0555);
    read_as_nobody(4, STORE_OK); /* at rest */
    assert_int_equal(chmod(file, 0000), 0);
    if (geteuid() == 0)
        read_as_nobody(0, STORE_DENIED);
}

static void test_read_beside_a_writer_of_somebody_else(void **state)
{
    struct store *writer = open_store(STORE_WRITE);

    (void)state;
    test_fill(writer, 1, 1, 3);
    open_to_all(0755);
    read_as_nobody(3, STORE_OK);
    test_fill(writer, 1, 4, 1);
    read_as_nobody(4, STORE_OK);
    store_close(writer);
}

static void test_read_on_read_only_media(void **state)
{
    pid_t child;
    int code;

    (void)state;
    leave_log();
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 3; i++) {
            struct store *store;

            if (i == 1)
                unlink(beside("-shm"));
            if (i == 2)
                store_close(open_store(STORE_WRITE)); /* at rest */
            if ((i == 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
                mount(directory, directory, NULL, MS_BIND, NULL) != 0 ||
                mount(NULL, directory, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0)
                _exit(77);
            store = open_store(STORE_READ);
            test_holds(store, 1, 4);
            store_close(store);
            if (store_open(file, STORE_WRITE, &store) != STORE_DENIED || umount2(directory, MNT_DETACH) != 0)
                _exit(1);
        }
        _exit(0);
    }
    assert_int_equal(waitpid(child, &code, 0), child);
    if (WIFEXITED(code) && WEXITSTATUS(code) == 77) {
        print_message("SKIPPED: no mount namespace of one's own can be had here\n");
        return;
    }
    assert_int_equal(code, 0);
}

/* A change of SQLite's own that was interrupted: whoever may write undoes it, others are told so. */
static void test_interrupted_change(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    pid_t child;

    (void)state;
    test_fill(store, 1, 1, 4);
    store_close(store);
    child = fork();
    if (child == 0) {
        sqlite3 *db;

        if (sqlite3_open(file, &db) != SQLITE_OK ||
            sqlite3_exec(
                db, "PRAGMA cache_size=1; PRAGMA cache_spill=1; BEGIN IMMEDIATE; UPDATE block SET raw=zeroblob(70000)",
                0, 0, 0) != SQLITE_OK)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(access(beside("-journal"), F_OK), 0);
    open_to_all(0555);
    if (geteuid() != 0)
        assert_int_equal(chmod(directory, 0555), 0);
    read_as_nobody(0, STORE_DENIED);
    assert_int_equal(chmod(directory, 0700), 0);
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(chmod(beside("-journal"), 0600), 0);
    assert_sound();
    store = open_store(STORE_READ);
    test_holds(store, 1, 4);
    store_close(store);
}

static const char *in_directory(const char *name)
{
    static char path[160];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

/* The commands that name such a log say what to do with it. */
static void expect_advice(const char *command, const char *operand)
{
    static char said[8192];
    char words[256], whole[512];

    snprintf(words, sizeof words, command, operand);
    snprintf(whole, sizeof whole, "cd / && env -u LD_PRELOAD XDG_STATE_HOME=%s HOME=%s %s %s 2>&1", directory,
             directory, PPROFCTL, words);
    FILE *out = popen(whole, "r");
    said[fread(said, 1, sizeof said - 1, out)] = '\0';
    (void)pclose(out);
    if (strstr(said, "put the log beside it, named as the copy with -wal at the end") == NULL)
        fail_msg("%s says: %s", whole, said);
}

/* The log of a store that was removed is no part of the next one; it is kept, and the next one says so. */
static void test_log_of_a_removed_store(void **state)
{
    struct store *store;
    struct store_totals totals;
    struct store_loss loss;

    (void)state;
    leave_log();
    unlink(file);
    store = open_store(STORE_WRITE);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, 0);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_log_orphaned], 1);
    test_fill(store, 1, 1, 2);
    store_close(store);
    assert_sound();
    assert_int_equal(files_like("-wal.orphan-"), 1);
    expect_advice("check %s", file);
    assert_int_equal(mkdir(in_directory("libpprof"), 0700), 0); /* the store that doctor looks at */
    assert_int_equal(rename(file, in_directory("libpprof/pprof.db")), 0);
    expect_advice("doctor -- /bin/true%s", "");
    assert_int_equal(unlink(in_directory("libpprof/pprof.db")), 0);
    assert_int_equal(rmdir(in_directory("libpprof")), 0);
}

static void copy(const char *from, const char *to)
{
    char data[65536];
    ssize_t bytes;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(in >= 0 && out >= 0);
    while ((bytes = read(in, data, sizeof data)) > 0)
        assert_int_equal(write(out, data, (size_t)bytes), bytes);
    close(in);
    close(out);
}

/* A copy of a store that is being written, without its log, or a killed writer's whose log was removed: no reader calls
 * it whole, nor does one after a writer has come and gone. With its log it is whole, and so it is at rest. */
static void test_a_log_that_is_missing(void **state)
{
    char live_file[128], copied[160];
    struct store *store;

    (void)state;
    memcpy(live_file, file, sizeof live_file);
    store = open_store(STORE_WRITE);
    test_fill(store, 1, 11, 2);
    pid_t child = fork(); /* our locks are not the child's */
    if (child == 0) {
        snprintf(copied, sizeof copied, "%s/copy.db", directory);
        copy(file, copied);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    store_close(store);
    assert_sound();
    leave_log(); /* 4 frames, with the log */
    assert_sound();
    assert_int_equal(unlink(beside("-wal")), 0);
    assert_int_equal(unlink(beside("-shm")), 0);
    for (int which = 0; which < 2; which++) {
        for (int turn = 0; turn < 3; turn++) {
            for (int reader = 0; reader < 2; reader++) { /* the first leaves an empty log */
                store = open_store(STORE_READ);
                assert_int_equal(logs_missing(store), 1);
                store_close(store);
            }
            store_close(open_store(STORE_WRITE)); /* it is counted once */
        }
        snprintf(file, sizeof file, "%s/copy.db", directory);
    }
    memcpy(file, live_file, sizeof file);
    assert_int_equal(files_like("-wal"), 0);
}

/* ---- the file goes away ---- */

enum away { REMOVED, RENAMED, REPLACED, LOG_REMOVED, INDEX_REMOVED, BOTH_REMOVED, WAYS };

static void put_away(enum away how)
{
    struct store *store;
    char aside[160];

    snprintf(aside, sizeof aside, "%s/aside.db", directory);
    switch (how) {
    case REMOVED:
        assert_int_equal(unlink(file), 0);
        break;
    case RENAMED:
        assert_int_equal(rename(file, aside), 0);
        break;
    case REPLACED:
        assert_int_equal(store_open(aside, STORE_WRITE, &store), STORE_OK);
        store_close(store);
        assert_int_equal(rename(aside, file), 0);
        unlink(beside("-wal"));
        unlink(beside("-shm"));
        break;
    default:
        if (how != INDEX_REMOVED)
            assert_int_equal(unlink(beside("-wal")), 0);
        if (how != LOG_REMOVED)
            assert_int_equal(unlink(beside("-shm")), 0);
        break;
    }
}

/* What is in the store that has the name now. */
static uint64_t spans_there(void)
{
    struct store *store = open_store(STORE_READ);
    struct store_totals totals;

    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    assert_int_equal(logs_missing(store), 0); /* what was in a log that went is in the file */
    store_close(store);
    return totals.spans;
}

static void test_nothing_goes_into_a_file_that_is_away(void **state)
{
    (void)state;
    for (int how = 0; how < WAYS; how++) {
        struct store *store = open_store(STORE_WRITE);
        bool kept = how >= LOG_REMOVED; /* only what SQLite keeps beside the file: nothing may be lost */
        struct span_process process;
        bool repeat;

        test_process(&process, 0);
        test_fill(store, 1, 1, 3);
        put_away((enum away)how); /* between two transactions */
        test_fill(store, 1, 4, 1);
        assert_int_equal(store_times_away(store), 1);
        assert_int_equal(spans_there(), (kept ? 4 : 1) * ROWS_PER_FRAME);
        /* And within one. */
        assert_int_equal(store_begin(store), STORE_OK);
        assert_int_equal(test_take(store, 0, 5, &repeat), STORE_OK);
        put_away((enum away)how);
        assert_int_equal(store_commit(store), STORE_MOVED);
        assert_int_equal(store_begin(store), STORE_OK);
        assert_int_equal(store_times_away(store), 2);
        assert_int_equal(store_take_process(store, &process), STORE_OK);
        assert_int_equal(test_take(store, 0, 5, &repeat), STORE_OK);
        assert_int_equal(store_commit(store), STORE_OK);
        assert_int_equal(spans_there(), (kept ? 5 : 1) * ROWS_PER_FRAME);
        store_close(store);
        assert_sound();
        test_remove(directory);
        assert_int_equal(mkdir(directory, 0700), 0);
    }
}

static void test_directory_removed_and_foreign_file(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct stat st;
    int fd;

    (void)state;
    test_fill(store, 1, 1, 1);
    test_remove(directory);
    assert_int_equal(store_begin(store), STORE_MISSING);
    assert_int_equal(store_begin(store), STORE_MISSING);
    assert_int_equal(mkdir(directory, 0700), 0);
    fd = open(file, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "somebody's notes", 16), 16);
    close(fd);
    assert_int_equal(store_begin(store), STORE_FOREIGN);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, 16);
    unlink(file);
    test_fill(store, 1, 2, 2);
    assert_int_equal(spans_there(), 2 * ROWS_PER_FRAME);
    store_close(store);
}

/* Nothing that is asked of a handle whose file is gone, and cannot be made anew, is told as something else. */
static void test_a_handle_without_a_file_says_so(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct store_loss loss;
    struct store_totals totals;
    int64_t newest;
    (void)state;
    test_remove(directory);
    assert_int_equal(store_begin(store), STORE_MISSING);
    for (int i = 0; i < 4; i++) {
        int status = i == 0   ? store_loss(store, 0, &loss)
                     : i == 1 ? store_newest_process(store, &newest)
                     : i == 2 ? store_totals(store, &totals)
                              : store_note_loss(store, STORE_LOSS_spool_damaged, 1, 0);
        assert_int_equal(status, STORE_MISSING);
        assert_non_null(strstr(store_why(), "directory"));
        assert_null(strstr(store_why(), "memory"));
    }
    store_close(store);
    assert_int_equal(mkdir(directory, 0700), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_killed_at_any_moment),
        TEST(test_read_while_somebody_lives),
        TEST(test_many_creators),
        TEST(test_through_links),
        TEST(test_read_without_write_permission),
        TEST(test_read_beside_a_writer_of_somebody_else),
        TEST(test_read_on_read_only_media),
        TEST(test_interrupted_change),
        TEST(test_log_of_a_removed_store),
        TEST(test_a_log_that_is_missing),
        TEST(test_nothing_goes_into_a_file_that_is_away),
        TEST(test_directory_removed_and_foreign_file),
        TEST(test_a_handle_without_a_file_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
