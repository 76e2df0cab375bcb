/* Stores whose tables are not as pprofd makes them: a view without an end in a table's place,
 * triggers, virtual tables. */
#include "store_file.h"

#include <sqlite3.h>

static void change(const char *sql)
{
    sqlite3 *db;
    char *why = NULL;

    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void make(void)
{
    struct store *store;

    (void)unlink(file);
    store = open_store(STORE_WRITE);
    test_fill(store, 1, 1, 2);
    store_close(store);
}

static void expect_refused(enum store_mode mode, const char *what)
{
    struct store *store = NULL;

    assert_int_equal(store_open(file, mode, &store), STORE_FOREIGN);
    assert_null(store);
    if (strstr(store_why(), what) == NULL)
        fail_msg("not of %s: %s", what, store_why());
}

#define ENDLESS(name, columns)                                                                                         \
    "DROP TABLE " name "; CREATE VIEW " name "(" columns                                                               \
    ") AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i FROM n"

static void test_what_pprofd_did_not_make(void **state)
{
    static const struct {
        const char *sql, *what;
    } changes[] = {{ENDLESS("seen", "process, first, last"), "view \"seen\""},
                   {ENDLESS("col", "block, field, data"), "view \"col\""},
                   {ENDLESS("departed", "id, process, last"), "view \"departed\""},
                   {"DROP VIEW process; CREATE VIEW process AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                    "FROM n) SELECT i AS id FROM n",
                    "view \"process\""},
                   {"CREATE TRIGGER gone AFTER INSERT ON block BEGIN DELETE FROM block; END", "trigger \"gone\""},
                   {"DROP TABLE loss; CREATE VIRTUAL TABLE loss USING fts5(kind, events, spans)", "table \"loss\""}};

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        make();
        change(changes[i].sql);
        expect_refused(STORE_READ, changes[i].what);
        expect_refused(STORE_WRITE, changes[i].what);
    }
}

static void test_tables_of_the_users_own(void **state)
{
    struct store *store;
    struct store_totals totals;

    (void)state;
    make();
    change("CREATE TABLE notes(text); CREATE INDEX notes_text ON notes(text)");
    store = open_store(STORE_READ);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, 2 * ROWS_PER_FRAME);
    store_close(store);
    store = open_store(STORE_WRITE);
    test_fill(store, 1, 3, 1);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_pprofd_did_not_make, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tables_of_the_users_own, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
