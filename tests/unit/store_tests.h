/* One store in a directory of its own, for each test anew: what the tests of the store set up. */
#pragma once

#include <sqlite3.h>

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
    (void)chmod(directory, 0700);
    test_remove(directory);
    return 0;
}

static inline struct store *open_store(enum store_mode mode)
{
    struct store *store = NULL;
    const int status = store_open(file, mode, &store);
    if (status != STORE_OK)
        print_message("%d: %s\n", status, store_why());
    assert_int_equal(status, STORE_OK);
    return store;
}

/* The one number that this question to the file is answered with. */
static inline __attribute__((format(printf, 1, 2))) int64_t query(const char *format, ...)
{
    char sql[512];
    va_list arguments;
    sqlite3 *db;
    sqlite3_stmt *statement;

    va_start(arguments, format);
    vsnprintf(sql, sizeof(sql), format, arguments);
    va_end(arguments);
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}
