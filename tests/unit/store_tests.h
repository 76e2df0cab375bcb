/* One store in a directory of its own, for each test anew: what the tests of the store set up. */
#pragma once

#include "collector_tests.h"

static char directory[64];
static char file[128];

/* For cmocka_unit_test_setup_teardown. */
static inline int setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    test_remove(directory);
    return 0;
}

static inline struct store *open_store(enum store_mode mode)
{
    struct store *store = NULL;
    assert_int_equal(store_open(file, mode, &store), STORE_OK);
    return store;
}
