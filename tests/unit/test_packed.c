/* The rollups of hours that are over lie packed: each group says what it said, whatever comes late,
 * whoever is killed. */
#include "store_tests.h"

#include <signal.h>
#include <sys/wait.h>

#include <sqlite3.h>

#include "collector/store/rollup.h"
#include "collector/store/store_inner.h"

/* Everything that groups say, whatever their order: a sum over the groups of a hash of each. */
static int digest_group(void *context, uint64_t hour, const struct rollup_group *group)
{
    uint64_t h = hour * 31 + 7;
    uint64_t *sum = context;
#define MIX(value) (h = (h ^ (value)) * 0x9E3779B97F4A7C15u, h ^= h >> 29)
    for (int k = 0; k < ROLLUP_KEY_COUNT; k++) {
        MIX(group->key[k].bytes);
        for (uint32_t i = 0; i < group->key[k].bytes; i++)
            MIX((uint8_t)group->key[k].data[i]);
    }
    MIX(group->calls);
    MIX(group->errors);
    for (int s = 0; s < ROLLUP_SUM_COUNT; s++) {
        MIX(group->sum[s]);
        MIX(group->stated[s]);
    }
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++) {
        MIX(group->sketch[s].n);
        MIX(group->sketch[s].n == 0 ? 0 : group->sketch[s].first);
        for (unsigned b = 0; b < group->sketch[s].n; b++)
            MIX(group->sketch[s].count[b]);
    }
#undef MIX
    *sum += h;
    return 0;
}

static uint64_t digest_of(enum store_mode mode)
{
    struct store *store = NULL;
    uint64_t digest = 0;
    assert_int_equal(store_open(file, mode, &store), STORE_OK);
    assert_int_equal(store_rollups(store, 0, UINT64_MAX, digest_group, &digest), 0);
    store_close(store);
    return digest;
}

static void merge_all(void)
{
    struct store *store = NULL;
    bool more = true;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    while (more)
        assert_int_equal(store_merge_step(store, &more), STORE_OK);
    store_close(store);
}

static uint64_t any_size(uint64_t *random)
{
    return random_next(random) >> (random_next(random) % 64);
}

/* A group of whatever may be counted: nothing, a little, as much as there can be. */
static void make_group(struct rollup_group *group, uint64_t *random)
{
    group->dirty = true;
    group->calls = any_size(random) >> 1;
    group->errors = random_next(random) % 2 == 0 ? 0 : group->calls;
    for (int s = 0; s < ROLLUP_SUM_COUNT; s++) {
        if (s == ROLLUP_SUM_cost_nanousd)
            continue; /* nobody stated it */
        group->sum[s] = random_next(random) % 8 == 0 ? INT64_MAX : any_size(random) >> 1;
        if (s == ROLLUP_SUM_decode_ns)
            group->sum[s] = group->sum[s] / 1000000 * 1000;
        group->stated[s] = random_next(random) % 2 == 0 ? group->calls : any_size(random) >> 1;
    }
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
        for (uint64_t i = random_next(random) % 20; i > 0; i--)
            assert_int_equal(rollup_sketch_add(&group->sketch[s], (unsigned)(random_next(random) % SPAN_SKETCH_BUCKETS),
                                               any_size(random) >> 16),
                             0);
}

/* An hour that is over is one row, and every group of it says what it said. */
static void test_packed_hours_say_the_same(void **state)
{
    enum { HOURS = 12 };
    static const unsigned groups[HOURS] = {1, 2, 3, 7, 64, 300, 1, 1, 1, 1, 800, 1};
    uint64_t random = 5;
    struct store *store = NULL;
    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_int_equal(store_begin(store), STORE_OK);
    for (unsigned h = 0; h < HOURS; h++)
        for (unsigned g = 0; g < groups[h]; g++) {
            struct span_text key[ROLLUP_KEY_COUNT];
            char name[32];
            int status;
            for (int k = 0; k < ROLLUP_KEY_COUNT; k++)
                key[k] = (struct span_text){"", 0};
            const int bytes = snprintf(name, sizeof(name), "prompt-%u", (g * 7919 + h) % 5000);
            key[ROLLUP_prompt] = (struct span_text){name, (uint32_t)bytes};
            struct rollup_group *group = rollup_put(store->rollup, 400000 + h * h, key, &status);
            assert_non_null(group);
            make_group(group, &random);
        }
    assert_int_equal(store_commit_all(store), STORE_OK);
    store_close(store);
    const uint64_t before = digest_of(STORE_READ);
    assert_true(query("SELECT count(*) FROM rollup_cell") > 1000);
    merge_all();
    assert_int_equal(query("SELECT count(*) FROM rollup_cell"), 0);
    assert_int_equal(query("SELECT count(*) FROM rollup_packed"), HOURS);
    assert_int_equal(digest_of(STORE_READ), before);
    assert_int_equal(digest_of(STORE_WRITE), before);
}

struct sums {
    uint64_t calls, errors, input;
};

static int sum_group(void *context, uint64_t hour, const struct rollup_group *group)
{
    struct sums *sums = context;
    (void)hour;
    sums->calls += group->calls;
    sums->errors += group->errors;
    sums->input += group->sum[ROLLUP_SUM_input];
    return 0;
}

/* What the rollups say is what the spans say, one by one. */
static void expect_sums(unsigned processes, uint64_t spans)
{
    static struct span span;
    struct store *store = NULL;
    struct sums want = {0}, have = {0};
    for (unsigned p = 0; p < processes; p++)
        for (uint64_t s = 1; s <= spans; s++) {
            test_span(&span, p, s);
            want.calls++;
            want.errors += span_has(&span, SPAN_error_type);
            want.input += span_has(&span, SPAN_input_tokens) ? span.value[SPAN_input_tokens].u64 : 0;
        }
    assert_int_equal(store_open(file, STORE_READ, &store), STORE_OK);
    assert_int_equal(store_rollups(store, 0, UINT64_MAX, sum_group, &have), 0);
    assert_memory_equal(&have, &want, sizeof(want));
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

/* Calls that come late are counted in the hour that was packed before, which stays so, also where
 * that folds groups. */
static void test_late_calls(void **state)
{
    enum { PROCESSES = 3, FRAMES = 20 };
    struct store *store = NULL;
    (void)state;
    for (uint64_t from = 1; from <= 3 * FRAMES; from += FRAMES) {
        assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
        if (from > 2 * FRAMES)
            store->rollup->groups_max = 8;
        test_fill(store, PROCESSES, from, FRAMES);
        store_close(store);
        assert_int_equal(query("SELECT count(*) FROM rollup_packed") > 0, from > 1);
        assert_int_equal(query("SELECT count(*) FROM rollup_cell") > 0, from == 1);
        expect_sums(PROCESSES, (from + FRAMES - 1) * ROWS_PER_FRAME);
        const uint64_t before = digest_of(STORE_READ);
        merge_all();
        assert_int_equal(query("SELECT count(*) FROM rollup_cell"), 0);
        assert_int_equal(digest_of(STORE_READ), before);
    }
}

/* Merges step by step, in the middle of which it is killed: an hour lies packed or as rows. */
static void merge_and_die(unsigned steps)
{
    const pid_t child = fork();
    int status;
    if (child == 0) {
        struct store *store = NULL;
        bool more = true;
        if (store_open(file, STORE_WRITE, &store) != STORE_OK)
            _exit(1);
        for (unsigned i = 0; i < steps && more; i++)
            if (store_merge_step(store, &more) != STORE_OK)
                _exit(1);
        (void)kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void test_killed_while_packing(void **state)
{
    enum { PROCESSES = 2, FRAMES = 3, ROUNDS = 6 };
    struct store *store = NULL;
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
        test_fill(store, PROCESSES, 1 + round * FRAMES, FRAMES);
        store_close(store);
        merge_and_die(round);
        expect_sums(PROCESSES, (round + 1) * FRAMES * ROWS_PER_FRAME);
        assert_int_equal(query("SELECT count(*) FROM rollup_packed WHERE hour IN (SELECT id>>32 FROM rollup_cell)"), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_packed_hours_say_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_while_packing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
