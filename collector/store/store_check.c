/*
 * Everything about a store that can be verified: SQLite's pages, each column of each block, times
 * and row counts, rollups against a recount, sequence ranges, counters. Each block is read once,
 * hour after hour, so the time is that of reading the store.
 *
 * Called by `pprofctl check` and by tests. Changes nothing, and holds nothing of the store while it
 * says what it found.
 */
#include "store_inner.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FAULTS_KEPT = 1000, /* sentences of one step that are said; the rest are counted */
    ALONE_MAX = 64,     /* hours that are looked at again because the store changed meanwhile */
};

struct check {
    struct store *store;
    void (*found)(void *context, const char *sentence);
    void *context;
    long faults;
    int failed;      /* memory, disk: it cannot be told what is wrong */
    char **sentence; /* of the step at hand, to be said after it */
    size_t n_sentences;
    struct rollup recount; /* hours that blocks read so far reach into */
    int64_t counted;       /* highest block that the stored rollups count */
    int64_t data_version;
    unsigned alone;
    int64_t *block; /* numbers of the blocks of the hour at hand */
    size_t n_blocks, blocks_capacity;
};

static void fault(struct check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct check *check, const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    check->faults++;
    if (check->n_sentences == FAULTS_KEPT)
        return;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    check->sentence[check->n_sentences] = strdup(sentence);
    check->n_sentences += check->sentence[check->n_sentences] != NULL;
}

static void say(struct check *check)
{
    for (size_t i = 0; i < check->n_sentences; i++) {
        check->found(check->context, check->sentence[i]);
        free(check->sentence[i]);
    }
    check->n_sentences = 0;
}

static int open_statement(struct check *check, const char *text, sqlite3_stmt **ret_statement)
{
    if (sqlite3_prepare_v2(check->store->db, text, -1, ret_statement, NULL) != SQLITE_OK)
        return store_sqlite_failed(check->store, "checking");
    return 0;
}

/* The statement's end, which was all its rows or not: who could not look has found nothing, and
 * must not say so. */
static int finish(struct check *check, sqlite3_stmt *statement, int status, int code)
{
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(check->store, "checking");
    (void)sqlite3_finalize(statement);
    say(check);
    return status;
}

static int check_pages(struct check *check)
{
    sqlite3_stmt *statement;
    int status = open_statement(check, "PRAGMA integrity_check(100)", &statement);
    int code = SQLITE_DONE;

    while (status == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *text;
        size_t bytes;

        status = store_column_text(statement, 0, &text, &bytes);
        if (text != NULL && strcmp(text, "ok") != 0)
            fault(check, "SQLite: %s", text);
    }
    return finish(check, statement, status, code);
}

/* Each row that the query gives is a fault; its first two columns go into the sentence. */
static int check_none(struct check *check, const char *query, const char *sentence)
{
    sqlite3_stmt *statement;
    int status = open_statement(check, query, &statement);
    int code = SQLITE_DONE;

    while (status == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
        fault(check, "%s (%lld, %lld)", sentence, (long long)sqlite3_column_int64(statement, 0),
              (long long)sqlite3_column_int64(statement, 1));
    return finish(check, statement, status, code);
}

/* Ranges come in the order of (process, first): each is compared with the one before it alone. */
static int check_ranges(struct check *check)
{
    sqlite3_stmt *statement;
    int64_t process = 0;
    int64_t reached = 0;
    int status = open_statement(check, "SELECT process,first,last FROM seen ORDER BY process,first", &statement);
    int code = SQLITE_DONE;

    while (status == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t first = sqlite3_column_int64(statement, 1);
        int64_t last = sqlite3_column_int64(statement, 2);

        if (sqlite3_column_int64(statement, 0) != process)
            reached = 0;
        process = sqlite3_column_int64(statement, 0);
        if (first <= reached || last < first)
            fault(check, "ranges of sequence numbers overlap or are empty: process, first (%lld, %lld)",
                  (long long)process, (long long)first);
        reached = last > reached ? last : reached;
    }
    return finish(check, statement, status, code);
}

/* ---- processes ---- */

static void pair_fault(void *context, const char *what, int64_t a, int64_t b)
{
    fault(context, "%s (%lld, %lld)", what, (long long)a, (long long)b);
}

static int check_crowds(struct check *check)
{
    sqlite3_stmt *statement;
    int status = open_statement(check, "SELECT id,n FROM crowd ORDER BY id", &statement);
    int code = SQLITE_DONE;

    while (status == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW)
        status = store_check_crowd(check->store, sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1),
                                   pair_fault, check);
    return finish(check, statement, status, code);
}

static void sentence_fault(void *context, const char *sentence)
{
    fault(context, "%s", sentence);
}

static int check_prompts(struct check *check)
{
    int status = store_check_prompts(check->store, sentence_fault, check);

    say(check);
    return status;
}

static int check_processes(struct check *check)
{
    int status = check_none(check, "SELECT id, program FROM process_row WHERE program NOT IN (SELECT id FROM program)",
                            "a process is of a program that is not there: process, program");

    if (status == 0)
        status =
            check_none(check,
                       "SELECT process, last FROM departed WHERE process>>12 NOT IN (SELECT id FROM crowd) OR last<1 "
                       "OR process IN (SELECT id FROM process_row)",
                       "a process that departed is in no crowd, or still there: process, last frame");
    if (status == 0)
        status = check_none(check, "SELECT process, first FROM seen WHERE process NOT IN (SELECT id FROM process_row)",
                            "frames were seen of a process that is not there: process, frame");
    return status == 0 ? check_crowds(check) : status;
}

/* ---- blocks ---- */

static void check_times(struct check *check, sqlite3_stmt *block, int64_t id, size_t n)
{
    const struct span_column *start = &check->store->column[SPAN_start_ns];
    uint64_t min = UINT64_MAX;
    uint64_t max = 0;

    for (size_t i = 0; i < n; i++) {
        if (!span_bit(start->present, i))
            fault(check, "block %lld: a span has no time", (long long)id);
        min = start->u64[i] < min ? start->u64[i] : min;
        max = start->u64[i] > max ? start->u64[i] : max;
    }
    if (store_int(min) != sqlite3_column_int64(block, 4) || store_int(max) != sqlite3_column_int64(block, 5))
        fault(check, "block %lld: its times do not match its spans", (long long)id);
}

/* Decodes every column of the block in the current row into the store's own. Whether all could
 * be. */
static bool check_columns(struct check *check, sqlite3_stmt *block, int64_t id, struct store_rows *rows)
{
    struct store *store = check->store;
    bool merged = sqlite3_column_int64(block, 2) == STORE_MERGED;
    const uint8_t *raw;
    size_t raw_bytes;
    struct span_block_view view = {0};
    bool whole = true;
    int opened = 0;

    check->failed = store_column_blob(block, 3, &raw, &raw_bytes);
    if (check->failed != 0)
        return false;
    if (!merged)
        opened = raw == NULL ? SPAN_BLOCK_BAD : span_block_open(&view, raw, raw_bytes);
    if (rows->n < 1 || rows->n > SPAN_BLOCK_ROWS_MAX || opened != 0 || (!merged && view.n != rows->n)) {
        fault(check,
              opened == SPAN_BLOCK_TOO_NEW ? "block %lld: a later version of libpprof wrote it; that version reads it"
                                           : "block %lld: its directory is damaged",
              (long long)id);
        return false;
    }
    store_cache_columns(store, merged ? id : 0);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        enum span_field field = (enum span_field)f;
        size_t bytes;
        const uint8_t *data = merged ? NULL : span_block_find(&view, field, &bytes);
        int found = merged ? store_merged_column(store, id, field, &store->column[f], rows->n) : data != NULL;

        if (data != NULL) {
            int status = store_decode(&store->column[f], field, data, bytes, rows->n);

            found = status == 0 ? 1 : status;
        }
        if (found < 0 && found != STORE_DAMAGED)
            check->failed = found;
        else if (found < 0)
            fault(check, "block %lld: field %s cannot be decoded", (long long)id, span_fields[f].ident);
        whole &= found >= 0;
        rows->has[f] = found == 1;
        rows->column[f] = found == 1 ? &store->column[f] : NULL;
    }
    store_cache_columns(store, 0);
    return whole;
}

static int check_block(struct check *check, int64_t id)
{
    struct store *store = check->store;
    sqlite3_stmt *block = store_statement(store, STORE_SQL_block_get);
    struct store_rows rows = {0};
    bool whole;
    int status = 0;

    if (block == NULL)
        return store_sqlite_failed(store, "checking");
    (void)sqlite3_bind_int64(block, 1, id);
    if (sqlite3_step(block) != SQLITE_ROW)
        return store_sqlite_failed(store, "checking");
    store_processes_trim(store);
    rows.n = (size_t)sqlite3_column_int64(block, 1);
    whole = check_columns(check, block, id, &rows);
    if (rows.has[SPAN_start_ns])
        check_times(check, block, id, rows.n);
    else if (whole)
        fault(check, "block %lld: its spans have no times", (long long)id);
    if (whole) {
        bool merged = sqlite3_column_int64(block, 2) == STORE_MERGED;

        status = store_row_processes(store, id, merged ? 0 : sqlite3_column_int64(block, 0), rows.n);
        rows.process = store->row_process;
        if (status == STORE_DAMAGED)
            fault(check, "block %lld: %s", (long long)id, store_why());
        else if (status == 0 && id <= check->counted && rollup_add(&check->recount, &rows) != 0)
            status = store_because(STORE_FAILED, "no memory");
    }
    (void)sqlite3_reset(block);
    if (check->failed != 0)
        return check->failed;
    return status == STORE_DAMAGED ? 0 : status;
}

/* The numbers of the blocks whose first span, or (alone) any span, may lie in the period. */
static int list_blocks(struct check *check, const char *query, int64_t from, int64_t to)
{
    sqlite3_stmt *statement;
    int status = open_statement(check, query, &statement);
    int code = SQLITE_DONE;

    check->n_blocks = 0;
    if (status != 0)
        return status;
    (void)sqlite3_bind_int64(statement, 1, from);
    (void)sqlite3_bind_int64(statement, 2, to);
    while (status == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        if (check->n_blocks == check->blocks_capacity) {
            size_t capacity = check->blocks_capacity == 0 ? 1024 : check->blocks_capacity * 2;
            int64_t *grown = realloc(check->block, capacity * sizeof(*grown));

            if (grown == NULL) {
                status = store_because(STORE_FAILED, "no memory");
                break;
            }
            check->block = grown;
            check->blocks_capacity = capacity;
        }
        check->block[check->n_blocks++] = sqlite3_column_int64(statement, 0);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(check->store, "checking");
    (void)sqlite3_finalize(statement);
    return status;
}

/* ---- rollups ---- */

static bool same_sketch(const struct rollup_sketch *a, const struct rollup_sketch *b)
{
    return a->n == b->n &&
           (a->n == 0 || (a->first == b->first && memcmp(a->count, b->count, a->n * sizeof(*a->count)) == 0));
}

static bool same_group(const struct rollup_group *a, const struct rollup_group *b)
{
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
        if (!same_sketch(&a->sketch[s], &b->sketch[s]))
            return false;
    return a->calls == b->calls && a->errors == b->errors && memcmp(a->sum, b->sum, sizeof(a->sum)) == 0 &&
           memcmp(a->stated, b->stated, sizeof(a->stated)) == 0;
}

/* Where groups were folded into `other`, only the sums over all groups can be compared. */
static void total_of(const struct rollup_hour *hour, struct rollup_group *ret_total, bool *ret_folded)
{
    memset(ret_total, 0, sizeof(*ret_total));
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

/* How the stored groups of an hour differ from those counted; "" when they do not. 0, or
 * STORE_FAILED. */
static int compare_hour(struct check *check, struct rollup *stored, uint64_t number, char sentence[256])
{
    const struct rollup_hour *have = rollup_hour_find(stored, number);
    const struct rollup_hour *want = rollup_hour_find(&check->recount, number);
    struct rollup_group total_have;
    struct rollup_group total_want;
    bool folded = false;
    size_t differ = 0;

    sentence[0] = '\0';
    total_of(have, &total_have, &folded);
    total_of(want, &total_want, &folded);
    if (!same_group(&total_have, &total_want)) {
        (void)snprintf(sentence, 256, "rollups of hour %llu: %llu calls stored, %llu counted in the blocks",
                       (unsigned long long)number, (unsigned long long)total_have.calls,
                       (unsigned long long)total_want.calls);
        return 0;
    }
    for (size_t i = 0; !folded && want != NULL && i < want->n; i++) {
        int status;
        struct rollup_group *group = rollup_put(stored, number, want->group[i]->key, &status);

        if (group == NULL)
            return store_because(STORE_FAILED, "no memory");
        differ += !same_group(group, want->group[i]);
    }
    have = rollup_hour_find(stored, number);
    if (differ > 0 || (!folded && have != NULL && want != NULL && have->n != want->n))
        (void)snprintf(sentence, 256, "rollups of hour %llu: %zu groups differ from the blocks",
                       (unsigned long long)number, differ);
    return 0;
}

static int compare_stored(struct check *check, uint64_t number, char sentence[256])
{
    struct rollup stored;
    int status;

    rollup_init(&stored, 0, NULL, NULL);
    status = store_rollup_load(check->store, &stored, number);
    if (status == STORE_DAMAGED)
        (void)snprintf(sentence, 256, "rollups of hour %llu: %.200s", (unsigned long long)number, store_why());
    else if (status == 0)
        status = compare_hour(check, &stored, number, sentence);
    rollup_done(&stored);
    return status == STORE_DAMAGED ? 0 : status;
}

/* Rollups count the blocks up to a number, of this moment. */
static int begin(struct check *check)
{
    int status = check->store->in_transaction ? 0 : store_begin_read(check->store);

    return status == 0 ? store_rollup_counted(check->store, &check->counted) : status;
}

static void end(struct check *check)
{
    if (!check->store->in_transaction)
        (void)store_run(check->store, store_statement(check->store, STORE_SQL_commit), "checking");
    say(check);
}

static int data_version(struct check *check, int64_t *ret_version)
{
    return store_pragma_int(check->store->db, "PRAGMA data_version", ret_version) == SQLITE_OK
               ? 0
               : store_sqlite_failed(check->store, "checking");
}

/* Whether somebody wrote since the check began: 1, 0, or a negative status. */
static int has_changed(struct check *check)
{
    int64_t version = 0;
    int status = data_version(check, &version);

    return status != 0 ? status : version != check->data_version;
}

/* One hour within one moment of the store, with every block that reaches into it. */
static int check_alone(struct check *check, uint64_t number, char sentence[256])
{
    struct rollup kept = check->recount;
    long faults = check->faults;
    size_t sentences = check->n_sentences;
    int status = list_blocks(check, "SELECT id FROM block WHERE t_max>=?1 AND t_min<?2",
                             store_int(number * STORE_HOUR_NS), store_int((number + 1) * STORE_HOUR_NS));

    rollup_init(&check->recount, 0, NULL, NULL);
    for (size_t i = 0; status == 0 && i < check->n_blocks; i++)
        status = check_block(check, check->block[i]);
    /* What is wrong with the blocks themselves is said where they are read in turn. */
    check->faults = faults;
    while (check->n_sentences > sentences)
        free(check->sentence[--check->n_sentences]);
    if (status == 0)
        status = compare_stored(check, number, sentence);
    rollup_done(&check->recount);
    check->recount = kept;
    return status;
}

static int compare(struct check *check, uint64_t number)
{
    char sentence[256];
    int status = compare_stored(check, number, sentence);
    int changed = status == 0 && sentence[0] != '\0' ? has_changed(check) : 0;

    if (changed < 0)
        return changed;
    if (changed == 1) {
        if (check->alone == ALONE_MAX)
            return 0; /* it cannot be told apart from what is being written */
        check->alone++;
        status = check_alone(check, number, sentence);
    }
    if (status == 0 && sentence[0] != '\0')
        fault(check, "%s", sentence);
    return status;
}

/* The blocks that begin in this hour, then its rollups: whatever else reaches into it began, and
 * was counted, before.
 */
static int check_hour(struct check *check, int64_t number)
{
    int64_t hour_ns = (int64_t)STORE_HOUR_NS;
    int status;

    if (number < 0 || number > INT64_MAX / hour_ns) {
        fault(check, "rollups of an hour that is not possible: %lld", (long long)number);
        say(check);
        return 0;
    }
    status = begin(check);
    if (status != 0)
        return status;
    status = list_blocks(check, "SELECT id FROM block WHERE t_min>=?1 AND t_min-?1<?2 ORDER BY t_min,id",
                         number * hour_ns, hour_ns);
    for (size_t i = 0; status == 0 && i < check->n_blocks; i++)
        status = check_block(check, check->block[i]);
    if (status == 0)
        status = compare(check, (uint64_t)number);
    rollup_hour_drop(&check->recount, (uint64_t)number);
    end(check);
    return status;
}

/* Hours that blocks reach into but that neither begin a block nor have a rollup. */
static int check_rest(struct check *check)
{
    int status = 0;

    while (status == 0 && check->recount.n_hours > 0) {
        uint64_t number = check->recount.hour[check->recount.n_hours - 1].hour;

        status = begin(check);
        if (status == 0)
            status = compare(check, number);
        rollup_hour_drop(&check->recount, number);
        end(check);
    }
    return status;
}

static int check_hours(struct check *check)
{
    /* The list alone would hold the log while it is walked through. */
    struct check hours = {.store = check->store};
    int status = list_blocks(&hours,
                             "SELECT t_min/?2 FROM block WHERE t_min>=?1 UNION SELECT id>>32 FROM rollup_cell "
                             "UNION SELECT hour FROM rollup_packed ORDER BY 1",
                             0, (int64_t)STORE_HOUR_NS);

    rollup_init(&check->recount, 0, NULL, NULL);
    for (size_t i = 0; status == 0 && i < hours.n_blocks; i++)
        status = check_hour(check, hours.block[i]);
    if (status == 0)
        status = check_rest(check);
    rollup_done(&check->recount);
    free(hours.block);
    return status;
}

#define NEGATIVE(ident) "lost_" #ident "<0 OR "

static int check_all(struct check *check)
{
    int status = check_pages(check);

    if (status == 0)
        status = check_hours(check);
    if (status == 0)
        status = check_none(check,
                            "SELECT id, n FROM block WHERE process IS NOT NULL AND process NOT IN "
                            "(SELECT id FROM process_row)",
                            "a block's process is not in the process table: block, rows");
    if (status == 0)
        status = check_none(check, "SELECT id, t_min FROM block WHERE t_min<0", "a block's time is negative: block");
    if (status == 0)
        status = check_none(check, "SELECT block, field FROM col WHERE block NOT IN (SELECT id FROM block)",
                            "a column belongs to no block: block, field");
    if (status == 0)
        status = check_none(check,
                            "SELECT value, (SELECT coalesce(max(id),0) FROM block) FROM meta WHERE "
                            "key='" STORE_META_COUNTED "' AND value>(SELECT coalesce(max(id),0) FROM block)",
                            "rollups count a block that is not there: block, last block");
    if (status == 0)
        status =
            check_none(check, "SELECT hour, hour FROM rollup_packed WHERE hour IN (SELECT id>>32 FROM rollup_cell)",
                       "an hour of the rollups lies packed and as rows: hour");
    if (status == 0)
        status = check_processes(check);
    if (status == 0)
        status = check_prompts(check);
    if (status == 0)
        status = check_ranges(check);
    if (status == 0)
        status = check_none(check, "SELECT id, lost_spans FROM process_row WHERE " SPAN_LOSSES(NEGATIVE) "final<0",
                            "a loss counter is negative: process, lost spans");
    if (status == 0)
        status = check_none(check,
                            "SELECT events, spans FROM loss WHERE events<0 OR spans<0 UNION ALL "
                            "SELECT events, spans FROM origin_loss WHERE events<0 OR spans<0",
                            "a count of losses is negative: events, spans");
    return status;
}

long store_check(struct store *store, void (*found)(void *context, const char *sentence), void *context)
{
    struct check check = {.store = store, .found = found, .context = context};

    check.sentence = calloc(FAULTS_KEPT, sizeof(char *));
    if (check.sentence == NULL)
        return store_because(STORE_FAILED, "no memory");
    int status = data_version(&check, &check.data_version);
    if (status == 0)
        status = check_all(&check);
    say(&check);
    free((void *)check.sentence);
    free(check.block);
    return status != 0 ? status : check.faults;
}
