/*
 * Reading a period of the store step by step: the list of its blocks first, then each block in a
 * transaction of its own. So a reader that is held up by its output (`export | less`) holds nothing
 * in the store, and the log behind it does not grow.
 *
 * Called by reports and export. Each row is delivered once, though the store changes between two
 * steps: what was merged away before its turn is looked for in the blocks made since, where the
 * rows that were delivered already are known by (process, seq). Rows that came after the list was
 * made may be delivered too. Not to be called again from its own callback.
 */
#include "store_inner.h"

#include <stdlib.h>
#include <string.h>

enum { PASSES_MAX = 1000 }; /* over blocks made meanwhile; each takes a merge in between */

struct item {
    int64_t id;
    bool whole; /* large enough never to be merged again */
};

/* Rows first to last of a process. */
struct run {
    uint64_t id, first, last;
};

struct scan {
    struct store *store;
    const struct store_query *query;
    struct store_wanted wanted;
    int (*each)(void *context, const struct store_rows *rows);
    void *context;
    struct item *item;
    size_t n_items, items_capacity;
    int64_t newest;  /* highest number of a block that was listed */
    bool missing;    /* a listed block was gone when its turn came */
    bool failed;     /* no memory for runs */
    struct run *run; /* delivered rows that may come by again */
    size_t n_runs, runs_capacity;
    uint64_t damaged;
};

/* The list with room for one more; NULL, and the list as it was, without memory. */
static void *more_room(void *list, size_t n, size_t *capacity, size_t each)
{
    size_t wanted = *capacity == 0 ? 256 : *capacity * 2;
    void *grown;

    if (list != NULL && n < *capacity)
        return list;
    grown = realloc(list, wanted * each);
    if (grown == NULL)
        (void)store_because(STORE_FAILED, "no memory");
    else
        *capacity = wanted;
    return grown;
}

/* ---- what was delivered ---- */

static void remember(struct scan *scan, uint64_t process, uint64_t seq)
{
    struct run *last = scan->n_runs > 0 ? &scan->run[scan->n_runs - 1] : NULL;
    struct run *list;

    if (last != NULL && last->id == process && seq == last->last + 1) {
        last->last = seq;
        return;
    }
    list = more_room(scan->run, scan->n_runs, &scan->runs_capacity, sizeof(*scan->run));
    if (list == NULL) {
        scan->failed = true;
        return;
    }
    scan->run = list;
    scan->run[scan->n_runs++] = (struct run){.id = process, .first = seq, .last = seq};
}

static int by_place(const void *a, const void *b)
{
    const struct run *x = a;
    const struct run *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

/* Sorts the runs and makes one of those that touch. */
static void order_runs(struct scan *scan)
{
    size_t kept = 0;

    if (scan->n_runs == 0)
        return;
    qsort(scan->run, scan->n_runs, sizeof(*scan->run), by_place);
    for (size_t i = 1; i < scan->n_runs; i++) {
        struct run *last = &scan->run[kept];

        if (scan->run[i].id == last->id && scan->run[i].first <= last->last + 1)
            last->last = scan->run[i].last > last->last ? scan->run[i].last : last->last;
        else
            scan->run[++kept] = scan->run[i];
    }
    scan->n_runs = kept + 1;
}

/* Whether the row is in one of the first `n` runs, which are in order. */
static bool was_delivered(const struct scan *scan, size_t n, uint64_t process, uint64_t seq)
{
    size_t from = 0;
    size_t to = n;

    while (from < to) {
        size_t middle = (from + to) / 2;
        const struct run *run = &scan->run[middle];

        if (run->id < process || (run->id == process && run->last < seq))
            from = middle + 1;
        else
            to = middle;
    }
    return from < n && scan->run[from].id == process && scan->run[from].first <= seq;
}

/* ---- rows ---- */

static void move_bit(uint64_t *bits, size_t from, size_t to)
{
    const uint64_t bit = UINT64_C(1) << (to & 63);

    if (span_bit(bits, from))
        bits[to >> 6] |= bit;
    else
        bits[to >> 6] &= ~bit;
}

/* Moves row `from` to `to`, which is not after it, in every column that was read. */
static void move_row(struct store *store, const struct store_rows *rows, size_t from, size_t to)
{
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        struct span_column *column = &store->column[f];

        if (!rows->has[f])
            continue;
        move_bit(column->present, from, to);
        if (span_fields[f].type <= SPAN_ID64)
            column->u64[to] = column->u64[from];
        else
            column->code[to] = column->code[from];
    }
    store->row_process[to] = store->row_process[from];
    if (rows->learned != NULL)
        move_bit(store->prompts.learned, from, to);
}

static uint64_t process_of(const struct scan *scan, int64_t of_block, size_t row)
{
    return of_block > 0 ? (uint64_t)of_block : scan->store->process_column.u64[row];
}

/* Leaves the rows that were not delivered, and notes all as delivered. */
static void sift(struct scan *scan, struct store_rows *rows, int64_t process, bool again)
{
    size_t ordered = again ? scan->n_runs : 0;
    const struct span_column *seq = &scan->store->column[SPAN_seq];
    size_t kept = 0;

    if (!rows->has[SPAN_seq])
        return; /* such a block is never merged */
    for (size_t i = 0; i < rows->n; i++) {
        uint64_t of = process_of(scan, process, i);

        if (again && was_delivered(scan, ordered, of, seq->u64[i]))
            continue;
        remember(scan, of, seq->u64[i]);
        if (kept != i)
            move_row(scan->store, rows, i, kept);
        kept++;
    }
    rows->n = kept;
}

/* ---- steps ---- */

static int list_blocks(struct scan *scan, int64_t after)
{
    sqlite3_stmt *list = store_statement(scan->store, STORE_SQL_blocks);
    int status = 0;
    int code = SQLITE_DONE;

    if (list == NULL)
        return store_sqlite_failed(scan->store, "reading");
    scan->n_items = 0;
    (void)sqlite3_bind_int64(list, 1, store_int(scan->query->since_ns));
    (void)sqlite3_bind_int64(list, 2, store_int(scan->query->until_ns - 1));
    (void)sqlite3_bind_int64(list, 3, after);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        bool merged = sqlite3_column_int64(list, 2) == STORE_MERGED;
        struct item *items;
        int64_t id = sqlite3_column_int64(list, 0);

        if (after > 0 && !merged)
            continue; /* came since, from a sender */
        items = more_room(scan->item, scan->n_items, &scan->items_capacity, sizeof(*scan->item));
        if (items == NULL) {
            status = STORE_FAILED;
            break;
        }
        scan->item = items;
        scan->item[scan->n_items++] =
            (struct item){id, merged && sqlite3_column_int64(list, 1) >= STORE_MERGE_SMALL_ROWS};
        scan->newest = id > scan->newest ? id : scan->newest;
    }
    (void)sqlite3_reset(list);
    return status != 0 || code == SQLITE_DONE ? status : store_sqlite_failed(scan->store, "reading");
}

/* Reads a block within one moment of the store. */
static int read_step(struct scan *scan, const struct item *item, bool again, struct store_rows *rows)
{
    struct store *store = scan->store;
    bool own = !store->in_transaction;
    int status = own ? store_begin_read(store) : 0;

    if (status != 0)
        return status;
    store_processes_trim(store);
    scan->wanted.seq = again || !item->whole;
    status = store_read_block(store, item->id, &scan->wanted, rows);
    if (status == 0 && scan->wanted.prompt)
        status = store_prompts_show(store, &scan->wanted, rows);
    if (own)
        (void)store_run(store, store_statement(store, STORE_SQL_commit), "reading");
    return status;
}

static int step(struct scan *scan, const struct item *item, bool again)
{
    struct store_rows rows;
    int status = read_step(scan, item, again, &rows);

    if (status == STORE_GONE)
        scan->missing = true;
    if (status == STORE_DAMAGED)
        scan->damaged++;
    if (status == STORE_GONE || status == STORE_DAMAGED)
        return 0;
    if (status != 0)
        return status;
    if (again || !item->whole)
        sift(scan, &rows, rows.of_process, again);
    if (scan->failed)
        return store_because(STORE_FAILED, "no memory");
    return rows.n > 0 ? scan->each(scan->context, &rows) : 0;
}

static int pass(struct scan *scan, int64_t after)
{
    int status = list_blocks(scan, after);

    scan->missing = false;
    for (size_t i = 0; status == 0 && i < scan->n_items; i++) {
        if (after > 0)
            order_runs(scan);
        status = step(scan, &scan->item[i], after > 0);
    }
    return status;
}

int store_scan(struct store *store, const struct store_query *query,
               int (*each)(void *context, const struct store_rows *rows), void *context, uint64_t *ret_damaged)
{
    struct scan scan = {.store = store,
                        .query = query,
                        .wanted = {.fields = query->fields, .n_fields = query->n_fields},
                        .each = each,
                        .context = context};
    int status = store_prompts_look(store);

    for (size_t i = 0; i < query->n_fields; i++)
        scan.wanted.prompt |= store->prompts.any && store_is_of_prompt(query->fields[i]);
    scan.wanted.parts = scan.wanted.prompt && store->prompts.parts;
    if (status == 0 && query->until_ns > 0)
        status = pass(&scan, 0);

    for (int i = 0; status == 0 && scan.missing && i < PASSES_MAX; i++)
        status = pass(&scan, scan.newest);
    if (ret_damaged != NULL)
        *ret_damaged = scan.damaged;
    free(scan.item);
    free(scan.run);
    return status;
}
