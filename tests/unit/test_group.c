/* Grouping: keys, sums that know how many calls stated them, quantiles, labels. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../collector/base/display.h"
#include "../../collector/query/order.h"

#define SECOND UINT64_C(1000000000)
#define START (UINT64_C(1764000000) * SECOND)

static char path[] = "/tmp/pprof-test-group-XXXXXX";
static struct span_process process = {
    .identity = {1, 2, 3}, .pid = 42, .executable = "php", .host = "box", .service = "shop", .start_ns = START};
static uint64_t sequence;

static void text(struct span *span, enum span_field field, const char *value)
{
    span_set_text(span, field, value, strlen(value));
}

/* Call number i: two prompts, the second without a name; every third call states no tokens, every
 * tenth is an error. From MODELS_AT on: models of which each calls a few times, for a prompt that
 * has a model's name. */
enum { MODELS_AT = 1000, MODELS = 100 };

static void make_span(struct span *span, uint64_t i)
{
    span_init(span);
    span_set_u64(span, SPAN_seq, i + 1);
    span_set_u64(span, SPAN_start_ns, START + i * SECOND);
    if (i >= MODELS_AT) {
        char name[32];
        (void)snprintf(name, sizeof(name), "model-%u", (unsigned)(i % MODELS));
        text(span, SPAN_request_model, name);
        text(span, SPAN_prompt_name, "large");
        span_set_u64(span, SPAN_status, 200);
        span_set_u64(span, SPAN_output_tokens, 10 + i % 7);
        span_set_u64(span, SPAN_decode_ns, SECOND * (1 + i % MODELS) / 10);
        span_set_u64(span, SPAN_total_ns, SECOND * (1 + i % MODELS % 13));
        return;
    }
    span_set_u64(span, SPAN_total_ns, (i + 1) * 1000000);
    span_set_u64(span, SPAN_wait_ns, (i + 1) * 500000);
    text(span, SPAN_request_model, i % 2 == 0 ? "small" : "large");
    if (i % 4 < 2) {
        text(span, SPAN_prompt_name, "triage");
        text(span, SPAN_prompt_version, i % 4 == 0 ? "1" : "2");
    } else {
        span_set_u64(span, SPAN_prompt_id, 0xabcdef);
        if (i > 50)
            text(span, SPAN_prompt_preview, "You are\na clerk");
    }
    if (i % 10 == 9) {
        text(span, SPAN_error_type, "429");
        span_set_u64(span, SPAN_status, 429);
        return;
    }
    span_set_u64(span, SPAN_status, 200);
    if (i % 3 != 0) {
        span_set_u64(span, SPAN_input_tokens, 100);
        span_set_u64(span, SPAN_output_tokens, 10);
        span_set_u64(span, SPAN_decode_ns, SECOND / 4);
    }
}

static void put_block(struct store *store, uint64_t first, size_t n)
{
    struct span *spans = calloc(n, sizeof(*spans));
    const struct span **pointers = calloc(n, sizeof(*pointers));
    struct span_buffer payload;
    bool repeat;
    assert_non_null(spans);
    assert_non_null(pointers);
    for (size_t i = 0; i < n; i++) {
        make_span(&spans[i], first + i);
        pointers[i] = &spans[i];
    }
    span_buffer_init(&payload, SPAN_FRAME_PAYLOAD_MAX);
    assert_int_equal(span_block_encode(&payload, pointers, n, 1), 0);
    struct span_frame frame = {
        .kind = SPAN_FRAME_SPANS, .sequence = ++sequence, .payload = payload.data, .payload_bytes = payload.bytes};
    memcpy(frame.identity, process.identity, sizeof(frame.identity));
    assert_int_equal(store_begin(store), STORE_OK);
    assert_int_equal(store_take_process(store, &process), STORE_OK);
    assert_int_equal(store_take_frame(store, &frame, &repeat), STORE_OK);
    assert_int_equal(store_commit(store), STORE_OK);
    span_buffer_done(&payload);
    free((void *)pointers);
    free(spans);
}

static int make_store(void **state)
{
    (void)state;
    struct store *store;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    (void)unlink(path);
    assert_int_equal(store_open(path, STORE_WRITE, &store), STORE_OK);
    put_block(store, 0, 7); /* blocks with different dictionaries */
    put_block(store, 7, 53);
    put_block(store, 60, 40);
    store_close(store);
    return 0;
}

static int remove_store(void **state)
{
    (void)state;
    char beside[sizeof(path) + 8];
    (void)unlink(path);
    (void)snprintf(beside, sizeof(beside), "%s-wal", path);
    (void)unlink(beside);
    (void)snprintf(beside, sizeof(beside), "%s-shm", path);
    (void)unlink(beside);
    return 0;
}

static void scan(struct grouping *grouping, const char *first, const char *second, uint64_t since, uint64_t until)
{
    const struct key *by[2] = {first != NULL ? key_find(first, strlen(first)) : NULL,
                               second != NULL ? key_find(second, strlen(second)) : NULL};
    struct store *store;
    assert_int_equal(grouping_init(grouping, by, (size_t)(first != NULL) + (size_t)(second != NULL)), 0);
    grouping->since_ns = since;
    grouping->until_ns = until;
    assert_int_equal(store_open(path, STORE_READ, &store), STORE_OK);
    assert_int_equal(grouping_scan(grouping, store), STORE_OK);
    store_close(store);
}

static struct group *find(struct grouping *grouping, const char *first, const char *second)
{
    for (size_t i = 0; i < grouping->n_groups; i++) {
        struct group *group = &grouping->group[i];
        if (strcmp(grouping_text(grouping, group, 0, NULL), first) == 0 &&
            (second == NULL || strcmp(grouping_text(grouping, group, 1, NULL), second) == 0))
            return group;
    }
    return NULL;
}

static struct report_value value_of(struct group *group, const char *column)
{
    for (size_t i = 0; i < n_report_columns; i++)
        if (strcmp(report_columns[i].name, column) == 0)
            return report_value(&report_columns[i], group);
    fail_msg("no column %s", column);
    return (struct report_value){0};
}

static void test_prompts(void **state)
{
    (void)state;
    struct grouping grouping;
    scan(&grouping, "prompt", NULL, 0, UINT64_MAX);
    assert_int_equal(grouping.n_groups, 3);
    assert_int_equal(grouping.total.calls, 100);
    assert_int_equal(find(&grouping, "triage@1", NULL)->calls, 25);
    assert_int_equal(find(&grouping, "triage@2", NULL)->calls, 25);
    struct group *unnamed = find(&grouping, "\"You are a clerk\"", NULL);
    assert_non_null(unnamed); /* one group, before and after its preview was known */
    assert_int_equal(unnamed->calls, 50);
    assert_int_equal(grouping.first_ns, START);
    assert_int_equal(grouping.last_ns, START + 99 * SECOND);
    grouping_done(&grouping);
}

static void test_two_keys_and_totals(void **state)
{
    (void)state;
    struct grouping grouping;
    uint64_t calls = 0, errors = 0, input = 0;
    scan(&grouping, "model", "status", 0, UINT64_MAX);
    assert_int_equal(grouping.n_groups, 3); /* every tenth call is odd, so only "large" has errors */
    assert_int_equal(find(&grouping, "large", "429")->calls, 10);
    for (size_t i = 0; i < grouping.n_groups; i++) {
        calls += grouping.group[i].calls;
        errors += grouping.group[i].errors;
        input += grouping.group[i].tokens[GROUP_INPUT].sum;
    }
    assert_int_equal(calls, 100);
    assert_int_equal(errors, 10);
    assert_int_equal(grouping.total.errors, 10);
    assert_int_equal(grouping.total.tokens[GROUP_INPUT].sum, input);
    grouping_done(&grouping);
}

static void test_values(void **state)
{
    (void)state;
    struct grouping grouping;
    scan(&grouping, "service", NULL, 0, UINT64_MAX);
    struct group *group = find(&grouping, "shop", NULL);
    assert_non_null(group);
    /* Of 90 answers, those with i % 3 == 0 are silent: 34 of 100, 4 of which (9, 39, 69, 99) are
     * errors. */
    struct report_value input = value_of(group, "input_tokens");
    assert_true(input.seen);
    assert_true(input.partial);
    assert_int_equal(input.calls, 60);
    assert_int_equal(input.whole, 6000);
    assert_false(value_of(group, "cached_tokens").seen);
    assert_false(value_of(group, "ttft_p50_ns").seen);
    assert_int_equal(value_of(group, "total_p50_ns").whole, 50 * 1000000);
    assert_int_equal(value_of(group, "total_p95_ns").whole, 95 * 1000000);
    assert_int_equal(value_of(group, "total_p99_ns").whole, 99 * 1000000);
    assert_true(value_of(group, "wait_share").real > 0.4999 && value_of(group, "wait_share").real < 0.5001);
    assert_false(value_of(group, "queue_share").seen);
    assert_true(value_of(group, "tokens_per_second").real > 39.9 && value_of(group, "tokens_per_second").real < 40.1);
    grouping_done(&grouping);
}

static void test_period(void **state)
{
    (void)state;
    struct grouping grouping;
    scan(&grouping, "prompt", NULL, START + 10 * SECOND, START + 20 * SECOND);
    assert_int_equal(grouping.total.calls, 10);
    grouping_done(&grouping);
    scan(&grouping, NULL, NULL, START + 90 * SECOND, UINT64_MAX);
    assert_int_equal(grouping.total.calls, 10);
    grouping_done(&grouping);
}

static void test_quantiles(void **state)
{
    (void)state;
    struct quantiles few = {0}, many = {0}, gaps = {0};
    uint64_t value = 0;
    assert_false(quantiles_at(&few, 0.5, &value));
    quantiles_add(&few, 7);
    assert_true(quantiles_at(&few, 0.99, &value));
    assert_int_equal(value, 7);
    for (uint64_t i = 1; i <= 10000; i++)
        quantiles_add(&many, i * 1000);
    assert_non_null(many.histogram);
    assert_true(quantiles_at(&many, 0.5, &value));
    assert_true(value > 5000000 * 0.984 && value < 5000000 * 1.016);
    quantiles_merge(&few, &many);
    assert_non_null(few.histogram);
    assert_int_equal(few.histogram->count, 10001);
    quantiles_add_gaps(&gaps, (const uint8_t *)"\xff\xff", 2); /* damaged: left out */
    assert_false(quantiles_at(&gaps, 0.5, &value));
    quantiles_add_gaps(&gaps, (const uint8_t *)"\x05\x02\x01", 3);
    assert_true(quantiles_at(&gaps, 1, &value));
    assert_int_equal(value, 6);
    assert_int_equal(few.histogram->count, 10001);
    quantiles_done(&few);
    quantiles_done(&many);
    quantiles_done(&gaps);
}

/* A sum that not all calls stated says so by a +; what none stated is not 0. */
static void test_values_as_text(void **state)
{
    static const struct {
        enum report_unit unit;
        struct report_value value;
        const char *text;
    } values[] = {
        {REPORT_COUNT, {.seen = true, .whole = 12}, "12"},
        {REPORT_TOKENS, {.seen = true, .whole = 12}, "12"},
        {REPORT_TOKENS, {.seen = true, .whole = 12, .partial = true}, "12+"},
        {REPORT_TOKENS, {.seen = true, .partial = true}, "0+"},
        {REPORT_TOKENS, {.whole = 12, .partial = true}, "-"},
        {REPORT_NS, {.whole = 12}, "-"},
        {REPORT_SHARE, {.seen = true, .real = 0.25}, "25%"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const struct report_column column = {.unit = values[i].unit};
        char text[DISPLAY_BYTES];
        report_value_text(text, &column, &values[i].value);
        assert_string_equal(text, values[i].text);
    }
}

/* Each call is counted in its group, however many there are, and while they become more. */
static void test_many_groups(void **state)
{
    enum { TIMES = 3 };
    struct grouping grouping;
    struct store *store;
    (void)state;
    assert_int_equal(store_open(path, STORE_WRITE, &store), STORE_OK);
    for (unsigned i = 0; i < TIMES; i++)
        put_block(store, MODELS_AT + i * MODELS, MODELS);
    store_close(store);
    scan(&grouping, "model", NULL, 0, UINT64_MAX);
    assert_int_equal(grouping.n_groups, 2 + MODELS);
    for (unsigned i = 0; i < MODELS; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "model-%u", i);
        assert_int_equal(find(&grouping, name, NULL)->calls, TIMES);
    }
    assert_int_equal(find(&grouping, "large", NULL)->calls, 50);
    assert_int_equal(grouping.total.calls, 100 + TIMES * MODELS);
    grouping_done(&grouping);
}

/* By each column the largest first, what was not seen last; by a key, in the order of its names. */
static void test_orders(void **state)
{
    struct grouping grouping;
    struct order order;
    (void)state;
    scan(&grouping, "model", NULL, 0, UINT64_MAX);
    for (size_t c = 0; c < n_report_columns; c++) {
        const struct report_column *const column = &report_columns[c];
        const bool real = column->unit == REPORT_RATE || column->unit == REPORT_SHARE;
        assert_int_equal(order_find(column->name, &grouping, &order), 0);
        struct group **const row = order_groups(&grouping, &order);
        for (size_t i = 1; i < grouping.n_groups; i++) {
            const struct report_value before = report_value(column, row[i - 1]), after = report_value(column, row[i]);
            assert_true(before.seen || !after.seen);
            if (before.seen && after.seen)
                assert_true(real ? before.real >= after.real : before.whole >= after.whole);
        }
        free((void *)row);
    }
    assert_int_equal(order_find("model", &grouping, &order), 0);
    struct group **const row = order_groups(&grouping, &order);
    for (size_t i = 1; i < grouping.n_groups; i++)
        assert_true(strcmp(grouping_text(&grouping, row[i - 1], 0, NULL), grouping_text(&grouping, row[i], 0, NULL)) <
                    0);
    free((void *)row);
    assert_int_equal(order_find("provider", &grouping, &order), -1);
    grouping_done(&grouping);
}

/* A prompt's name is its label, also where a model of the same name called for prompts without. */
static void test_labels_are_of_prompts(void **state)
{
    struct grouping grouping;
    (void)state;
    scan(&grouping, "model", "prompt", 0, UINT64_MAX);
    assert_non_null(find(&grouping, "large", "\"You are a clerk\""));
    assert_non_null(find(&grouping, "model-7", "large"));
    grouping_done(&grouping);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompts),
        cmocka_unit_test(test_two_keys_and_totals),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_period),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_values_as_text),
        cmocka_unit_test(test_many_groups),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_labels_are_of_prompts),
    };
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, make_store, remove_store);
}
