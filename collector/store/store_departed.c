/*
 * Processes that are over, kept small: 4,096 of them in one row of `crowd`, their columns as those
 * of a block. What each was is found by its number, as blocks name it, and by its identity, so that
 * a frame which comes once more is still known as a repeat.
 *
 * Only a process that said FINAL, of which every frame came, that counted no loss and of which
 * every block was merged departs; it comes back when anything else is heard of it. Called by the
 * merge when it has nothing else to do, and by store_process.c. One step is one transaction.
 */
#include "store_inner.h"

#include <stdlib.h>
#include <string.h>

#include "../../span/varint.h"

enum {
    CROWD_BITS = 12, /* processes of one row: their number without these bits */
    CROWD_MAX = 1 << CROWD_BITS,
    DEPART_MIN = 32, /* fewer are not worth a step */
    CROWD_BYTES_MAX = 1 << 20,
};

/* The columns of a crowd, in the order of their numbers from 1. */
enum { CROWD_ID, CROWD_HIGH, CROWD_LOW, CROWD_PID, CROWD_START, CROWD_PROGRAM };
_Static_assert(CROWD_PROGRAM + 1 == STORE_CROWD_COLUMNS, "one for each");

static uint64_t half(const uint8_t identity[16], int which)
{
    return span_load64(identity + 8 * (size_t)which);
}

/* Under which number an identity is remembered: 63 of its random bits. */
static int64_t departed_key(const uint8_t identity[16])
{
    return (int64_t)(half(identity, 0) >> 1);
}

/* ---- reading ---- */

void store_crowd_forget(struct store *store)
{
    store->crowd = -1;
}

void store_crowd_done(struct store *store)
{
    for (size_t i = STORE_CROWD_COLUMNS; i > 0; i--)
        span_column_done(&store->crowd_column[i - 1]);
}

static int decode_crowd(struct store *store, const uint8_t *data, size_t bytes)
{
    struct span_block_view view;

    if (data == NULL || span_block_open(&view, data, bytes) != 0 || view.n > CROWD_MAX ||
        view.n_columns != STORE_CROWD_COLUMNS)
        return store_because(STORE_DAMAGED, "a crowd of processes is damaged");
    for (size_t i = 0; i < STORE_CROWD_COLUMNS; i++)
        if (view.column[i].number != i + 1 ||
            span_column_decode_u64(&store->crowd_column[i], view.column[i].data, view.column[i].bytes, view.n) != 0)
            return store_because(STORE_DAMAGED, "a crowd of processes is damaged");
    return 0;
}

/* Leaves the crowd with this number in store->crowd_column: 1, 0 when there is none, negative
 * status. */
static int load_crowd(struct store *store, int64_t number)
{
    sqlite3_stmt *statement;
    int status = 0;
    int code;

    if (store->crowd == number)
        return 1;
    store_crowd_forget(store);
    statement = store_statement(store, STORE_SQL_crowd_get);
    if (statement == NULL)
        return store_sqlite_failed(store, "reading a process");
    (void)sqlite3_bind_int64(statement, 1, number);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        const uint8_t *data;
        size_t bytes;

        status = store_column_blob(statement, 0, &data, &bytes);
        if (status == 0)
            status = decode_crowd(store, data, bytes);
    } else if (code != SQLITE_DONE) {
        status = store_sqlite_failed(store, "reading a process");
    }
    (void)sqlite3_reset(statement);
    if (status == 0 && code == SQLITE_ROW)
        store->crowd = number;
    return status != 0 ? status : code == SQLITE_ROW;
}

/* Where the process stands in the crowd that is loaded; its size when it does not. */
static size_t find(const struct store *store, int64_t id)
{
    const struct span_column *ids = &store->crowd_column[CROWD_ID];
    size_t from = 0;
    size_t to = ids->n;

    while (from < to) {
        const size_t middle = (from + to) / 2;
        if (ids->u64[middle] < (uint64_t)id)
            from = middle + 1;
        else
            to = middle;
    }
    return from < ids->n && ids->u64[from] == (uint64_t)id ? from : ids->n;
}

int store_crowd_process(struct store *store, int64_t id, struct store_process *ret_process, int64_t *ret_program)
{
    const struct span_column *column = store->crowd_column;
    int found = id <= 0 ? 0 : load_crowd(store, id >> CROWD_BITS);
    size_t at;

    if (found != 1)
        return found;
    at = find(store, id);
    if (at == column[CROWD_ID].n)
        return 0;
    memset(ret_process, 0, sizeof(*ret_process));
    ret_process->id = id;
    span_store64(ret_process->process.identity, column[CROWD_HIGH].u64[at]);
    span_store64(ret_process->process.identity + 8, column[CROWD_LOW].u64[at]);
    ret_process->process.pid = column[CROWD_PID].u64[at];
    ret_process->process.start_ns = column[CROWD_START].u64[at];
    *ret_program = store_int(column[CROWD_PROGRAM].u64[at]);
    return 1;
}

int store_departed(struct store *store, const uint8_t identity[16], int64_t *ret_process, int64_t *ret_last)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_departed_get);
    int code;

    if (statement == NULL)
        return store_sqlite_failed(store, "looking for repeats");
    (void)sqlite3_bind_int64(statement, 1, departed_key(identity));
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_process = sqlite3_column_int64(statement, 0);
        *ret_last = sqlite3_column_int64(statement, 1);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "looking for repeats");
    (void)sqlite3_reset(statement);
    return code == SQLITE_ROW;
}

/* ---- writing ---- */

/* One process on its way: what the row in the process table says. */
struct leaving {
    int64_t id;
    uint64_t last;
    uint64_t value[STORE_CROWD_COLUMNS];
};

struct crowd {
    struct leaving *leaving;
    size_t n, n_old; /* of these, how many were in the crowd before */
};

static int list_due(struct store *store, uint64_t before_ns, struct crowd *crowd)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_depart_list);
    int status = 0;
    int code = SQLITE_DONE;

    if (statement == NULL)
        return store_sqlite_failed(store, "letting processes go");
    (void)sqlite3_bind_int64(statement, 1, store_int(before_ns));
    (void)sqlite3_bind_int64(statement, 2, CROWD_MAX);
    while (status == 0 && crowd->n < CROWD_MAX && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct leaving *leaving = &crowd->leaving[crowd->n];
        const uint8_t *identity;
        size_t bytes;

        status = store_column_blob(statement, 1, &identity, &bytes);
        if (status != 0 || bytes != 16)
            continue;
        leaving->id = sqlite3_column_int64(statement, 0);
        leaving->value[CROWD_ID] = (uint64_t)leaving->id;
        leaving->value[CROWD_HIGH] = half(identity, 0);
        leaving->value[CROWD_LOW] = half(identity, 1);
        leaving->value[CROWD_PID] = (uint64_t)sqlite3_column_int64(statement, 2);
        leaving->value[CROWD_START] = (uint64_t)sqlite3_column_int64(statement, 3);
        leaving->value[CROWD_PROGRAM] = (uint64_t)sqlite3_column_int64(statement, 4);
        leaving->last = (uint64_t)sqlite3_column_int64(statement, 5);
        crowd->n++;
    }
    if (status == 0 && code != SQLITE_DONE && code != SQLITE_ROW)
        status = store_sqlite_failed(store, "letting processes go");
    (void)sqlite3_reset(statement);
    return status;
}

static int by_id(const void *a, const void *b)
{
    const struct leaving *x = a;
    const struct leaving *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

/* Those of the first row alone, together with who is in it already (who came back is not taken
 * twice). */
static int join_crowd(struct store *store, struct crowd *crowd)
{
    const int64_t number = crowd->leaving[0].id >> CROWD_BITS;
    size_t n = 0;
    int found;

    while (n < crowd->n && crowd->leaving[n].id >> CROWD_BITS == number)
        n++;
    crowd->n = n;
    found = load_crowd(store, number);
    if (found < 0)
        return found;
    for (size_t i = 0; found == 1 && i < store->crowd_column[CROWD_ID].n; i++) {
        const struct leaving key = {.id = (int64_t)store->crowd_column[CROWD_ID].u64[i]};
        struct leaving *old = &crowd->leaving[crowd->n];

        if (bsearch(&key, crowd->leaving, n, sizeof(key), by_id) != NULL || crowd->n == (size_t)CROWD_MAX * 2)
            continue;
        for (size_t c = 0; c < STORE_CROWD_COLUMNS; c++)
            old->value[c] = store->crowd_column[c].u64[i];
        old->id = key.id;
        old->last = 0; /* stands in `departed` */
        crowd->n++;
        crowd->n_old++;
    }
    qsort(crowd->leaving, crowd->n, sizeof(*crowd->leaving), by_id);
    return 0;
}

static int write_crowd(struct store *store, const struct crowd *crowd)
{
    struct span_buffer block;
    struct span_buffer column;
    uint64_t *values = malloc(crowd->n * sizeof(*values));
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_crowd_put);
    int status = values == NULL ? store_because(STORE_FAILED, "no memory") : 0;

    span_buffer_init(&block, CROWD_BYTES_MAX);
    span_buffer_init(&column, CROWD_BYTES_MAX);
    if (status == 0 && statement == NULL)
        status = store_sqlite_failed(store, "letting processes go");
    if (status == 0 && span_block_begin(&block, crowd->n) != 0)
        status = store_because(STORE_FAILED, "no memory");
    for (unsigned c = 0; status == 0 && values != NULL && c < STORE_CROWD_COLUMNS; c++) {
        for (size_t i = 0; i < crowd->n; i++)
            values[i] = crowd->leaving[i].value[c];
        column.bytes = 0;
        if (span_column_encode_u64(&column, values, NULL, crowd->n, SPAN_ZSTD_LEVEL_STORE) != 0 ||
            span_block_add(&block, c + 1, column.data, column.bytes) != 0)
            status = store_because(STORE_FAILED, "no memory");
    }
    if (status == 0) {
        (void)sqlite3_bind_int64(statement, 1, crowd->leaving[0].id >> CROWD_BITS);
        (void)sqlite3_bind_int64(statement, 2, (int64_t)crowd->n);
        (void)sqlite3_bind_blob64(statement, 3, block.data, block.bytes, SQLITE_STATIC);
        status = store_run(store, statement, "letting processes go");
        (void)sqlite3_clear_bindings(statement);
    }
    span_buffer_done(&block);
    span_buffer_done(&column);
    free(values);
    return status;
}

static int run_with(struct store *store, enum store_sql which, int64_t first, const int64_t *second,
                    const int64_t *third)
{
    sqlite3_stmt *statement = store_statement(store, which);

    if (statement == NULL)
        return store_sqlite_failed(store, "letting processes go");
    (void)sqlite3_bind_int64(statement, 1, first);
    if (second != NULL)
        (void)sqlite3_bind_int64(statement, 2, *second);
    if (third != NULL)
        (void)sqlite3_bind_int64(statement, 3, *third);
    return store_run(store, statement, "letting processes go");
}

static int take_leave(struct store *store, const struct leaving *leaving)
{
    const int64_t last = store_int(leaving->last);
    int status =
        run_with(store, STORE_SQL_departed_put, (int64_t)(leaving->value[CROWD_HIGH] >> 1), &leaving->id, &last);

    if (status == 0)
        status = run_with(store, STORE_SQL_seen_drop_all, leaving->id, NULL, NULL);
    return status == 0 ? run_with(store, STORE_SQL_process_drop, leaving->id, NULL, NULL) : status;
}

static int depart(struct store *store, struct crowd *crowd)
{
    int status = join_crowd(store, crowd);

    if (status == 0)
        status = write_crowd(store, crowd);
    for (size_t i = 0; status == 0 && i < crowd->n; i++)
        if (crowd->leaving[i].last > 0)
            status = take_leave(store, &crowd->leaving[i]);
    store_processes_clear(store);
    return status;
}

int store_depart_step(struct store *store, uint64_t before_ns, bool *ret_more)
{
    struct crowd crowd = {.leaving = calloc((size_t)CROWD_MAX * 2, sizeof(*crowd.leaving))};
    int status;

    *ret_more = false;
    if (crowd.leaving == NULL)
        return store_because(STORE_FAILED, "no memory");
    status = store_begin(store);
    if (status == 0) {
        status = list_due(store, before_ns, &crowd);
        if (status == 0 && crowd.n >= DEPART_MIN)
            status = depart(store, &crowd);
        *ret_more = status == 0 && crowd.n >= DEPART_MIN;
        if (status == 0)
            status = store_commit(store);
        else
            store_rollback(store);
    }
    free(crowd.leaving);
    return status;
}

/* Back into the process table, under its number, with all its frames seen. What stands in the crowd
 * is not asked any more, and replaced when it departs again. */
int store_revive(struct store *store, const uint8_t identity[16])
{
    struct store_process process;
    int64_t id = 0;
    int64_t last = 0;
    int64_t program = 0;
    const int64_t one = 1;
    sqlite3_stmt *statement;
    int status = store_departed(store, identity, &id, &last);

    if (status == 1)
        status = store_crowd_process(store, id, &process, &program);
    if (status != 1)
        return status < 0 ? status : store_because(STORE_DAMAGED, "a process that departed is in no crowd");
    store_processes_clear(store); /* it may be there by its number */
    statement = store_statement(store, STORE_SQL_process_back);
    if (statement == NULL)
        return store_sqlite_failed(store, "storing a process");
    (void)sqlite3_bind_int64(statement, 1, id);
    (void)sqlite3_bind_blob(statement, 2, identity, 16, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 3, program);
    (void)sqlite3_bind_int64(statement, 4, store_int(process.process.pid));
    (void)sqlite3_bind_int64(statement, 5, store_int(process.process.start_ns));
    (void)sqlite3_bind_int64(statement, 6, last);
    status = store_run(store, statement, "storing a process");
    (void)sqlite3_clear_bindings(statement);
    if (status == 0)
        status = run_with(store, STORE_SQL_seen_put, id, &one, &last);
    return status == 0 ? run_with(store, STORE_SQL_departed_drop, departed_key(identity), NULL, NULL) : status;
}

/* ---- checking ---- */

int store_check_crowd(struct store *store, int64_t number, int64_t n,
                      void (*fault)(void *context, const char *what, int64_t a, int64_t b), void *context)
{
    int status = load_crowd(store, number);

    if (status == STORE_DAMAGED)
        fault(context, "a crowd of processes cannot be decoded: crowd, processes", number, n);
    if (status != 1)
        return status == STORE_DAMAGED ? 0 : status;
    if ((int64_t)store->crowd_column[CROWD_ID].n != n)
        fault(context, "a crowd has another number of processes: crowd, processes", number, n);
    for (size_t i = 0; i < store->crowd_column[CROWD_ID].n; i++) {
        const uint64_t *id = store->crowd_column[CROWD_ID].u64;
        if ((int64_t)(id[i] >> CROWD_BITS) != number || (i > 0 && id[i] <= id[i - 1]))
            fault(context, "a process is in the wrong crowd: crowd, process", number, store_int(id[i]));
    }
    return 0;
}
