/*
 * Rollups between memory and the table rollup_cell (or, where an hour is packed, store_packed.c):
 * loaded when an hour is first met, saved now and then together with the number of the highest
 * block that they count. What lies above it is counted again by whoever opens the store or reads
 * rollups, so a crash loses none and counts none twice.
 *
 * Called by store_take.c (load), commit (save) and check. One thread per store.
 */
#include "store_inner.h"

#include <stdlib.h>
#include <string.h>

enum {
    COLUMN_CALLS = ROLLUP_KEY_COUNT,
    COLUMN_SUMS = COLUMN_CALLS + 2,
    COLUMN_SKETCHES = COLUMN_SUMS + 2 * ROLLUP_SUM_COUNT,
    COLUMN_KEY = COLUMN_SKETCHES + ROLLUP_SKETCH_COUNT
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
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, column, &data, &bytes);

    if (status != 0 || data == NULL)
        return status;
    status = rollup_sketch_read(ret_sketch, data, bytes);
    if (status == -1)
        return store_because(STORE_DAMAGED, "a sketch of the rollups is damaged");
    return status == 0 ? 0 : store_because(STORE_FAILED, "no memory");
}

struct rollup_group *store_rollup_group(struct rollup *rollup, uint64_t hour, sqlite3_stmt *row, int *ret_status)
{
    struct span_text key[ROLLUP_KEY_COUNT];
    struct rollup_group *group;

    for (int k = 0; k < ROLLUP_KEY_COUNT; k++) {
        const char *text;
        size_t bytes;

        *ret_status = store_column_text(row, k, &text, &bytes);
        if (*ret_status != 0)
            return NULL;
        key[k] = (struct span_text){text == NULL ? "" : text, (uint32_t)bytes};
    }
    group = rollup_put(rollup, hour, key, ret_status);
    if (group == NULL)
        *ret_status = store_because(STORE_FAILED, "no memory");
    return group;
}

static int load_row(struct rollup *rollup, uint64_t hour, sqlite3_stmt *row)
{
    int status;
    struct rollup_group *group = store_rollup_group(rollup, hour, row, &status);

    if (group == NULL)
        return status;
    group->calls = column_u64(row, COLUMN_CALLS);
    group->errors = column_u64(row, COLUMN_CALLS + 1);
    for (int s = 0; s < ROLLUP_SUM_COUNT; s++) {
        group->sum[s] = column_u64(row, COLUMN_SUMS + 2 * s);
        group->stated[s] = column_u64(row, COLUMN_SUMS + 2 * s + 1);
    }
    group->key_id = sqlite3_column_int64(row, COLUMN_KEY);
    status = 0;
    for (int k = 0; status == 0 && k < ROLLUP_SKETCH_COUNT; k++)
        status = load_sketch(&group->sketch[k], row, COLUMN_SKETCHES + k);
    return status;
}

int store_rollup_load(void *context, struct rollup *rollup, uint64_t hour)
{
    struct store *store = context;
    sqlite3_stmt *statement;
    int status = store_packed_load(store, rollup, hour);
    int code;

    if (status != 0)
        return status == 1 ? 0 : status;
    statement = store_statement(store, STORE_SQL_rollup_load);
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

/* The number of the group's key: known, made or found. One that is not known is mostly new. */
static int find_key(struct store *store, struct rollup_group *group)
{
    static const enum store_sql ways[] = {STORE_SQL_rollup_key_put, STORE_SQL_rollup_key};

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
        sqlite3_set_last_insert_rowid(store->db, 0);
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            group->key_id = sqlite3_column_int64(statement, 0);
        else if (code == SQLITE_DONE && way == 0)
            group->key_id = sqlite3_last_insert_rowid(store->db); /* 0: it was there already */
        else if (code != SQLITE_DONE)
            return store_sqlite_failed(store, "storing rollups");
        (void)sqlite3_reset(statement);
    }
    if (group->key_id == 0) /* neither there nor to be made: an index is not as its table */
        return store_because(STORE_DAMAGED, "a key of the rollups is damaged");
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

static int save_group(struct store *store, uint64_t hour, struct rollup_group *group,
                      struct span_buffer buffer[ROLLUP_SKETCH_COUNT])
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
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
        if (bind_sketch(statement, at++, &buffer[s], &group->sketch[s]) != 0)
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

/* All groups at once, where anything of them differs from what is stored. */
static int save_packed(struct store *store, struct rollup_hour *hour)
{
    bool changed = hour->to_pack || hour->n_removed > 0;
    int status = 0;

    for (size_t i = 0; status == 0 && i < hour->n; i++) {
        changed |= hour->group[i]->dirty;
        status = find_key(store, hour->group[i]);
    }
    if (status == 0 && changed)
        status = store_packed_save(store, hour);
    if (status != 0)
        return status;
    for (size_t i = 0; i < hour->n; i++)
        hour->group[i]->dirty = false;
    hour->to_pack = false;
    rollup_forget_removed(hour);
    return 0;
}

/* In the order of the table: pages are then filled one after another, not split over and over. */
static int save_hour(struct store *store, struct rollup_hour *hour, struct span_buffer buffer[ROLLUP_SKETCH_COUNT])
{
    if (hour->packed)
        return save_packed(store, hour);
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

/* A number under its name in `meta`, where it replaces what was there. */
static int note_counted(struct store *store)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_meta_put);

    if (statement == NULL)
        return store_sqlite_failed(store, "storing rollups");
    (void)sqlite3_bind_text(statement, 1, STORE_META_COUNTED, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, store->counted);
    return store_run(store, statement, "storing rollups");
}

int store_rollup_save(struct store *store)
{
    struct span_buffer buffer[ROLLUP_SKETCH_COUNT];
    int status = 0;

    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
        span_buffer_init(&buffer[s], 1 << 20);
    for (size_t i = 0; status == 0 && i < store->rollup->n_hours; i++)
        status = save_hour(store, &store->rollup->hour[i], buffer);
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
        span_buffer_done(&buffer[s]);
    if (status == 0)
        status = save_folded(store);
    if (status == 0)
        status = store_texts_save(store);
    return status == 0 ? note_counted(store) : status;
}

/* Whether so much is in memory that it should go. */
static bool is_large(const struct store *store)
{
    return store->rollup->n_hours > STORE_HOURS_UNSAVED || store->rollup->names.n > ROLLUP_NAMES_KEPT ||
           store->prompts.n_counts > STORE_TEXTS_UNSAVED;
}

bool store_rollup_due(const struct store *store)
{
    return store->counted != store->saved && (store->unsaved_commits >= STORE_ROLLUP_COMMITS ||
                                              store->unsaved_rows >= STORE_ROLLUP_ROWS || is_large(store));
}

int store_rollup_counted(struct store *store, int64_t *ret_block)
{
    int code = store_pragma_int(store->db, "SELECT value FROM meta WHERE key='" STORE_META_COUNTED "'", ret_block);

    if (code == SQLITE_ERROR) { /* no row */
        *ret_block = 0;
        return 0;
    }
    return code == SQLITE_OK ? 0 : store_sqlite_failed(store, "reading rollups");
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

/* Counts the spans of all blocks above a number; *ret_last is the highest. What is counted for the
 * store itself is saved when it becomes many hours, so that a whole store can be counted again. */
static int count_above(struct store *store, struct rollup *rollup, int64_t after, int64_t *ret_last)
{
    const struct store_wanted wanted = {.fields = rollup_fields, .n_fields = rollup_n_fields};
    int64_t id = after;
    int status;

    *ret_last = after;
    while ((status = next_block(store, id, &id)) == 1) {
        struct store_rows rows;

        *ret_last = id;
        store_processes_trim(store);
        status = store_read_block(store, id, &wanted, &rows);
        if (status == 0 && rollup_add(rollup, &rows) != 0)
            status = store_because(STORE_FAILED, "no memory");
        if (status == 0 && rollup == store->rollup)
            status = store_texts_count(store, &rows);
        if (status != 0 && status != STORE_DAMAGED)
            return status;
        if (rollup == store->rollup && is_large(store)) {
            store->counted = id;
            status = store_rollup_save(store);
            if (status != 0)
                return status;
            rollup_trim(rollup, STORE_HOURS_KEPT);
        }
    }
    return status;
}

int store_rollup_catch_up(struct store *store)
{
    int status = store_rollup_counted(store, &store->saved);

    if (status == 0)
        status = count_above(store, store->rollup, store->saved, &store->counted);
    /* Somebody else writes, or was killed: what is saved now need not be counted once more. */
    if (status == 0 && store->counted != store->saved)
        store->unsaved_commits = STORE_ROLLUP_COMMITS;
    return status;
}

/* ---- reading ---- */

/* The groups of an hour by the prompts that were learned: several of the stored ones may be one. */
static int show_hour(struct store *store, const struct rollup_hour *stored, struct rollup *shown)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < stored->n; i++) {
        struct store_shown_key key;

        status = store_prompt_key(store, stored->hour, stored->group[i], &key);
        if (status == 0 && rollup_group_add(shown, stored->hour, key.key, stored->group[i]) != 0)
            status = store_because(STORE_FAILED, "no memory");
    }
    return status;
}

static int give_hour(struct store *store, struct rollup *rollup, uint64_t number,
                     int (*each)(void *context, uint64_t hour, const struct rollup_group *group), void *context)
{
    int status;
    const struct rollup_hour *hour = rollup_hour_put(rollup, number, &status);
    struct rollup shown;

    rollup_init(&shown, 0, NULL, NULL);
    if (hour != NULL && store->prompts.any) {
        status = show_hour(store, hour, &shown);
        hour = rollup_hour_find(&shown, number);
    }
    for (size_t i = 0; hour != NULL && status == 0 && i < hour->n; i++)
        status = each(context, number, hour->group[i]);
    rollup_done(&shown);
    rollup_hour_drop(rollup, number);
    return status;
}

/* The first hour at or after this one of which there is anything, stored or in memory; UINT64_MAX:
 * none. */
static int next_hour(struct store *store, const struct rollup *rollup, uint64_t from, uint64_t *ret_hour)
{
    sqlite3_stmt *next = store_statement(store, STORE_SQL_rollup_next);

    *ret_hour = UINT64_MAX;
    if (next == NULL)
        return store_sqlite_failed(store, "reading rollups");
    (void)sqlite3_bind_int64(next, 1, from > INT64_MAX >> 32 ? INT64_MAX : cell_id(from, 0));
    (void)sqlite3_bind_int64(next, 2, store_int(from));
    if (sqlite3_step(next) != SQLITE_ROW)
        return store_sqlite_failed(store, "reading rollups");
    if (sqlite3_column_type(next, 0) != SQLITE_NULL)
        *ret_hour = (uint64_t)sqlite3_column_int64(next, 0);
    (void)sqlite3_reset(next);
    for (size_t i = 0; i < rollup->n_hours; i++)
        if (rollup->hour[i].hour >= from && rollup->hour[i].hour < *ret_hour)
            *ret_hour = rollup->hour[i].hour;
    return 0;
}

int store_rollups(struct store *store, uint64_t from_hour, uint64_t until_hour,
                  int (*each)(void *context, uint64_t hour, const struct rollup_group *group), void *context)
{
    struct rollup rollup;
    int64_t counted = 0;
    int64_t last = 0;
    const bool own = !store->in_transaction;
    int status = own ? store_begin_read(store) : 0;

    if (status != 0)
        return status;
    rollup_init(&rollup, STORE_GROUPS_PER_HOUR, store_rollup_load, store);
    status = own ? store_prompts_look(store) : 0;
    if (status == 0)
        status = store_rollup_counted(store, &counted);
    if (status == 0)
        status = count_above(store, &rollup, counted, &last);
    for (uint64_t hour; status == 0; from_hour = hour + 1) {
        status = next_hour(store, &rollup, from_hour, &hour);
        if (status != 0 || hour >= until_hour)
            break;
        status = give_hour(store, &rollup, hour, each, context);
    }
    rollup_done(&rollup);
    if (own)
        (void)store_run(store, store_statement(store, STORE_SQL_commit), "reading rollups");
    return status;
}
