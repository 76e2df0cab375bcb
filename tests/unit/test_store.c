/* The store: what goes in comes out, once; foreign files stay as they are; damage changes
 * nothing. */
#include "store_tests.h"

#include <errno.h>
#include <sqlite3.h>

#include "collector/store/store_inner.h"

static struct store *open_write(void)
{
    struct store *store = NULL;
    int status = store_open(file, STORE_WRITE, &store);

    if (status != STORE_OK)
        print_message("%s\n", store_why());
    assert_int_equal(status, STORE_OK);
    return store;
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *out = fopen(path, "wb");

    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, bytes, out), bytes);
    fclose(out);
}

static uint8_t *read_whole(const char *path, size_t *ret_bytes)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20);

    assert_non_null(in);
    *ret_bytes = fread(data, 1, 1 << 20, in);
    fclose(in);
    return data;
}

static void assert_refused(int want)
{
    size_t before_bytes;
    size_t after_bytes;
    uint8_t *before = read_whole(file, &before_bytes);
    uint8_t *after;
    struct store *store = NULL;

    assert_int_equal(store_open(file, STORE_WRITE, &store), want);
    assert_true(strlen(store_why()) > 10);
    assert_int_equal(store_open(file, STORE_READ, &store), want);
    assert_null(store);
    after = read_whole(file, &after_bytes);
    assert_int_equal(before_bytes, after_bytes);
    assert_memory_equal(before, after, before_bytes);
    free(before);
    free(after);
}

static void test_roundtrip(void **state)
{
    struct store *store = open_write();
    struct store_totals totals;
    struct store_loss loss;
    struct stat st;

    (void)state;
    test_fill(store, 4, 1, 20);
    test_holds(store, 4, 20);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, 4 * 20 * ROWS_PER_FRAME);
    assert_int_equal(totals.blocks, 80);
    assert_int_equal(totals.processes, 4);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.counted.spans, 4 * 20); /* cumulative: the last of each process */
    assert_int_equal(loss.open, 4);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(store_open(file, STORE_READ, &store), STORE_OK);
    test_holds(store, 4, 20);
    assert_int_equal(store_begin(store), STORE_DENIED);
    store_close(store);
}

static void test_repeats(void **state)
{
    /* In any order, with holes that are filled later: each once, and one range in the end. */
    static const uint64_t order[] = {5, 1, 2, 5, 9, 7, 8, 2, 3, 4, 6, 10, 1, 10};
    struct store *store = open_write();
    struct span_process process;
    unsigned repeats = 0;

    (void)state;
    test_process(&process, 0);
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        bool repeat = false;

        assert_int_equal(store_begin(store), STORE_OK);
        assert_int_equal(store_take_process(store, &process), STORE_OK);
        assert_int_equal(test_take(store, 0, order[i], &repeat), STORE_OK);
        assert_int_equal(store_commit(store), STORE_OK);
        repeats += repeat;
    }
    assert_int_equal(repeats, 4);
    test_holds(store, 1, 10);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
    assert_int_equal(query("SELECT count(*) FROM seen"), 1);
    assert_int_equal(query("SELECT last FROM seen"), 10);
    assert_int_equal(query("SELECT lost_spans FROM process"), 10);
}

static void test_rollback(void **state)
{
    struct store *store = open_write();
    bool repeat;

    (void)state;
    test_fill(store, 2, 1, 3);
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(test_take(store, 0, 4, &repeat), STORE_OK);
    store_rollback(store);
    test_holds(store, 2, 3);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    test_fill(store, 2, 4, 2);
    test_holds(store, 2, 5);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(test_take(store, 1, 6, &repeat), STORE_OK);
    store_close(store); /* takes the open transaction back */
    store = open_write();
    test_holds(store, 2, 5);
    store_close(store);
}

static void test_foreign(void **state)
{
    struct store *store = NULL;
    sqlite3 *db;
    char path[160];

    (void)state;
    assert_int_equal(store_open(file, STORE_READ, &store), STORE_MISSING);
    write_file(file, "not a database, but somebody's precious notes\n", 46);
    assert_refused(STORE_FOREIGN);
    unlink(file);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES(1)", 0, 0, 0),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_refused(STORE_FOREIGN);
    assert_int_equal(store_open(directory, STORE_WRITE, &store), STORE_FOREIGN);
    assert_int_equal(store_open("/dev/null", STORE_WRITE, &store), STORE_FOREIGN);
    snprintf(path, sizeof(path), "%s/none/pprof.db", directory);
    assert_int_equal(store_open(path, STORE_WRITE, &store), STORE_MISSING);
}

static void test_empty_file(void **state)
{
    struct store *store = NULL;

    (void)state;
    write_file(file, "", 0);
    assert_int_equal(store_open(file, STORE_READ, &store), STORE_FOREIGN);
    store = open_write();
    test_fill(store, 1, 1, 1);
    test_holds(store, 1, 1);
    store_close(store);
}

/* A store whose tables are others is told by its version, in words, before any of them is looked
 * for. */
static void test_other_versions(void **state)
{
    static const struct {
        const char *set, *word;
    } others[] = {{"PRAGMA user_version=1; DROP TABLE seen", "earlier"},
                  {"PRAGMA user_version=99; DROP TABLE process_row", "later"},
                  {"PRAGMA user_version=0", "earlier"}};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        sqlite3 *db;

        unlink(file);
        store_close(open_write());
        assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, others[i].set, 0, 0, 0), SQLITE_OK);
        sqlite3_close(db);
        assert_refused(STORE_OTHER_VERSION);
        assert_non_null(strstr(store_why(), others[i].word));
    }
}

static void test_read_while_writing(void **state)
{
    struct store *writer = open_write();
    struct store *reader = NULL;
    struct store *other;
    bool repeat;

    (void)state;
    test_fill(writer, 2, 1, 2);
    assert_int_equal(store_open(file, STORE_READ, &reader), STORE_OK);
    assert_int_equal(store_begin(writer), STORE_OK);
    assert_int_equal(test_take(writer, 0, 3, &repeat), STORE_OK);
    assert_int_equal(test_take(writer, 1, 3, &repeat), STORE_OK);
    test_holds(reader, 2, 2); /* what is not committed is not there */
    assert_int_equal(store_commit(writer), STORE_OK);
    test_holds(reader, 2, 3);
    /* A second writer in turn with the first: what each has in memory is renewed. */
    other = open_write();
    test_fill(other, 2, 4, 1);
    test_fill(writer, 2, 5, 1);
    test_fill(other, 2, 6, 1);
    test_holds(reader, 2, 6);
    assert_int_equal(store_check(reader, test_fault, NULL), 0);
    store_close(other);
    store_close(writer);
    store_close(reader);
}

/* Damaged payloads: the transaction goes on as if they had not come. */
static void test_damage(void **state)
{
    struct store *store = open_write();
    struct span_buffer bytes;
    uint64_t random = 7;
    bool repeat;

    (void)state;
    test_fill(store, 1, 1, 2);
    span_buffer_init(&bytes, SPAN_FRAME_PAYLOAD_MAX);
    test_frame(&bytes, 9, 1);
    for (int i = 0; i < 400; i++) {
        struct span_frame frame;
        uint8_t *payload;
        int status;

        assert_true(span_frame_read(&frame, bytes.data, bytes.bytes) > 0);
        payload = malloc(frame.payload_bytes);
        memcpy(payload, frame.payload, frame.payload_bytes);
        for (int k = 0; k < 3; k++)
            payload[random_next(&random) % frame.payload_bytes] = (uint8_t)random_next(&random);
        frame.payload = payload;
        if (i % 2)
            frame.payload_bytes = random_next(&random) % frame.payload_bytes;
        assert_int_equal(store_begin(store), STORE_OK);
        assert_int_equal(test_take(store, 0, (uint64_t)i + 3, &repeat), STORE_OK);
        status = store_take_frame(store, &frame, &repeat);
        if (status == STORE_DAMAGED || status == STORE_OTHER_VERSION) {
            assert_int_equal(store_commit(store), STORE_OK);
        } else {
            /* The change hit a column that is not looked at now, or only a value. */
            assert_int_equal(status, STORE_OK);
            store_rollback(store);
            assert_int_equal(store_begin(store), STORE_OK);
            assert_int_equal(test_take(store, 0, (uint64_t)i + 3, &repeat), STORE_OK);
            assert_int_equal(store_commit(store), STORE_OK);
        }
        free(payload);
    }
    span_buffer_done(&bytes);
    test_holds(store, 1, 402);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
    assert_int_equal(query("SELECT count(*) FROM process"), 1);
}

/* Names that SQLite would take for something else are names of files. */
static void test_any_name_is_a_files(void **state)
{
    static const char *const names[] = {":memory:", ":", "file:x.db", "file:y.db?mode=memory", "file", "f:z"};
    const int before = open(".", O_RDONLY | O_DIRECTORY);
    (void)state;
    assert_int_equal(chdir(directory), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct store *store;
        char path[64];
        snprintf(path, sizeof(path), "./%s", names[i]);
        assert_int_equal(store_open(names[i], STORE_WRITE, &store), STORE_OK);
        test_fill(store, 1, 1, 1);
        store_close(store);
        assert_int_equal(access(path, F_OK), 0);
        assert_int_equal(store_open(path, STORE_READ, &store), STORE_OK);
        test_holds(store, 1, 1);
        store_close(store);
    }
    assert_int_equal(fchdir(before), 0);
    (void)close(before);
}

static void expect_why(int code, int error, const char *want)
{
    assert_true(store_code("reading failed", code, error) < 0);
    if (strstr(store_why(), want) == NULL)
        fail_msg("code %d, errno %d: %s, not %s", code, error, store_why(), want);
}

/* What the system said is told where SQLite could not open or read for that; else what SQLite said,
 * whatever the system said last. */
static void test_why(void **state)
{
    (void)state;
    expect_why(SQLITE_CANTOPEN, EACCES, "permission denied");
    expect_why(SQLITE_IOERR_READ, EIO, strerror(EIO));
    expect_why(SQLITE_CANTOPEN, 0, sqlite3_errstr(SQLITE_CANTOPEN));
    expect_why(SQLITE_IOERR, 0, sqlite3_errstr(SQLITE_IOERR));
    expect_why(SQLITE_CORRUPT, EACCES, sqlite3_errstr(SQLITE_CORRUPT));
    expect_why(SQLITE_ERROR, ENOENT, sqlite3_errstr(SQLITE_ERROR));
    expect_why(SQLITE_FULL, 0, "its disk is full");
    expect_why(SQLITE_NOMEM, 0, "no memory");
    expect_why(SQLITE_IOERR_NOMEM, EIO, "no memory");
    assert_int_equal(store_code("x", SQLITE_BUSY, 0), STORE_BUSY);
    assert_int_equal(store_code("x", SQLITE_LOCKED, EACCES), STORE_BUSY);
    assert_non_null(strstr(store_why(), "another process has kept it locked"));
}

/* A loss is dated by the moment in which it was last noted. */
static void test_losses_are_dated(void **state)
{
    struct store *store = open_write();
    struct timespec now;
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        (void)clock_gettime(CLOCK_REALTIME, &now);
        const int64_t before = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
        assert_int_equal(store_note_loss(store, STORE_LOSS_spool_damaged, 1, 0), STORE_OK);
        (void)clock_gettime(CLOCK_REALTIME, &now);
        const int64_t noted = query("SELECT last_ns FROM loss");
        assert_true(noted >= before && noted <= (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    }
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_roundtrip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rollback, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_while_writing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any_name_is_a_files, setup, teardown),
        cmocka_unit_test(test_why),
        cmocka_unit_test_setup_teardown(test_losses_are_dated, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
