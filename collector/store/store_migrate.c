/*
 * Bringing a store of an earlier version up to date, in one transaction: whoever is killed
 * meanwhile leaves it as it was.
 *
 * Called by store_open.c when it has opened a file of such a version for writing. Must never lose a
 * span: a block that cannot be read stays as it lies. A version's step is written once and tried on
 * a kept store (tests/fixtures/store).
 */
#include "store_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../span/sketch.h"
#include "../../span/varint.h"

/* ---- what version 2 meant by its columns ---- */

enum {
    OLD_GAP_SKETCH = 24,
    OLD_BUCKETS = 64 + 58 * 32,
};

/* Version 2 had 32 equal buckets in each power of two, values below 64 alone. */
static uint64_t old_middle(uint64_t bucket)
{
    if (bucket < 64)
        return bucket;
    const unsigned power = 6 + (unsigned)((bucket - 64) / 32);
    const uint64_t width = UINT64_C(1) << (power - 5);
    return (32 + (bucket - 64) % 32) * width + width / 2;
}

/* varint max, then pairs: buckets skipped, count. False: damaged, there is no sketch then. */
static bool read_old_sketch(struct span_sketch *ret_sketch, const struct span_text *text)
{
    const uint8_t *data = (const uint8_t *)text->data;
    struct span_reader reader = {data, data + text->bytes, false};
    uint64_t next = 0;

    span_sketch_init(ret_sketch);
    (void)span_take_varint(&reader);
    while (!reader.bad && reader.at < reader.end) {
        const uint64_t skipped = span_take_varint(&reader);
        const uint64_t count = span_take_varint(&reader);
        if (reader.bad || skipped >= OLD_BUCKETS - next)
            return false;
        next += skipped;
        span_sketch_add(ret_sketch, old_middle(next), count);
        next++;
    }
    return !reader.bad && ret_sketch->count > 0;
}

/* ---- one column ---- */

struct recoder {
    struct store *store;
    struct span_column column;
    struct span_buffer texts, out;
    struct span_text *text;
};

static int out_of_memory(void)
{
    return store_because(STORE_FAILED, "bringing it up to date: no memory");
}

/* From number 24 to gap_sketch. 1, 0 when nothing is left of it, or negative status. */
static int recode_sketches(struct recoder *recoder, const uint8_t *data, size_t bytes, size_t n)
{
    struct span_column *column = &recoder->column;
    struct span_sketch sketch;
    size_t left = 0;
    int status = store_decode(column, SPAN_gap_sketch, data, bytes, n);

    if (status != 0)
        return status;
    recoder->texts.bytes = 0;
    span_buffer_append(&recoder->texts, "", 1);
    recoder->text = calloc(n, sizeof(*recoder->text));
    if (recoder->text == NULL)
        return out_of_memory();
    for (size_t i = 0; i < n; i++) {
        const size_t at = recoder->texts.bytes;
        if (span_bit(column->present, i) && read_old_sketch(&sketch, &column->dict[column->code[i]]) &&
            span_sketch_write(&recoder->texts, &sketch) != 0)
            return out_of_memory();
        recoder->text[i].bytes = (uint32_t)(recoder->texts.bytes - at);
        if (recoder->text[i].bytes == 0 || recoder->text[i].bytes > SPAN_TEXT_MAX)
            column->present[i >> 6] &= ~(UINT64_C(1) << (i & 63));
        else
            left++;
    }
    const char *from = (const char *)recoder->texts.data + 1;
    for (size_t i = 0; i < n; i++) {
        recoder->text[i].data = from;
        from += recoder->text[i].bytes;
    }
    if (left == 0)
        return 0;
    return span_column_encode_sketch(&recoder->out, recoder->text, column->present, n, SPAN_ZSTD_LEVEL_STORE) == 0
               ? 1
               : out_of_memory();
}

/* Times become whole microseconds. 1 or negative status. */
static int recode_times(struct recoder *recoder, enum span_field field, const uint8_t *data, size_t bytes, size_t n)
{
    struct span_column *column = &recoder->column;
    int status = store_decode(column, field, data, bytes, n);

    if (status != 0)
        return status;
    for (size_t i = 0; i < n; i++)
        column->u64[i] = span_whole_microseconds(column->u64[i]);
    return span_column_encode_u64(&recoder->out, column->u64, column->present, n, SPAN_ZSTD_LEVEL_STORE) == 0
               ? 1
               : out_of_memory();
}

/* The column in recoder->out and the number that it has now; 0: it goes. 0 or negative status. */
static int recode(struct recoder *recoder, unsigned number, const uint8_t *data, size_t bytes, size_t n,
                  unsigned *ret_number)
{
    const enum span_field field = span_field_by_number(number);
    int status = 1;

    recoder->out.bytes = 0;
    *ret_number = number;
    if (number == OLD_GAP_SKETCH) {
        *ret_number = span_fields[SPAN_gap_sketch].number;
        status = recode_sketches(recoder, data, bytes, n);
        free(recoder->text);
        recoder->text = NULL;
    } else if (span_field_retired(number)) {
        status = 0;
    } else if (field != SPAN_FIELD_COUNT && span_fields[field].unit == SPAN_NS) {
        status = recode_times(recoder, field, data, bytes, n);
    } else {
        span_buffer_append(&recoder->out, data, bytes);
        if (recoder->out.failed)
            return out_of_memory();
    }
    if (status == 0)
        *ret_number = 0;
    return status < 0 ? status : 0;
}

/* ---- blocks ---- */

struct columns {
    struct {
        unsigned number;
        uint8_t *data;
        size_t bytes;
    } at[SPAN_FIELD_NUMBER_END];
    size_t n;
};

static void columns_done(struct columns *columns)
{
    for (size_t i = 0; i < columns->n; i++)
        free(columns->at[i].data);
    columns->n = 0;
}

static int recode_to(struct recoder *recoder, struct columns *columns, unsigned number, const uint8_t *data,
                     size_t bytes, size_t rows)
{
    unsigned now = 0;
    int status = recode(recoder, number, data, bytes, rows, &now);
    size_t at = columns->n;

    if (status != 0 || now == 0)
        return status;
    if (columns->n == SPAN_FIELD_NUMBER_END)
        return store_because(STORE_DAMAGED, "a block has too many columns");
    /* In the order of numbers, as a block wants them. */
    for (; at > 0 && columns->at[at - 1].number > now; at--)
        columns->at[at] = columns->at[at - 1];
    columns->at[at].number = now;
    columns->at[at].bytes = recoder->out.bytes;
    columns->at[at].data = malloc(recoder->out.bytes);
    columns->n++;
    if (columns->at[at].data == NULL)
        return out_of_memory();
    memcpy(columns->at[at].data, recoder->out.data, recoder->out.bytes);
    return 0;
}

static int execute(struct store *store, const char *text)
{
    return sqlite3_exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : store_sqlite_failed(store, "bringing it up to date");
}

static int prepare(struct store *store, const char *text, sqlite3_stmt **ret_statement)
{
    return sqlite3_prepare_v2(store->db, text, -1, ret_statement, NULL) == SQLITE_OK
               ? 0
               : store_sqlite_failed(store, "bringing it up to date");
}

/* A block as it came: `row` has its bytes in column 3. */
static int recode_raw(struct recoder *recoder, int64_t id, sqlite3_stmt *row, struct columns *columns)
{
    struct store *store = recoder->store;
    struct span_block_view view;
    const uint8_t *raw;
    size_t bytes;
    sqlite3_stmt *put = NULL;
    int status = store_column_blob(row, 3, &raw, &bytes);

    if (status == 0 && (raw == NULL || span_block_open(&view, raw, bytes) != 0))
        status = STORE_DAMAGED;
    for (size_t i = 0; status == 0 && i < view.n_columns; i++)
        status = recode_to(recoder, columns, view.column[i].number, view.column[i].data, view.column[i].bytes, view.n);
    if (status != 0)
        return status;
    recoder->out.bytes = 0;
    status = span_block_begin(&recoder->out, view.n);
    for (size_t i = 0; status == 0 && i < columns->n; i++)
        status = span_block_add(&recoder->out, columns->at[i].number, columns->at[i].data, columns->at[i].bytes);
    if (status != 0)
        return out_of_memory();
    status = prepare(store, "UPDATE block SET raw=?2 WHERE id=?1", &put);
    if (status == 0) {
        (void)sqlite3_bind_int64(put, 1, id);
        (void)sqlite3_bind_blob64(put, 2, recoder->out.data, recoder->out.bytes, SQLITE_STATIC);
        status = store_run(store, put, "bringing it up to date");
    }
    (void)sqlite3_finalize(put);
    return status;
}

static int write_merged(struct store *store, int64_t id, const struct columns *columns)
{
    sqlite3_stmt *put = NULL;
    sqlite3_stmt *drop = NULL;
    int status = prepare(store, "DELETE FROM col WHERE block=?1 AND field<>0", &drop);

    if (status == 0) {
        (void)sqlite3_bind_int64(drop, 1, id);
        status = store_run(store, drop, "bringing it up to date");
    }
    (void)sqlite3_finalize(drop);
    if (status == 0)
        status = prepare(store, "INSERT INTO col(block,field,data) VALUES(?1,?2,?3)", &put);
    for (size_t i = 0; status == 0 && i < columns->n; i++) {
        (void)sqlite3_bind_int64(put, 1, id);
        (void)sqlite3_bind_int64(put, 2, columns->at[i].number);
        (void)sqlite3_bind_blob64(put, 3, columns->at[i].data, columns->at[i].bytes, SQLITE_STATIC);
        status = store_run(store, put, "bringing it up to date");
    }
    (void)sqlite3_finalize(put);
    return status;
}

static int recode_merged(struct recoder *recoder, int64_t id, size_t rows, struct columns *columns)
{
    struct store *store = recoder->store;
    sqlite3_stmt *get = NULL;
    int code = SQLITE_DONE;
    int status = prepare(store, "SELECT field,data FROM col WHERE block=?1 AND field<>0", &get);

    if (status == 0)
        (void)sqlite3_bind_int64(get, 1, id);
    while (status == 0 && (code = sqlite3_step(get)) == SQLITE_ROW) {
        const uint8_t *data;
        size_t bytes;
        int64_t number = sqlite3_column_int64(get, 0);

        status = store_column_blob(get, 1, &data, &bytes);
        if (status == 0 && (data == NULL || number < 0 || number >= SPAN_FIELD_NUMBER_END))
            status = STORE_DAMAGED;
        if (status == 0)
            status = recode_to(recoder, columns, (unsigned)number, data, bytes, rows);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "bringing it up to date");
    (void)sqlite3_finalize(get);
    return status == 0 ? write_merged(store, id, columns) : status;
}

/* t_min and t_max follow the rounded starts. */
static int round_range(struct store *store, int64_t id)
{
    sqlite3_stmt *put = NULL;
    int status =
        prepare(store, "UPDATE block SET t_min=(t_min+500)/1000*1000, t_max=(t_max+500)/1000*1000 WHERE id=?1", &put);

    if (status == 0) {
        (void)sqlite3_bind_int64(put, 1, id);
        status = store_run(store, put, "bringing it up to date");
    }
    (void)sqlite3_finalize(put);
    return status;
}

/* Every block that can be read; the rest stay as they lie. */
static int recode_blocks(struct recoder *recoder)
{
    struct store *store = recoder->store;
    static struct columns columns;
    sqlite3_stmt *list = NULL;
    int code = SQLITE_DONE;
    int status = prepare(store, "SELECT id,n,merged,raw FROM block ORDER BY id", &list);

    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        const int64_t id = sqlite3_column_int64(list, 0);
        const int64_t rows = sqlite3_column_int64(list, 1);

        if (rows < 1 || rows > SPAN_BLOCK_ROWS_MAX)
            continue;
        if (sqlite3_column_int64(list, 2) == STORE_MERGED)
            status = recode_merged(recoder, id, (size_t)rows, &columns);
        else
            status = recode_raw(recoder, id, list, &columns);
        columns_done(&columns);
        if (status == 0)
            status = round_range(store, id);
        if (status == STORE_DAMAGED)
            status = 0;
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "bringing it up to date");
    (void)sqlite3_finalize(list);
    return status;
}

/* ---- versions ---- */

#define LOSS_COLUMN(ident) ",lost_" #ident
#define TEXT_OF_2(column) "ifnull(process_2." #column ",''),"
#define PROGRAM_OF_2                                                                                                   \
    TEXT_OF_2(executable)                                                                                              \
    TEXT_OF_2(host)                                                                                                    \
    TEXT_OF_2(service)                                                                                                 \
    TEXT_OF_2(team) TEXT_OF_2(container) TEXT_OF_2(labels) TEXT_OF_2(version) "ifnull(process_2.uid,-1)"

/* No block is counted then. */
static int drop_rollups(struct store *store)
{
    int status = execute(store, "DROP VIEW rollup_hour; DROP TABLE rollup_cell; DROP TABLE rollup_key;"
                                "DELETE FROM meta WHERE key='rollup_calls_folded'");

    return status == 0 ? execute(store, store_schema_rollups) : status;
}

/* Processes keep their numbers, which blocks name. */
static int intern_programs(struct store *store)
{
    int status = execute(store, "ALTER TABLE process RENAME TO process_2");

    if (status == 0)
        status = execute(store, store_schema_processes);
    if (status == 0)
        status =
            execute(store, "INSERT OR IGNORE INTO program(executable,host,service,team,container,labels,version,uid) "
                           "SELECT DISTINCT " PROGRAM_OF_2 " FROM process_2");
    if (status == 0)
        status = execute(
            store,
            "INSERT INTO process_row(id,identity,program,pid,start_ns" SPAN_LOSSES(
                LOSS_COLUMN) ",final) "
                             "SELECT id,identity,(SELECT g.id FROM program g WHERE (g.executable,g.host,g.service,"
                             "g.team,g.container,g.labels,g.version,g.uid)=(" PROGRAM_OF_2 ")),"
                             "ifnull(pid,0),ifnull(start_ns,0)" SPAN_LOSSES(
                                 LOSS_COLUMN) ",final FROM process_2 ORDER BY id");
    return status == 0 ? execute(store, "DROP TABLE process_2") : status;
}

static int from_2(struct store *store)
{
    struct recoder recoder = {.store = store};
    int status;

    span_column_init(&recoder.column);
    span_buffer_init(&recoder.texts, (size_t)SPAN_BLOCK_ROWS_MAX * SPAN_TEXT_MAX);
    span_buffer_init(&recoder.out, (size_t)SPAN_BLOCK_ROWS_MAX * SPAN_TEXT_MAX);
    status = recode_blocks(&recoder);
    span_column_done(&recoder.column);
    span_buffer_done(&recoder.texts);
    span_buffer_done(&recoder.out);
    if (status == 0)
        status = execute(store,
                         "ALTER TABLE block ADD COLUMN ids_until INTEGER;" STORE_SQL_IDS_INDEX
                         "UPDATE block SET ids_until=CAST(strftime('%s','now') AS INTEGER)+86400*30 WHERE merged=1 AND "
                         "id IN (SELECT block FROM col WHERE field=55)");
    if (status == 0)
        status = intern_programs(store);
    return status == 0 ? drop_rollups(store) : status;
}

/* Hours are packed by the next merge, as those that end. There was nothing to be learned of what is
 * merged. */
static int from_3(struct store *store)
{
    int status = execute(store, "ALTER TABLE block ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;"
                                "UPDATE block SET settled=1 WHERE merged=1;" STORE_SQL_SETTLED_INDEX);

    if (status == 0)
        status = execute(store, store_schema_packed);
    return status == 0 ? execute(store, store_schema_prompts) : status;
}

/* What was learned of prompts, and what waited to be, is forgotten, but not what people said. */
static int forget_prompts(struct store *store)
{
    int status = execute(store, "DROP TABLE prompt_text; DROP TABLE IF EXISTS prompt_open; DROP TABLE prompt_template;"
                                "DROP TABLE IF EXISTS prompt_shape;"
                                "DROP INDEX rollup_key_prompt; ALTER TABLE prompt_rule RENAME TO prompt_rule_4;"
                                "DROP INDEX IF EXISTS prompt_rule_part");

    if (status == 0)
        status = execute(store, store_schema_prompts);
    return status == 0 ? execute(store, "INSERT INTO prompt_rule(prompt,part,name,into_prompt,said_ns) "
                                        "SELECT prompt,'',name,into_prompt,0 FROM prompt_rule_4;"
                                        "DROP TABLE prompt_rule_4")
                       : status;
}

/* A copy of a store is told from it by nothing: both have the time at which it began. */
static int from_4(struct store *store)
{
    int64_t there = 0;
    int status = forget_prompts(store);

    if (status == 0)
        status = execute(store, store_schema_origins);
    if (status == 0)
        status = execute(store, "INSERT OR REPLACE INTO meta SELECT 'store_id', coalesce((SELECT value FROM meta "
                                "WHERE key='begun_ns'),random())");
    /* Those of version 2 were made anew above. */
    if (status == 0 &&
        store_pragma_int(store->db, "SELECT count(*) FROM pragma_table_info('process_row') WHERE name='from_frame'",
                         &there) != SQLITE_OK)
        status = store_sqlite_failed(store, "bringing it up to date");
    return status == 0 && there == 0
               ? execute(store, "ALTER TABLE process_row ADD COLUMN from_frame INTEGER NOT NULL DEFAULT 0")
               : status;
}

/* One step a version, in their order. */
static int (*const steps[])(struct store *) = {
    [2 - STORE_OLDEST] = from_2, [3 - STORE_OLDEST] = from_3, [4 - STORE_OLDEST] = from_4};
_Static_assert(sizeof(steps) / sizeof(steps[0]) == STORE_VERSION - STORE_OLDEST, "a step from each version");

static int migrate(struct store *store)
{
    char text[64];
    int64_t version = 0;
    int status = 0;

    if (store_pragma_int(store->db, "PRAGMA user_version", &version) != SQLITE_OK)
        return store_sqlite_failed(store, "bringing it up to date");
    /* Another process may have done it meanwhile. */
    for (; status == 0 && version >= STORE_OLDEST && version < STORE_VERSION; version++)
        status = steps[version - STORE_OLDEST](store);
    (void)snprintf(text, sizeof(text), "PRAGMA user_version=%d", STORE_VERSION);
    return status == 0 ? execute(store, text) : status;
}

/* Rollups are made anew; a crash before leaves that to the next one. */
static int count_all(struct store *store)
{
    int status = store_begin(store);

    return status == 0 ? store_commit_all(store) : status;
}

int store_migrate(struct store *store)
{
    int status = execute(store, "BEGIN IMMEDIATE");

    if (status != 0)
        return status;
    status = migrate(store);
    if (status == 0)
        status = execute(store, "COMMIT");
    if (status == 0)
        return count_all(store);
    (void)sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}
