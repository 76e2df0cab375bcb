/* Merging changes where rows lie and nothing else, also when it is killed in the middle. */
#include "store_tests.h"

#include <signal.h>
#include <sqlite3.h>

#include "collector/store/store_inner.h"

enum { PROCESSES = 5, FRAMES = 200 };

static void merge_all(struct store *store)
{
    bool more = true;
    int steps = 0;

    while (more) {
        assert_int_equal(store_merge_step(store, &more), STORE_OK);
        assert_true(++steps < 1000);
    }
}

static void test_same_rows(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct store_totals before;
    struct store_totals after;

    (void)state;
    test_fill(store, PROCESSES, 1, FRAMES);
    assert_int_equal(store_totals(store, &before), STORE_OK);
    merge_all(store);
    assert_int_equal(store_totals(store, &after), STORE_OK);
    assert_int_equal(after.spans, before.spans);
    assert_int_equal(after.first_ns, before.first_ns);
    assert_int_equal(after.last_ns, before.last_ns);
    assert_true(after.blocks <= 2); /* the spans lie in one hour or two */
    test_holds(store, PROCESSES, FRAMES);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    /* Late arrivals join the merged block; what was seen stays seen. */
    test_fill(store, PROCESSES, FRAMES + 1, 3);
    merge_all(store);
    test_holds(store, PROCESSES, FRAMES + 3);
    assert_int_equal(store_begin(store), STORE_OK);
    for (uint64_t s = 1; s <= FRAMES + 3; s += 7) {
        bool repeat = false;

        assert_int_equal(test_take(store, 2, s, &repeat), STORE_OK);
        assert_true(repeat);
    }
    assert_int_equal(store_commit(store), STORE_OK);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    assert_int_equal(store_totals(store, &after), STORE_OK);
    assert_true(after.blocks <= 2);
    store_close(store);
    store = open_store(STORE_READ);
    test_holds(store, PROCESSES, FRAMES + 3);
    store_close(store);
}

static int count_rows(void *context, const struct store_rows *rows)
{
    *(uint64_t *)context += rows->n;
    return 0;
}

/* A block with a column that cannot be read, or of a later version, stays as it came and does not
 * stop the others. */
static void test_kept(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct store_totals totals;
    struct store_query query = {0, UINT64_MAX, (const enum span_field[]){SPAN_response_id}, 1};
    uint64_t rows = 0;
    sqlite3 *db;

    (void)state;
    test_fill(store, 1, 1, 20);
    store_close(store);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    /* The last bytes of a block belong to its last column. */
    assert_int_equal(
        sqlite3_exec(db,
                     "UPDATE block SET raw=CAST(substr(raw,1,length(raw)-3)||x'ffffff' AS BLOB) WHERE id=3;"
                     "UPDATE block SET raw=CAST(raw||x'fb0101' AS BLOB) WHERE id=5",
                     0, 0, 0),
        SQLITE_OK);
    sqlite3_close(db);
    store = open_store(STORE_WRITE);
    merge_all(store);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, 20 * ROWS_PER_FRAME);
    assert_in_range(totals.blocks, 2, 4);
    assert_int_equal(store_scan(store, &query, count_rows, &rows, NULL), 0);
    assert_int_equal(rows, 20 * ROWS_PER_FRAME); /* the damage is in another column */
    store_close(store);
}

/* A child merges and is killed at a moment that walks through the whole merge. */
static void test_killed(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++) {
        struct store *store = open_store(STORE_WRITE);
        pid_t child;

        test_fill(store, 2, (uint64_t)round * 20 + 1, 20);
        store_close(store);
        child = fork();
        if (child == 0) {
            bool more = true;

            store = open_store(STORE_WRITE);
            while (more && store_merge_step(store, &more) == STORE_OK)
                ;
            _exit(0);
        }
        usleep((useconds_t)(round * 4000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        store = open_store(STORE_READ);
        test_holds(store, 2, (uint64_t)(round + 1) * 20);
        assert_int_equal(store_check(store, test_fault, NULL), 0);
        store_close(store);
    }
    struct store *store = open_store(STORE_WRITE);
    merge_all(store);
    test_holds(store, 2, 240);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

/* ---- ids of responses go with time ---- */

struct ids {
    uint64_t rows, ids, models;
};

static int count_ids(void *context, const struct store_rows *rows)
{
    struct ids *ids = context;
    for (size_t i = 0; i < rows->n; i++) {
        ids->rows++;
        ids->ids += rows->has[SPAN_response_id] && span_bit(rows->column[SPAN_response_id]->present, i);
        ids->models += rows->has[SPAN_request_model] && span_bit(rows->column[SPAN_request_model]->present, i);
    }
    return 0;
}

static void expect_ids(struct store *store, uint64_t rows, uint64_t with_ids)
{
    static const enum span_field fields[] = {SPAN_response_id, SPAN_request_model};
    const struct store_query all = {.until_ns = UINT64_MAX, .fields = fields, .n_fields = 2};
    struct ids ids = {0};
    assert_int_equal(store_scan(store, &all, count_ids, &ids, NULL), 0);
    assert_int_equal(ids.rows, rows);
    assert_int_equal(ids.models, rows);
    assert_int_equal(ids.ids, with_ids);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

static void merge_until_done(struct store *store)
{
    bool more = true;
    while (more)
        assert_int_equal(store_merge_step(store, &more), STORE_OK);
}

/* They stay for thirty days after the merge; what comes later to the same hour does not make them
 * stay longer. */
static void test_ids_go(void **state)
{
    struct store *store = NULL;
    char sql[256];
    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    test_fill(store, 1, 1, 3);
    merge_until_done(store);
    expect_ids(store, 3 * ROWS_PER_FRAME, 3 * ROWS_PER_FRAME);
    for (int days = 29; days <= 31; days += 2) {
        (void)snprintf(sql, sizeof(sql), "UPDATE block SET ids_until=unixepoch()+86400*(30-%d)", days);
        assert_int_equal(sqlite3_exec(store_sqlite(store), sql, NULL, NULL, NULL), SQLITE_OK);
        if (days == 29)
            test_fill(store, 1, 4, 1);
        merge_until_done(store);
        expect_ids(store, 4 * ROWS_PER_FRAME, days == 29 ? 4 * ROWS_PER_FRAME : 0);
    }
    test_fill(store, 1, 5, 1);
    merge_until_done(store);
    expect_ids(store, 5 * ROWS_PER_FRAME, ROWS_PER_FRAME);
    store_close(store);
}

static int64_t pragma(sqlite3 *db, const char *text)
{
    sqlite3_stmt *statement;
    int64_t value;

    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static int64_t number(const struct store *store, const char *sql)
{
    int64_t value = -1;

    assert_int_equal(store_pragma_int(store_sqlite(store), sql, &value), SQLITE_OK);
    return value;
}

/* What large columns leave for the pages that they share fills these, whatever sizes they have; and
 * each is what it was. */
static void test_columns_fill_pages(void **state)
{
    enum { BLOCKS = 50, COLUMNS = 40 };
    struct store *store = open_store(STORE_WRITE);
    struct span_buffer bytes;
    uint64_t random = 17;
    int64_t sum = 0;

    (void)state;
    span_buffer_init(&bytes, 1 << 20);
    assert_int_equal(store_begin(store), STORE_OK);
    for (int64_t block = 1; block <= BLOCKS; block++) {
        struct store_columns columns = {.block = block};

        for (unsigned c = 0; c < COLUMNS; c++) {
            const size_t length = 1 + random_next(&random) % (c % 3 == 0 ? 60000 : 2000);
            const uint8_t byte = (uint8_t)(block + c);

            bytes.bytes = 0;
            for (size_t i = 0; i < length; i++)
                span_buffer_append(&bytes, &byte, 1);
            assert_int_equal(store_columns_keep(&columns, c, &bytes), 0);
            sum += (int64_t)length;
        }
        assert_int_equal(store_columns_put(store, &columns), 0);
        store_columns_done(&columns);
    }
    assert_int_equal(store_commit(store), STORE_OK);
    assert_int_equal(number(store, "SELECT count(*) FROM col"), BLOCKS * COLUMNS);
    assert_int_equal(number(store, "SELECT sum(length(data)) FROM col"), sum);
    assert_int_equal(number(store, "SELECT count(*) FROM col WHERE hex(substr(data,length(data)))<>"
                                   "printf('%02X',block+field)"),
                     0);
    const int64_t pages = number(store, "PRAGMA page_count") * 4096;
    print_message("%.2f %% of the file is not columns\n", 100 - 100.0 * (double)sum / (double)pages);
    assert_true(pages < sum + sum / 40);
    store_close(store);
    span_buffer_done(&bytes);
}

/* What is free goes back to the file system whole, also where the steps of it leave less than is
 * worth beginning for. */
static void test_free_pages_go_back(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    sqlite3 *db;

    (void)state;
    store_close(store);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "INSERT INTO meta VALUES('kept', zeroblob(10000000)), ('gone', zeroblob(9400000));"
                                  "DELETE FROM meta WHERE key='gone'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_true(pragma(db, "PRAGMA freelist_count") > 2048 + 64);
    sqlite3_close(db);
    store = open_store(STORE_WRITE);
    merge_all(store);
    store_close(store);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_true(pragma(db, "PRAGMA freelist_count") < 64);
    sqlite3_close(db);
}

/* ---- when a merge is due ---- */

/* Frames `from` and on of process 0, each with so many spans of that moment. */
static void put_frames(struct store *store, uint64_t now_ns, uint64_t from, uint64_t frames, unsigned rows)
{
    static struct span spans[SPAN_BLOCK_ROWS_SHIM];
    const struct span *row[SPAN_BLOCK_ROWS_SHIM];
    struct span_process process;
    struct span_buffer block;

    test_process(&process, 0);
    span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(store_take_process(store, &process), STORE_OK);
    for (uint64_t sequence = from; sequence < from + frames; sequence++) {
        struct span_frame frame = {.kind = SPAN_FRAME_SPANS, .sequence = sequence};
        bool repeat = true;

        for (unsigned i = 0; i < rows; i++) {
            span_init(&spans[i]);
            span_set_u64(&spans[i], SPAN_seq, sequence * SPAN_BLOCK_ROWS_SHIM + i);
            span_set_u64(&spans[i], SPAN_start_ns, now_ns);
            row[i] = &spans[i];
        }
        block.bytes = 0;
        assert_int_equal(span_block_encode(&block, row, rows, 1), 0);
        memcpy(frame.identity, process.identity, sizeof(frame.identity));
        frame.payload = block.data;
        frame.payload_bytes = block.bytes;
        assert_int_equal(store_take_frame(store, &frame, &repeat), STORE_OK);
        assert_false(repeat);
    }
    assert_int_equal(store_commit(store), STORE_OK);
    span_buffer_done(&block);
}

static uint64_t blocks_after_merge(struct store *store)
{
    struct store_totals totals;

    merge_all(store);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    return totals.blocks;
}

/* What came within the hour is merged before its end where it is as many blocks, or as many spans,
 * as one step takes, and no sooner: each merge of an hour writes all of it. */
static void test_due_within_the_hour(void **state)
{
    enum { BLOCKS = 4096, FULL = SPAN_BLOCK_ROWS_MAX / SPAN_BLOCK_ROWS_SHIM };
    struct store *store = open_store(STORE_WRITE);
    const uint64_t now_ns = (uint64_t)time(NULL) * 1000000000;

    (void)state;
    put_frames(store, now_ns, 1, BLOCKS - 1, 1);
    assert_int_equal(blocks_after_merge(store), BLOCKS - 1);
    put_frames(store, now_ns, BLOCKS, 1, 1);
    assert_int_equal(blocks_after_merge(store), 1);
    put_frames(store, now_ns, BLOCKS + 1, FULL - 1, SPAN_BLOCK_ROWS_SHIM);
    put_frames(store, now_ns, BLOCKS + FULL, 1, SPAN_BLOCK_ROWS_SHIM - 1);
    assert_int_equal(blocks_after_merge(store), 1 + FULL);
    put_frames(store, now_ns, BLOCKS + FULL + 1, 1, 1);
    assert_int_equal(blocks_after_merge(store), 2);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_columns_fill_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_due_within_the_hour, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_free_pages_go_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_same_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
