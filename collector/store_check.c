/*
 * Everything about a store that can be verified: SQLite's pages, each column of each block, times and row counts,
 * rollups against a recount, sequence ranges, counters.
 *
 * Called by `pprofctl check` and by tests. Changes nothing.
 */
#include "store_inner.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct check {
    struct store *store;
    void (*found)(void *context, const char *sentence);
    void *context;
    long faults;
    struct rollup recount; /* one hour at a time */
};

static void fault(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct check *check, const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    check->faults++;
    check->found(check->context, sentence);
}

static int open_statement(struct check *check, const char *text, sqlite3_stmt **ret_statement)
{
    if (sqlite3_prepare_v2(check->store->db, text, -1, ret_statement, NULL) != SQLITE_OK)
        return store_sqlite_failed(check->store, "checking");
    return 0;
}

static int check_pages(struct check *check)
{
    sqlite3_stmt *statement;
    int status = open_statement(check, "PRAGMA integrity_check(100)", &statement);

    while (status == 0 && sqlite3_step(statement) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);

        if (text != NULL && strcmp(text, "ok") != 0)
            fault(check, "SQLite: %s", text);
    }
    if (status == 0)
        (void)sqlite3_finalize(statement);
    return status;
}

/* Each row that the query gives is a fault; its first two columns go into the sentence. */
static int check_none(struct check *check, const char *query, const char *sentence)
{
    sqlite3_stmt *statement;
    int status = open_statement(check, query, &statement);

    if (status != 0)
        return status;
    while (sqlite3_step(statement) == SQLITE_ROW)
        fault(check, "%s (%lld, %lld)", sentence, (long long)sqlite3_column_int64(statement, 0),
              (long long)sqlite3_column_int64(statement, 1));
    (void)sqlite3_finalize(statement);
    return 0;
}

static void check_times(struct check *check, sqlite3_stmt *list, bool has_start, size_t n)
{
    const struct span_column *start = &check->store->column[SPAN_start_ns];
    uint64_t min = has_start ? UINT64_MAX : 0;
    uint64_t max = 0;

    for (size_t i = 0; has_start && i < n; i++) {
        min = start->u64[i] < min ? start->u64[i] : min;
        max = start->u64[i] > max ? start->u64[i] : max;
    }
    if (store_int(min) != sqlite3_column_int64(list, 5) || store_int(max) != sqlite3_column_int64(list, 6))
        fault(check, "block %lld: its times do not match its spans", (long long)sqlite3_column_int64(list, 0));
}

static void check_block(struct check *check, sqlite3_stmt *list)
{
    struct store *store = check->store;
    int64_t id = sqlite3_column_int64(list, 0);
    size_t n = (size_t)sqlite3_column_int64(list, 2);
    bool merged = sqlite3_column_int64(list, 3) == STORE_MERGED;
    const uint8_t *raw = sqlite3_column_blob(list, 4);
    struct span_block_view view = {0};
    bool has_start = false;

    if (n < 1 || n > SPAN_BLOCK_ROWS_MAX ||
        (!merged &&
         (raw == NULL || span_block_open(&view, raw, (size_t)sqlite3_column_bytes(list, 4)) != 0 || view.n != n))) {
        fault(check, "block %lld: its directory is damaged", (long long)id);
        return;
    }
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        enum span_field field = (enum span_field)f;
        int found;

        if (merged) {
            found = store_merged_column(store, id, field, &store->column[f], n);
        } else {
            size_t bytes;
            const uint8_t *data = span_block_find(&view, field, &bytes);

            found = data != NULL;
            int status = data == NULL ? 0 : store_decode(&store->column[f], field, data, bytes, n);
            if (status != 0)
                found = status;
        }
        if (found < 0 && found != STORE_DAMAGED)
            fault(check, "block %lld: %s", (long long)id, store_why());
        else if (found < 0)
            fault(check, "block %lld: field %s cannot be decoded", (long long)id, span_fields[f].ident);
        if (field == SPAN_start_ns)
            has_start = found == 1;
        if (field == SPAN_start_ns && found >= 0)
            check_times(check, list, has_start, n);
    }
    if (store_row_processes(store, id, merged ? 0 : sqlite3_column_int64(list, 1), n) != 0)
        fault(check, "block %lld: %s", (long long)id, store_why());
}

static int check_blocks(struct check *check)
{
    sqlite3_stmt *list = store_statement(check->store, STORE_SQL_blocks);
    int code;

    if (list == NULL)
        return store_sqlite_failed(check->store, "checking");
    (void)sqlite3_bind_int64(list, 1, 0);
    (void)sqlite3_bind_int64(list, 2, INT64_MAX);
    while ((code = sqlite3_step(list)) == SQLITE_ROW) {
        store_processes_trim(check->store);
        check_block(check, list);
    }
    (void)sqlite3_reset(list);
    return code == SQLITE_DONE ? 0 : store_sqlite_failed(check->store, "checking");
}

static bool same_sketch(const struct rollup_sketch *a, const struct rollup_sketch *b)
{
    return a->n == b->n && a->max == b->max && (a->n == 0 || memcmp(a->cell, b->cell, a->n * sizeof *a->cell) == 0);
}

static bool same_group(const struct rollup_group *a, const struct rollup_group *b)
{
    return a->calls == b->calls && a->errors == b->errors && memcmp(a->sum, b->sum, sizeof a->sum) == 0 &&
           memcmp(a->stated, b->stated, sizeof a->stated) == 0 && same_sketch(&a->ttft, &b->ttft) &&
           same_sketch(&a->total, &b->total);
}

static int count_rows(void *context, const struct store_rows *rows)
{
    struct check *check = context;

    return rollup_add(&check->recount, rows) == 0 ? 0 : store_because(STORE_FAILED, "no memory");
}

static const struct rollup_hour *find_hour(const struct rollup *rollup, uint64_t number)
{
    for (size_t i = 0; i < rollup->n_hours; i++)
        if (rollup->hour[i].hour == number)
            return &rollup->hour[i];
    return NULL;
}

/* Where groups were folded into `other`, only the sums over all groups can be compared. */
static void total_of(const struct rollup_hour *hour, struct rollup_group *ret_total, bool *ret_folded)
{
    memset(ret_total, 0, sizeof *ret_total);
    for (size_t i = 0; hour != NULL && i < hour->n; i++) {
        const struct rollup_group *group = hour->group[i];

        ret_total->calls += group->calls;
        ret_total->errors += group->errors;
        for (int s = 0; s < ROLLUP_SUM_COUNT; s++)
            ret_total->stated[s] += group->stated[s];
        if (group->key[ROLLUP_prompt].bytes == 5 && memcmp(group->key[ROLLUP_prompt].data, "other", 5) == 0)
            *ret_folded = true;
    }
}

static void compare_hour(struct check *check, struct rollup *stored, uint64_t number)
{
    const struct rollup_hour *have = find_hour(stored, number);
    const struct rollup_hour *want = find_hour(&check->recount, number);
    struct rollup_group total_have;
    struct rollup_group total_want;
    bool folded = false;
    size_t differ = 0;

    total_of(have, &total_have, &folded);
    total_of(want, &total_want, &folded);
    if (!same_group(&total_have, &total_want)) {
        fault(check, "rollups of hour %llu: %llu calls stored, %llu counted in the blocks", (unsigned long long)number,
              (unsigned long long)total_have.calls, (unsigned long long)total_want.calls);
        return;
    }
    for (size_t i = 0; !folded && want != NULL && i < want->n; i++) {
        int status;
        struct rollup_group *group = rollup_put(stored, number, want->group[i]->key, &status);

        differ += group == NULL || !same_group(group, want->group[i]);
    }
    if (differ > 0 || (!folded && have != NULL && want != NULL && have->n != want->n))
        fault(check, "rollups of hour %llu: %zu groups differ from the blocks", (unsigned long long)number, differ);
}

static int check_hour(struct check *check, uint64_t number)
{
    struct store_query query = {number * STORE_HOUR_NS, (number + 1) * STORE_HOUR_NS, rollup_fields, rollup_n_fields};
    struct rollup stored;
    int status;

    rollup_clear(&check->recount);
    status = store_scan(check->store, &query, count_rows, check, NULL);
    if (status != 0)
        return status;
    rollup_init(&stored, 0, NULL, NULL);
    status = store_rollup_load(check->store, &stored, number);
    if (status == STORE_DAMAGED)
        fault(check, "rollups of hour %llu: %s", (unsigned long long)number, store_why());
    else if (status == 0)
        compare_hour(check, &stored, number);
    rollup_done(&stored);
    return status == STORE_DAMAGED ? 0 : status;
}

/* Hours that blocks or rollups speak of, one after the other: memory stays that of one hour. */
static int check_rollups(struct check *check)
{
    sqlite3_stmt *statement;
    int status = open_statement(check,
                                "SELECT t_min/3600000000000 AS hour FROM block UNION "
                                "SELECT t_max/3600000000000 FROM block UNION SELECT hour FROM rollup_hour ORDER BY 1",
                                &statement);

    if (status != 0)
        return status;
    rollup_init(&check->recount, 0, NULL, NULL);
    while (status == 0 && sqlite3_step(statement) == SQLITE_ROW)
        status = check_hour(check, (uint64_t)sqlite3_column_int64(statement, 0));
    (void)sqlite3_finalize(statement);
    rollup_done(&check->recount);
    return status;
}

long store_check(struct store *store, void (*found)(void *context, const char *sentence), void *context)
{
    struct check check = {.store = store, .found = found, .context = context};
    int status = check_pages(&check);

    if (status == 0)
        status = check_blocks(&check);
    if (status == 0)
        status = check_none(&check,
                            "SELECT id, n FROM block WHERE process IS NOT NULL AND process NOT IN "
                            "(SELECT id FROM process)",
                            "a block's process is not in the process table: block, rows");
    if (status == 0)
        status = check_none(&check, "SELECT block, field FROM col WHERE block NOT IN (SELECT id FROM block)",
                            "a column belongs to no block: block, field");
    if (status == 0)
        status = check_none(&check,
                            "SELECT a.process, a.first FROM seen a JOIN seen b ON a.process=b.process AND "
                            "a.first<b.first AND a.last>=b.first UNION SELECT process, first FROM seen "
                            "WHERE last<first OR first<1",
                            "ranges of sequence numbers overlap or are empty: process, first");
    if (status == 0)
        status = check_none(&check,
                            "SELECT id, lost_spans FROM process WHERE lost_tape_records<0 OR "
                            "lost_tape_bytes<0 OR lost_spans<0 OR lost_exchanges<0",
                            "a loss counter is negative: process, lost spans");
    if (status == 0)
        status = check_rollups(&check);
    return status != 0 ? status : check.faults;
}
