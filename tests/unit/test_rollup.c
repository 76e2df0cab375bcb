/* Rollups equal a recount from the spans by other means; unknown is not zero; too many groups are
 * folded and stay summed. */
#include "store_tests.h"

#include <signal.h>
#include <sys/wait.h>

#include <inttypes.h>
#include <sqlite3.h>

#include "collector/store/rollup.h"
#include "collector/store/store_inner.h"

struct sums {
    uint64_t calls, errors, input, input_n, output_n, hour_calls, model_calls, named;
};

/* The same sums in the plainest way, span by span. */
static struct sums recount(unsigned processes, uint64_t spans, uint64_t hour)
{
    static struct span span;
    struct sums sums = {0};

    for (unsigned p = 0; p < processes; p++)
        for (uint64_t s = 1; s <= spans; s++) {
            test_span(&span, p, s);
            sums.calls++;
            sums.errors += span_has(&span, SPAN_error_type);
            sums.input += span_has(&span, SPAN_input_tokens) ? span.value[SPAN_input_tokens].u64 : 0;
            sums.input_n += span_has(&span, SPAN_input_tokens);
            sums.output_n += span_has(&span, SPAN_output_tokens);
            sums.hour_calls += span.value[SPAN_start_ns].u64 / 3600000000000u == hour;
            sums.model_calls += span.value[SPAN_request_model].text.bytes == 6 && p % 3 == 1;
            sums.named += span_has(&span, SPAN_prompt_name) && p % 2 == 1;
        }
    return sums;
}

static void test_recount(void **state)
{
    enum { PROCESSES = 4, FRAMES = 60, REST = FRAMES / 3 };
    struct store *store = NULL;
    uint64_t hour;
    struct sums want;

    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    for (uint64_t from = 1; from <= FRAMES; from += REST)
        test_fill(store, PROCESSES, from, REST);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
    hour = (uint64_t)query("SELECT min(hour) FROM rollup_hour");
    want = recount(PROCESSES, FRAMES * ROWS_PER_FRAME, hour);
    assert_int_equal(query("SELECT sum(calls) FROM rollup_hour"), want.calls);
    assert_int_equal(query("SELECT sum(errors) FROM rollup_hour"), want.errors);
    assert_int_equal(query("SELECT sum(input) FROM rollup_hour"), want.input);
    assert_int_equal(query("SELECT sum(input_n) FROM rollup_hour"), want.input_n);
    assert_int_equal(query("SELECT sum(output_n) FROM rollup_hour"), want.output_n);
    assert_int_equal(query("SELECT sum(calls) FROM rollup_hour WHERE hour=%" PRIu64, hour), want.hour_calls);
    assert_int_equal(query("SELECT sum(calls) FROM rollup_hour WHERE service='service-1' AND model='gpt-4o'"),
                     want.model_calls);
    assert_int_equal(query("SELECT sum(calls) FROM rollup_hour WHERE prompt='triage'"), want.named);
    assert_int_equal(query("SELECT sum(calls) FROM rollup_hour WHERE outcome='rate_limit_exceeded'"), want.errors);
    assert_int_equal(query("SELECT count(*) FROM rollup_hour WHERE prompt='9e3779b97f4a7c15'") > 0, 1);
    /* Failed calls stated no tokens: nothing was stated, which is another thing than 0 tokens. */
    assert_int_equal(query("SELECT sum(input_n) FROM rollup_hour WHERE outcome<>'ok'"), 0);
    /* No span stated a cost. */
    assert_int_equal(query("SELECT sum(cost_nanousd_n)+sum(cost_nanousd) FROM rollup_hour"), 0);
}

/* One row with everything said by hand. */
static int add_one(struct rollup *rollup, const char *prompt, bool has_input, uint64_t input)
{
    static struct span span;
    const struct span *spans[1] = {&span};
    struct span_process process = {.service = ""};
    const struct span_process *const processes[1] = {&process};
    struct store_rows rows = {.n = 1, .process = processes};
    static struct span_block block;
    struct span_buffer bytes;
    int status;

    span_init(&span);
    span_set_u64(&span, SPAN_start_ns, 3600000000000u * 7 + 1);
    if (prompt != NULL)
        span_set_text(&span, SPAN_prompt_name, prompt, strlen(prompt));
    if (has_input)
        span_set_u64(&span, SPAN_input_tokens, input);
    span_buffer_init(&bytes, 1 << 20);
    assert_int_equal(span_block_encode(&bytes, spans, 1, 0), 0);
    span_block_init(&block);
    assert_int_equal(span_block_decode(&block, bytes.data, bytes.bytes), 0);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        rows.has[f] = block.has[f];
        rows.column[f] = &block.column[f];
    }
    status = rollup_add(rollup, &rows);
    span_block_done(&block);
    span_buffer_done(&bytes);
    return status;
}

static void test_unknown_is_not_zero(void **state)
{
    struct rollup rollup;
    const struct rollup_group *group;

    (void)state;
    rollup_init(&rollup, 0, NULL, NULL);
    assert_int_equal(add_one(&rollup, "a", true, 0), 0);
    assert_int_equal(add_one(&rollup, "a", false, 0), 0);
    assert_int_equal(rollup.n_hours, 1);
    assert_int_equal(rollup.hour[0].n, 1);
    group = rollup.hour[0].group[0];
    assert_int_equal(group->calls, 2);
    assert_int_equal(group->sum[ROLLUP_SUM_input], 0);
    assert_int_equal(group->stated[ROLLUP_SUM_input], 1);
    assert_int_equal(group->stated[ROLLUP_SUM_output], 0);
    /* Absurd values stick at the top instead of wrapping. */
    assert_int_equal(add_one(&rollup, "a", true, UINT64_MAX), 0);
    assert_int_equal(add_one(&rollup, "a", true, 5), 0);
    assert_int_equal(rollup.hour[0].group[0]->sum[ROLLUP_SUM_input], INT64_MAX);
    rollup_done(&rollup);
}

/* Keys are compared by the numbers of their texts: equal where the texts are, whichever way they
 * came, and not otherwise; the numbers end with what uses them. */
static void test_texts_by_number(void **state)
{
    static const char *const prompts[] = {"00000000000000ff", "00000000000000FF", "0000000000000ff", "other", ""};
    struct rollup rollup;
    uint32_t number;
    int status;

    (void)state;
    rollup_init(&rollup, 0, NULL, NULL);
    assert_int_equal(add_one(&rollup, NULL, false, 0), 0); /* without any text */
    assert_memory_equal(rollup.hour[0].group[0]->key[ROLLUP_outcome].data, "ok", 2);
    rollup_clear(&rollup);
    for (size_t i = 0; i < sizeof(prompts) / sizeof(prompts[0]); i++) {
        struct span_text key[ROLLUP_KEY_COUNT];
        const struct rollup_group *group;

        assert_int_equal(add_one(&rollup, prompts[i], true, 1), 0);
        assert_int_equal(rollup.hour[0].n, i + 1);
        group = rollup.hour[0].group[i];
        assert_int_equal(group->key[ROLLUP_prompt].bytes, strlen(prompts[i]));
        assert_memory_equal(group->key[ROLLUP_prompt].data, prompts[i], strlen(prompts[i]));
        memcpy(key, group->key, sizeof(key));
        assert_ptr_equal(rollup_put(&rollup, 7, key, &status), group);
        key[ROLLUP_model] = (struct span_text){prompts[0], 16};
        assert_ptr_not_equal(rollup_put(&rollup, 8, key, &status), group);
    }
    for (int way = 0; way < 2; way++) {
        for (int i = 0; i <= ROLLUP_NAMES_KEPT; i++) {
            char name[32];

            snprintf(name, sizeof(name), "%d", i);
            assert_int_equal(rollup_name(&rollup.names, name, (uint32_t)strlen(name), &number), 0);
            assert_true(number != ROLLUP_NAME_none && number != ROLLUP_NAME_ID);
        }
        if (way == 0)
            rollup_trim(&rollup, 4);
        else
            rollup_hour_drop(&rollup, 7);
        assert_int_equal(rollup.n_hours, 0);
        assert_int_equal(rollup.names.n, 0);
        assert_int_equal(add_one(&rollup, "after", true, 1), 0);
        assert_int_equal(rollup.hour[0].n, 1);
        assert_memory_equal(rollup.hour[0].group[0]->key[ROLLUP_prompt].data, "after", 5);
    }
    rollup_done(&rollup);
}

/* A sketch that grows to both sides is what was added, and what is written is read again. */
static void test_sketches_grow_both_ways(void **state)
{
    static const unsigned buckets[] = {100, 100, 90, 110, 91, 0, SPAN_SKETCH_BUCKETS - 1, 110};
    struct rollup_sketch sketch = {0};
    struct rollup_sketch read = {0};
    uint64_t want[SPAN_SKETCH_BUCKETS] = {0};
    struct span_buffer bytes;

    (void)state;
    for (size_t i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
        const uint64_t times = i % 2 == 0 ? 1 : 40;

        assert_int_equal(rollup_sketch_add(&sketch, buckets[i], times), 0);
        assert_int_equal(rollup_sketch_add(&sketch, 50, 0), 0);
        assert_int_equal(rollup_sketch_add(&sketch, 50, UINT64_MAX), 0);
        want[buckets[i]] += times;
        for (unsigned b = 0; b < SPAN_SKETCH_BUCKETS; b++)
            assert_int_equal(b >= sketch.first && b - sketch.first < sketch.n ? sketch.count[b - sketch.first] : 0,
                             want[b]);
        assert_true(sketch.count[0] > 0 && sketch.count[sketch.n - 1] > 0);
        span_buffer_init(&bytes, 1 << 16);
        assert_int_equal(rollup_sketch_write(&bytes, &sketch), 0);
        free(read.count);
        read = (struct rollup_sketch){0};
        assert_int_equal(rollup_sketch_read(&read, bytes.data, bytes.bytes), 0);
        assert_int_equal(read.first, sketch.first);
        assert_int_equal(read.n, sketch.n);
        assert_memory_equal(read.count, sketch.count, sketch.n * sizeof(*sketch.count));
        span_buffer_done(&bytes);
    }
    free(read.count);
    free(sketch.count);
}

static void test_folding(void **state)
{
    struct rollup rollup;
    uint64_t calls = 0, others = 0;
    bool popular = false;

    (void)state;
    rollup_init(&rollup, 64, NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "prompt-%d", i);
        assert_int_equal(add_one(&rollup, name, true, 1), 0);
        assert_int_equal(add_one(&rollup, "popular", true, 1), 0);
        assert_true(rollup.hour[0].n <= 65);
    }
    for (size_t i = 0; i < rollup.hour[0].n; i++) {
        const struct rollup_group *group = rollup.hour[0].group[i];
        const struct span_text *prompt = &group->key[ROLLUP_prompt];

        calls += group->calls;
        assert_int_equal(group->calls, group->sum[ROLLUP_SUM_input]);
        if (prompt->bytes == 7 && memcmp(prompt->data, "popular", 7) == 0) {
            popular = true;
            assert_int_equal(group->calls, 1000);
        }
        if (prompt->bytes == 5 && memcmp(prompt->data, "other", 5) == 0)
            others += group->calls;
    }
    assert_true(popular);
    assert_int_equal(calls, 2000);
    assert_true(others > 900);
    assert_int_equal(rollup.folded, others); /* each once, however often its group is folded again */
    rollup_done(&rollup);
}

/* The groups that keep their prompt are the half with the most calls, whether they have few or very
 * many, and of those with as many the ones that came first. */
static void test_folding_keeps_the_most_called(void **state)
{
    enum { GROUPS = 65, KEPT = 32 };
    static const uint64_t calls[][2] = {{1, 9}, {1, 1}, {255, 256}, {200, 300}, {256, 257}, {5, 1000}};

    (void)state;
    for (size_t c = 0; c < sizeof(calls) / sizeof(calls[0]); c++)
        for (unsigned many = 0; many <= GROUPS - 1; many += 8) {
            struct rollup rollup;
            unsigned kept = 0;

            rollup_init(&rollup, GROUPS - 1, NULL, NULL);
            for (unsigned i = 0; i < GROUPS; i++) {
                char name[32];
                int bytes = snprintf(name, sizeof(name), "prompt-%02u", i);

                assert_int_equal(add_one(&rollup, name, true, 1), 0);
                if (i + 1 < GROUPS) /* the last one comes, and folds, when all others have theirs */
                    rollup.hour[0].group[i]->calls = calls[c][i * 7 % (GROUPS - 1) < many];
                assert_int_equal(bytes, 9);
            }
            for (size_t g = 0; g < rollup.hour[0].n; g++) {
                const struct span_text *prompt = &rollup.hour[0].group[g]->key[ROLLUP_prompt];
                unsigned i, before = 0;

                if (prompt->bytes != 9)
                    continue;
                kept++;
                i = (unsigned)(10 * (prompt->data[7] - '0') + prompt->data[8] - '0'); /* texts have no end */
                for (unsigned other = 0; other < GROUPS - 1; other++) {
                    uint64_t mine = calls[c][i * 7 % (GROUPS - 1) < many];
                    uint64_t others = calls[c][other * 7 % (GROUPS - 1) < many];

                    before += others > mine || (others == mine && other < i);
                }
                assert_true(before < KEPT);
            }
            assert_int_equal(kept, KEPT);
            rollup_done(&rollup);
        }
}

/* The table of hours, against a plain list: whatever comes and goes, each hour is found that is
 * there, and no other; those that are kept are the last used. */
static void test_hours(void **state)
{
    enum { NUMBERS = 100, STEPS = 4000, KEEP = 10 };
    uint64_t random = 11, used[NUMBERS] = {0}; /* when, 0: not there */
    struct rollup rollup;
    (void)state;
    rollup_init(&rollup, 0, NULL, NULL);
    for (uint64_t step = 1; step <= STEPS; step++) {
        const uint64_t number = random_next(&random) % NUMBERS;
        size_t n = 0;
        int status;
        if (step % 500 == 0) {
            rollup_trim(&rollup, KEEP);
            for (unsigned i = 0; i < NUMBERS; i++) {
                size_t later = 0;
                for (unsigned other = 0; other < NUMBERS; other++)
                    later += used[other] > used[i];
                used[i] = later < KEEP ? used[i] : 0;
            }
        } else if (random_next(&random) % 16 < (step / 500 % 2 ? 5 : 11)) {
            assert_int_equal(rollup_hour_put(&rollup, number, &status)->hour, number);
            assert_int_equal(status, 0);
            used[number] = step;
        } else {
            rollup_hour_drop(&rollup, number);
            used[number] = 0;
        }
        for (unsigned i = 0; i < NUMBERS; i++) {
            const struct rollup_hour *const hour = rollup_hour_find(&rollup, i);
            assert_int_equal(hour != NULL, used[i] != 0);
            if (hour != NULL)
                assert_int_equal(hour->hour, i);
            n += hour != NULL;
        }
        assert_int_equal(rollup.n_hours, n);
    }
    rollup_done(&rollup);
}

/* ---- what is in memory alone when a writer is killed ---- */

struct reading {
    uint64_t calls, errors, input, hours, before;
};

static int read_group(void *context, uint64_t hour, const struct rollup_group *group)
{
    struct reading *reading = context;
    assert_true(reading->hours == 0 || hour >= reading->before);
    reading->hours += reading->hours == 0 || hour > reading->before;
    reading->before = hour;
    reading->calls += group->calls;
    reading->errors += group->errors;
    reading->input += group->sum[ROLLUP_SUM_input];
    return 0;
}

static void expect_reading(enum store_mode mode, const struct sums *want)
{
    struct store *store = NULL;
    struct reading reading = {0}, none = {0};
    assert_int_equal(store_open(file, mode, &store), STORE_OK);
    assert_int_equal(store_rollups(store, 0, UINT64_MAX, read_group, &reading), 0);
    assert_int_equal(reading.calls, want->calls);
    assert_int_equal(reading.errors, want->errors);
    assert_int_equal(reading.input, want->input);
    if (reading.hours > 0) {
        assert_int_equal(store_rollups(store, 0, reading.before, read_group, &none), 0);
        assert_true(none.hours == reading.hours - 1);
        assert_int_equal(store_rollups(store, reading.before, reading.before + 1, read_group, &none), 0);
        assert_int_equal(none.calls, want->calls);
    }
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

/* Commits `commits` frames, one by one, and dies without a word. */
static void die_after(uint64_t from, uint64_t commits, bool merged)
{
    pid_t child = fork();
    int status;
    if (child == 0) {
        struct store *store = NULL;
        bool more = true;
        if (store_open(file, STORE_WRITE, &store) != STORE_OK)
            _exit(1);
        for (uint64_t i = 0; i < commits; i++)
            test_fill(store, 1, from + i, 1);
        while (merged && more)
            if (store_merge_step(store, &more) != STORE_OK)
                _exit(1);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void test_killed_writers(void **state)
{
    static const uint64_t commits[] = {
        1, 2, STORE_ROLLUP_COMMITS - 1, 1, STORE_ROLLUP_COMMITS, STORE_ROLLUP_COMMITS + 1};
    uint64_t frames = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(commits) / sizeof(commits[0]); i++) {
        die_after(frames + 1, commits[i], i % 3 == 2);
        frames += commits[i];
        const struct sums want = recount(1, frames * ROWS_PER_FRAME, 0);
        expect_reading(STORE_READ, &want);
        if (i % 2 == 1)
            expect_reading(STORE_WRITE, &want);
    }
    struct store *store = NULL;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    test_fill(store, 1, frames + 1, 1);
    store_close(store);
    const struct sums want = recount(1, (frames + 1) * ROWS_PER_FRAME, 0);
    /* Who closes leaves nothing in memory. */
    assert_int_equal(query("SELECT value-(SELECT max(id) FROM block) FROM meta WHERE key='" STORE_META_COUNTED "'"), 0);
    expect_reading(STORE_READ, &want);
}

/* A damaged block counts for nothing, and keeps nothing else from being counted. */
static void test_damaged_block(void **state)
{
    struct store *store = NULL;
    struct reading reading = {0};
    sqlite3 *db;
    (void)state;
    die_after(1, 5, false);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE block SET raw=substr(raw,1,20) WHERE id=2", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_close(db);
    assert_int_equal(store_open(file, STORE_READ, &store), STORE_OK);
    assert_int_equal(store_rollups(store, 0, UINT64_MAX, read_group, &reading), 0);
    assert_int_equal(reading.calls, 4 * ROWS_PER_FRAME);
    store_close(store);
}

/* Two writers in turn: each counts what the other committed. */
static void test_two_writers(void **state)
{
    struct store *store[2] = {NULL, NULL};
    bool more = true;
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(store_open(file, STORE_WRITE, &store[i]), STORE_OK);
    for (uint64_t frame = 1; frame <= 30; frame++) {
        test_fill(store[frame % 5 < 3], 1, frame, 1);
        if (frame == 20)
            while (more)
                assert_int_equal(store_merge_step(store[0], &more), STORE_OK);
    }
    const struct sums want = recount(1, 30 * ROWS_PER_FRAME, 0);
    expect_reading(STORE_READ, &want);
    store_close(store[1]);
    store_close(store[0]);
    expect_reading(STORE_WRITE, &want);
    assert_int_equal(query("SELECT value-(SELECT max(id) FROM block) FROM meta WHERE key='" STORE_META_COUNTED "'"), 0);
}

/* Rollups are saved after so many commits or rows, or when they are of many hours, and only if
 * something came since. */
static void test_when_they_are_saved(void **state)
{
    static const struct {
        unsigned commits, rows, hours;
        bool due;
    } cases[] = {{STORE_ROLLUP_COMMITS - 1, STORE_ROLLUP_ROWS - 1, STORE_HOURS_UNSAVED, false},
                 {STORE_ROLLUP_COMMITS, 0, 0, true},
                 {0, STORE_ROLLUP_ROWS, 0, true},
                 {0, 0, STORE_HOURS_UNSAVED + 1, true}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rollup rollup = {.n_hours = cases[i].hours};
        struct store store = {.rollup = &rollup, .counted = 7, .saved = 6};
        store.unsaved_commits = cases[i].commits;
        store.unsaved_rows = cases[i].rows;
        assert_int_equal(store_rollup_due(&store), cases[i].due);
        store.saved = 7;
        assert_false(store_rollup_due(&store));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed_writers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_writers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_block, setup, teardown),
        cmocka_unit_test_setup_teardown(test_recount, setup, teardown),
        cmocka_unit_test(test_unknown_is_not_zero),
        cmocka_unit_test(test_texts_by_number),
        cmocka_unit_test(test_sketches_grow_both_ways),
        cmocka_unit_test(test_hours),
        cmocka_unit_test(test_when_they_are_saved),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_folding_keeps_the_most_called),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
