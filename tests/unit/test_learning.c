/*
 * Learning at scale, beside other work: what fits nothing blocks nobody, a template is found
 * however many were used since, memory does not grow with either; and a lesson is mined while calls
 * come in, others learn, or its writer is killed.
 */
#include "prompt_calls.h"
#include "store_tests.h"

#include <malloc.h>
#include <poll.h>
#include <signal.h>

#include <sqlite3.h>

#include "collector/prompts/learned.h"
#include "collector/store/prompts/store_learner.h"
#include "span/varint.h"

/* ---- memory of ours ---- */

static size_t allocated, allocated_most;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void __real_free(void *memory);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void __wrap_free(void *memory);

static void *count(void *memory)
{
    allocated += memory == NULL ? 0 : malloc_usable_size(memory);
    allocated_most = allocated > allocated_most ? allocated : allocated_most;
    return memory;
}

static void discount(void *memory)
{
    const size_t bytes = memory == NULL ? 0 : malloc_usable_size(memory);
    allocated -= bytes < allocated ? bytes : allocated; /* what libraries made is freed here, too */
}

void *__wrap_malloc(size_t bytes)
{
    return count(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return count(__real_calloc(n, bytes));
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    discount(memory);
    return count(__real_realloc(memory, bytes));
}

void __wrap_free(void *memory)
{
    discount(memory);
    __real_free(memory);
}

/* ---- what is there ---- */

static struct prompts_seen look(struct store *store)
{
    static const enum span_field fields[] = {SPAN_prompt_id};
    const struct store_query all = {.until_ns = UINT64_MAX, .fields = fields, .n_fields = 1};
    struct prompts_seen seen = {0};
    assert_int_equal(store_scan(store, &all, see_prompts, &seen, NULL), 0);
    return seen;
}

/* `n` calls, each of a text of its own, in frames of many. */
static void take_all(struct store *store, unsigned process, uint64_t *sequence, unsigned n,
                     struct text (*text_of)(unsigned number))
{
    static struct call call[ROWS_MAX];
    for (unsigned from = 0; from < n; from += ROWS_MAX) {
        unsigned rows = 0;
        for (; rows < ROWS_MAX && from + rows < n; rows++)
            call[rows] = (struct call){.process = process,
                                       .seq = *sequence * ROWS_MAX + rows + 1,
                                       .start_ns = BEGIN_NS + (*sequence * ROWS_MAX + rows) * 1000000,
                                       .text = text_of(from + rows),
                                       .first = true};
        take(store, ++*sequence, call, rows);
    }
}

/* ---- many ---- */

enum { SAME = 20, BEFORE = 2000, AFTER = 4200 };

/* One in a hundred of the first is of the same template; all others are like none. */
static struct text nearly_none(unsigned number)
{
    return number < BEFORE && number % (BEFORE / SAME) == 7 ? (struct text){.template = 1, .value = number}
                                                            : (struct text){.template = 1000 + number};
}

static void test_behind_many_that_fit_nothing(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    uint64_t sequence = 0, unassigned = 0;
    (void)state;
    take_all(store, 0, &sequence, BEFORE + AFTER, nearly_none);
    learn(store);
    const struct prompts_seen seen = look(store);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.calls[0], SAME);
    assert_int_equal(seen.others, BEFORE + AFTER - SAME);
    assert_int_equal(store_texts_unassigned(store, &unassigned), STORE_OK);
    assert_int_equal(unassigned, BEFORE + AFTER - SAME);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

enum { TEMPLATES = 12000, MORE = 30, MEMORY_MAX = 24 << 20 };

/* Templates that were settled long ago and used a moment ago, each with all words of a text. */
static void know_many(void)
{
    sqlite3 *db;
    sqlite3_stmt *put;
    struct span_buffer data;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "INSERT INTO prompt_template(prompt,version,scope,setup,texts,data,first_ns,"
                                        "last_ns,alias,settled) VALUES(?1,1,1,0,20,?2,?3,?3,0,1)",
                                        -1, &put, NULL),
                     SQLITE_OK);
    span_buffer_init(&data, 65536);
    for (unsigned t = 0; t < TEMPLATES; t++) {
        data.bytes = 0;
        span_put_varint(&data, WORDS);
        span_put_varint(&data, 0);
        for (unsigned i = 0; i < WORDS; i++)
            span_put_varint(&data, word_of(&(struct text){.template = 100000 + t}, i));
        sqlite3_bind_int64(put, 1, (int64_t)text_id(&(struct text){.template = 100000 + t}));
        sqlite3_bind_blob(put, 2, data.data, (int)data.bytes, SQLITE_STATIC);
        sqlite3_bind_int64(put, 3, (int64_t)(BEGIN_NS + 60 * MINUTE_NS));
        assert_int_equal(sqlite3_step(put), SQLITE_DONE);
        sqlite3_reset(put);
    }
    sqlite3_finalize(put);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    span_buffer_done(&data);
}

static struct text of_three(unsigned number)
{
    return (struct text){.template = number % 3, .value = number};
}

static struct text of_known(unsigned number)
{
    return number % 4 == 3 ? (struct text){.template = 1000 + number} : (struct text){.template = 100000 + number};
}

/* A template is found however many others were used since, in memory that they do not fill. */
static void test_many_templates_in_bounded_memory(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    uint64_t sequence = 0;
    (void)state;
    take_all(store, 0, &sequence, 3 * MORE, of_three);
    learn(store);
    const struct prompts_seen before = look(store);
    assert_int_equal(before.n, 3);
    store_close(store);
    know_many();
    store = open_store(STORE_WRITE);
    take_all(store, 0, &sequence, 6 * MORE, of_three);
    learn(store);
    const struct prompts_seen after = look(store);
    assert_int_equal(after.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(after.id[i], before.id[i]);
        assert_int_equal(after.calls[i], 3 * MORE);
    }
    const size_t held = allocated;
    take_all(store, 0, &sequence, TEMPLATES, of_known);
    allocated_most = allocated;
    learn(store);
    print_message("%zu KB at most, %zu KB before\n", allocated_most / 1024, held / 1024);
    assert_true(allocated_most - held < MEMORY_MAX);
    assert_int_equal(query("SELECT count(*) FROM prompt_text WHERE done=1"), 6 * MORE + TEMPLATES / 4 * 3);
    assert_int_equal(query("SELECT count(*) FROM prompt_open"), TEMPLATES / 4);
    assert_int_equal(query("SELECT count(*) FROM prompt_template"), TEMPLATES + 3);
    store_close(store);
}

/* ---- beside other work ---- */

/* Steps until nothing is due; `meanwhile` runs once, while a lesson is being mined. */
static void learn_beside(struct store *store, void (*meanwhile)(struct store *store))
{
    struct store_learner *learner = store_learner_new();
    assert_non_null(learner);
    for (bool more = true; more;) {
        assert_int_equal(store_learner_step(learner, store, &more), STORE_OK);
        if (!store_learner_is_busy(learner))
            continue;
        if (meanwhile != NULL)
            meanwhile(store);
        meanwhile = NULL;
        struct pollfd fd = {.fd = store_learner_fd(learner), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, -1), 1);
    }
    assert_int_equal(store_learner_free(learner, store), STORE_OK);
}

static uint64_t later = 1000;

static void ingest(struct store *store)
{
    take_all(store, 0, &later, 3 * MORE, of_three);
}

static void merge_meanwhile(struct store *store)
{
    merge(store);
}

static void others_learn(struct store *store)
{
    struct store *other = open_store(STORE_WRITE);
    (void)store;
    learn(other);
    store_close(other);
}

static void expect_three(struct store *store, unsigned calls)
{
    const struct prompts_seen seen = look(store);
    assert_int_equal(seen.n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(seen.calls[i], calls);
    assert_int_equal(seen.others, 0);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

static void test_learning_beside_ingest(void **state)
{
    static void (*const meanwhile[])(struct store *) = {ingest, merge_meanwhile, others_learn};
    (void)state;
    for (size_t i = 0; i < sizeof(meanwhile) / sizeof(meanwhile[0]); i++) {
        struct store *store = open_store(STORE_WRITE);
        uint64_t sequence = 0;
        take_all(store, 0, &sequence, 3 * MORE, of_three);
        learn_beside(store, meanwhile[i]);
        expect_three(store, meanwhile[i] == ingest ? 2 * MORE : MORE);
        assert_int_equal(query("SELECT count(*) FROM prompt_open"), 0);
        if (meanwhile[i] != merge_meanwhile) /* each text is counted once, whoever learned */
            assert_int_equal(query("SELECT sum(texts) FROM prompt_template"), 3 * MORE);
        merge(store);
        expect_three(store, meanwhile[i] == ingest ? 2 * MORE : MORE);
        store_close(store);
        assert_int_equal(unlink(file), 0);
        later = 1000;
    }
}

/* Killed between the two transactions of a lesson: nothing of it is there, and it comes again. */
static void test_killed_while_it_is_mined(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    uint64_t sequence = 0;
    bool more;
    (void)state;
    take_all(store, 0, &sequence, 3 * MORE, of_three);
    store_close(store);
    const pid_t child = fork();
    if (child == 0) {
        struct store_lesson *lesson = NULL;
        store = open_store(STORE_WRITE);
        if (store_lesson_begin(store, &lesson, &more) == STORE_OK && lesson != NULL)
            store_lesson_run(lesson);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(query("SELECT count(*) FROM prompt_template"), 0);
    assert_int_equal(query("SELECT count(*) FROM prompt_open"), 3 * MORE);
    store = open_store(STORE_WRITE);
    learn(store);
    expect_three(store, MORE);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_behind_many_that_fit_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_templates_in_bounded_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_learning_beside_ingest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed_while_it_is_mined, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
