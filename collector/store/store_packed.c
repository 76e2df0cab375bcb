/*
 * The rollups of an hour that is over, packed: its groups as columns of numbers in one row of
 * rollup_packed, a third of what they take as rows of rollup_cell.
 *
 * Called by the merge when it has nothing else to do, and by store_rollup.c. An hour's groups lie
 * in the one table or in the other, never in both: a packed hour that late calls reach is packed
 * anew. One thread per store. Must never change what a group says.
 */
#include "store_inner.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../../span/varint.h"

/*
 * What is packed, after zstd: the number of groups, then the columns that are not all zero, each a
 * number of this list and then its values, of the groups in the order of their keys. The numbers of
 * sums follow from their places in ROLLUP_SUMS, so a new one goes to that list's end; packed hours
 * that know nothing of it say that nobody stated it.
 */
enum { PACKED_KEY = 1, PACKED_CALLS, PACKED_ERRORS, PACKED_SKETCHES, PACKED_SUMS = 16 };
_Static_assert((int)PACKED_SKETCHES + (int)ROLLUP_SKETCH_COUNT <= (int)PACKED_SUMS, "each has a number of its own");

enum { PACKED_GROUPS_MAX = 65536 }; /* that are believed of a file */
_Static_assert((int)STORE_GROUPS_PER_HOUR <= (int)PACKED_GROUPS_MAX, "what is written is read");

static const struct number {
    unsigned number;
    bool of_calls; /* how much less than the calls it is, as mostly it is all of them */
    size_t offset; /* in the group */
} numbers[] = {{PACKED_CALLS, false, offsetof(struct rollup_group, calls)},
               {PACKED_ERRORS, true, offsetof(struct rollup_group, errors)},
#define X(column, field)                                                                                               \
    {PACKED_SUMS + 2 * ROLLUP_SUM_##column, false, offsetof(struct rollup_group, sum[ROLLUP_SUM_##column])},           \
        {PACKED_SUMS + 2 * ROLLUP_SUM_##column + 1, true, offsetof(struct rollup_group, stated[ROLLUP_SUM_##column])},
               ROLLUP_SUMS(X)
#undef X
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

static uint64_t *value_of(struct rollup_group *group, const struct number *number)
{
    return (uint64_t *)(void *)((char *)group + number->offset);
}

/* ---- packing ---- */

/* What all values have in common, so that microseconds in nanoseconds cost nothing; 1 for none. */
static uint64_t unit_of(struct rollup_group *const *group, size_t n, const struct number *number)
{
    uint64_t unit = 0;

    for (size_t i = 0; i < n && unit != 1; i++)
        for (uint64_t a = *value_of(group[i], number); a != 0;) {
            const uint64_t rest = unit % a;
            unit = a;
            a = rest;
        }
    return unit == 0 ? 1 : unit;
}

static void put_numbers(struct span_buffer *out, struct rollup_group *const *group, size_t n,
                        const struct number *number)
{
    const uint64_t unit = number->of_calls ? 1 : unit_of(group, n, number);
    bool any = false;

    for (size_t i = 0; i < n && !any; i++)
        any = *value_of(group[i], number) != 0;
    if (!any)
        return;
    span_put_varint(out, number->number);
    if (!number->of_calls)
        span_put_varint(out, unit);
    for (size_t i = 0; i < n; i++) {
        const uint64_t value = *value_of(group[i], number);
        span_put_varint(out, number->of_calls ? group[i]->calls - value : value / unit);
    }
}

static void put_sketches(struct span_buffer *out, struct rollup_group *const *group, size_t n, int which)
{
    span_put_varint(out, PACKED_SKETCHES + (unsigned)which);
    for (size_t i = 0; i < n; i++)
        span_put_varint(out, group[i]->sketch[which].first);
    for (size_t i = 0; i < n; i++)
        span_put_varint(out, group[i]->sketch[which].n);
    for (size_t i = 0; i < n; i++)
        for (unsigned b = 0; b < group[i]->sketch[which].n; b++)
            span_put_varint(out, group[i]->sketch[which].count[b]);
}

/* Groups that are in the order of their keys' numbers. */
static int pack(struct span_buffer *out, struct rollup_group *const *group, size_t n)
{
    struct span_buffer plain;
    uint64_t before = 0;
    int status;

    span_buffer_init(&plain, STORE_PACKED_MAX);
    span_put_varint(&plain, n);
    span_put_varint(&plain, PACKED_KEY);
    for (size_t i = 0; i < n; i++) {
        span_put_varint(&plain, (uint64_t)group[i]->key_id - before);
        before = (uint64_t)group[i]->key_id;
    }
    for (size_t c = 0; c < NUMBERS; c++)
        put_numbers(&plain, group, n, &numbers[c]);
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
        put_sketches(&plain, group, n, s);
    status = plain.failed ? -1 : span_bytes_pack(out, plain.data, plain.bytes, SPAN_ZSTD_LEVEL_STORE);
    span_buffer_done(&plain);
    return status;
}

static int by_key_id(const void *a, const void *b)
{
    const int64_t x = (*(struct rollup_group *const *)a)->key_id;
    const int64_t y = (*(struct rollup_group *const *)b)->key_id;

    return (x > y) - (x < y);
}

int store_packed_save(struct store *store, struct rollup_hour *hour)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_packed_put);
    struct span_buffer out;
    int status;

    if (statement == NULL)
        return store_sqlite_failed(store, "storing rollups");
    span_buffer_init(&out, STORE_PACKED_MAX);
    /* The order of groups in memory is theirs that find them by their places. */
    struct rollup_group **ordered = malloc((hour->n + 1) * sizeof(struct rollup_group *));
    if (ordered != NULL) {
        memcpy(ordered, hour->group, hour->n * sizeof(struct rollup_group *));
        qsort(ordered, hour->n, sizeof(struct rollup_group *), by_key_id);
    }
    if (ordered == NULL || pack(&out, ordered, hour->n) != 0) {
        status = store_because(STORE_FAILED, "no memory");
    } else {
        (void)sqlite3_bind_int64(statement, 1, store_int(hour->hour));
        (void)sqlite3_bind_blob64(statement, 2, out.data, out.bytes, SQLITE_STATIC);
        status = store_run(store, statement, "storing rollups");
        (void)sqlite3_clear_bindings(statement);
    }
    free((void *)ordered);
    span_buffer_done(&out);
    return status;
}

/* ---- reading ---- */

static int damaged(void)
{
    (void)store_because(STORE_DAMAGED, "a packed hour of the rollups is damaged");
    return STORE_DAMAGED;
}

/* The group with the key of this number; NULL with a status. */
static struct rollup_group *group_of(struct store *store, struct rollup *rollup, uint64_t hour, int64_t key_id,
                                     int *ret_status)
{
    sqlite3_stmt *row = store_statement(store, STORE_SQL_rollup_key_get);
    struct rollup_group *group = NULL;
    int code;

    *ret_status = 0;
    if (row == NULL) {
        *ret_status = store_sqlite_failed(store, "reading rollups");
        return NULL;
    }
    (void)sqlite3_bind_int64(row, 1, key_id);
    code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        group = store_rollup_group(rollup, hour, row, ret_status);
    else
        *ret_status = code == SQLITE_DONE ? damaged() : store_sqlite_failed(store, "reading rollups");
    (void)sqlite3_reset(row);
    if (group != NULL)
        group->key_id = key_id;
    return group;
}

static int read_keys(struct store *store, struct rollup *rollup, uint64_t hour, struct span_reader *reader,
                     struct rollup_group **group, size_t n)
{
    uint64_t key = 0;

    for (size_t i = 0; i < n; i++) {
        const uint64_t further = span_take_varint(reader);
        int status;

        if (reader->bad || further == 0 || further > UINT32_MAX || key + further > UINT32_MAX)
            return damaged();
        key += further;
        group[i] = group_of(store, rollup, hour, (int64_t)key, &status);
        if (group[i] == NULL)
            return status == 0 ? STORE_FAILED : status;
    }
    return 0;
}

static void read_numbers(struct span_reader *reader, struct rollup_group *const *group, size_t n,
                         const struct number *number)
{
    const uint64_t unit = number->of_calls ? 1 : span_take_varint(reader);

    for (size_t i = 0; i < n; i++) {
        const uint64_t said = span_take_varint(reader);
        *value_of(group[i], number) = number->of_calls ? group[i]->calls - said : said * unit;
    }
}

/* `first` and `buckets` have room for n each. */
static int read_sketches(struct span_reader *reader, struct rollup_group *const *group, size_t n, unsigned which,
                         uint64_t *first, uint64_t *buckets)
{
    for (size_t i = 0; i < n; i++)
        first[i] = span_take_varint(reader);
    for (size_t i = 0; i < n; i++) {
        buckets[i] = span_take_varint(reader);
        if (reader->bad || first[i] > SPAN_SKETCH_BUCKETS || buckets[i] > SPAN_SKETCH_BUCKETS - first[i])
            return damaged();
    }
    for (size_t i = 0; i < n; i++)
        for (uint64_t b = 0; b < buckets[i]; b++)
            if (rollup_sketch_add(&group[i]->sketch[which], (unsigned)(first[i] + b), span_take_varint(reader)) != 0)
                return store_because(STORE_FAILED, "no memory");
    return 0;
}

/* The columns after the keys; `scratch` has room for 2 n. */
static int read_columns(struct span_reader *reader, struct rollup_group *const *group, size_t n, uint64_t *scratch)
{
    while (!reader->bad && reader->at < reader->end) {
        const uint64_t number = span_take_varint(reader);
        size_t c = 0;
        int status = 0;

        if (number >= PACKED_SKETCHES && number < PACKED_SKETCHES + ROLLUP_SKETCH_COUNT) {
            status = read_sketches(reader, group, n, (unsigned)number - PACKED_SKETCHES, scratch, scratch + n);
        } else {
            while (c < NUMBERS && numbers[c].number != number)
                c++;
            if (c == NUMBERS)
                return damaged();
            read_numbers(reader, group, n, &numbers[c]);
        }
        if (status != 0)
            return status;
    }
    return reader->bad ? damaged() : 0;
}

static int unpack(struct store *store, struct rollup *rollup, uint64_t hour, const uint8_t *data, size_t bytes)
{
    errno = 0;
    int status = data == NULL ? -1 : span_bytes_unpack(&store->unpacked, data, bytes);
    struct span_reader reader = {store->unpacked.data, store->unpacked.data + store->unpacked.bytes, false};
    const uint64_t n = status == 0 ? span_take_varint(&reader) : 0;
    struct rollup_group **group;
    uint64_t *scratch;

    if (status != 0 && errno == ENOMEM)
        return store_because(STORE_FAILED, "no memory");
    if (status != 0 || reader.bad || n > PACKED_GROUPS_MAX || span_take_varint(&reader) != PACKED_KEY)
        return damaged();
    group = (struct rollup_group **)calloc(n + 1, sizeof(struct rollup_group *));
    scratch = calloc(n + 1, 2 * sizeof(*scratch));
    if (group == NULL || scratch == NULL) {
        status = store_because(STORE_FAILED, "no memory");
    } else {
        status = read_keys(store, rollup, hour, &reader, group, n);
        if (status == 0)
            status = read_columns(&reader, group, n, scratch);
    }
    free((void *)group);
    free(scratch);
    return status;
}

int store_packed_load(struct store *store, struct rollup *rollup, uint64_t hour)
{
    sqlite3_stmt *row = store_statement(store, STORE_SQL_packed_get);
    struct rollup_hour *loaded;
    const uint8_t *data;
    size_t bytes;
    int status;
    int code;

    if (row == NULL)
        return store_sqlite_failed(store, "reading rollups");
    (void)sqlite3_bind_int64(row, 1, store_int(hour));
    code = sqlite3_step(row);
    if (code == SQLITE_ROW) {
        status = store_column_blob(row, 0, &data, &bytes);
        if (status == 0)
            status = unpack(store, rollup, hour, data, bytes);
    } else {
        status = code == SQLITE_DONE ? 0 : store_sqlite_failed(store, "reading rollups");
    }
    (void)sqlite3_reset(row);
    if (status != 0 || code != SQLITE_ROW)
        return status;
    loaded = rollup_hour_find(rollup, hour);
    if (loaded != NULL)
        loaded->packed = true;
    return 1;
}

/* ---- which hours ---- */

/* The first hour at or after this one whose groups are rows: 1, 0 when there is none, negative
 * status. */
static int next_open(struct store *store, uint64_t from, uint64_t *ret_hour)
{
    sqlite3_stmt *row = store_statement(store, STORE_SQL_rollup_open);
    int found;

    if (row == NULL)
        return store_sqlite_failed(store, "packing rollups");
    (void)sqlite3_bind_int64(row, 1, store_int(from << 32));
    if (sqlite3_step(row) != SQLITE_ROW)
        return store_sqlite_failed(store, "packing rollups");
    found = sqlite3_column_type(row, 0) != SQLITE_NULL;
    *ret_hour = (uint64_t)sqlite3_column_int64(row, 0);
    (void)sqlite3_reset(row);
    return found;
}

static int pack_hour(struct store *store, uint64_t number)
{
    sqlite3_stmt *drop;
    struct rollup_hour *hour;
    int status = store_begin(store);

    if (status != 0)
        return status;
    hour = rollup_hour_put(store->rollup, number, &status);
    if (hour == NULL && status == -1) /* else what loading said */
        status = store_because(STORE_FAILED, "no memory");
    drop = hour == NULL ? NULL : store_statement(store, STORE_SQL_rollup_drop_hour);
    if (hour != NULL && drop == NULL) {
        status = store_sqlite_failed(store, "packing rollups");
    } else if (hour != NULL) {
        (void)sqlite3_bind_int64(drop, 1, store_int(number << 32));
        status = store_run(store, drop, "packing rollups");
        hour->packed = hour->to_pack = true;
    }
    if (status == 0)
        return store_commit_all(store);
    store_rollback(store);
    return status;
}

int store_pack_step(struct store *store, uint64_t before_hour, bool *ret_more)
{
    uint64_t hour = 0;
    int status;

    *ret_more = false;
    /* What is damaged stays as it lies, and keeps no other hour from being packed. */
    for (; (status = next_open(store, hour, &hour)) == 1 && hour < before_hour; hour++) {
        status = pack_hour(store, hour);
        if (status == STORE_DAMAGED)
            continue;
        *ret_more = status == 0;
        return status;
    }
    return status < 0 ? status : 0;
}
