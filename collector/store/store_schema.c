/*
 * Is what a store says of its own tables what pprofd made? A store may come from somebody else: a
 * view in a table's place can be without an end, and a trigger changes what is written. Called when
 * a store is opened, by store_open.c. One thread per store. Must run nothing of what it looks at.
 */
#include "store_inner.h"

#include <string.h>

/* Tables of ours; whoever adds others of their own may. */
static const char tables[][16] = {
    "block",      "col",         "crowd",         "departed",    "loss",         "origin_loss",     "meta",
    "program",    "process_row", "prompt_open",   "prompt_rule", "prompt_shape", "prompt_template", "prompt_text",
    "rollup_key", "rollup_cell", "rollup_packed", "seen"};

static bool is_our_table(const char *name)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        if (strcmp(tables[i], name) == 0)
            return true;
    return false;
}

static bool is_our_view(const char *sql)
{
    return strstr(store_schema_processes, sql) != NULL || strstr(store_schema_rollups, sql) != NULL;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static int refuse(const char *type, const char *name)
{
    return store_because(
        STORE_FOREIGN, "its %s \"%.64s\" was not made by pprofd, so it is not trusted; `sqlite3 FILE .schema` shows it",
        type, name);
}

static int look_at(const char *type, const char *name, const char *sql)
{
    if (strcmp(type, "trigger") == 0 || (strcmp(type, "view") == 0 && !is_our_view(sql)))
        return refuse(type, name);
    if (strcmp(type, "table") == 0 && is_our_table(name) && !begins(sql, "CREATE TABLE "))
        return refuse(type, name); /* CREATE VIRTUAL TABLE */
    return 0;
}

int store_schema_check(struct store *store)
{
    sqlite3_stmt *rows = NULL;
    int code =
        sqlite3_prepare_v2(store->db, "SELECT type, name, coalesce(sql, '') FROM sqlite_master", -1, &rows, NULL);
    int status = 0;

    while (code == SQLITE_OK && status == 0 && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *part[3];
        size_t bytes;

        for (int i = 0; i < 3 && status == 0; i++)
            status = store_column_text(rows, i, &part[i], &bytes);
        if (status == 0)
            status = look_at(part[0], part[1], part[2]);
        code = SQLITE_OK;
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "reading");
    (void)sqlite3_finalize(rows);
    return status;
}
