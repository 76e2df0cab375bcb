/*
 * Private copies of every size by several threads: each stays what it was, blocks are used again,
 * and what many small copies cost is what they hold.
 */
#include "shim/tap/curl/keep.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { THREADS = 4, KEEPS = 200, ROUNDS = 20000 };

static size_t some_size(unsigned *seed)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 300, 1024, 2047, 2048, 2049, 5000, KEEP_BLOCK_BYTES, 20000};
    const unsigned kind = (unsigned)rand_r(seed);
    return kind % 4 != 0 ? (size_t)(kind / 4) % 400 : sizes[kind / 4 % (sizeof(sizes) / sizeof(sizes[0]))];
}

static bool holds(const struct keep *keep, char what)
{
    for (size_t i = 0; i < keep->bytes; i++)
        if (keep->data[i] != what)
            return false;
    return true;
}

static void *keeps_and_drops(void *argument)
{
    static _Thread_local struct keep keep[KEEPS];
    static _Thread_local char source[20000];
    unsigned seed = *(unsigned *)argument;
    for (unsigned round = 0; round < ROUNDS; round++) {
        const unsigned i = (unsigned)rand_r(&seed) % KEEPS;
        const char what = (char)(i % 250 + seed % 2);
        if (keep[i].data != NULL && !holds(&keep[i], keep[i].bytes != 0 ? keep[i].data[0] : 0))
            return argument;
        if (rand_r(&seed) % 3 == 0) {
            keep_drop(&keep[i]);
            continue;
        }
        const size_t bytes = some_size(&seed);
        memset(source, what, bytes);
        if (keep_set(&keep[i], source, bytes) != 0 || keep[i].bytes != bytes || !holds(&keep[i], what))
            return argument;
    }
    for (unsigned i = 0; i < KEEPS; i++)
        keep_drop(&keep[i]);
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    unsigned seed[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        seed[i] = i + 1;
        assert_int_equal(pthread_create(&thread[i], NULL, keeps_and_drops, &seed[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed;
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
}

static size_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_many_cost_what_they_hold(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    struct keep *keep = calloc(MANY, sizeof(*keep));
    memset(keep, 0, MANY * sizeof(*keep));
    const size_t before = resident_bytes();
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(keep_set(&keep[i], "https://api.openai.com/v1/chat/completions", 42), 0);
    const size_t first = resident_bytes() - before;
    assert_true(first < MANY * 128);
    for (unsigned i = 0; i < MANY; i++)
        keep_drop(&keep[i]);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(keep_set(&keep[i], "https://api.openai.com/v1/chat/completions", 42), 0);
    assert_true(resident_bytes() - before < first + 65536); /* the same blocks */
    for (unsigned i = 0; i < MANY; i++)
        keep_drop(&keep[i]);
    free(keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads), cmocka_unit_test(test_many_cost_what_they_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
