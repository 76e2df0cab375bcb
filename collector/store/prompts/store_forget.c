/*
 * Texts that belong to a prompt and did not recur: once every hour in which they were is merged,
 * nothing asks for them any more, and they go, with the keys of rollups that had their ids.
 *
 * Called by the merge when no hour is left to be merged; some a step, in a transaction of its own.
 */
#include "../store_inner.h"

#include <stdio.h>

enum {
    TEXTS_A_STEP = 1024,
    HOURS_MAX = 48, /* between the first and the last call of a text whose keys are looked for */
};

struct rare {
    int64_t row, id, first_ns, last_ns;
};

static int list_rare(struct store *store, uint64_t before_ns, struct rare list[TEXTS_A_STEP], size_t *ret_n)
{
    sqlite3_stmt *rare = store_statement(store, STORE_SQL_texts_rare);
    int code = SQLITE_DONE;

    *ret_n = 0;
    if (rare == NULL)
        return store_sqlite_failed(store, "forgetting texts");
    (void)sqlite3_bind_int64(rare, 1, store_int(before_ns));
    (void)sqlite3_bind_int64(rare, 2, TEXTS_A_STEP);
    while (*ret_n < TEXTS_A_STEP && (code = sqlite3_step(rare)) == SQLITE_ROW)
        list[(*ret_n)++] = (struct rare){sqlite3_column_int64(rare, 0), sqlite3_column_int64(rare, 1),
                                         sqlite3_column_int64(rare, 2), sqlite3_column_int64(rare, 3)};
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "forgetting texts");
    (void)sqlite3_reset(rare);
    return 0;
}

static int drop(struct store *store, enum store_sql which, int64_t row)
{
    sqlite3_stmt *statement = store_statement(store, which);

    if (statement != NULL)
        (void)sqlite3_bind_int64(statement, 1, row);
    return store_run(store, statement, "forgetting texts");
}

/* Whether the rollup of some hour between two still has the key: 1, 0, or negative status. */
static int key_is_used(struct store *store, int64_t key, const struct rare *text)
{
    const int64_t first = text->first_ns / (int64_t)STORE_HOUR_NS;
    const int64_t last = text->last_ns / (int64_t)STORE_HOUR_NS;

    if (last - first > HOURS_MAX)
        return 1;
    for (int64_t hour = first; hour <= last; hour++) {
        sqlite3_stmt *has = store_statement(store, STORE_SQL_cell_has);
        bool used;

        if (has == NULL)
            return store_sqlite_failed(store, "forgetting texts");
        (void)sqlite3_bind_int64(has, 1, hour << 32 | key);
        if (sqlite3_step(has) != SQLITE_ROW)
            return store_sqlite_failed(store, "forgetting texts");
        used = sqlite3_column_int64(has, 0) != 0;
        (void)sqlite3_reset(has);
        if (used)
            return 1;
    }
    return 0;
}

/* The keys of rollups under the text's id: of one text they are few. */
static int drop_keys(struct store *store, const struct rare *text)
{
    char id[17];
    int64_t key[64];
    size_t n = 0;
    int status = 0;
    sqlite3_stmt *keys = store_statement(store, STORE_SQL_key_of_prompt);
    int code = SQLITE_DONE;

    if (keys == NULL)
        return store_sqlite_failed(store, "forgetting texts");
    (void)snprintf(id, sizeof(id), "%016llx", (unsigned long long)text->id);
    (void)sqlite3_bind_text(keys, 1, id, 16, SQLITE_STATIC);
    while (n < sizeof(key) / sizeof(key[0]) && (code = sqlite3_step(keys)) == SQLITE_ROW)
        key[n++] = sqlite3_column_int64(keys, 0);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "forgetting texts");
    (void)sqlite3_reset(keys);
    (void)sqlite3_clear_bindings(keys);
    for (size_t i = 0; status == 0 && i < n; i++) {
        const int used = key_is_used(store, key[i], text);

        status = used == 0 ? drop(store, STORE_SQL_key_drop, key[i]) : used < 0 ? used : 0;
    }
    return status;
}

int store_forget_step(struct store *store, uint64_t before_ns, bool *ret_more)
{
    static struct rare list[TEXTS_A_STEP];
    size_t n = 0;
    int status = list_rare(store, before_ns, list, &n);

    *ret_more = false;
    if (status != 0 || n == 0)
        return status;
    status = store_begin(store);
    if (status != 0)
        return status;
    status = list_rare(store, before_ns, list, &n); /* another writer may have been there */
    for (size_t i = 0; status == 0 && i < n; i++) {
        status = drop_keys(store, &list[i]);
        if (status == 0)
            status = drop(store, STORE_SQL_text_drop, list[i].row);
    }
    rollup_keys_forget(store->rollup);
    if (status == 0)
        status = store_commit(store);
    else
        store_rollback(store);
    *ret_more = status == 0;
    return status;
}
