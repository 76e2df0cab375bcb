/*
 * Processes that are over leave the process table, and nothing that is said of them changes: their
 * calls, what was lost, and that a frame which comes once more is a repeat.
 */
#include "collector_tests.h"

#include <sqlite3.h>

enum { PROCESSES = 200 };

static char directory[64];
static char file[128];
static struct store *store;

static int setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    /* As if the store were older than all of them: what never came is then missing. */
    assert_int_equal(
        sqlite3_exec(store_sqlite(store), "UPDATE meta SET value=0 WHERE key='begun_ns'", NULL, NULL, NULL), SQLITE_OK);
    return 0;
}

/* All are of three programs. */
static void make_process(struct span_process *process, unsigned number)
{
    test_process(process, number);
    snprintf(process->executable, sizeof(process->executable), "app-%u", number % 3);
    snprintf(process->host, sizeof(process->host), "host");
    process->has_uid = number % 3 > 0;
    process->uid = process->has_uid ? number % 3 : 0;
}

static void count_fault(void *context, const char *sentence)
{
    (void)sentence;
    ++*(long *)context;
}

static int teardown(void **state)
{
    (void)state;
    store_close(store);
    test_remove(directory);
    return 0;
}

static int64_t query(const char *sql)
{
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_prepare_v2(store_sqlite(store), sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* Frame `sequence` of a process as it was or will be sent. */
static void make_frame(struct span_frame *ret_frame, struct span_buffer *bytes, unsigned process, uint64_t sequence,
                       bool final)
{
    bytes->bytes = 0;
    test_frame(bytes, process, sequence);
    assert_true(span_frame_read(ret_frame, bytes->data, bytes->bytes) > 0);
    ret_frame->flags = final ? SPAN_FRAME_FINAL : 0;
}

static void take(unsigned process, uint64_t sequence, bool final, uint64_t lost_spans, bool expect_repeat)
{
    struct span_buffer bytes;
    struct span_frame frame;
    struct span_process said;
    bool repeat = false;
    span_buffer_init(&bytes, SPAN_FRAME_PAYLOAD_MAX);
    make_process(&said, process);
    make_frame(&frame, &bytes, process, sequence, final);
    frame.loss = (struct span_loss){.spans = lost_spans};
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(store_take_process(store, &said), STORE_OK);
    assert_int_equal(store_take_frame(store, &frame, &repeat), STORE_OK);
    assert_int_equal(store_commit(store), STORE_OK);
    assert_int_equal(repeat, expect_repeat);
    span_buffer_done(&bytes);
}

static void merge_all(void)
{
    bool more = true;
    while (more)
        assert_int_equal(store_merge_step(store, &more), STORE_OK);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

struct seen {
    uint64_t calls, of_process[PROCESSES];
};

/* Each row is by the process that made it, with all that is known of it. */
static int each_row(void *context, const struct store_rows *rows)
{
    struct seen *seen = context;
    for (size_t i = 0; i < rows->n; i++) {
        struct span_process want;
        unsigned p = 0;
        for (; p < PROCESSES; p++) {
            make_process(&want, p);
            if (memcmp(want.identity, rows->process[i]->identity, 16) == 0)
                break;
        }
        assert_true(p < PROCESSES);
        assert_string_equal(rows->process[i]->service, want.service);
        assert_string_equal(rows->process[i]->host, want.host);
        assert_string_equal(rows->process[i]->executable, want.executable);
        assert_string_equal(rows->process[i]->version, want.version);
        assert_int_equal(rows->process[i]->pid, want.pid);
        assert_int_equal(rows->process[i]->start_ns, want.start_ns);
        assert_int_equal(rows->process[i]->has_uid, want.has_uid);
        seen->of_process[p]++;
        seen->calls++;
    }
    return 0;
}

static void expect(uint64_t frames, uint64_t processes, uint64_t open, uint64_t missing)
{
    static struct seen seen;
    const struct store_query all = {.until_ns = UINT64_MAX};
    struct store_totals totals;
    struct store_loss loss;
    memset(&seen, 0, sizeof(seen));
    assert_int_equal(store_scan(store, &all, each_row, &seen, NULL), 0);
    assert_int_equal(seen.calls, frames * ROWS_PER_FRAME);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.processes, processes);
    assert_int_equal(totals.spans, frames * ROWS_PER_FRAME);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.processes, processes);
    assert_int_equal(loss.open, open);
    assert_int_equal(loss.frames, missing);
    assert_int_equal(loss.older, 0);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

/* Of every five processes: one with two frames, one whose first frame never came, one that did not
 * say that it ends, one that lost a call, one with a single frame. */
static void fill(uint64_t *ret_frames)
{
    *ret_frames = 0;
    for (unsigned p = 0; p < PROCESSES; p++) {
        const unsigned kind = p % 5;
        if (kind == 0)
            take(p, 1, false, 0, false);
        take(p, kind < 2 ? 2 : 1, kind != 2, kind == 3, false);
        *ret_frames += kind == 0 ? 2 : 1;
    }
}

static void test_who_departs(void **state)
{
    uint64_t frames;
    (void)state;
    fill(&frames);
    const uint64_t open = PROCESSES / 5, missing = PROCESSES / 5;
    expect(frames, PROCESSES, open, missing);
    merge_all();
    assert_int_equal(query("SELECT count(*) FROM departed"), PROCESSES / 5 * 2);
    assert_int_equal(query("SELECT count(*) FROM process_row"), PROCESSES / 5 * 3);
    assert_int_equal(query("SELECT sum(n) FROM crowd"), PROCESSES / 5 * 2);
    assert_int_equal(query("SELECT count(*) FROM program"), 3);
    expect(frames, PROCESSES, open, missing);
    /* From the file alone. */
    store_close(store);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    expect(frames, PROCESSES, open, missing);
}

static void test_repeats(void **state)
{
    uint64_t frames;
    (void)state;
    fill(&frames);
    merge_all();
    for (int twice = 0; twice < 2; twice++)
        for (unsigned p = 0; p < PROCESSES; p++) {
            if (p % 5 == 0)
                take(p, 1, false, 0, true);
            take(p, p % 5 < 2 ? 2 : 1, p % 5 != 2, p % 5 == 3, true);
        }
    expect(frames, PROCESSES, PROCESSES / 5, PROCESSES / 5);
    assert_int_equal(query("SELECT count(*) FROM departed"), PROCESSES / 5 * 2); /* nobody came back for that */
}

/* A process that goes on after all, or says later that it lost something, is there again as if it
 * had never left. */
static void test_who_comes_back(void **state)
{
    struct store_loss loss;
    struct span_process said;
    uint64_t frames;
    int64_t before;
    (void)state;
    fill(&frames);
    assert_int_equal(store_newest_process(store, &before), STORE_OK);
    merge_all();
    take(0, 3, false, 0, false);
    take(5, 5, true, 0, false);
    take(10, 2, true, 7, true);
    make_process(&said, 15);
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(store_take_lost(store, said.identity, 4), STORE_OK);
    assert_int_equal(store_take_stranger(store, said.identity), STORE_OK);
    assert_int_equal(store_commit(store), STORE_OK);
    assert_int_equal(store_has_process(store, said.identity), 1);
    make_process(&said, 20);
    assert_int_equal(store_has_process(store, said.identity), 1); /* still away */
    assert_int_equal(query("SELECT count(*) FROM departed"), PROCESSES / 5 * 2 - 4);
    expect(frames + 2, PROCESSES, PROCESSES / 5 + 1, PROCESSES / 5 + 2);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.counted.spans, PROCESSES / 5 + 7 + 4);
    take(0, 3, false, 0, true);
    take(0, 1, false, 0, true);
    merge_all();
    expect(frames + 2, PROCESSES, PROCESSES / 5 + 1, PROCESSES / 5 + 2);
    /* Its number stays its own: who comes now has a higher one. */
    assert_true(query("SELECT max(process) FROM departed") <= before);
    take(PROCESSES, 1, true, 0, false);
    assert_true(query("SELECT max(id) FROM process_row") > before);
}

/* Damage in a crowd is found, and read by nobody as if it were whole. */
static void test_damage(void **state)
{
    static const char *const breaks[] = {
        "UPDATE crowd SET data=CAST(substr(data,1,length(data)-9)||x'ffffffffffffffffff' AS BLOB)",
        "UPDATE crowd SET n=n+1",
        "DELETE FROM crowd",
        "UPDATE departed SET last=0",
        "DELETE FROM program",
    };
    uint64_t frames;
    (void)state;
    fill(&frames);
    merge_all();
    for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
        assert_int_equal(sqlite3_exec(store_sqlite(store), breaks[i], NULL, NULL, NULL), SQLITE_OK);
        struct store *reader;
        assert_int_equal(store_open(file, STORE_READ, &reader), STORE_OK);
        long said = 0;
        assert_true(store_check(reader, count_fault, &said) > 0);
        assert_true(said > 0);
        store_close(reader);
        store_close(store);
        test_remove(directory);
        (void)setup(NULL);
        fill(&frames);
        merge_all();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_departs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repeats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_who_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
