/*
 * Reading step by step: each span once though blocks are merged between any two steps, and a reader
 * that is held up by its output holds nothing in the store: the log behind it stays small.
 */
#include "store_tests.h"

#include <sqlite3.h>
#include <sys/ioctl.h>

/* ---- once ---- */

enum { PROCESSES = 3, FRAMES = 60, LATE_MAX = 400 };

struct moving {
    struct store *writer;
    uint64_t random, steps;
    uint64_t sent; /* frames of each process up to now */
    uint8_t times[PROCESSES][(FRAMES + LATE_MAX) * ROWS_PER_FRAME + 1];
};

/* Between two steps of the reader the store changes: frames come, blocks are merged. */
static int each_moving(void *context, const struct store_rows *rows)
{
    struct moving *moving = context;

    for (size_t i = 0; i < rows->n; i++)
        moving->times[rows->process[i]->pid][rows->column[SPAN_seq]->u64[i]]++;
    for (size_t i = 1; i < rows->n && rows->has[SPAN_ttft_ns]; i += 7) { /* what stands in a row is that row's */
        static struct span want;
        static struct span have;

        test_span(&want, (unsigned)rows->process[i]->pid, rows->column[SPAN_seq]->u64[i]);
        test_row(rows, i, &have);
        assert_spans_equal(&want, &have);
    }
    moving->steps++;
    if (random_next(&moving->random) % 3 == 0 && moving->sent < FRAMES + LATE_MAX) {
        test_fill(moving->writer, PROCESSES, moving->sent + 1, 1);
        moving->sent++;
    }
    if (random_next(&moving->random) % 11 == 0) {
        bool more;

        assert_int_equal(store_merge_step(moving->writer, &more), STORE_OK);
    }
    return 0;
}

static void test_each_once_while_blocks_are_merged(void **state)
{
    enum span_field all[SPAN_FIELD_COUNT];
    struct store_query query = {0, UINT64_MAX, all, SPAN_FIELD_COUNT};
    static struct moving moving;
    uint64_t steps = 0;

    (void)state;
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        all[f] = (enum span_field)f;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct store *reader;
        uint64_t damaged = 1;

        unlink(file);
        memset(&moving, 0, sizeof(moving));
        moving.writer = open_store(STORE_WRITE);
        moving.random = seed;
        moving.sent = FRAMES;
        test_fill(moving.writer, PROCESSES, 1, FRAMES);
        reader = open_store(STORE_READ);
        assert_int_equal(store_scan(reader, &query, each_moving, &moving, &damaged), 0);
        assert_int_equal(damaged, 0);
        steps += moving.steps;
        for (unsigned p = 0; p < PROCESSES; p++)
            for (uint64_t s = 1; s <= (FRAMES + LATE_MAX) * ROWS_PER_FRAME; s++)
                assert_in_range(moving.times[p][s], s <= FRAMES * ROWS_PER_FRAME, 1);
        test_holds(reader, PROCESSES, moving.sent);
        assert_int_equal(store_check(reader, test_fault, NULL), 0);
        store_close(reader);
        store_close(moving.writer);
    }
    assert_true(steps > 60); /* else merges came before there was anything between two steps */
}

/* ---- the log ---- */

static int64_t log_bytes(void)
{
    char name[160];
    struct stat st;

    snprintf(name, sizeof(name), "%s-wal", file);
    return stat(name, &st) == 0 ? st.st_size : 0;
}

/* Sixty megabytes of changes: as much as the log holds when a reader keeps it from beginning
 * anew. */
static void write_much(void)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(db, 10000), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_autocheckpoint=1000", 0, 0, 0), SQLITE_OK);
    for (int i = 0; i < 60; i++)
        assert_int_equal(sqlite3_exec(db, "INSERT OR REPLACE INTO meta VALUES('test', randomblob(1000000))", 0, 0, 0),
                         SQLITE_OK);
    sqlite3_close(db);
}

/* pprofctl, whose output comes through a pipe. */
struct reader {
    pid_t child;
    int out;
    char last[4096]; /* the end of what it wrote */
    size_t bytes;
};

static void reader_start(struct reader *reader, const char *command, const char *option)
{
    int out[2];

    memset(reader, 0, sizeof(*reader));
    assert_int_equal(pipe(out), 0);
    reader->child = fork();
    if (reader->child == 0) {
        dup2(out[1], 1);
        close(out[0]);
        execl(PPROFCTL, PPROFCTL, command, file, option, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    reader->out = out[0];
}

/* Nothing is read of its output until it cannot go on. */
static void reader_stall(const struct reader *reader)
{
    for (int i = 0, before = -1, now = 0; before != now || now < 32768; i++) { /* until the pipe is full */
        assert_true(i < 600);
        before = now;
        usleep(50000);
        assert_int_equal(ioctl(reader->out, FIONREAD, &now), 0);
    }
}

static void reader_end(struct reader *reader)
{
    char *last = reader->last;
    const size_t half = sizeof(reader->last) / 2;
    ssize_t got;
    int code;

    while ((got = read(reader->out, last + reader->bytes, sizeof(reader->last) - 1 - reader->bytes)) > 0) {
        reader->bytes += (size_t)got;
        if (reader->bytes > half) {
            memmove(last, last + reader->bytes - half, half);
            reader->bytes = half;
        }
    }
    last[reader->bytes] = '\0';
    close(reader->out);
    assert_int_equal(waitpid(reader->child, &code, 0), reader->child);
    assert_int_equal(code, 0);
}

/* Starts pprofctl and reads nothing of what it writes until the store has changed much. */
static void stall(const char *command, const char *option)
{
    struct reader reader;

    reader_start(&reader, command, option);
    reader_stall(&reader);
    write_much();
    print_message("log behind `pprofctl %s`: %lld bytes\n", command, (long long)log_bytes());
    assert_true(log_bytes() < 16 << 20);
    reader_end(&reader);
}

static void test_log_behind_a_stalled_reader(void **state)
{
    struct store *store = open_store(STORE_WRITE);

    (void)state;
    test_fill(store, 2, 1, 200);
    stall("export", NULL);
    stall("dump", NULL);
    stall("dump", "--raw");
    store_close(store);
}

/* The number before " spans in ", in the last line of `pprofctl dump`. */
static unsigned long long dumped(const struct reader *reader)
{
    const char *at = strstr(reader->last, " spans in ");

    assert_non_null(at);
    while (at > reader->last && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return strtoull(at, NULL, 10);
}

/* `dump` shows one moment of the store: each block once, though all are merged before its output is
 * read. */
static void test_dump_while_blocks_are_merged(void **state)
{
    static const char *const options[] = {NULL, "--raw"};
    uint64_t frames = 200;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct store *store;
        struct reader reader;
        bool more = true;

        unlink(file);
        store = open_store(STORE_WRITE);
        test_fill(store, PROCESSES, 1, frames);
        reader_start(&reader, "dump", options[i]);
        reader_stall(&reader);
        while (more)
            assert_int_equal(store_merge_step(store, &more), STORE_OK);
        reader_end(&reader);
        assert_int_equal(dumped(&reader), PROCESSES * frames * ROWS_PER_FRAME);
        store_close(store);
    }
}

/* The same for its sums, at any moment: whole transactions, never fewer than before it began. */
static void test_sums_while_blocks_are_merged(void **state)
{
    enum { ROUNDS = 6, AT_ONCE = 40 };
    struct store *store = open_store(STORE_WRITE);
    uint64_t frames = 0;

    (void)state;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct reader reader;
        uint64_t before = frames;
        bool more;

        reader_start(&reader, "dump", "--statistics");
        for (unsigned i = 0; i < 4; i++, frames += AT_ONCE) {
            test_fill(store, PROCESSES, frames + 1, AT_ONCE);
            assert_int_equal(store_merge_step(store, &more), STORE_OK);
        }
        reader_end(&reader);
        assert_int_equal(dumped(&reader) % (PROCESSES * AT_ONCE * ROWS_PER_FRAME), 0);
        assert_in_range(dumped(&reader), before * PROCESSES * ROWS_PER_FRAME, frames * PROCESSES * ROWS_PER_FRAME);
    }
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_once_while_blocks_are_merged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_behind_a_stalled_reader, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dump_while_blocks_are_merged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sums_while_blocks_are_merged, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
