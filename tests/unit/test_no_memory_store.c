/*
 * Each allocation of the collector's side fails: making and opening a store, taking frames in,
 * merging, checking, reading, what is said of losses, taking in a spool file and a journal; ours
 * and the columns that SQLite gives by each path of calls, of SQLite's own some
 * ($LIBPPROF_ALLOCATIONS=all: each). Nothing is read that is not there, nothing leaks, what failed
 * says so, no memory is never damage, and the store holds afterwards, sound, what was committed.
 */
#include "collector_tests.h"
#include "failing.h"

#include <sqlite3.h>

#include "collector/listen/listen.h"
#include "span/journal.h"

enum { FRAMES = 3 };

static char directory[64];
static char file[128];
static enum { OURS, SQLITES, COLUMNS } fails; /* what */
static bool column_failed;
static struct span_buffer frames[FRAMES + 1];

/* SQLite's own allocator, in front of which its failures are made. */
static sqlite3_mem_methods behind;

static void *sqlite_malloc(int bytes)
{
    return fails == SQLITES && fails_now() ? NULL : behind.xMalloc(bytes);
}

static void *sqlite_realloc(void *memory, int bytes)
{
    return fails == SQLITES && fails_now() ? NULL : behind.xRealloc(memory, bytes);
}

/* A column for which there is no memory is NULL, and SQLite's code says why, until it is called
 * again. */
const void *__real_sqlite3_column_blob(sqlite3_stmt *row, int column);
const unsigned char *__real_sqlite3_column_text(sqlite3_stmt *row, int column);
int __real_sqlite3_step(sqlite3_stmt *statement);
int __real_sqlite3_errcode(sqlite3 *db);
int __real_sqlite3_extended_errcode(sqlite3 *db);
const void *__wrap_sqlite3_column_blob(sqlite3_stmt *row, int column);
const unsigned char *__wrap_sqlite3_column_text(sqlite3_stmt *row, int column);
int __wrap_sqlite3_step(sqlite3_stmt *statement);
int __wrap_sqlite3_errcode(sqlite3 *db);
int __wrap_sqlite3_extended_errcode(sqlite3 *db);

const void *__wrap_sqlite3_column_blob(sqlite3_stmt *row, int column)
{
    column_failed = fails == COLUMNS && fails_now();
    return column_failed ? NULL : __real_sqlite3_column_blob(row, column);
}

const unsigned char *__wrap_sqlite3_column_text(sqlite3_stmt *row, int column)
{
    column_failed = fails == COLUMNS && fails_now();
    return column_failed ? NULL : __real_sqlite3_column_text(row, column);
}

int __wrap_sqlite3_step(sqlite3_stmt *statement)
{
    column_failed = false;
    return __real_sqlite3_step(statement);
}

int __wrap_sqlite3_errcode(sqlite3 *db)
{
    return column_failed ? SQLITE_NOMEM : __real_sqlite3_errcode(db);
}

int __wrap_sqlite3_extended_errcode(sqlite3 *db)
{
    return column_failed ? SQLITE_NOMEM : __real_sqlite3_extended_errcode(db);
}

static int make_frames(void **state)
{
    sqlite3_mem_methods methods;
    (void)state;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &behind), SQLITE_OK);
    methods = behind;
    methods.xMalloc = sqlite_malloc;
    methods.xRealloc = sqlite_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
    for (uint64_t i = 0; i <= FRAMES; i++) {
        span_buffer_init(&frames[i], SPAN_FRAME_PAYLOAD_MAX);
        if (i > 0)
            test_frame(&frames[i], 0, i);
    }
    strcpy(directory, "/dev/shm/pprof-test-XXXXXX"); /* thousands of stores: not on a disk, if that can be had */
    if (mkdtemp(directory) == NULL)
        test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    return 0;
}

static int free_frames(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= FRAMES; i++)
        span_buffer_done(&frames[i]);
    test_remove(directory);
    return 0;
}

static void empty(void)
{
    static const char *const names[] = {"", "-wal", "-shm"};
    char path[160];
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s%s", file, names[i]);
        (void)unlink(path);
    }
}

static void count_fault(void *context, const char *sentence)
{
    assert_non_null(sentence);
    ++*(long *)context;
}

static int each_row(void *context, const struct store_rows *rows)
{
    *(uint64_t *)context += rows->n;
    return 0;
}

/* Takes all frames in; whether they were committed. */
static bool take_in(struct store *store)
{
    int status = test_take_in(store, frames + 1, FRAMES);
    if (status == STORE_OK)
        status = store_note_loss(store, STORE_LOSS_spool_damaged, 1, 0);
    if (status != STORE_OK) {
        store_rollback(store);
        return false;
    }
    return store_commit(store) == STORE_OK;
}

/* Everything that reads. What is said without an error is right. */
static void read_all(struct store *store)
{
    enum span_field all[SPAN_FIELD_COUNT];
    const struct store_query query = {0, UINT64_MAX, all, SPAN_FIELD_COUNT};
    struct store_totals totals;
    struct store_loss loss;
    uint64_t rows = 0, damaged = 0;
    long said = 0;
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        all[f] = (enum span_field)f;
    if (store_scan(store, &query, each_row, &rows, &damaged) == 0) {
        assert_int_equal(damaged, 0); /* no memory is no damage */
        assert_int_equal(rows, FRAMES * ROWS_PER_FRAME);
    }
    if (store_totals(store, &totals) == STORE_OK)
        assert_int_equal(totals.spans, FRAMES * ROWS_PER_FRAME);
    if (store_loss(store, 0, &loss) == STORE_OK)
        assert_true(loss.counted.spans == FRAMES && loss.events[STORE_LOSS_spool_damaged] == 1);
    assert_true(store_check(store, count_fault, &said) <= 0 && said == 0); /* nothing is found where nothing is */
}

static void holds_afterwards(bool committed)
{
    struct store *store = NULL;
    struct store_totals totals;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, committed ? FRAMES * ROWS_PER_FRAME : 0);
    store_close(store);
}

/* A new store, frames, their merge, everything that reads. */
static void live(void *context, long at, bool more)
{
    struct store *store = NULL;
    bool committed = false, merging = true;
    (void)context;
    empty();
    failing_begin(at, more);
    if (store_open(file, STORE_WRITE, &store) == STORE_OK) {
        committed = take_in(store);
        if (committed)
            read_all(store);
        while (committed && merging && store_merge_step(store, &merging) == STORE_OK)
            continue;
        if (committed)
            read_all(store);
    }
    store_close(store);
    failing_end();
    holds_afterwards(committed);
    assert_int_equal(sqlite3_memory_used(), 0);
}

/* How far apart the failures are, and those that last: primes, of different runs of a loop. Of ours
 * and of columns, each path of calls. */
static void each_of(int what, void (*run)(void *context, long at, bool more), void *context, long least)
{
    static const struct {
        bool paths;
        long stride, stride_more;
    } how[] = {[OURS] = {true, 0, 7}, [SQLITES] = {false, 97, 679}, [COLUMNS] = {true, 0, 21}};
    const char *all = getenv("LIBPPROF_ALLOCATIONS");
    long runs = 0;
    fails = what;
    if (all != NULL && strcmp(all, "all") == 0) {
        runs = each_allocation(run, context, 1);
    } else {
        if (how[what].paths)
            runs += each_path_of(run, context);
        runs += each_allocation_of(run, context, how[what].stride, how[what].stride_more);
    }
    print_message("%ld runs with failures\n", runs);
    fails = OURS;
    nothing_leaked();
    assert_true(runs >= least);
}

static void test_every_allocation_of_ours(void **state)
{
    (void)state;
    each_of(OURS, live, NULL, 100);
}

static void test_allocations_of_sqlite(void **state)
{
    (void)state;
    each_of(SQLITES, live, NULL, 10);
}

static void test_every_column(void **state)
{
    (void)state;
    each_of(COLUMNS, live, NULL, 50);
}

/* ---- a store with faults of every kind ---- */

static long faults;

static void check_with_failure(void *context, long at, bool more)
{
    struct store *store = NULL;
    long said = 0, found = -1;
    (void)context;
    failing_begin(at, more);
    if (store_open(file, STORE_READ, &store) == STORE_OK)
        found = store_check(store, count_fault, &said);
    store_close(store);
    failing_end();
    /* All of them, or that it could not look. */
    assert_true(found < 0 || found == faults);
    assert_true(said <= faults);
}

static void test_a_damaged_store(void **state)
{
    struct store *store = NULL;
    sqlite3 *db = NULL;
    long said = 0;
    (void)state;
    empty();
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_true(take_in(store));
    store_close(store);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "UPDATE block SET raw=zeroblob(50) WHERE id=1; UPDATE block SET t_max=t_max+1 WHERE id=2;"
                     "UPDATE rollup_cell SET calls=calls+1; INSERT INTO seen VALUES(1,2,2);"
                     "INSERT INTO col VALUES(99,1,'x'); UPDATE process_row SET lost_spans=-1;"
                     "UPDATE loss SET events=-1; DROP INDEX block_time; CREATE INDEX block_time ON block(t_min)",
                     NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(file, STORE_READ, &store), STORE_OK);
    faults = store_check(store, count_fault, &said);
    store_close(store);
    print_message("%ld faults\n", faults);
    assert_true(faults >= 6 && said == faults);
    each_of(OURS, check_with_failure, NULL, 20);
    each_of(SQLITES, check_with_failure, NULL, 5);
    each_of(COLUMNS, check_with_failure, NULL, 5);
}

/* ---- what programs left: a spool file of process 1, a journal of process 2 with a frame, a span,
 * and a call in flight ---- */

enum { LEFT_SPANS = 3 * ROWS_PER_FRAME + 2 };

static char left[160];

static void write_left(const char *name, const void *data, size_t bytes)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", left, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, data, bytes), bytes);
    close(fd);
}

static void leave_spool_file(void)
{
    struct span_buffer out;
    span_buffer_init(&out, 4 * SPAN_FRAME_PAYLOAD_MAX);
    test_greeting(&out, 1);
    test_frame(&out, 1, 1);
    test_frame(&out, 1, 2);
    write_left("one.frames", out.data, out.bytes);
    span_buffer_done(&out);
}

static void seal_span(uint8_t *entry, uint64_t a, uint64_t b, uint64_t seq)
{
    struct span span;
    test_span(&span, 2, seq);
    const size_t bytes = span_record_write(entry + SPAN_JOURNAL_ENTRY_HEAD, SPAN_JOURNAL_RECORD_MAX, &span, NULL);
    span_journal_entry_seal(entry, a, b, bytes);
}

static void leave_journal(void)
{
    static uint8_t journal[SPAN_JOURNAL_BYTES];
    struct span_journal_head head = {0};
    struct span_process process;
    struct span_buffer greeting, frame;
    memset(journal, 0, sizeof(journal));
    test_process(&process, 2);
    memcpy(head.identity, process.identity, sizeof(head.identity));
    span_buffer_init(&greeting, SPAN_JOURNAL_GREETING_BYTES);
    span_buffer_init(&frame, SPAN_JOURNAL_RING_BYTES);
    test_greeting(&greeting, 2);
    test_frame(&frame, 2, 1);
    assert_int_equal(span_journal_head_write(journal, &head, greeting.data, greeting.bytes), 0);
    span_journal_pending_write(journal + SPAN_JOURNAL_AT_PENDING, 2, ROWS_PER_FRAME);
    seal_span(journal + SPAN_JOURNAL_AT_PENDING + SPAN_JOURNAL_PENDING_HEAD, 7, 2, ROWS_PER_FRAME + 1);
    memcpy(journal + SPAN_JOURNAL_AT_RING, frame.data, frame.bytes);
    seal_span(journal + SPAN_JOURNAL_AT_FLIGHTS, 8, 1, 0);
    write_left("two.live", journal, sizeof(journal));
    span_buffer_done(&greeting);
    span_buffer_done(&frame);
}

/* 0, or a negative status. */
static long take_what_was_left(struct store *store)
{
    const struct listen_config config = {.spool_dir = left, .store = store};
    struct listener *listener = NULL;
    if (listen_open(&config, &listener) != 0)
        return -1;
    const long files = listen_spool(listener);
    const int closed = listen_close(listener);
    return files < 0 ? files : closed;
}

static void left_with_failure(void *context, long at, bool more)
{
    struct store *store = NULL;
    struct store_totals totals;
    struct store_loss loss;
    (void)context;
    empty();
    assert_int_equal(mkdir(left, 0700), 0);
    leave_spool_file();
    leave_journal();
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    failing_begin(at, more);
    const long status = take_what_was_left(store);
    failing_end();
    DIR *rest = opendir(left);
    for (struct dirent *entry; rest != NULL && (entry = readdir(rest)) != NULL;) {
        assert_null(strstr(entry->d_name, "damaged"));
        assert_true(status != 0 || entry->d_name[0] == '.'); /* what was not taken was said */
    }
    closedir(rest);
    const long later = take_what_was_left(store);
    if (later != 0)
        print_message("allocation %ld failed, and later: %s\n", at, listen_why());
    assert_int_equal(later, 0); /* with memory */
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, LEFT_SPANS);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_true(loss.counted.spans == 2 + 1 && loss.frames == 0);
    for (int kind = 0; kind < STORE_LOSS_COUNT; kind++)
        assert_int_equal(loss.events[kind], 0);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
    test_remove(left);
}

static void test_what_programs_left(void **state)
{
    (void)state;
    snprintf(left, sizeof(left), "%s/left", directory);
    each_of(OURS, left_with_failure, NULL, 100);
    each_of(SQLITES, left_with_failure, NULL, 5);
    each_of(COLUMNS, left_with_failure, NULL, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_programs_left),
        cmocka_unit_test(test_a_damaged_store),
        cmocka_unit_test(test_every_allocation_of_ours),
        cmocka_unit_test(test_allocations_of_sqlite),
        cmocka_unit_test(test_every_column),
    };
    return cmocka_run_group_tests(tests, make_frames, free_frames);
}
