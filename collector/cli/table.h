/*
 * A table of texts for a terminal: measures, drops what does not fit by priority, prints. For the
 * commands of pprofctl; one thread. Owner of a struct table: the caller; cells are copied.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    TABLE_COLUMNS_MAX = 48,
    TABLE_GAP = 2,        /* blanks between columns */
    TABLE_NAME_MIN = 12,  /* a name is not cut below this */
    TABLE_NAME_GOOD = 24, /* names are cut to this before any column is left out */
};

struct table_column {
    const char *title;
    bool name;         /* left-aligned, may be cut, never left out */
    unsigned priority; /* the largest is left out first */
    size_t width;      /* natural; set by table_add_row */
    size_t shown;      /* set by table_fit; 0: left out */
};

struct table {
    struct table_column column[TABLE_COLUMNS_MAX];
    size_t n_columns;
    char **cell; /* n_rows * n_columns */
    size_t n_rows;
    size_t rows_capacity;
};

void table_init(struct table *table);
void table_done(struct table *table);
void table_add_column(struct table *table, const char *title, bool name, unsigned priority);
/* All columns first. Returns 0, or -1 when memory ran out. */
int table_add_row(struct table *table, const char *const *cells);
/* Whether no row has anything but "-" in the column. */
bool table_column_empty(const struct table *table, size_t column);
/* Chooses what is shown in `width` characters, 0: everything. Returns how many columns are left
 * out. Columns with `column.shown` SIZE_MAX before the call are left out and not counted. */
size_t table_fit(struct table *table, size_t width);
/* Titles, a line, rows; the last `n_totals` rows below another line. `bold` is put before titles,
 * `plain` after. */
void table_print(FILE *out, const struct table *table, size_t n_totals, const char *bold, const char *plain);
