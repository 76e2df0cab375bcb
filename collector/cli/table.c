/*
 * A table of texts for a terminal. Called by report; knows nothing of what the cells mean.
 */
#include "table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

void table_init(struct table *table)
{
    *table = (struct table){0};
}

void table_done(struct table *table)
{
    for (size_t i = 0; i < table->n_rows * table->n_columns; i++)
        free(table->cell[i]);
    free(table->cell);
    *table = (struct table){0};
}

void table_add_column(struct table *table, const char *title, bool name, unsigned priority)
{
    if (table->n_columns == TABLE_COLUMNS_MAX)
        return;
    table->column[table->n_columns++] =
        (struct table_column){.title = title, .name = name, .priority = priority, .width = terminal_columns(title)};
}

int table_add_row(struct table *table, const char *const *cells)
{
    size_t n = table->n_columns;
    if (table->n_rows == table->rows_capacity) {
        size_t capacity = table->rows_capacity == 0 ? 64 : table->rows_capacity * 2;
        char **grown = realloc(table->cell, capacity * n * sizeof(*grown));
        if (grown == NULL)
            return -1;
        table->cell = grown;
        table->rows_capacity = capacity;
    }
    char **row = table->cell + table->n_rows * n;
    for (size_t c = 0; c < n; c++) {
        row[c] = strdup(cells[c]);
        if (row[c] == NULL) {
            while (c > 0)
                free(row[--c]);
            return -1;
        }
        table->column[c].width = max_size(table->column[c].width, terminal_columns(cells[c]));
    }
    table->n_rows++;
    return 0;
}

bool table_column_empty(const struct table *table, size_t column)
{
    for (size_t r = 0; r < table->n_rows; r++)
        if (strcmp(table->cell[r * table->n_columns + column], "-") != 0)
            return false;
    return true;
}

static size_t total_width(const struct table *table)
{
    size_t sum = 0, n = 0;
    for (size_t c = 0; c < table->n_columns; c++) {
        sum += table->column[c].shown;
        n += table->column[c].shown > 0;
    }
    return sum + (n > 0 ? (n - 1) * TABLE_GAP : 0);
}

/* Cuts the widest names, one character at a time, down to `least`, until the table fits. */
static void cut_names(struct table *table, size_t width, size_t least)
{
    while (total_width(table) > width) {
        struct table_column *widest = NULL;
        for (size_t c = 0; c < table->n_columns; c++) {
            struct table_column *column = &table->column[c];
            if (column->name && column->shown > least && (widest == NULL || column->shown > widest->shown))
                widest = column;
        }
        if (widest == NULL)
            return;
        widest->shown--;
    }
}

/* Gives unused room back to names that were cut. */
static void widen_names(struct table *table, size_t width)
{
    for (size_t c = 0; c < table->n_columns; c++) {
        struct table_column *column = &table->column[c];
        size_t used = total_width(table);
        if (!column->name || column->shown == 0 || used >= width)
            continue;
        size_t room = width - used, wanted = column->width - column->shown;
        column->shown += wanted < room ? wanted : room;
    }
}

/* Leaves the column with the largest priority out; of equals, the last. */
static bool leave_one_out(struct table *table)
{
    struct table_column *least = NULL;
    for (size_t c = 0; c < table->n_columns; c++) {
        struct table_column *column = &table->column[c];
        if (!column->name && column->shown > 0 && (least == NULL || column->priority >= least->priority))
            least = column;
    }
    if (least == NULL || least->priority == 0)
        return false;
    least->shown = 0;
    return true;
}

size_t table_fit(struct table *table, size_t width)
{
    size_t left_out = 0;
    for (size_t c = 0; c < table->n_columns; c++)
        table->column[c].shown = table->column[c].shown == SIZE_MAX ? 0 : table->column[c].width;
    if (width == 0)
        return 0;
    cut_names(table, width, TABLE_NAME_GOOD);
    while (total_width(table) > width && leave_one_out(table))
        left_out++;
    cut_names(table, width, TABLE_NAME_MIN);
    widen_names(table, width);
    return left_out;
}

static void print_blanks(FILE *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)fputc(' ', out);
}

static void print_cell(FILE *out, const struct table_column *column, const char *text, bool last)
{
    size_t width = terminal_columns(text);
    if (!column->name) {
        print_blanks(out, column->shown > width ? column->shown - width : 0);
        (void)fputs(text, out);
        return;
    }
    if (width > column->shown) {
        size_t bytes = terminal_cut(text, column->shown - 1, &width);
        (void)fprintf(out, "%.*s…", (int)bytes, text);
        width++;
    } else {
        (void)fputs(text, out);
    }
    if (!last)
        print_blanks(out, column->shown > width ? column->shown - width : 0);
}

static void print_line(FILE *out, const struct table *table, char *const *cells)
{
    size_t last = 0;
    for (size_t c = 0; c < table->n_columns; c++)
        if (table->column[c].shown > 0)
            last = c;
    bool first = true;
    for (size_t c = 0; c <= last && c < table->n_columns; c++) {
        const struct table_column *column = &table->column[c];
        if (column->shown == 0)
            continue;
        if (!first)
            print_blanks(out, TABLE_GAP);
        first = false;
        print_cell(out, column, cells != NULL ? cells[c] : column->title, c == last);
    }
}

static void print_rule(FILE *out, const struct table *table)
{
    for (size_t i = total_width(table); i > 0; i--)
        (void)fputs("─", out);
    (void)fputc('\n', out);
}

void table_print(FILE *out, const struct table *table, size_t n_totals, const char *bold, const char *plain)
{
    (void)fputs(bold, out);
    print_line(out, table, NULL);
    (void)fprintf(out, "%s\n", plain);
    print_rule(out, table);
    for (size_t r = 0; r < table->n_rows; r++) {
        if (n_totals > 0 && r == table->n_rows - n_totals)
            print_rule(out, table);
        print_line(out, table, table->cell + r * table->n_columns);
        (void)fputc('\n', out);
    }
}
