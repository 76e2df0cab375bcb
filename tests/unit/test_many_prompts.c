/* More texts than are learned from at once, and texts that are like no other: what can be
 * learned is, in whatever steps; the rest is counted. And how long it waits. */
#include "prompt_calls.h"

#include "store_tests.h"

enum { TEMPLATES = 3, VALUES = 2000, ALONE = 500 };

/* Number `i` of all calls: one of 13 is like no other, as long as there are such. */
static struct call call_of(unsigned i)
{
    const bool alone = i % 13 == 12 && i / 13 < ALONE;
    return (struct call){.process = 0,
                         .seq = i + 1,
                         .start_ns = BEGIN_NS + i * 100000000,
                         .text = {.template = alone ? 1000 + i : i % TEMPLATES, .value = i},
                         .first = true};
}

static void expect_all(struct store *store)
{
    static const enum span_field fields[] = {SPAN_prompt_id};
    const struct store_query all = {.until_ns = UINT64_MAX, .fields = fields, .n_fields = 1};
    struct prompts_seen seen = {0};
    uint64_t unassigned = 0;
    assert_int_equal(store_scan(store, &all, see_prompts, &seen, NULL), 0);
    assert_int_equal(seen.n, TEMPLATES);
    assert_int_equal(seen.calls[0] + seen.calls[1] + seen.calls[2], TEMPLATES * VALUES);
    assert_int_equal(seen.others, ALONE);
    assert_int_equal(store_texts_unassigned(store, &unassigned), STORE_OK);
    assert_int_equal(unassigned, ALONE);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

static void test_in_steps(void **state)
{
    struct store *store = NULL;
    uint64_t sequence = 0;
    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    for (unsigned from = 0; from < TEMPLATES * VALUES + ALONE; from += ROWS_MAX) {
        struct call call[ROWS_MAX];
        unsigned n = 0;
        for (; n < ROWS_MAX && from + n < TEMPLATES * VALUES + ALONE; n++)
            call[n] = call_of(from + n);
        take(store, ++sequence, call, n);
    }
    learn(store);
    expect_all(store);
    merge(store);
    expect_all(store);
    store_close(store);
}

/* A program whose clock is two centuries ahead makes no waiting text old. */
static void test_a_clock_ahead(void **state)
{
    struct store *store = NULL;
    uint64_t unassigned = 0;
    (void)state;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t now_ns = (uint64_t)time(NULL) * UINT64_C(1000000000) + i;
        const struct call call = {.process = 0,
                                  .seq = i + 1,
                                  .start_ns = now_ns + (i == 2 ? 200 * 365 * 24 * 60 * MINUTE_NS : 0),
                                  .text = {.template = i, .value = i},
                                  .first = true};
        take(store, i + 1, &call, 1);
    }
    learn(store);
    assert_int_equal(store_texts_unassigned(store, &unassigned), STORE_OK);
    assert_int_equal(unassigned, 3);
    store_close(store);
}

/* Calls of two prompts, too few to be sure of them, `ago_ns` before now. */
static void expect_open(uint64_t ago_ns, bool open)
{
    struct store *store = NULL;
    const uint64_t begin_ns = (uint64_t)time(NULL) * UINT64_C(1000000000) - ago_ns;
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    for (unsigned i = 0; i < 14; i++) {
        const struct call call = {.process = 0,
                                  .seq = i + 1,
                                  .start_ns = begin_ns + i * MINUTE_NS,
                                  .text = {.template = i % 2, .value = i},
                                  .first = true};
        take(store, i + 1, &call, 1);
    }
    learn(store);
    learn(store);
    merge(store);
    assert_int_equal(query("SELECT count(*) FROM prompt_template WHERE settled=0"), open ? 2 : 0);
    assert_int_equal(query("SELECT count(*) FROM prompt_template WHERE settled=1"), open ? 0 : 2);
    assert_int_equal(query("SELECT count(*) FROM prompt_open"), open ? 14 : 0);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

/* What may yet turn out to be an edit keeps hashes of its words, but for a day only, however few
 * calls came. */
static void test_open_today(void **state)
{
    (void)state;
    expect_open(20 * MINUTE_NS, true);
}

static void test_decided_tomorrow(void **state)
{
    (void)state;
    expect_open(25 * 60 * MINUTE_NS, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_clock_ahead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_today, setup, teardown),
        cmocka_unit_test_setup_teardown(test_decided_tomorrow, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
