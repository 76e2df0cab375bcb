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

/* Whether the rollup of some hour in which the text was has the key: 1, 0, or negative status. */
static int is_used(struct rollup *rollup, const struct rare *text, int64_t key)
{
    const uint64_t first = (uint64_t)text->first_ns / STORE_HOUR_NS;
    const uint64_t last = (uint64_t)text->last_ns / STORE_HOUR_NS;

    if (last - first > HOURS_MAX)
        return 1;
    if (rollup->n_hours > HOURS_MAX)
        rollup_clear(rollup);
    for (uint64_t number = first; number <= last; number++) {
        int status;
        const struct rollup_hour *hour = rollup_hour_put(rollup, number, &status);

        if (hour == NULL)
            return status == -1 ? store_because(STORE_FAILED, "no memory") : status;
        for (size_t i = 0; i < hour->n; i++)
            if (hour->group[i]->key_id == key)
                return 1;
    }
    return 0;
}

/* The keys of rollups under the text's id: of one text they are few. */
static int drop_keys(struct store *store, struct rollup *rollup, const struct rare *text)
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
        const int used = is_used(rollup, text, key[i]);

        status = used < 0 ? used : used == 0 ? drop(store, STORE_SQL_key_drop, key[i]) : 0;
    }
    return status;
}

static int forget_all(struct store *store, const struct rare *list, size_t n)
{
    struct rollup rollup; /* as it is stored */
    int status = 0;

    rollup_init(&rollup, 0, store_rollup_load, store);
    for (size_t i = 0; status == 0 && i < n; i++) {
        status = drop_keys(store, &rollup, &list[i]);
        if (status == 0)
            status = drop(store, STORE_SQL_text_drop, list[i].row);
    }
    rollup_done(&rollup);
    rollup_keys_forget(store->rollup);
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
    if (status == 0)
        status = store_rollup_save(store); /* what is in memory alone is not looked at */
    if (status == 0)
        status = forget_all(store, list, n);
    if (status == 0)
        status = store_commit_all(store);
    else
        store_rollback(store);
    *ret_more = status == 0;
    return status;
}
