/*
 * Merging: the many small blocks of an hour become one of up to SPAN_BLOCK_ROWS_MAX rows, each
 * column a row of `col` with one dictionary. One step is one transaction: a crash leaves the small
 * blocks or the large one, never both.
 *
 * Called by pprofd when it has nothing else to do, and by `pprofctl record` at its end. Rows are
 * put in the order of (process, sequence), which lets the columns that say the same for a whole
 * process vanish.
 */
#include "store_inner.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../span/sketch.h"

enum {
    MERGE_BLOCKS_MAX = 4096, /* in one step; also so many fresh blocks make a merge due before the hour is over */
    MERGE_RAW_BYTES_MAX = 64 * 1024 * 1024,   /* of fresh blocks in memory */
    MERGE_TEXT_BYTES_MAX = 128 * 1024 * 1024, /* distinct texts of one column */
};

/* An hour counts as over this long after its end, so that blocks on their way are in. */
#define MERGE_GRACE_NS (10ull * 60 * 1000000000)

struct source {
    int64_t id;
    int64_t process; /* 0: merged, the block has its own column of processes */
    size_t n;
    size_t first; /* position of its first row among all rows */
    uint8_t *raw; /* NULL: merged */
    struct span_block_view view;
    bool dropped; /* cannot be merged: stays as it is */
};

struct order {
    int64_t process;
    uint64_t seq;
    uint32_t row;
};

struct merge {
    struct store *store;
    struct source *source;
    size_t n_sources;
    size_t rows;
    size_t raw_bytes;
    int64_t t_min, t_max;
    int64_t ids_until; /* of the responses, seconds since 1970: the earliest of the sources */
    struct order *order;
    uint32_t *position; /* where a row goes */
    uint64_t *values;
    uint64_t *present;
    struct span_text *texts;
    uint32_t *offset; /* of a row's text in `arena`; the arena moves while it grows */
    struct span_buffer arena, out, other;
    struct span_column column;
    struct store_columns columns;   /* of the block that is being written */
    bool over;                      /* the hour is, so that its prompts are written as they were learned */
    struct store_settling settling; /* then */
};

/* The first hour in which a merge is due: 1, 0 when none is, or negative status. */
static int find_hour(struct store *store, uint64_t now_ns, uint64_t *ret_hour, bool *ret_over)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_fresh_hours);
    int found = 0;
    int code = SQLITE_DONE;

    if (statement == NULL)
        return store_sqlite_failed(store, "merging");
    while (found == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        uint64_t hour = (uint64_t)sqlite3_column_int64(statement, 0);
        bool over = now_ns > MERGE_GRACE_NS && hour < (now_ns - MERGE_GRACE_NS) / STORE_HOUR_NS;

        if (over || sqlite3_column_int64(statement, 1) >= MERGE_BLOCKS_MAX ||
            sqlite3_column_int64(statement, 2) >= SPAN_BLOCK_ROWS_MAX) {
            *ret_hour = hour;
            *ret_over = over;
            found = 1;
        }
    }
    if (found == 0 && code != SQLITE_DONE)
        found = store_sqlite_failed(store, "merging");
    (void)sqlite3_reset(statement);
    return found;
}

/* Chooses the blocks of this step; the fresh ones come first, so every step has at least one. */
static int choose(struct merge *merge, uint64_t hour)
{
    sqlite3_stmt *statement = store_statement(merge->store, STORE_SQL_merge_list);
    int code;

    if (statement == NULL)
        return store_sqlite_failed(merge->store, "merging");
    (void)sqlite3_bind_int64(statement, 1, store_int(hour * STORE_HOUR_NS));
    (void)sqlite3_bind_int64(statement, 2, store_int((hour + 1) * STORE_HOUR_NS));
    (void)sqlite3_bind_int64(statement, 3, merge->over ? STORE_MERGE_SMALL_ROWS : 0);
    (void)sqlite3_bind_int64(statement, 4, MERGE_BLOCKS_MAX);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        size_t n = (size_t)sqlite3_column_int64(statement, 2);
        struct source *source = &merge->source[merge->n_sources];

        if (merge->rows + n > SPAN_BLOCK_ROWS_MAX && merge->n_sources > 0)
            break;
        *source = (struct source){.id = sqlite3_column_int64(statement, 0), .n = n};
        if (sqlite3_column_int64(statement, 3) == STORE_FRESH)
            source->process = sqlite3_column_int64(statement, 1);
        if (sqlite3_column_type(statement, 4) != SQLITE_NULL && sqlite3_column_int64(statement, 4) < merge->ids_until)
            merge->ids_until = sqlite3_column_int64(statement, 4);
        merge->n_sources++;
        merge->rows += n;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(merge->store, "merging");
    (void)sqlite3_reset(statement);
    return 0;
}

static int decode_source(struct merge *merge, const struct source *source, enum span_field field)
{
    size_t bytes;
    const uint8_t *data;
    int status;

    if (source->raw == NULL)
        return store_merged_column(merge->store, source->id, field, &merge->column, source->n);
    data = span_block_find(&source->view, field, &bytes);
    if (data == NULL)
        return 0;
    status = store_decode(&merge->column, field, data, bytes, source->n);
    return status == 0 ? 1 : status;
}

/* Every column is decoded once before anything is merged: a block that cannot be read, or that
 * holds fields of a later version (which would be lost), is left as it came. */
static int prove(struct merge *merge, struct source *source)
{
    int status = 0;

    for (size_t i = 0; source->raw != NULL && i < source->view.n_columns; i++)
        if (span_field_by_number(source->view.column[i].number) == SPAN_FIELD_COUNT &&
            !span_field_retired(source->view.column[i].number))
            return STORE_DAMAGED;
    for (unsigned f = 0; status >= 0 && f < SPAN_FIELD_COUNT; f++)
        status = decode_source(merge, source, (enum span_field)f);
    if (status < 0)
        return status;
    /* Readers know rows that were merged between two of their steps by their numbers. */
    status = decode_source(merge, source, SPAN_seq);
    for (size_t i = 0; status == 1 && i < source->n; i++)
        if (!span_bit(merge->column.present, i))
            status = 0;
    return status == 1 ? 0 : status < 0 ? status : STORE_DAMAGED;
}

static int load_raw(struct merge *merge, struct source *source)
{
    sqlite3_stmt *statement = store_statement(merge->store, STORE_SQL_block_raw);
    int status = 0;

    if (statement == NULL)
        return store_sqlite_failed(merge->store, "merging");
    (void)sqlite3_bind_int64(statement, 1, source->id);
    if (sqlite3_step(statement) != SQLITE_ROW) {
        status = store_sqlite_failed(merge->store, "merging");
    } else {
        const uint8_t *raw;
        size_t bytes;

        status = store_column_blob(statement, 0, &raw, &bytes);
        if (status != 0) {
            /* not known whether it is sound */
        } else if (raw == NULL) {
            status = STORE_DAMAGED;
        } else if ((source->raw = malloc(bytes)) == NULL) {
            status = store_because(STORE_FAILED, "no memory");
        } else {
            memcpy(source->raw, raw, bytes);
            merge->raw_bytes += bytes;
            if (span_block_open(&source->view, source->raw, bytes) != 0 || source->view.n != source->n)
                status = STORE_DAMAGED;
        }
    }
    (void)sqlite3_reset(statement);
    return status;
}

static int mark_kept(struct store *store, int64_t block)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_block_mark);

    if (statement == NULL)
        return store_sqlite_failed(store, "merging");
    (void)sqlite3_bind_int64(statement, 1, block);
    (void)sqlite3_bind_int64(statement, 2, STORE_KEPT);
    return store_run(store, statement, "merging");
}

/* Loads and proves the sources; those that cannot be merged are marked and left out. */
static int load(struct merge *merge)
{
    merge->rows = 0;
    for (size_t i = 0; i < merge->n_sources; i++) {
        struct source *source = &merge->source[i];
        int status = 0;

        if (merge->raw_bytes > MERGE_RAW_BYTES_MAX) {
            merge->n_sources = i; /* the rest in the next step */
            break;
        }
        if (source->process > 0)
            status = load_raw(merge, source);
        if (status == 0)
            status = prove(merge, source);
        if (status == 0)
            status = store_row_processes(merge->store, source->id, source->process, source->n);
        if (status == STORE_DAMAGED) {
            source->dropped = true;
            status = mark_kept(merge->store, source->id);
        }
        if (status != 0)
            return status;
        source->first = merge->rows;
        merge->rows += source->dropped ? 0 : source->n;
    }
    return 0;
}

static int by_process(const void *a, const void *b)
{
    const struct order *x = a;
    const struct order *y = b;

    if (x->process != y->process)
        return x->process < y->process ? -1 : 1;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* Decides the order of the rows. */
static int arrange(struct merge *merge)
{
    for (size_t s = 0; s < merge->n_sources; s++) {
        const struct source *source = &merge->source[s];
        int status;
        int found;

        if (source->dropped)
            continue;
        found = decode_source(merge, source, SPAN_seq);
        if (found < 0)
            return found;
        status = store_row_processes(merge->store, source->id, source->process, source->n);
        if (status != 0)
            return status;
        for (size_t i = 0; i < source->n; i++) {
            uint32_t row = (uint32_t)(source->first + i);
            int64_t process = source->process > 0 ? source->process : store_int(merge->store->process_column.u64[i]);

            merge->order[row] = (struct order){process, found == 1 ? merge->column.u64[i] : 0, row};
        }
    }
    qsort(merge->order, merge->rows, sizeof(*merge->order), by_process);
    for (size_t i = 0; i < merge->rows; i++)
        merge->position[merge->order[i].row] = (uint32_t)i;
    return 0;
}

static void gather_numbers(struct merge *merge, const struct source *source)
{
    for (size_t i = 0; i < source->n; i++) {
        uint32_t to = merge->position[source->first + i];

        merge->values[to] = merge->column.u64[i];
        if (span_bit(merge->column.present, i))
            merge->present[to >> 6] |= 1ull << (to & 63);
    }
}

/* Each distinct text of the source goes into the arena once; rows remember where. */
static int gather_texts(struct merge *merge, const struct source *source)
{
    size_t base = merge->arena.bytes;

    for (size_t d = 0; d < merge->column.n_dict; d++)
        span_buffer_append(&merge->arena, merge->column.dict[d].data, merge->column.dict[d].bytes);
    if (merge->arena.failed)
        return store_because(STORE_FAILED, "no memory");
    /* Where dictionary entry d begins is the sum of those before it. */
    for (size_t d = 0; d < merge->column.n_dict; d++) {
        uint32_t bytes = merge->column.dict[d].bytes;

        merge->column.dict[d].data = (const char *)merge->arena.data; /* not followed: only `offset` counts */
        merge->offset[merge->rows + d] = (uint32_t)base;
        base += bytes;
    }
    for (size_t i = 0; i < source->n; i++) {
        uint32_t to = merge->position[source->first + i];

        if (!span_bit(merge->column.present, i))
            continue;
        merge->present[to >> 6] |= 1ull << (to & 63);
        merge->offset[to] = merge->offset[merge->rows + merge->column.code[i]];
        merge->texts[to].bytes = merge->column.dict[merge->column.code[i]].bytes;
    }
    return 0;
}

/* One field of all sources, in the new order. 1, 0 when no row has it, or negative status. */
static int gather(struct merge *merge, enum span_field field)
{
    int any = 0;

    memset(merge->present, 0, (merge->rows + 63) / 64 * sizeof(*merge->present));
    memset(merge->values, 0, merge->rows * sizeof(*merge->values));
    merge->arena.bytes = 0;
    for (size_t s = 0; s < merge->n_sources; s++) {
        const struct source *source = &merge->source[s];
        int found = source->dropped ? 0 : decode_source(merge, source, field);

        if (found < 0)
            return found;
        if (found == 0)
            continue;
        any = 1;
        if (!store_is_text(field))
            gather_numbers(merge, source);
        else if (gather_texts(merge, source) != 0)
            return STORE_FAILED;
    }
    for (size_t i = 0; any && store_is_text(field) && i < merge->rows; i++)
        if (span_bit(merge->present, i))
            merge->texts[i].data = (const char *)merge->arena.data + merge->offset[i];
    return any;
}

static int put_block(struct merge *merge, int64_t *ret_block)
{
    sqlite3_stmt *statement = store_statement(merge->store, STORE_SQL_block_put);
    int status;

    if (statement == NULL)
        return store_sqlite_failed(merge->store, "merging");
    (void)sqlite3_bind_null(statement, 1);
    (void)sqlite3_bind_int64(statement, 2, merge->t_min);
    (void)sqlite3_bind_int64(statement, 3, merge->t_max);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)merge->rows);
    (void)sqlite3_bind_int64(statement, 5, STORE_MERGED);
    (void)sqlite3_bind_null(statement, 6);
    status = store_run(merge->store, statement, "merging");
    *ret_block = sqlite3_last_insert_rowid(merge->store->db);
    merge->store->counted = *ret_block; /* all that is in it was counted */
    return status;
}

static int encode(struct merge *merge, enum span_field field)
{
    if (span_fields[field].type == SPAN_BLOB)
        return span_column_encode_sketch(&merge->out, merge->texts, merge->present, merge->rows, SPAN_ZSTD_LEVEL_STORE);
    if (store_is_text(field))
        return span_column_encode_text(&merge->out, merge->texts, merge->present, merge->rows, SPAN_ZSTD_LEVEL_STORE);
    return span_column_encode_u64(&merge->out, merge->values, merge->present, merge->rows, SPAN_ZSTD_LEVEL_STORE);
}

static int write_field(struct merge *merge, int64_t block, enum span_field field)
{
    const struct store_gathering rows = {merge->values, merge->texts, merge->present};
    int status = gather(merge, field);
    const bool settles = status >= 0 && store_is_settled(&merge->settling, field);

    if (settles)
        status = store_settle_field(merge->store, &merge->settling, field, &rows);
    if (status <= 0)
        return status;
    merge->out.bytes = 0;
    if (encode(merge, field) != 0)
        return store_because(STORE_FAILED, "a merged column does not fit in memory");
    status = store_predict(merge->store, block, field,
                           &(struct store_gathered){merge->values, merge->texts, merge->present, merge->rows},
                           &merge->out, &merge->other);
    if (status == 0 && field == SPAN_response_id)
        status = store_ids_keep(merge->store, block, merge->ids_until);
    return status == 0 ? store_columns_keep(&merge->columns, span_fields[field].number, &merge->out) : status;
}

/* Predicted fields last: their predictions are made from the columns that stand. */
static int write_fields(struct merge *merge, int64_t block)
{
    int status = 0;

    store_cache_columns(merge->store, block);
    for (unsigned f = 0; status == 0 && f < SPAN_FIELD_COUNT; f++)
        if (!store_is_predicted((enum span_field)f))
            status = write_field(merge, block, (enum span_field)f);
    for (size_t i = 0; status == 0 && store_predicted(i) != SPAN_FIELD_COUNT; i++)
        status = write_field(merge, block, store_predicted(i));
    store_cache_columns(merge->store, 0);
    return status;
}

static int drop_sources(struct merge *merge)
{
    for (size_t i = 0; i < merge->n_sources; i++) {
        static const enum store_sql drops[] = {STORE_SQL_col_drop, STORE_SQL_block_drop};

        for (size_t d = merge->source[i].process > 0; !merge->source[i].dropped && d < 2; d++) {
            sqlite3_stmt *statement = store_statement(merge->store, drops[d]);
            int status;

            if (statement == NULL)
                return store_sqlite_failed(merge->store, "merging");
            (void)sqlite3_bind_int64(statement, 1, merge->source[i].id);
            status = store_run(merge->store, statement, "merging");
            if (status != 0)
                return status;
        }
    }
    return 0;
}

/* The exact range of the starts, from the column itself. */
static int time_range(struct merge *merge)
{
    int found = gather(merge, SPAN_start_ns);
    uint64_t min = found == 1 ? UINT64_MAX : 0;
    uint64_t max = 0;

    for (size_t i = 0; found == 1 && i < merge->rows; i++) {
        min = merge->values[i] < min ? merge->values[i] : min;
        max = merge->values[i] > max ? merge->values[i] : max;
    }
    merge->t_min = store_int(min);
    merge->t_max = store_int(max);
    return found < 0 ? found : 0;
}

static int rooms(struct merge *merge)
{
    size_t rows = merge->rows;

    merge->order = calloc(rows, sizeof(*merge->order));
    merge->position = calloc(rows, sizeof(*merge->position));
    merge->values = calloc(rows, sizeof(*merge->values));
    merge->present = calloc((rows + 63) / 64, sizeof(*merge->present));
    merge->texts = calloc(rows, sizeof(*merge->texts));
    /* The second half holds the places of the dictionary at hand, which has at most as many entries
     * as its block rows.
     */
    merge->offset = calloc(rows * 2, sizeof(*merge->offset));
    if (merge->order == NULL || merge->position == NULL || merge->values == NULL || merge->present == NULL ||
        merge->texts == NULL || merge->offset == NULL)
        return store_because(STORE_FAILED, "no memory");
    return 0;
}

static int put_processes(struct merge *merge)
{
    for (size_t i = 0; i < merge->rows; i++)
        merge->values[i] = (uint64_t)merge->order[i].process;
    merge->out.bytes = 0;
    if (span_column_encode_u64(&merge->out, merge->values, NULL, merge->rows, SPAN_ZSTD_LEVEL_STORE) != 0)
        return store_because(STORE_FAILED, "no memory");
    return store_columns_keep(&merge->columns, STORE_FIELD_PROCESS, &merge->out);
}

/* What was learned of the prompts of these calls, where their hour is over. */
static int look_for_prompts(struct merge *merge)
{
    int status = gather(merge, SPAN_start_ns);

    if (status >= 0)
        status = store_settle_begin(merge->store, &merge->settling, merge->values, merge->rows);
    if (status >= 0 && merge->settling.rows > 0 && merge->store->prompts.parts) {
        status = gather(merge, SPAN_prompt_text_id);
        if (status >= 0)
            status = store_settle_text_ids(&merge->settling, merge->values, merge->present);
    }
    if (status >= 0 && merge->settling.rows > 0)
        status = gather(merge, SPAN_prompt_id);
    return status == 1 ? store_settle_ids(merge->store, &merge->settling, merge->values, merge->present) : status;
}

/* Nothing more is to be learned of the prompts in the block, or nothing ever was. */
static int settle(struct merge *merge, int64_t block)
{
    sqlite3_stmt *statement = store_statement(merge->store, STORE_SQL_block_settle);
    int status = 0;

    if (merge->over || !merge->store->prompts.any) {
        if (statement != NULL)
            (void)sqlite3_bind_int64(statement, 1, block);
        status = store_run(merge->store, statement, "merging");
    }
    for (size_t i = 0; status == 0 && i < merge->settling.n_hours; i++)
        status = store_recount(merge->store, merge->settling.hour[i]);
    return status;
}

static int run(struct merge *merge, uint64_t hour)
{
    int64_t block = 0;
    int status = choose(merge, hour);

    if (status == 0)
        status = load(merge);
    if (status != 0 || merge->rows == 0)
        return status;
    status = rooms(merge);
    if (status == 0)
        status = arrange(merge);
    if (status == 0)
        status = time_range(merge);
    if (status == 0 && merge->over)
        status = look_for_prompts(merge);
    if (status == 0)
        status = put_block(merge, &block);
    merge->columns.block = block;
    merge->store->building = &merge->columns;
    if (status == 0)
        status = put_processes(merge);
    if (status == 0)
        status = write_fields(merge, block);
    if (status == 0)
        status = store_columns_put(merge->store, &merge->columns);
    if (status == 0)
        status = drop_sources(merge);
    return status == 0 ? settle(merge, block) : status;
}

static void merge_done(struct merge *merge)
{
    for (size_t i = 0; merge->source != NULL && i < merge->n_sources; i++)
        free(merge->source[i].raw);
    free(merge->source);
    free(merge->order);
    free(merge->position);
    free(merge->values);
    free(merge->present);
    free(merge->texts);
    free(merge->offset);
    span_buffer_done(&merge->arena);
    span_buffer_done(&merge->out);
    span_buffer_done(&merge->other);
    span_column_done(&merge->column);
    store_settle_done(&merge->settling);
    merge->store->building = NULL;
    store_columns_done(&merge->columns);
}

int store_merge_step(struct store *store, bool *ret_more)
{
    struct merge merge = {.store = store};
    struct timespec now;
    uint64_t hour = 0;
    int status;

    *ret_more = false;
    if (!store->writing || store->in_transaction)
        return store_because(STORE_FAILED, "merging needs a store open for writing and no transaction");
    (void)clock_gettime(CLOCK_REALTIME, &now);
    status = find_hour(store, (uint64_t)now.tv_sec * 1000000000u, &hour, &merge.over);
    if (status < 0)
        return status;
    if (status == 0)
        return store_let_go(store, (uint64_t)now.tv_sec * 1000000000u, MERGE_GRACE_NS, ret_more);
    /* What can be learned of an hour is learned before it is merged. */
    if (merge.over && (store->data_version == -1 || store->prompts.open || store->prompts.n_counts > 0)) {
        status = store_learn(store, ret_more);
        if (status != 0 || *ret_more)
            return status;
    }
    status = store_begin(store);
    if (status != 0)
        return status;
    merge.ids_until = (int64_t)now.tv_sec + STORE_IDS_DAYS * INT64_C(86400);
    span_column_init(&merge.column);
    span_buffer_init(&merge.arena, MERGE_TEXT_BYTES_MAX);
    span_buffer_init(&merge.out, MERGE_TEXT_BYTES_MAX);
    span_buffer_init(&merge.other, MERGE_TEXT_BYTES_MAX);
    merge.source = calloc(MERGE_BLOCKS_MAX, sizeof(*merge.source));
    status = merge.source == NULL ? store_because(STORE_FAILED, "no memory") : run(&merge, hour);
    merge_done(&merge);
    if (status == 0)
        status = store_commit_all(store);
    else
        store_rollback(store);
    store->look_for_departing |= status == 0;
    *ret_more = status == 0;
    return status;
}
