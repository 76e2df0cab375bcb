/*
 * Desks: work comes back as it was left, at the same place; memory is what the desks and packets
 * take; where there is none for a packet, that work alone is given up and counted.
 */
#include "shim/llm/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool no_memory;
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes)
{
    return no_memory ? NULL : __real_malloc(bytes);
}

enum { WORDS = 700, BYTES = WORDS * 8, MANY = 1000 };
static unsigned tidied;

static void tidy(void *place)
{
    uint64_t *words = place;
    words[WORDS - 1] = 0; /* which mattered to nobody */
    tidied++;
}

static void wipe(void *place)
{
    memset(place, 0, BYTES);
}

static const struct desk_kind work_kind = {BYTES, tidy, wipe};

/* A place comes without anything of earlier work. */
static uint64_t *open_empty(struct desk_work *work)
{
    static const uint64_t zeros[WORDS];
    uint64_t *const place = desk_open(work, &work_kind);
    assert_non_null(place);
    assert_memory_equal(place, zeros, BYTES);
    return place;
}

static uint64_t seed = 1;
static uint64_t number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Zeros and others in every mixture, from empty to full. */
static void scribble(uint64_t *words, unsigned kind)
{
    for (unsigned i = 0; i < WORDS; i++)
        words[i] = number() % 16 < kind % 17 ? number() : 0;
    if (kind % 5 == 0)
        memset(words + 100, 0, 400 * sizeof(*words));
    words[0] = (uint64_t)(uintptr_t)&words[1]; /* points into itself */
    words[WORDS - 1] = 7;
}

static void test_work_comes_back(void **state)
{
    (void)state;
    static struct desk_work work[MANY];
    static uint64_t *place[MANY], copy[MANY][WORDS];
    for (unsigned i = 0; i < MANY; i++) {
        place[i] = open_empty(&work[i]);
        scribble(place[i], i);
        memcpy(copy[i], place[i], BYTES);
        copy[i][WORDS - 1] = 0;
    }
    assert_true(tidied >= MANY - DESKS);
    for (unsigned round = 0; round < 5000; round++) {
        const unsigned i = (unsigned)(number() % MANY);
        uint64_t *const words = desk_bring(&work[i]);
        assert_ptr_equal(words, place[i]);
        assert_memory_equal(words, copy[i], BYTES - 8);
        words[1 + number() % (WORDS - 2)] = number() % 3;
        memcpy(copy[i], words, BYTES);
        copy[i][WORDS - 1] = 0;
    }
    for (unsigned i = 0; i < MANY; i++) {
        const unsigned which = (i * 7 + 3) % MANY;
        assert_memory_equal(desk_bring(&work[which]), copy[which], BYTES - 8);
        desk_close(&work[which]);
    }
    assert_true(desk_memory() <= DESKS_IDLE_MAX * (BYTES + 64));
    assert_int_equal(desk_given_up(), 0);
}

static void test_few_are_never_packed(void **state)
{
    (void)state;
    struct desk_work work[DESKS];
    const unsigned before = tidied;
    for (unsigned i = 0; i < DESKS; i++)
        memset(open_empty(&work[i]), 1, BYTES);
    for (unsigned i = 0; i < DESKS; i++)
        assert_non_null(desk_bring(&work[i]));
    for (unsigned i = 0; i < DESKS; i++)
        desk_close(&work[i]);
    assert_int_equal(tidied, before);
}

static void test_waiting_work_is_small(void **state)
{
    (void)state;
    static struct desk_work work[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        uint64_t *const words = open_empty(&work[i]);
        words[5] = words[300] = 9;
    }
    assert_true(desk_memory() <= DESKS * (BYTES + 64) + MANY * 32);
    for (unsigned i = 0; i < MANY; i++)
        desk_close(&work[i]);
}

static void test_no_memory(void **state)
{
    (void)state;
    static struct desk_work work[3 * DESKS];
    const uint64_t before = desk_given_up();
    unsigned alive = 0;
    for (unsigned i = 0; i < 2 * DESKS; i++)
        memset(open_empty(&work[i]), 1, BYTES);
    no_memory = true;
    for (unsigned i = 2 * DESKS; i < 3 * DESKS; i++) /* each drives one out that cannot be packed */
        memset(open_empty(&work[i]), 1, BYTES);
    assert_int_equal(desk_given_up() - before, DESKS);
    no_memory = false;
    for (unsigned i = 0; i < 3 * DESKS; i++) {
        alive += desk_bring(&work[i]) != NULL;
        desk_close(&work[i]);
    }
    assert_int_equal(alive, 2 * DESKS);
    no_memory = true;
    for (unsigned i = 0; i < DESKS_IDLE_MAX; i++)
        (void)open_empty(&work[i]);
    (void)open_empty(&work[10]); /* shares one */
    no_memory = false;
    desk_close(&work[10]);
    for (unsigned i = 0; i < DESKS_IDLE_MAX; i++)
        desk_close(&work[i]);
}

/* A child begins with desks of its own, whatever the parent's held. */
static void test_fork(void **state)
{
    (void)state;
    struct desk_work mine, childs;
    desk_new_process();
    uint64_t *const words = desk_open(&mine, &work_kind);
    const pid_t child = fork();
    if (child == 0) {
        desk_new_process();
        const bool empty = desk_memory() == 0;
        const bool other = desk_open(&childs, &work_kind) != words;
        _exit(empty && other ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    desk_new_process();
    assert_ptr_equal(desk_bring(&mine), words);
    desk_close(&mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_work_comes_back),
        cmocka_unit_test(test_few_are_never_packed),
        cmocka_unit_test(test_waiting_work_is_small),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
