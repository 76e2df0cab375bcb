/*
 * Each allocation of a report fails: opening the store, grouping, names, times. Nothing is read
 * that is not there, nothing leaks, and what is reported without an error is what is reported with
 * memory.
 */
#include "collector_tests.h"
#include "failing.h"

#include "collector/query/group.h"

enum { FRAMES = 3 };

static char directory[64];
static char file[128];
static struct span_buffer frames[FRAMES + 1];

static int make_frames(void **state)
{
    (void)state;
    for (uint64_t i = 0; i <= FRAMES; i++) {
        span_buffer_init(&frames[i], SPAN_FRAME_PAYLOAD_MAX);
        if (i > 0)
            test_frame(&frames[i], 0, i);
    }
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

/* Takes all frames in; whether they were committed. */
static bool take_in(struct store *store)
{
    int status = test_take_in(store, frames + 1, FRAMES);
    if (status != STORE_OK) {
        store_rollback(store);
        return false;
    }
    return store_commit(store) == STORE_OK;
}

/* ---- what a report says ---- */

enum { REPORT_KEYS = 2 };

struct said {
    size_t groups;
    uint64_t calls, tokens, damaged, median[GROUP_TIMES];
    bool timed[GROUP_TIMES];
    char names[2048];
};

/* Everything that depends on memory: the groups' names, sums and times. False: it says that it
 * cannot. */
static bool report(struct said *ret_said)
{
    const struct key *by[REPORT_KEYS] = {key_find("prompt", 6), key_find("model", 5)};
    struct store *store = NULL;
    struct grouping grouping;
    bool good = false;
    memset(ret_said, 0, sizeof(*ret_said));
    if (grouping_init(&grouping, by, REPORT_KEYS) != 0)
        return false;
    grouping.until_ns = UINT64_MAX;
    if (store_open(file, STORE_READ, &store) == STORE_OK && grouping_scan(&grouping, store) == STORE_OK) {
        good = true;
        ret_said->groups = grouping.n_groups;
        ret_said->calls = grouping.total.calls;
        ret_said->damaged = grouping.damaged;
        ret_said->tokens = grouping.total.tokens[GROUP_OUTPUT].sum;
        for (size_t i = 0; i < GROUP_TIMES; i++)
            ret_said->timed[i] = quantiles_at(&grouping.total.time[i], 0.5, &ret_said->median[i]);
        for (size_t i = 0; i < grouping.n_groups; i++)
            for (size_t key = 0; key < REPORT_KEYS; key++) {
                const size_t used = strlen(ret_said->names);
                (void)snprintf(ret_said->names + used, sizeof(ret_said->names) - used, "%s ",
                               grouping_text(&grouping, &grouping.group[i], key, NULL));
            }
    }
    store_close(store);
    grouping_done(&grouping);
    return good;
}

static void report_with_failure(void *context, long at, bool more)
{
    static struct said said;
    failing_begin(at, more);
    const bool good = report(&said);
    failing_end();
    if (good)
        assert_memory_equal(&said, context, sizeof(said));
}

static void test_every_allocation_of_a_report(void **state)
{
    static struct said said;
    struct store *store = NULL;
    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_true(take_in(store));
    store_close(store);
    assert_true(report(&said));
    assert_true(said.groups > 2 && said.calls == FRAMES * ROWS_PER_FRAME);
    long runs = each_allocation(report_with_failure, &said, 1);
    /* Merged blocks are read in another way. */
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    for (bool more = true; more;)
        assert_int_equal(store_merge_step(store, &more), STORE_OK);
    store_close(store);
    assert_true(report(&said));
    runs += each_allocation(report_with_failure, &said, 1);
    print_message("%ld runs with failures\n", runs);
    nothing_leaked();
    assert_true(runs > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation_of_a_report),
    };
    return cmocka_run_group_tests(tests, make_frames, free_frames);
}
