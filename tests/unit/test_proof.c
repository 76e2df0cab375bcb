/*
 * Nothing can be stored that the store's own check would reject, nor anything that costs out of
 * proportion: what does not hold is refused before the first write, and counted.
 */
#include "collector_tests.h"

#include <sqlite3.h>

#include "span/codec.h"

static char directory[64];
static char file[128];
static struct store *store;

static int setup(void **state)
{
    struct span_process process;

    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_int_equal(store_begin(store), STORE_OK);
    test_process(&process, 0);
    return store_take_process(store, &process);
}

static int teardown(void **state)
{
    (void)state;
    store_close(store);
    test_remove(directory);
    return 0;
}

/* A block of n rows from columns that are made here. */
struct made {
    struct span_buffer block, column;
    size_t n;
};

static void begin(struct made *made, size_t n)
{
    span_buffer_init(&made->block, SPAN_FRAME_PAYLOAD_MAX);
    span_buffer_init(&made->column, SPAN_FRAME_PAYLOAD_MAX);
    made->n = n;
    assert_int_equal(span_block_begin(&made->block, n), 0);
}

static void numbers(struct made *made, enum span_field field, uint64_t from, uint64_t step, const uint64_t *present)
{
    uint64_t *values = calloc(made->n, sizeof(*values));

    for (size_t i = 0; i < made->n; i++)
        values[i] = from + i * step;
    made->column.bytes = 0;
    assert_int_equal(span_column_encode_u64(&made->column, values, present, made->n, 1), 0);
    assert_int_equal(span_block_add(&made->block, span_fields[field].number, made->column.data, made->column.bytes), 0);
    free(values);
}

static void raw(struct made *made, enum span_field field, const char *bytes, size_t n)
{
    assert_int_equal(span_block_add(&made->block, span_fields[field].number, (const uint8_t *)bytes, n), 0);
}

static int give(struct made *made, uint64_t sequence)
{
    struct span_frame frame = {.kind = SPAN_FRAME_SPANS,
                               .sequence = sequence,
                               .payload = made->block.data,
                               .payload_bytes = made->block.bytes};
    struct span_process process;
    bool repeat = false;
    int status;

    test_process(&process, 0);
    memcpy(frame.identity, process.identity, sizeof(frame.identity));
    status = store_take_frame(store, &frame, &repeat);
    if (status == STORE_DAMAGED)
        assert_int_equal(store_reject_frame(store, &frame), 0);
    span_buffer_done(&made->block);
    span_buffer_done(&made->column);
    return status;
}

#define NOW UINT64_C(1767225600000000000)

/* A column that no rollup needs, damaged in the ways there are. */
static uint64_t refuse_columns(uint64_t sequence)
{
    struct made made;

    static const struct {
        enum span_field field;
        const char *bytes;
        size_t n;
    } columns[] = {{SPAN_response_id, "\x80", 1},                              /* a reserved bit */
                   {SPAN_response_id, "\x02\x00\x01\x00", 4},                  /* texts that are not there */
                   {SPAN_redirects, "\x03\x00\x00", 3},                        /* a transform that is none */
                   {SPAN_redirects, "\x44(\xb5/\xfd\xa0\xff\xff\xff\x7f", 10}, /* unpacks to 2 GB */
                   {SPAN_gap_sketch, "\x0f", 1}};
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        begin(&made, 3);
        numbers(&made, SPAN_seq, 1, 1, NULL);
        numbers(&made, SPAN_start_ns, NOW, 1, NULL);
        raw(&made, columns[i].field, columns[i].bytes, columns[i].n);
        assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    }
    return sequence;
}

static int see_row(void *context, const struct store_rows *rows)
{
    *(uint64_t *)context += rows->n;
    return 0;
}

/* Programs with clocks of any year: what SQLite can hold is kept in its own hour, the rest (before
 * 1970, too) is refused and counted; nothing is put into another hour, merged away or found by a
 * period that it is not in. */
static void test_clocks_of_any_year(void **state)
{
    static const uint64_t kept[] = {0, 1, UINT64_C(7258118400000000000) /* 2200 */, (uint64_t)INT64_MAX - 2};
    static const uint64_t refused[] = {(uint64_t)INT64_MAX, UINT64_C(10413792000000000000) /* 2300 */,
                                       UINT64_MAX - 100000000000000 /* the day before 1970 */, UINT64_MAX - 2};
    enum { KEPT = sizeof(kept) / sizeof(*kept), REFUSED = sizeof(refused) / sizeof(*refused) };
    static const enum span_field fields[] = {SPAN_start_ns};
    struct store_totals totals;
    struct store_loss loss;
    struct made made;
    int64_t hour;
    bool more;
    (void)state;
    for (uint64_t i = 0; i < KEPT + REFUSED; i++) {
        begin(&made, 3);
        numbers(&made, SPAN_seq, 3 * i + 1, 1, NULL);
        numbers(&made, SPAN_start_ns, i < KEPT ? kept[i] : refused[i - KEPT], 1, NULL);
        assert_int_equal(give(&made, i + 1), i < KEPT ? STORE_OK : STORE_DAMAGED);
    }
    assert_int_equal(store_commit(store), STORE_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(store_merge_step(store, &more), STORE_OK);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, 3 * KEPT);
    assert_int_equal(totals.first_ns, 0);
    assert_int_equal(totals.last_ns, INT64_MAX);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_frame_rejected], REFUSED);
    assert_int_equal(loss.spans[STORE_LOSS_frame_rejected], 3 * REFUSED);
    for (int i = 0; i < KEPT; i++) {
        struct store_query query = {kept[i], kept[i] + 3, fields, 1};
        uint64_t n = 0;
        assert_int_equal(store_scan(store, &query, see_row, &n, NULL), 0);
        assert_true(n >= 3 && n <= 6); /* whole blocks: 0 and 1 may be merged into one */
    }
    struct sqlite3_stmt *statement = NULL;
    assert_int_equal(
        sqlite3_prepare_v2(store_sqlite(store),
                           "SELECT count(*), max(hour) FROM (SELECT hour FROM rollup_hour UNION SELECT hour "
                           "FROM rollup_packed) WHERE hour IN (0, 2016144, 2562047)",
                           -1, &statement, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_int_equal(sqlite3_column_int64(statement, 0), 3);
    hour = sqlite3_column_int64(statement, 1);
    (void)sqlite3_finalize(statement);
    assert_int_equal(hour, INT64_MAX / INT64_C(3600000000000));
    assert_int_equal(store_begin(store), STORE_OK); /* as the others leave it */
}

static void test_what_is_refused(void **state)
{
    static const uint64_t first_only[4] = {1};
    uint64_t sequence = 0;
    struct store_totals totals;
    struct store_loss loss;
    struct made made;

    (void)state;
    begin(&made, 20); /* this one is good */
    numbers(&made, SPAN_seq, 1, 1, NULL);
    numbers(&made, SPAN_start_ns, NOW, 1000, NULL);
    numbers(&made, SPAN_output_tokens, UINT64_MAX - 30, 1, NULL);
    assert_int_equal(give(&made, ++sequence), STORE_OK);

    begin(&made, 65536); /* a group for each row: this took seconds */
    numbers(&made, SPAN_seq, 1, 1, NULL);
    numbers(&made, SPAN_start_ns, 0, 3600000000000, NULL);
    assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    begin(&made, SPAN_BLOCK_ROWS_SHIM + 1);
    numbers(&made, SPAN_seq, 1, 1, NULL);
    numbers(&made, SPAN_start_ns, NOW, 0, NULL);
    assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    begin(&made, 200);
    numbers(&made, SPAN_seq, 1, 1, NULL);
    numbers(&made, SPAN_start_ns, NOW, 3600000000000, NULL);
    assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    begin(&made, 3); /* no times, not all of them, impossible ones */
    numbers(&made, SPAN_seq, 1, 1, NULL);
    assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    begin(&made, 200);
    numbers(&made, SPAN_seq, 1, 1, NULL);
    numbers(&made, SPAN_start_ns, NOW, 1, first_only);
    assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    begin(&made, 3);
    numbers(&made, SPAN_seq, 1, 1, NULL);
    numbers(&made, SPAN_start_ns, (uint64_t)INT64_MAX - 1, 1, NULL);
    assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    begin(&made, 3); /* no numbers, and zero */
    numbers(&made, SPAN_start_ns, NOW, 1, NULL);
    assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    begin(&made, 3);
    numbers(&made, SPAN_seq, 0, 1, NULL);
    numbers(&made, SPAN_start_ns, NOW, 1, NULL);
    assert_int_equal(give(&made, ++sequence), STORE_DAMAGED);
    sequence = refuse_columns(sequence);
    begin(&made, 2); /* a field of a later version goes through */
    numbers(&made, SPAN_seq, 21, 1, NULL);
    numbers(&made, SPAN_start_ns, NOW, 1, NULL);
    assert_int_equal(span_block_add(&made.block, 251, (const uint8_t *)"\x01", 1), 0);
    assert_int_equal(give(&made, ++sequence), STORE_OK);

    assert_int_equal(store_commit(store), STORE_OK);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, 22);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_frame_rejected], sequence - 2);
    assert_true(loss.spans[STORE_LOSS_frame_rejected] > 500);
    assert_int_equal(loss.frames, 0); /* they arrived */
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

/* Counts that no process can reach are neither believed nor able to spoil the sum of the others. */
static void test_absurd_counts(void **state)
{
    struct span_process process;
    struct store_loss loss;

    (void)state;
    for (unsigned p = 0; p < 3; p++) {
        struct span_frame frame = {.kind = SPAN_FRAME_LOSS, .sequence = 1, .loss = {.spans = 7, .tape_bytes = 3}};
        bool repeat;

        test_process(&process, p);
        memcpy(frame.identity, process.identity, sizeof(frame.identity));
        if (p == 1)
            memset(&frame.loss, 0xff, sizeof(frame.loss));
        assert_int_equal(store_take_process(store, &process), STORE_OK);
        assert_int_equal(store_take_frame(store, &frame, &repeat), STORE_OK);
        frame.sequence = UINT64_MAX - p;
        assert_int_equal(store_take_frame(store, &frame, &repeat), STORE_DAMAGED);
        assert_int_equal(store_reject_frame(store, &frame), STORE_DAMAGED);
    }
    assert_int_equal(store_commit(store), STORE_OK);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_counters_absurd], 1);
    assert_int_equal(loss.counted.spans, 14);
    assert_int_equal(loss.counted.tape_bytes, 6);
    assert_int_equal(loss.counted.sessions, 0);
    assert_int_equal(loss.frames, 0);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

/* Many hours, many ranges, and blocks that reach from the first hour to the last: the check reads
 * each block once. */
static void test_check_reads_each_block_once(void **state)
{
    enum { BLOCKS = 3000 };
    sqlite3 *db;

    (void)state;
    for (uint64_t b = 0; b < BLOCKS; b++) {
        struct made made;

        begin(&made, 4);
        numbers(&made, SPAN_seq, b * 4 + 1, 1, NULL);
        numbers(&made, SPAN_start_ns, b * 3600000000000, b % 50 == 0 ? 100 * UINT64_C(3600000000000) : 1, NULL);
        assert_int_equal(give(&made, 1 + b * 2), STORE_OK); /* a range of its own */
    }
    assert_int_equal(store_commit(store), STORE_OK);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    /* What only a look at the neighbours finds is still found. */
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE seen SET last=first+2 WHERE first=2001;"
                                  "DELETE FROM rollup_cell WHERE id>>32=(SELECT max(id)>>32 FROM rollup_cell)",
                                  0, 0, 0),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_true(store_check(store, test_fault, NULL) >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_clocks_of_any_year, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_absurd_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_check_reads_each_block_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
