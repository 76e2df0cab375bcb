/*
 * Uniting stores: the blocks of calls. One that is new as a whole is copied as it lies, with the
 * numbers that its processes have in the other store; of one that is there in part, what is new is
 * written as columns. Its calls are counted in the rollups in the same transaction.
 *
 * Called by unite.c. Must write no call twice.
 */
#include "unite_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(void)
{
    return store_because(STORE_FAILED, "no memory");
}

/* ---- what is there already ---- */

static int by_place(const void *a, const void *b)
{
    const struct unite_run *x = a;
    const struct unite_run *y = b;

    if (x->process != y->process)
        return x->process < y->process ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* Sorts the runs and makes one of those that touch. */
static void order_runs(struct unite *unite)
{
    size_t kept = 0;

    if (unite->n_runs == 0)
        return;
    qsort(unite->run, unite->n_runs, sizeof(*unite->run), by_place);
    for (size_t i = 1; i < unite->n_runs; i++) {
        struct unite_run *last = &unite->run[kept];

        if (unite->run[i].process == last->process && unite->run[i].first <= last->last + 1)
            last->last = unite->run[i].last > last->last ? unite->run[i].last : last->last;
        else
            unite->run[++kept] = unite->run[i];
    }
    unite->n_runs = kept + 1;
}

static bool is_there(const struct unite *unite, int64_t process, uint64_t seq)
{
    size_t from = 0;
    size_t to = unite->n_runs;

    while (from < to) {
        const size_t middle = (from + to) / 2;
        const struct unite_run *run = &unite->run[middle];

        if (run->process < process || (run->process == process && run->last < seq))
            from = middle + 1;
        else
            to = middle;
    }
    return from < unite->n_runs && unite->run[from].process == process && unite->run[from].first <= seq;
}

static int remember(struct unite *unite, int64_t process, uint64_t seq)
{
    struct unite_run *last = unite->n_runs > 0 ? &unite->run[unite->n_runs - 1] : NULL;

    if (last != NULL && last->process == process && seq == last->last + 1) {
        last->last = seq;
        return 0;
    }
    if (unite->n_runs == unite->runs_capacity) {
        const size_t capacity = unite->runs_capacity == 0 ? 1024 : unite->runs_capacity * 2;
        struct unite_run *grown = realloc(unite->run, capacity * sizeof(*grown));

        if (grown == NULL)
            return no_memory();
        unite->run = grown;
        unite->runs_capacity = capacity;
    }
    unite->run[unite->n_runs++] = (struct unite_run){process, seq, seq};
    return 0;
}

/* The calls of one block of the store that is written. One that cannot be read has none. */
static int remember_block(struct unite *unite, int64_t block)
{
    const struct store_wanted wanted = {.seq = true};
    struct store *into = unite->into;
    struct store_rows rows;
    int status;

    store_processes_trim(into);
    status = store_read_block(into, block, &wanted, &rows);
    if (status != 0 || !rows.has[SPAN_seq])
        return status == STORE_DAMAGED ? 0 : status;
    for (size_t i = 0; status == 0 && i < rows.n; i++)
        if (span_bit(rows.column[SPAN_seq]->present, i))
            status = remember(unite, rows.of_process > 0 ? rows.of_process : store_int(into->process_column.u64[i]),
                              rows.column[SPAN_seq]->u64[i]);
    return status;
}

/* Looks at what lies in the period, unless it is known and nobody else wrote meanwhile. */
static int look(struct unite *unite, int64_t from_ns, int64_t to_ns)
{
    const int64_t hour_end = from_ns - from_ns % (int64_t)STORE_HOUR_NS + (int64_t)STORE_HOUR_NS - 1;
    sqlite3_stmt *list = NULL;
    int status;
    int code = SQLITE_DONE;

    if (unite->data_version == unite->into->data_version && unite->from_ns <= from_ns && to_ns <= unite->to_ns)
        return 0;
    unite->from_ns = from_ns;
    unite->to_ns = to_ns > hour_end ? to_ns : hour_end;
    unite->n_runs = 0;
    status = unite_prepare(unite->into, "SELECT id FROM block WHERE t_max>=?1 AND t_min<=?2 ORDER BY id", &list);
    if (status == 0) {
        (void)sqlite3_bind_int64(list, 1, unite->from_ns);
        (void)sqlite3_bind_int64(list, 2, unite->to_ns);
    }
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW)
        status = remember_block(unite, sqlite3_column_int64(list, 0));
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->into, "reading");
    (void)sqlite3_finalize(list);
    order_runs(unite);
    unite->data_version = status == 0 ? unite->into->data_version : -1;
    return status;
}

/* ---- the block at hand ---- */

static int room_for_rows(struct unite *unite, size_t n)
{
    if (n <= unite->rows_capacity)
        return 0;
    unite->rows_capacity = 0;
    free(unite->process);
    free((void *)unite->facts);
    free(unite->kept);
    free(unite->values);
    free(unite->present);
    free(unite->texts);
    unite->process = malloc(n * sizeof(*unite->process));
    unite->facts = malloc(n * sizeof(const struct span_process *));
    unite->kept = malloc(n * sizeof(*unite->kept));
    unite->values = malloc(n * sizeof(*unite->values));
    unite->present = malloc((n + 63) / 64 * sizeof(*unite->present));
    unite->texts = malloc(n * sizeof(*unite->texts));
    if (unite->process == NULL || unite->facts == NULL || unite->kept == NULL || unite->values == NULL ||
        unite->present == NULL || unite->texts == NULL)
        return no_memory();
    unite->rows_capacity = n;
    return 0;
}

/* The processes of all rows, and what they are in the store that is written. */
static int map_processes(struct unite *unite, const struct store_rows *rows)
{
    const struct span_process *last = NULL;
    int64_t id = 0;
    int status = 0;

    for (size_t i = 0; status == 0 && i < rows->n; i++) {
        if (rows->process[i] != last)
            status = unite_process(unite, rows->process[i], &id);
        last = rows->process[i];
        unite->process[i] = (uint64_t)id;
    }
    for (size_t i = 0; status == 0 && i < rows->n; i++) {
        const struct store_process *known = i > 0 && unite->process[i] == unite->process[i - 1]
                                                ? NULL
                                                : store_process_by_id(unite->into, (int64_t)unite->process[i], &status);

        if (status == 0 && known == NULL && !(i > 0 && unite->process[i] == unite->process[i - 1]))
            return store_because(STORE_FAILED, "a process that was just stored cannot be found");
        unite->facts[i] = known != NULL ? &known->process : i > 0 ? unite->facts[i - 1] : NULL;
    }
    return status;
}

static void sift(struct unite *unite, const struct store_rows *rows)
{
    const struct span_column *seq = rows->column[SPAN_seq];

    unite->n_kept = 0;
    for (size_t i = 0; i < rows->n; i++)
        if (!is_there(unite, (int64_t)unite->process[i], seq->u64[i]))
            unite->kept[unite->n_kept++] = (uint32_t)i;
}

/* ---- writing ---- */

/* What the row of `block` says. */
struct head {
    int64_t t_min, t_max, n, merged, ids_until, settled;
    bool has_ids_until;
};

static int put_block(struct unite *unite, const struct head *head, int64_t process, const uint8_t *raw, size_t bytes)
{
    struct store *into = unite->into;
    sqlite3_stmt *put = NULL;
    int status = unite_prepare(into,
                               "INSERT INTO block(process,t_min,t_max,n,merged,raw,ids_until,settled) "
                               "VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
                               &put);

    if (status != 0)
        return status;
    if (process > 0)
        (void)sqlite3_bind_int64(put, 1, process);
    (void)sqlite3_bind_int64(put, 2, head->t_min);
    (void)sqlite3_bind_int64(put, 3, head->t_max);
    (void)sqlite3_bind_int64(put, 4, head->n);
    (void)sqlite3_bind_int64(put, 5, head->merged);
    if (raw != NULL)
        (void)sqlite3_bind_blob64(put, 6, raw, bytes, SQLITE_STATIC);
    if (head->has_ids_until)
        (void)sqlite3_bind_int64(put, 7, head->ids_until);
    (void)sqlite3_bind_int64(put, 8, head->settled);
    if (sqlite3_step(put) != SQLITE_DONE)
        status = store_sqlite_failed(into, "storing a block");
    (void)sqlite3_finalize(put);
    into->block_bytes += bytes;
    into->counted = sqlite3_last_insert_rowid(into->db);
    into->unsaved_rows += (uint64_t)head->n;
    return status;
}

static int put_column(struct unite *unite, int64_t number, const uint8_t *data, size_t bytes)
{
    sqlite3_stmt *put = store_statement(unite->into, STORE_SQL_col_put);
    int status;

    if (put == NULL)
        return store_sqlite_failed(unite->into, "storing a block");
    (void)sqlite3_bind_int64(put, 1, unite->into->counted);
    (void)sqlite3_bind_int64(put, 2, number);
    (void)sqlite3_bind_blob64(put, 3, data, bytes, SQLITE_STATIC);
    status = store_run(unite->into, put, "storing a block");
    (void)sqlite3_clear_bindings(put);
    unite->into->block_bytes += bytes;
    return status;
}

/* Processes of the rows that are kept, as a merged block has them. */
static int put_processes(struct unite *unite)
{
    for (size_t i = 0; i < unite->n_kept; i++)
        unite->values[i] = unite->process[unite->kept[i]];
    unite->out.bytes = 0;
    if (span_column_encode_u64(&unite->out, unite->values, NULL, unite->n_kept, SPAN_ZSTD_LEVEL_STORE) != 0)
        return no_memory();
    return put_column(unite, STORE_FIELD_PROCESS, unite->out.data, unite->out.bytes);
}

/* Every column as it lies, but for that of the processes, and of versions that have other numbers.
 * */
static int copy_columns(struct unite *unite, int64_t block)
{
    sqlite3_stmt *list = NULL;
    int status = unite_prepare(unite->from, "SELECT field,data FROM col WHERE block=?1 AND field<>0", &list);
    int code = SQLITE_DONE;

    if (status == 0)
        (void)sqlite3_bind_int64(list, 1, block);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        const uint8_t *data;
        size_t bytes;

        status = store_column_blob(list, 1, &data, &bytes);
        if (sqlite3_column_int64(list, 0) == SPAN_F_prompt_version && unite->versions.bytes > 0) {
            data = unite->versions.data;
            bytes = unite->versions.bytes;
        }
        if (status == 0)
            status = put_column(unite, sqlite3_column_int64(list, 0), data, bytes);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->from, "reading a block");
    (void)sqlite3_finalize(list);
    return status == 0 ? put_processes(unite) : status;
}

/* A column of the rows that are kept. */
static int put_kept(struct unite *unite, enum span_field field, const struct span_column *column)
{
    bool any = false;

    memset(unite->present, 0, (unite->n_kept + 63) / 64 * sizeof(*unite->present));
    for (size_t i = 0; i < unite->n_kept; i++) {
        const uint32_t row = unite->kept[i];

        if (!span_bit(column->present, row))
            continue;
        any = true;
        unite->present[i >> 6] |= UINT64_C(1) << (i & 63);
        if (store_is_text(field))
            unite->texts[i] = column->dict[column->code[row]];
        else
            unite->values[i] = column->u64[row];
    }
    if (!any)
        return 0;
    unite->out.bytes = 0;
    if (store_is_text(field)
            ? span_column_encode_text(&unite->out, unite->texts, unite->present, unite->n_kept, SPAN_ZSTD_LEVEL_STORE)
            : span_column_encode_u64(&unite->out, unite->values, unite->present, unite->n_kept, SPAN_ZSTD_LEVEL_STORE))
        return no_memory();
    return put_column(unite, span_fields[field].number, unite->out.data, unite->out.bytes);
}

static void narrow(struct unite *unite, const struct store_rows *rows, struct head *head)
{
    const uint64_t *start_ns = rows->column[SPAN_start_ns]->u64;

    head->t_min = INT64_MAX;
    head->t_max = 0;
    head->n = (int64_t)unite->n_kept;
    head->merged = STORE_MERGED;
    for (size_t i = 0; i < unite->n_kept; i++) {
        const int64_t at = store_int(start_ns[unite->kept[i]]);

        head->t_min = at < head->t_min ? at : head->t_min;
        head->t_max = at > head->t_max ? at : head->t_max;
    }
}

/* The rows that are kept alone, as columns. */
static int put_part(struct unite *unite, const struct store_rows *rows, struct head *head)
{
    int status;

    narrow(unite, rows, head);
    status = put_block(unite, head, 0, NULL, 0);
    for (unsigned f = 0; status == 0 && f < SPAN_FIELD_COUNT; f++)
        if (rows->has[f])
            status = put_kept(unite, (enum span_field)f, rows->column[f]);
    return status == 0 ? put_processes(unite) : status;
}

/* The whole block as it lies. */
static int put_whole(struct unite *unite, int64_t block, const struct head *head, sqlite3_stmt *row)
{
    const uint8_t *raw;
    size_t bytes;
    int status = store_column_blob(row, 5, &raw, &bytes);

    if (status != 0)
        return status;
    if (head->merged != STORE_MERGED)
        return put_block(unite, head, (int64_t)unite->process[0], raw, bytes);
    status = put_block(unite, head, 0, NULL, 0);
    return status == 0 ? copy_columns(unite, block) : status;
}

/* The rows that are kept, moved together in every column that was read, for those who count. */
static void leave_kept(struct unite *unite, struct store_rows *rows)
{
    for (unsigned f = 0; f < SPAN_FIELD_COUNT && unite->n_kept < rows->n; f++) {
        struct span_column *column = &unite->from->column[f];

        for (size_t i = 0; rows->has[f] && i < unite->n_kept; i++) {
            const uint32_t row = unite->kept[i];
            const uint64_t bit = UINT64_C(1) << (i & 63);

            column->present[i >> 6] =
                span_bit(column->present, row) ? column->present[i >> 6] | bit : column->present[i >> 6] & ~bit;
            if (store_is_text((enum span_field)f))
                column->code[i] = column->code[row];
            else
                column->u64[i] = column->u64[row];
        }
    }
    for (size_t i = 0; unite->n_kept < rows->n && i < unite->n_kept; i++)
        unite->facts[i] = unite->facts[unite->kept[i]];
    rows->n = unite->n_kept;
    rows->process = unite->facts;
}

static int count(struct unite *unite, struct store_rows *rows)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < unite->n_kept; i++)
        status = remember(unite, (int64_t)unite->process[unite->kept[i]], rows->column[SPAN_seq]->u64[unite->kept[i]]);
    if (status != 0)
        return status;
    order_runs(unite);
    leave_kept(unite, rows);
    status = store_texts_count(unite->into, rows);
    return status == 0 && rollup_add(unite->into->rollup, rows) != 0 ? no_memory() : status;
}

/* Versions that were found there have other numbers here, where these were given to something else:
 * the column as it is to be, in the rows too. */
static int renumber(struct unite *unite, const struct store_rows *rows)
{
    struct span_column *column = &unite->from->column[SPAN_prompt_version];
    const struct span_column *id = rows->column[SPAN_prompt_id];
    char(*text)[16] = NULL;
    bool any = false;
    int failed = 0;

    unite->versions.bytes = 0;
    if (unite->n_renumbered == 0 || !rows->has[SPAN_prompt_version] || !rows->has[SPAN_prompt_id])
        return 0;
    text = calloc(rows->n, sizeof(*text));
    if (text == NULL)
        return no_memory();
    for (size_t i = 0; i < rows->n; i++) {
        const uint32_t version = span_bit(column->present, i) ? store_found_version(column->dict[column->code[i]]) : 0;
        const uint32_t now =
            version == 0 || !span_bit(id->present, i) ? version : unite_version(unite, id->u64[i], version);

        unite->texts[i] = span_bit(column->present, i) ? column->dict[column->code[i]] : (struct span_text){0};
        if (now == version)
            continue;
        any = true;
        unite->texts[i] =
            (struct span_text){text[i], (uint32_t)snprintf(text[i], sizeof(text[i]), "%c%u", STORE_FOUND, now)};
    }
    if (any)
        failed =
            span_column_encode_text(&unite->versions, unite->texts, column->present, rows->n, SPAN_ZSTD_LEVEL_STORE);
    if (any && failed == 0)
        failed = span_column_decode_text(column, unite->versions.data, unite->versions.bytes, rows->n);
    free(text);
    return failed == 0 ? 0 : no_memory();
}

/* All columns, those of the rows alone that are looked for. */
static int read_all(struct unite *unite, int64_t block, struct store_rows *rows)
{
    enum span_field fields[SPAN_FIELD_COUNT];
    const struct store_wanted wanted = {.fields = fields, .n_fields = SPAN_FIELD_COUNT, .seq = true};
    int status;

    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        fields[f] = (enum span_field)f;
    store_processes_trim(unite->from);
    status = store_read_block(unite->from, block, &wanted, rows);
    if (status == 0 && !rows->has[SPAN_seq])
        status = store_because(STORE_DAMAGED, "its calls have no numbers");
    for (size_t i = 0; status == 0 && i < rows->n; i++)
        if (!span_bit(rows->column[SPAN_seq]->present, i) || !span_bit(rows->column[SPAN_start_ns]->present, i))
            status = store_because(STORE_DAMAGED, "a call has no number or no time");
    return status;
}

static int write(struct unite *unite, int64_t block, struct head *head, sqlite3_stmt *row, struct store_rows *rows)
{
    int status;

    store_processes_trim(unite->into);
    status = room_for_rows(unite, rows->n);
    if (status == 0)
        status = renumber(unite, rows);
    if (status == 0)
        status = map_processes(unite, rows);
    if (status == 0)
        status = look(unite, head->t_min, head->t_max);
    if (status == 0) /* what was looked at may have taken the facts of processes along */
        status = map_processes(unite, rows);
    if (status != 0)
        return status;
    sift(unite, rows);
    unite->told->repeats += rows->n - unite->n_kept;
    unite->told->spans += unite->n_kept;
    if (unite->n_kept == 0)
        return 0;
    status = unite->n_kept == rows->n ? put_whole(unite, block, head, row) : put_part(unite, rows, head);
    return status == 0 ? count(unite, rows) : status;
}

static int take(struct unite *unite, int64_t block, sqlite3_stmt *row)
{
    struct head head = {.t_min = sqlite3_column_int64(row, 1),
                        .t_max = sqlite3_column_int64(row, 2),
                        .n = sqlite3_column_int64(row, 3),
                        .merged = sqlite3_column_int64(row, 4),
                        .ids_until = sqlite3_column_int64(row, 6),
                        .has_ids_until = sqlite3_column_type(row, 6) != SQLITE_NULL,
                        .settled = sqlite3_column_int64(row, 7)};
    struct store_rows rows;
    int status = read_all(unite, block, &rows);

    if (status == STORE_DAMAGED) {
        unite->told->damaged++;
        return 0;
    }
    if (status == 0)
        status = store_begin(unite->into);
    if (status != 0)
        return status;
    status = write(unite, block, &head, row, &rows);
    if (status == 0)
        return store_commit(unite->into);
    store_rollback(unite->into);
    return status;
}

int unite_block(struct unite *unite, int64_t block)
{
    sqlite3_stmt *row = NULL;
    int status = unite_prepare(
        unite->from, "SELECT process,t_min,t_max,n,merged,raw,ids_until,settled FROM block WHERE id=?1", &row);
    int code = SQLITE_DONE;

    if (status == 0) {
        (void)sqlite3_bind_int64(row, 1, block);
        code = sqlite3_step(row);
    }
    if (status == 0 && code == SQLITE_ROW)
        status = take(unite, block, row);
    else if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->from, "reading a block");
    (void)sqlite3_finalize(row);
    return status;
}
