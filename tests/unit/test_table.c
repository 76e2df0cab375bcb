/* Which columns of a table are shown, and how wide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "../../collector/cli/table.h"
#include "../../collector/cli/terminal.h"

static void fill(struct table *table)
{
    static const char *const rows[][4] = {
        {"a-prompt-with-a-rather-long-name-of-forty", "12", "1.00s", "-"},
        {"short", "1,234", "90ms", "-"},
        {"total", "1,246", "1.00s", "-"},
    };
    table_init(table);
    table_add_column(table, "prompt", true, 0);
    table_add_column(table, "calls", false, 0);
    table_add_column(table, "ttft", false, 3);
    table_add_column(table, "queue", false, 9);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(table_add_row(table, rows[i]), 0);
}

static char *print(const struct table *table)
{
    char *data = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&data, &bytes);
    assert_non_null(out);
    table_print(out, table, 1, "<", ">");
    (void)fclose(out);
    return data;
}

static void test_natural(void **state)
{
    (void)state;
    struct table table;
    fill(&table);
    assert_int_equal(table_fit(&table, 0), 0);
    char *text = print(&table);
    assert_string_equal(text, "<prompt                                     calls   ttft  queue>\n"
                              "──────────────────────────────────────────────────────────────\n"
                              "a-prompt-with-a-rather-long-name-of-forty     12  1.00s      -\n"
                              "short                                      1,234   90ms      -\n"
                              "──────────────────────────────────────────────────────────────\n"
                              "total                                      1,246  1.00s      -\n");
    free(text);
    table_done(&table);
}

static void test_names_are_cut_first(void **state)
{
    (void)state;
    struct table table;
    fill(&table);
    assert_int_equal(table_fit(&table, 52), 0);
    assert_int_equal(table.column[0].shown, 31);
    char *text = print(&table);
    assert_non_null(strstr(text, "a-prompt-with-a-rather-long-na…     12"));
    free(text);
    table_done(&table);
}

static void test_columns_go_by_priority(void **state)
{
    (void)state;
    struct table table;
    fill(&table);
    assert_int_equal(table_fit(&table, 44), 1);
    assert_int_equal(table.column[3].shown, 0);
    assert_int_equal(table.column[2].shown, 5);
    assert_int_equal(table.column[0].shown, 30); /* the room of the lost column goes back to the name */
    assert_int_equal(table_fit(&table, 40), 1);
    assert_int_equal(table.column[0].shown, 26);
    assert_int_equal(table_fit(&table, 37), 2); /* not cut below TABLE_NAME_GOOD as long as a column can go */
    assert_int_equal(table.column[0].shown, 30);
    assert_int_equal(table_fit(&table, 30), 2);
    assert_int_equal(table.column[0].shown, 23);
    table_done(&table);
}

/* At every width: no line is longer, unless the least that can be shown is. */
static void test_every_width(void **state)
{
    (void)state;
    struct table table;
    fill(&table);
    for (size_t width = 1; width < 90; width++) {
        (void)table_fit(&table, width);
        char *text = print(&table);
        char *rest = text, *line;
        while ((line = strsep(&rest, "\n")) != NULL) {
            size_t marks = strchr(line, '<') != NULL ? 2 : 0;
            assert_true(terminal_columns(line) - marks <= (width < 19 ? 19 : width));
        }
        free(text);
    }
    table_done(&table);
}

static void test_hidden_and_empty(void **state)
{
    (void)state;
    struct table table;
    fill(&table);
    assert_true(table_column_empty(&table, 3));
    assert_false(table_column_empty(&table, 1));
    table.column[3].shown = SIZE_MAX;
    assert_int_equal(table_fit(&table, 0), 0);
    char *text = print(&table);
    assert_null(strstr(text, "queue"));
    free(text);
    table_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_natural),
        cmocka_unit_test(test_names_are_cut_first),
        cmocka_unit_test(test_columns_go_by_priority),
        cmocka_unit_test(test_every_width),
        cmocka_unit_test(test_hidden_and_empty),
    };
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
