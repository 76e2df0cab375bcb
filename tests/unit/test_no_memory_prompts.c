/*
 * Each path of calls to an allocation of ours fails while a store takes texts of instructions in,
 * learns, shows and merges them: what failed says so, nothing leaks, no memory is never damage, and
 * the store holds afterwards, sound, what was committed.
 */
#include "failing.h"
#include "prompt_calls.h"

#include "collector/store/rollup.h"

enum { TEXTS = 20, FRAMES = 2 };

static char directory[64];
static char file[128];
static struct span_buffer frames[FRAMES];

static int make_frames(void **state)
{
    (void)state;
    strcpy(directory, "/dev/shm/pprof-test-XXXXXX"); /* many stores: not on a disk, if that can be had */
    if (mkdtemp(directory) == NULL)
        test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    for (unsigned f = 0; f < FRAMES; f++) {
        struct call call[TEXTS];
        for (unsigned i = 0; i < TEXTS; i++)
            call[i] = (struct call){.process = 0,
                                    .seq = f * TEXTS + i + 1,
                                    .start_ns = BEGIN_NS + i * 1000000,
                                    .text = {.template = f, .value = i},
                                    .first = true};
        span_buffer_init(&frames[f], SPAN_FRAME_PAYLOAD_MAX);
        write_frame(&frames[f], f + 1, call, TEXTS);
    }
    return 0;
}

static int free_frames(void **state)
{
    (void)state;
    for (unsigned f = 0; f < FRAMES; f++)
        span_buffer_done(&frames[f]);
    test_remove(directory);
    return 0;
}

static int each_row(void *context, const struct store_rows *rows)
{
    *(uint64_t *)context += rows->n;
    return 0;
}

static int each_group(void *context, uint64_t hour, const struct rollup_group *group)
{
    (void)hour;
    *(uint64_t *)context += group->calls;
    return 0;
}

static int each_version(void *context, const struct store_prompt_version *version)
{
    *(uint64_t *)context += version->words > 0;
    return 0;
}

static void count_fault(void *context, const char *sentence)
{
    assert_non_null(sentence);
    ++*(long *)context;
}

/* What is said without an error is right. */
static void read_all(struct store *store)
{
    static const enum span_field fields[] = {SPAN_prompt_id, SPAN_prompt_version, SPAN_prompt_variant,
                                             SPAN_prompt_name};
    const struct store_query query = {.until_ns = UINT64_MAX, .fields = fields, .n_fields = 4};
    uint64_t rows = 0, damaged = 0, calls = 0, versions = 0;
    long said = 0;
    if (store_scan(store, &query, each_row, &rows, &damaged) == 0) {
        assert_int_equal(damaged, 0);
        assert_int_equal(rows, FRAMES * TEXTS);
    }
    if (store_rollups(store, 0, UINT64_MAX, each_group, &calls) == 0)
        assert_int_equal(calls, FRAMES * TEXTS);
    if (store_prompt_versions(store, each_version, &versions) == 0)
        assert_true(versions == 0 || versions == FRAMES);
    assert_true(store_check(store, count_fault, &said) <= 0 && said == 0);
}

static void live(void *context, long at, bool more)
{
    struct store *store = NULL;
    struct store_totals totals;
    bool committed = false, learning = true, merging = true;
    (void)context;
    (void)unlink(file);
    failing_begin(at, more);
    if (store_open(file, STORE_WRITE, &store) == STORE_OK) {
        committed = test_take_in(store, frames, FRAMES) == STORE_OK && store_commit(store) == STORE_OK;
        if (!committed)
            store_rollback(store);
        while (committed && learning && store_learn(store, &learning) == STORE_OK)
            continue;
        if (committed)
            read_all(store);
        while (committed && merging && store_merge_step(store, &merging) == STORE_OK)
            continue;
        if (committed)
            read_all(store);
    }
    store_close(store);
    failing_end();
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, committed ? FRAMES * TEXTS : 0);
    for (merging = committed; merging;)
        assert_int_equal(store_merge_step(store, &merging), STORE_OK);
    if (committed) {
        uint64_t versions = 0;
        assert_int_equal(store_prompt_versions(store, each_version, &versions), 0);
        assert_int_equal(versions, FRAMES); /* what failed was tried again */
        read_all(store);
    }
    store_close(store);
}

static void test_every_path(void **state)
{
    (void)state;
    const long runs = each_path_of(live, NULL);
    print_message("%ld runs with failures\n", runs);
    nothing_leaked();
    assert_true(runs >= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_path),
    };
    return cmocka_run_group_tests(tests, make_frames, free_frames);
}
