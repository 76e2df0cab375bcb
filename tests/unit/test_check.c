/* What check finds: each kind of fault that a store can have is made in a sound one, and said;
 * nothing else is. */
#include "collector_tests.h"

#include <sqlite3.h>

#include "collector/store/store_inner.h"

enum { PROCESSES = 3, FRAMES = 20 };

static char directory[64], file[128];
static struct store *store;

static int setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    test_fill(store, PROCESSES, 1, FRAMES);
    assert_int_equal(store_note_loss(store, STORE_LOSS_spool_damaged, 2, 3), STORE_OK);
    store_close(store);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_remove(directory);
    return 0;
}

/* Makes `copy` of `file`, changed as somebody else might. */
static void change(const char *copy, const char *sql)
{
    struct sqlite3 *db;
    char vacuum[256];
    char *why = NULL;
    (void)unlink(copy);
    snprintf(vacuum, sizeof(vacuum), "VACUUM INTO '%s'", copy);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, vacuum, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(sqlite3_open(copy, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    if (sqlite3_changes(db) == 0)
        fail_msg("%s: changes nothing", sql);
    sqlite3_close(db);
}

/* What was said. */
static char said[65536];

static void note(void *context, const char *sentence)
{
    (void)context;
    strncat(said, sentence, sizeof(said) - strlen(said) - 2);
    strcat(said, "\n");
}

static long check_file(const char *path)
{
    said[0] = '\0';
    assert_int_equal(store_open(path, STORE_READ, &store), STORE_OK);
    const long found = store_check(store, note, NULL);
    store_close(store);
    return found;
}

static const struct {
    const char *made;     /* by this */
    const char *sentence; /* is said then */
    long most;            /* sentences, where one fault brings others */
} faults[] = {
    {"UPDATE block SET t_min=-1 WHERE id=7", "a block's time is negative: block (7", 3},
    {"UPDATE block SET t_max=t_max+1 WHERE id=7", "block 7: its times do not match its spans", 1},
    {"UPDATE block SET raw=substr(raw,1,length(raw)-5) WHERE id=7", "block 7: its directory is damaged", 2},
    {"UPDATE block SET raw=x'02'||substr(raw,2) WHERE id=7", "block 7: a later version of libpprof wrote it", 2},
    {"UPDATE block SET n=n+1 WHERE id=7", "block 7: ", 3},
    {"UPDATE block SET process=99 WHERE id=7", "a block's process is not in the process table: block, rows (7, 16)", 3},
    {"INSERT INTO col VALUES(4711,1,x'00')", "a column belongs to no block: block, field (4711, 1)", 1},
    {"UPDATE meta SET value=value+1 WHERE key='" STORE_META_COUNTED "'",
     "rollups count a block that is not there: block, last block (61, 60)", 1},
    {"UPDATE process_row SET program=4711 WHERE id=2",
     "a process is of a program that is not there: process, program (2, 4711)", 60},
    {"INSERT INTO departed VALUES(1,4096*4711,5)",
     "a process that departed is in no crowd, or still there: process, last frame", 1},
    {"INSERT INTO seen VALUES(4711,3,4)", "frames were seen of a process that is not there: process, frame (4711, 3)",
     1},
    {"INSERT INTO seen VALUES(2,15,16)", "ranges of sequence numbers overlap or are empty: process, first (2, 15)", 1},
    {"INSERT INTO seen VALUES(2,31,30)", "ranges of sequence numbers overlap or are empty: process, first (2, 31)", 1},
    {"UPDATE process_row SET lost_spans=-1 WHERE id=2", "a loss counter is negative: process, lost spans (2, -1)", 1},
    {"UPDATE process_row SET final=-1 WHERE id=2", "a loss counter is negative: process, lost spans (2, ", 1},
    {"UPDATE loss SET events=-1", "a count of losses is negative: events, spans (-1, 3)", 1},
    {"UPDATE loss SET spans=-1", "a count of losses is negative: events, spans (2, -1)", 1},
    {"UPDATE rollup_cell SET calls=calls+1 WHERE id=(SELECT min(id) FROM rollup_cell)", "calls stored, ", 1},
    {"UPDATE rollup_cell SET input=input+1 WHERE id=(SELECT min(id) FROM rollup_cell)",
     "1 groups differ from the blocks", 1},
    {"UPDATE rollup_cell SET ttft=x'ffff' WHERE id=(SELECT min(id) FROM rollup_cell)",
     "a sketch of the rollups is damaged", 1},
    {"UPDATE rollup_key SET model='another' WHERE id=(SELECT max(id) FROM rollup_key)", "groups differ from the blocks",
     9},
    {"DELETE FROM rollup_cell WHERE id=(SELECT min(id) FROM rollup_cell)", "calls stored, ", 1},
    {"UPDATE rollup_cell SET id=id+(4000000<<32) WHERE id=(SELECT max(id) FROM rollup_cell)", "rollups of ", 3},
    {"INSERT INTO rollup_packed SELECT min(id)>>32,x'00' FROM rollup_cell",
     "an hour of the rollups lies packed and as rows", 2},
    {"UPDATE rollup_cell SET id=-1 WHERE id=(SELECT min(id) FROM rollup_cell)",
     "rollups of an hour that is not possible: -1", 2},
    {"UPDATE rollup_cell SET id=9223372036854775807 WHERE id=(SELECT min(id) FROM rollup_cell)", "rollups of hour", 2},
};

static void each_fault_is_said(void **state)
{
    char copy[128];
    (void)state;
    snprintf(copy, sizeof(copy), "%s/copy.db", directory);
    assert_int_equal(check_file(file), 0);
    assert_string_equal(said, "");
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        change(copy, faults[i].made);
        const long found = check_file(copy);
        if (found < 1 || found > faults[i].most || strstr(said, faults[i].sentence) == NULL)
            fail_msg("%s: %ld faults, and not %s:\n%s", faults[i].made, found, faults[i].sentence, said);
    }
}

/* Of a store whose hours are packed. */
static const struct {
    const char *made, *sentence;
    long most;
} packed_faults[] = {
    {"UPDATE rollup_packed SET data=substr(data,1,length(data)-1)", "a packed hour of the rollups is damaged", 2},
    {"UPDATE rollup_packed SET data=x''", "a packed hour of the rollups is damaged", 2},
    {"UPDATE rollup_packed SET data=x'02'||substr(data,2)", "a packed hour of the rollups is damaged", 2},
    {"UPDATE rollup_packed SET data=x'00'", "a packed hour of the rollups is damaged", 2},
    {"UPDATE rollup_packed SET data=x'00010101'", "calls stored, ", 2},
    {"UPDATE rollup_packed SET data=x'000001'", "0 calls stored, ", 2},
    {"UPDATE rollup_packed SET data=x'0001010163'", "a packed hour of the rollups is damaged", 2},
    {"UPDATE rollup_packed SET data=x'000101010400ffff'", "a packed hour of the rollups is damaged", 2},
    {"DELETE FROM rollup_key WHERE id=1", "a packed hour of the rollups is damaged", 2},
    {"UPDATE rollup_key SET model='another' WHERE id=1", "1 groups differ from the blocks", 2},
    {"DELETE FROM rollup_packed", "0 calls stored, ", 2},
    {"UPDATE rollup_packed SET hour=-1-hour", "rollups of an hour that is not possible: -", 4},
    {"UPDATE rollup_packed SET hour=hour+100", "0 counted in the blocks", 4},
};

static void each_fault_of_packed_hours_is_said(void **state)
{
    char copy[128];
    bool more = true;
    (void)state;
    snprintf(copy, sizeof(copy), "%s/copy.db", directory);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    while (more)
        assert_int_equal(store_merge_step(store, &more), STORE_OK);
    store_close(store);
    assert_int_equal(check_file(file), 0);
    for (size_t i = 0; i < sizeof(packed_faults) / sizeof(packed_faults[0]); i++) {
        change(copy, packed_faults[i].made);
        const long found = check_file(copy);
        if (found < 1 || found > packed_faults[i].most || strstr(said, packed_faults[i].sentence) == NULL)
            fail_msg("%s: %ld faults, and not %s:\n%s", packed_faults[i].made, found, packed_faults[i].sentence, said);
    }
}

static int any(void *context, const struct store_rows *rows)
{
    (void)context;
    return rows->n == 0 || rows->n > SPAN_BLOCK_ROWS_MAX;
}

/* Nobody reads as many rows as no block has, of fresh blocks or of merged ones. */
static void impossible_numbers_of_rows(void **state)
{
    static const char *const made[] = {"UPDATE block SET n=0", "UPDATE block SET n=-1", "UPDATE block SET n=65537",
                                       "UPDATE block SET n=1<<40"};
    static const enum span_field fields[] = {SPAN_start_ns};
    const struct store_query query = {0, UINT64_MAX, fields, 1};
    char copy[128];
    bool more = true;
    (void)state;
    snprintf(copy, sizeof(copy), "%s/copy.db", directory);
    for (int merged = 0; merged < 2; merged++) {
        for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
            uint64_t damaged = 0;
            change(copy, made[i]);
            assert_true(check_file(copy) > 0);
            assert_int_equal(store_open(copy, STORE_READ, &store), STORE_OK);
            assert_int_equal(store_scan(store, &query, any, NULL, &damaged), 0);
            assert_true(damaged > 0);
            assert_non_null(strstr(store_why(), "its number of rows is not possible"));
            store_close(store);
        }
        assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
        while (more)
            assert_int_equal(store_merge_step(store, &more), STORE_OK);
        store_close(store);
    }
}

/* ---- while others write ---- */

enum { HOUR = 500000 };

static struct store *writer;

/* A frame with calls of this hour and of the next one, counted in the rollups at once. */
static void put_two_hours(uint64_t sequence, uint64_t hour)
{
    enum { ROWS = 8 };
    static struct span spans[ROWS];
    const struct span *rows[ROWS];
    struct span_process process;
    struct span_buffer block;
    struct span_frame frame = {.kind = SPAN_FRAME_SPANS, .sequence = sequence};
    bool repeat;
    test_process(&process, 0);
    memcpy(frame.identity, process.identity, sizeof(frame.identity));
    for (unsigned i = 0; i < ROWS; i++) {
        span_init(&spans[i]);
        span_set_u64(&spans[i], SPAN_seq, sequence * ROWS + i);
        span_set_u64(&spans[i], SPAN_start_ns, (hour + i % 2) * STORE_HOUR_NS + sequence * 1000 + i);
        rows[i] = &spans[i];
    }
    span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
    assert_int_equal(span_block_encode(&block, rows, ROWS, 1), 0);
    frame.payload = block.data;
    frame.payload_bytes = block.bytes;
    assert_int_equal(store_begin(writer), STORE_OK);
    assert_int_equal(store_take_process(writer, &process), STORE_OK);
    assert_int_equal(store_take_frame(writer, &frame, &repeat), STORE_OK);
    writer->unsaved_commits = STORE_ROLLUP_COMMITS;
    assert_int_equal(store_commit(writer), STORE_OK);
    span_buffer_done(&block);
}

static uint64_t writes; /* still to come while hour HOUR is compared */

int __real_store_rollup_load(void *handle, struct rollup *rollup, uint64_t hour);
int __wrap_store_rollup_load(void *handle, struct rollup *rollup, uint64_t hour);
int __wrap_store_rollup_load(void *handle, struct rollup *rollup, uint64_t hour)
{
    const int status = __real_store_rollup_load(handle, rollup, hour);
    if (handle == store && hour == HOUR && writes > 0) {
        put_two_hours(1 + writes, HOUR);
        writes--;
    }
    return status;
}

/* What is written between two hours of a check, and reaches into both, is no fault; what is wrong
 * besides is found all the same. */
static void what_is_being_written_is_no_fault(void **state)
{
    (void)state;
    (void)unlink(file);
    assert_int_equal(store_open(file, STORE_WRITE, &writer), STORE_OK);
    put_two_hours(1, HOUR);
    writes = 1;
    assert_int_equal(check_file(file), 0);
    assert_string_equal(said, "");
    assert_int_equal(writes, 0);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE rollup_cell SET calls=calls+1 WHERE id>>32=500001", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
    writes = 2;
    assert_int_equal(check_file(file), 1);
    assert_non_null(strstr(said, "rollups of hour 500001: "));
    store_close(writer);
}

static int64_t count(const char *sql)
{
    sqlite3 *db;
    int64_t n = -1;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(store_pragma_int(db, sql, &n), SQLITE_OK);
    sqlite3_close(db);
    return n;
}

/* What calls have in common is kept once, whichever writers count them in whichever hours. */
static void keys_are_kept_once(void **state)
{
    (void)state;
    (void)unlink(file);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(store_open(file, STORE_WRITE, &writer), STORE_OK);
        put_two_hours(i, HOUR + 10 * i);
        store_close(writer);
        assert_int_equal(check_file(file), 0);
        assert_int_equal(count("SELECT count(*) FROM rollup_key"), 1);
        assert_int_equal(count("SELECT count(*) FROM rollup_cell"), 2 * i);
        assert_int_equal(count("SELECT count(*) FROM program"), 1);
    }
}

/* An hour that is damaged stays as it lies; those after it are packed, and the merge does not
 * fail. */
static void damaged_hours_are_not_packed(void **state)
{
    bool more = true;
    (void)state;
    (void)unlink(file);
    assert_int_equal(store_open(file, STORE_WRITE, &writer), STORE_OK);
    for (uint64_t i = 1; i <= 3; i++)
        put_two_hours(i, HOUR - 10000 + 10 * i);
    store_close(writer);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "UPDATE rollup_cell SET ttft=x'ffff' WHERE id IN (SELECT id FROM rollup_cell ORDER "
                                  "BY id LIMIT 2 OFFSET 1)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(file, STORE_WRITE, &writer), STORE_OK);
    for (int steps = 0; more && steps < 100; steps++)
        assert_int_equal(store_merge_step(writer, &more), STORE_OK);
    assert_false(more);
    store_close(writer);
    assert_int_equal(count("SELECT count(*) FROM rollup_cell"), 2);
    assert_int_equal(count("SELECT count(*) FROM rollup_packed"), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_fault_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(each_fault_of_packed_hours_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_hours_are_not_packed, setup, teardown),
        cmocka_unit_test_setup_teardown(impossible_numbers_of_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_being_written_is_no_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(keys_are_kept_once, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
