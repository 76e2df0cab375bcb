/*
 * Rollups between memory and the table rollup_hour: loaded when an hour is first met, saved within the transaction that
 * holds the blocks they count, so that a crash leaves both or neither.
 *
 * Called by store_take.c (load), commit (save) and check. One thread per store.
 */
#include "store_inner.h"

#include <stdlib.h>
#include <string.h>

enum {
    COLUMN_CALLS = ROLLUP_KEY_COUNT,
    COLUMN_SUMS = COLUMN_CALLS + 2,
    COLUMN_TTFT = COLUMN_SUMS + 2 * ROLLUP_SUM_COUNT
};

/* Where a group of an hour stands in rollup_cell. */
static int64_t cell_id(uint64_t hour, int64_t key_id)
{
    return store_int(hour << 32 | (uint64_t)key_id);
}

static uint64_t column_u64(sqlite3_stmt *row, int column)
{
    int64_t value = sqlite3_column_int64(row, column);

    return value < 0 ? 0 : (uint64_t)value;
}

static int load_sketch(struct rollup_sketch *ret_sketch, sqlite3_stmt *row, int column)
{
    struct span_sketch whole = {0};
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, column, &data, &bytes);

    if (status != 0 || data == NULL)
        return status;
    if (span_sketch_merge_bytes(&whole, data, bytes) != 0)
        return store_because(STORE_DAMAGED, "a sketch of the rollups is damaged");
    return rollup_sketch_fill(ret_sketch, &whole) == 0 ? 0 : store_because(STORE_FAILED, "no memory");
}

static int load_row(struct rollup *rollup, uint64_t hour, sqlite3_stmt *row)
{
    struct span_text key[ROLLUP_KEY_COUNT];
    struct rollup_group *group;
    int status;

    for (int k = 0; k < ROLLUP_KEY_COUNT; k++) {
        const char *text;
        size_t bytes;

        status = store_column_text(row, k, &text, &bytes);
        if (status != 0)
            return status;
        key[k] = (struct span_text){text == NULL ? "" : text, (uint32_t)bytes};
    }
    group = rollup_put(rollup, hour, key, &status);
    if (group == NULL)
        return store_because(STORE_FAILED, "no memory");
    group->calls = column_u64(row, COLUMN_CALLS);
    group->errors = column_u64(row, COLUMN_CALLS + 1);
    for (int s = 0; s < ROLLUP_SUM_COUNT; s++) {
        group->sum[s] = column_u64(row, COLUMN_SUMS + 2 * s);
        group->stated[s] = column_u64(row, COLUMN_SUMS + 2 * s + 1);
    }
    group->key_id = sqlite3_column_int64(row, COLUMN_TTFT + 2);
    status = load_sketch(&group->ttft, row, COLUMN_TTFT);
    return status != 0 ? status : load_sketch(&group->total, row, COLUMN_TTFT + 1);
}

int store_rollup_load(void *context, struct rollup *rollup, uint64_t hour)
{
    struct store *store = context;
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_rollup_load);
    int status = 0;
    int code;

    if (statement == NULL)
        return store_sqlite_failed(store, "reading rollups");
    (void)sqlite3_bind_int64(statement, 1, cell_id(hour, 0));
    while (status == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
        status = load_row(rollup, hour, statement);
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "reading rollups");
    (void)sqlite3_reset(statement);
    return status;
}

/* The number of the group's key: known, found or made. */
static int find_key(struct store *store, struct rollup_group *group)
{
    static const enum store_sql ways[] = {STORE_SQL_rollup_key, STORE_SQL_rollup_key_put};

    if (group->key_id == 0)
        group->key_id = rollup_key_id(store->rollup, group);
    if (group->key_id != 0)
        return 0;
    for (int way = 0; way < 2 && group->key_id == 0; way++) {
        sqlite3_stmt *statement = store_statement(store, ways[way]);
        int code;

        if (statement == NULL)
            return store_sqlite_failed(store, "storing rollups");
        for (int k = 0; k < ROLLUP_KEY_COUNT; k++)
            (void)sqlite3_bind_text64(statement, 1 + k, group->key[k].data, group->key[k].bytes, SQLITE_STATIC,
                                      SQLITE_UTF8);
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            group->key_id = sqlite3_column_int64(statement, 0);
        else if (code == SQLITE_DONE && way == 1)
            group->key_id = sqlite3_last_insert_rowid(store->db);
        else if (code != SQLITE_DONE)
            return store_sqlite_failed(store, "storing rollups");
        (void)sqlite3_reset(statement);
    }
    rollup_key_learn(store->rollup, group);
    return 0;
}

static int bind_sketch(sqlite3_stmt *statement, int at, struct span_buffer *buffer, const struct rollup_sketch *sketch)
{
    buffer->bytes = 0;
    if (sketch->n > 0 && rollup_sketch_write(buffer, sketch) != 0)
        return -1;
    return sqlite3_bind_blob64(statement, at, buffer->bytes == 0 ? "" : (const void *)buffer->data, buffer->bytes,
                               SQLITE_STATIC) == SQLITE_OK
               ? 0
               : -1;
}

static int save_group(struct store *store, uint64_t hour, struct rollup_group *group, struct span_buffer buffer[2])
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_rollup_put);
    int at = 4;

    if (statement == NULL)
        return store_sqlite_failed(store, "storing rollups");
    (void)sqlite3_bind_int64(statement, 1, cell_id(hour, group->key_id));
    (void)sqlite3_bind_int64(statement, 2, store_int(group->calls));
    (void)sqlite3_bind_int64(statement, 3, store_int(group->errors));
    for (int s = 0; s < ROLLUP_SUM_COUNT; s++) {
        (void)sqlite3_bind_int64(statement, at++, store_int(group->sum[s]));
        (void)sqlite3_bind_int64(statement, at++, store_int(group->stated[s]));
    }
    if (bind_sketch(statement, at, &buffer[0], &group->ttft) != 0 ||
        bind_sketch(statement, at + 1, &buffer[1], &group->total) != 0)
        return store_because(STORE_FAILED, "no memory");
    return store_run(store, statement, "storing rollups");
}

static int drop_removed(struct store *store, struct rollup_hour *hour)
{
    for (size_t i = 0; i < hour->n_removed; i++) {
        sqlite3_stmt *statement = store_statement(store, STORE_SQL_rollup_drop);
        int status;

        if (hour->removed[i]->key_id == 0)
            continue; /* was never stored */
        if (statement == NULL)
            return store_sqlite_failed(store, "storing rollups");
        (void)sqlite3_bind_int64(statement, 1, cell_id(hour->hour, hour->removed[i]->key_id));
        status = store_run(store, statement, "storing rollups");
        if (status != 0)
            return status;
    }
    return 0;
}

static int by_key_id(const void *a, const void *b)
{
    int64_t x = (*(struct rollup_group *const *)a)->key_id;
    int64_t y = (*(struct rollup_group *const *)b)->key_id;

    return (x > y) - (x < y);
}

/* In the order of the table: pages are then filled one after another, not split over and over. */
static int save_hour(struct store *store, struct rollup_hour *hour, struct span_buffer buffer[2])
{
    struct rollup_group **dirty = malloc((hour->n + 1) * sizeof(struct rollup_group *));
    size_t n = 0;
    int status;

    if (dirty == NULL)
        return store_because(STORE_FAILED, "no memory");
    status = drop_removed(store, hour);
    for (size_t i = 0; status == 0 && i < hour->n; i++)
        if (hour->group[i]->dirty) {
            dirty[n++] = hour->group[i];
            status = find_key(store, hour->group[i]);
        }
    if (status == 0)
        qsort(dirty, n, sizeof(struct rollup_group *), by_key_id);
    for (size_t i = 0; status == 0 && i < n; i++) {
        status = save_group(store, hour->hour, dirty[i], buffer);
        if (status == 0)
            dirty[i]->dirty = false;
    }
    free(dirty);
    if (status == 0)
        rollup_forget_removed(hour);
    return status;
}

static int save_folded(struct store *store)
{
    sqlite3_stmt *statement;
    int status;

    if (store->rollup->folded == 0)
        return 0;
    statement = store_statement(store, STORE_SQL_meta_add);
    if (statement == NULL)
        return store_sqlite_failed(store, "storing rollups");
    (void)sqlite3_bind_text(statement, 1, "rollup_calls_folded", -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, store_int(store->rollup->folded));
    status = store_run(store, statement, "storing rollups");
    if (status == 0)
        store->rollup->folded = 0;
    return status;
}

int store_rollup_save(struct store *store)
{
    struct span_buffer buffer[2];
    int status = 0;

    span_buffer_init(&buffer[0], 1 << 20);
    span_buffer_init(&buffer[1], 1 << 20);
    for (size_t i = 0; status == 0 && i < store->rollup->n_hours; i++)
        status = save_hour(store, &store->rollup->hour[i], buffer);
    if (status == 0)
        status = save_folded(store);
    span_buffer_done(&buffer[0]);
    span_buffer_done(&buffer[1]);
    return status;
}

/* The number of the next block: 1, 0 when there is none, negative status. */
static int next_block(struct store *store, int64_t after, int64_t *ret_id)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_block_next);
    int found;

    if (statement == NULL)
        return store_sqlite_failed(store, "counting");
    (void)sqlite3_bind_int64(statement, 1, after);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return store_sqlite_failed(store, "counting");
    found = sqlite3_column_type(statement, 0) != SQLITE_NULL;
    *ret_id = sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    return found;
}

int store_rollup_recount(struct store *store, int64_t after)
{
    const struct store_wanted wanted = {.fields = rollup_fields, .n_fields = rollup_n_fields};
    int64_t id = after;
    int status;

    while ((status = next_block(store, id, &id)) == 1) {
        struct store_rows rows;

        store_processes_trim(store);
        status = store_read_block(store, id, &wanted, &rows);
        if (status == 0 && rollup_add(store->rollup, &rows) != 0)
            status = store_because(STORE_FAILED, "no memory");
        if (status == 0 && store->rollup->n_hours > STORE_HOURS_KEPT) {
            status = store_rollup_save(store);
            rollup_trim(store->rollup, STORE_HOURS_KEPT);
        }
        if (status != 0 && status != STORE_DAMAGED)
            return status;
    }
    return status;
}
