/*
 * Several writers on one store, which open, write, merge and close it as they please: none is
 * refused, none is told that the file went away, and what each committed is there once.
 */
#include "store_tests.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/file.h>

enum { WRITERS = 3, FRAMES = 40, SEEDS = 3 };

/* In a writer's process: a status that is none of a sound store ends it. */
static void must(int status, const char *doing, unsigned writer, uint64_t frame)
{
    if (status == STORE_OK)
        return;
    print_message("writer %u, frame %llu, %s: %d: %s\n", writer, (unsigned long long)frame, doing, status, store_why());
    _exit(1);
}

static void write_all(unsigned writer, uint64_t seed)
{
    struct store *store = NULL;
    struct span_process process;
    uint64_t random = seed * 1000 + writer + 1;

    test_process(&process, writer);
    for (uint64_t s = 1; s <= FRAMES; s++) {
        bool repeat = true, more;

        if (store == NULL)
            must(store_open(file, STORE_WRITE, &store), "opening", writer, s);
        must(store_begin(store), "beginning", writer, s);
        must(store_take_process(store, &process), "its process", writer, s);
        must(test_take(store, writer, s, &repeat), "taking", writer, s);
        must(store_commit(store), "committing", writer, s);
        if (repeat || store_times_away(store) != 0) {
            print_message("writer %u, frame %llu: repeat %d, away %llu times\n", writer, (unsigned long long)s, repeat,
                          (unsigned long long)store_times_away(store));
            _exit(1);
        }
        if (random_next(&random) % 8 == 0)
            must(store_merge_step(store, &more), "merging", writer, s);
        if (random_next(&random) % 3 == 0) {
            store_close(store);
            store = NULL;
        }
    }
    store_close(store);
    _exit(0);
}

static void test_none_is_refused(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        pid_t child[WRITERS];
        struct store *store = NULL;

        unlink(file);
        for (unsigned w = 0; w < WRITERS; w++) {
            child[w] = fork();
            if (child[w] == 0)
                write_all(w, seed);
        }
        for (unsigned w = 0; w < WRITERS; w++) {
            int code = 1;

            assert_int_equal(waitpid(child[w], &code, 0), child[w]);
            assert_int_equal(code, 0);
        }
        assert_int_equal(store_open(file, STORE_READ, &store), STORE_OK);
        test_holds(store, WRITERS, FRAMES);
        assert_int_equal(store_check(store, test_fault, NULL), 0);
        store_close(store);
    }
}

/* In a child until it is killed: SQLite's lock is let go for a moment only, again and again. */
static void hold_on_and_on(int say)
{
    struct store *store = NULL;

    must(store_open(file, STORE_WRITE, &store), "opening", 0, 0);
    for (bool said = false;; said = true) {
        must(store_begin(store), "beginning", 0, 0);
        if (!said && write(say, "x", 1) != 1)
            _exit(1);
        usleep(120000);
        must(store_commit(store), "committing", 0, 0);
    }
}

static void test_none_is_kept_out(void **state)
{
    struct store *store = NULL;
    int said[2], code;
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_int_equal(pipe(said), 0);
    child = fork();
    if (child == 0)
        hold_on_and_on(said[1]);
    assert_int_equal(read(said[0], &byte, 1), 1);
    for (uint64_t i = 0; i < 8; i++)
        test_fill(store, 1, i + 1, 1);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFSIGNALED(code)); /* else it was kept out */
    close(said[0]);
    close(said[1]);
    test_holds(store, 1, 8);
    store_close(store);
}

/* While naps are counted, each takes no time, and after so many, more than any number of tries that
 * is enough for what passes by itself, the one who has the lock is asked to give it back. */
enum { NAPS = 50 };
static int naps = -1, asks, answers;

int __real_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    char byte = 'x';

    if (naps < 0)
        return __real_nanosleep(time, left);
    if (++naps == NAPS) {
        assert_int_equal(write(asks, &byte, 1), 1);
        assert_int_equal(read(answers, &byte, 1), 1);
    }
    return 0;
}

/* Somebody has the store at rest locked while it is opened: SQLite itself does not wait to change
 * it to a log. */
static void test_opening_waits(void **state)
{
    struct store *store = NULL;
    int said[2], asked[2], code;
    char byte;
    pid_t child;

    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    store_close(store);
    assert_true(pipe(said) == 0 && pipe(asked) == 0);
    child = fork();
    if (child == 0) {
        sqlite3 *db;

        if (sqlite3_open(file, &db) != SQLITE_OK || sqlite3_exec(db, "BEGIN IMMEDIATE", 0, 0, 0) != SQLITE_OK ||
            write(said[1], "x", 1) != 1 || read(asked[0], &byte, 1) != 1)
            _exit(1);
        code = sqlite3_exec(db, "ROLLBACK", 0, 0, 0) != SQLITE_OK || sqlite3_close(db) != SQLITE_OK;
        _exit(write(said[1], "x", 1) != 1 || code);
    }
    assert_int_equal(read(said[0], &byte, 1), 1);
    asks = asked[1];
    answers = said[0];
    naps = 0;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_int_equal(naps, NAPS);
    naps = -1;
    test_fill(store, 1, 1, 1);
    store_close(store);
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_int_equal(code, 0);
    for (int end = 0; end < 2; end++) {
        close(said[end]);
        close(asked[end]);
    }
}

/* A clock that makes a step whenever it is looked at, and what SQLite is told to wait. */
static bool stepping;
static uint64_t clock_ms, waits_ms[4];
static unsigned n_waits;
enum { STEP_MS = 700, BUSY_MS = 10000 };

uint64_t __real_store_now_ms(void);
uint64_t __wrap_store_now_ms(void);
uint64_t __wrap_store_now_ms(void)
{
    return stepping ? clock_ms += STEP_MS : __real_store_now_ms();
}

int __real_sqlite3_busy_timeout(sqlite3 *db, int ms);
int __wrap_sqlite3_busy_timeout(sqlite3 *db, int ms);
int __wrap_sqlite3_busy_timeout(sqlite3 *db, int ms)
{
    if (stepping && n_waits < 4)
        waits_ms[n_waits++] = (uint64_t)ms;
    return __real_sqlite3_busy_timeout(db, stepping && ms > 0 ? 1 : ms);
}

/* The queue's time and SQLite's are together what is said: 10 s, however it is divided. */
static void test_waiting_is_as_long_as_is_said(void **state)
{
    struct store *store = NULL;
    sqlite3 *db = NULL;
    char log[160];

    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", 0, 0, 0), SQLITE_OK);
    snprintf(log, sizeof(log), "%s-wal", file);
    int queue = open(log, O_RDONLY);
    for (int queued = 0; queued < 2; queued++) {
        if (queued)
            assert_int_equal(flock(queue, LOCK_EX), 0);
        n_waits = 0;
        const uint64_t begun_ms = clock_ms + STEP_MS; /* as the first look says */
        stepping = true;
        assert_int_equal(store_begin(store), STORE_BUSY);
        stepping = false;
        assert_int_equal(n_waits, 2);
        assert_int_equal(clock_ms - begun_ms + waits_ms[0], queued ? clock_ms - begun_ms : BUSY_MS);
        assert_true(clock_ms - begun_ms < BUSY_MS + 2 * STEP_MS);
        assert_int_equal(waits_ms[1], BUSY_MS); /* for all that comes later */
        assert_non_null(strstr(store_why(), "for 10 s"));
    }
    close(queue);
    sqlite3_close(db);
    test_fill(store, 1, 1, 1);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opening_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none_is_kept_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiting_is_as_long_as_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
