/*
 * A sound store is never refused and never called damaged: whoever was killed while making,
 * opening, writing, merging or closing it, whoever writes to it now, and wherever it lies (no write
 * permission, read-only media, a log without its index). And what was put into a file that went
 * away is never called stored.
 */
#include "store_file.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>

/* ---- kills ---- */

static void failed(const char *what)
{
    print_message("%s: %s\n", what, store_why());
    _exit(1);
}

/* Opens (or makes) the store, writes, merges and closes, again and again; in a child, until it is
 * killed. */
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
    snprintf(real, sizeof(real), "%s/real.db", directory);
    assert_int_equal(symlink("real.db", beside("1")), 0);
    assert_int_equal(symlink("pprof.db1", file), 0);
    store_close(open_store(STORE_WRITE));
    assert_int_equal(lstat(real, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_sound();
}

/* ---- where nothing may be written ---- */

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

/* A change of SQLite's own that was interrupted: whoever may write undoes it, others are told
 * so. */
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

/* ---- the file goes away ---- */

enum away { REMOVED, RENAMED, REPLACED, LOG_REMOVED, INDEX_REMOVED, BOTH_REMOVED, WAYS };

static void put_away(enum away how)
{
    struct store *store;
    char aside[160];

    snprintf(aside, sizeof(aside), "%s/aside.db", directory);
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

/* Nothing that is asked of a handle whose file is gone, and cannot be made anew, is told as
 * something else. */
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
        TEST(test_nothing_goes_into_a_file_that_is_away),
        TEST(test_directory_removed_and_foreign_file),
        TEST(test_a_handle_without_a_file_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
