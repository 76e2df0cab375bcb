/*
 * What the merge of an hour that is over writes of prompts: the id of the prompt instead of the
 * text's, its version where none was said (as one that was found, STORE_FOUND), and no exact ids of
 * texts that did not recur. What prompts turn out to be later, and what people say of them, is not
 * written: it is followed by who reads, and can be taken back. The
 * rollups of these hours are then counted again from the blocks, within the same transaction, so
 * that they agree with them at every moment.
 *
 * Called by store_merge.c.
 */
#include "../store_inner.h"

#include <stdlib.h>
#include <string.h>

enum { RECURS = 3 /* calls with the very same text in a block */ };

static int no_memory(void)
{
    return store_because(STORE_FAILED, "no memory");
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* ---- rows ---- */

/* Hours come nearly in order, and are few. */
static int note_hour(struct store_settling *settling, uint64_t hour)
{
    size_t at = settling->n_hours;

    while (at > 0 && settling->hour[at - 1] != hour)
        at--;
    if (at > 0)
        return 0;
    if (settling->n_hours == settling->hours_capacity) {
        const size_t capacity = settling->hours_capacity == 0 ? 4 : settling->hours_capacity * 2;
        uint64_t *grown = realloc(settling->hour, capacity * sizeof(*grown));

        if (grown == NULL)
            return no_memory();
        settling->hour = grown;
        settling->hours_capacity = capacity;
    }
    settling->hour[settling->n_hours++] = hour;
    return 0;
}

int store_settle_begin(struct store *store, struct store_settling *settling, const uint64_t *start_ns, size_t rows)
{
    int status;

    if (!store->prompts.any)
        return 0;
    status = store_prompts_look(store);
    settling->rows = rows;
    settling->start_ns = malloc(rows * sizeof(*settling->start_ns));
    settling->found = calloc(rows, sizeof(*settling->found));
    if (settling->start_ns == NULL || settling->found == NULL)
        return no_memory();
    memcpy(settling->start_ns, start_ns, rows * sizeof(*start_ns));
    return status;
}

int store_settle_text_ids(struct store_settling *settling, const uint64_t *text_id, const uint64_t *present)
{
    settling->text_id = calloc(settling->rows, sizeof(*settling->text_id));
    if (settling->text_id == NULL)
        return no_memory();
    for (size_t i = 0; i < settling->rows; i++)
        if (span_bit(present, i))
            settling->text_id[i] = text_id[i];
    return 0;
}

/* Rows of texts alone: what was merged before has the prompt's id, and is left. */
int store_settle_ids(struct store *store, struct store_settling *settling, const uint64_t *id, const uint64_t *present)
{
    for (size_t i = 0; i < settling->rows; i++) {
        const struct store_call call = {.id = id[i],
                                        .start_ns = settling->start_ns[i],
                                        .text_id = settling->text_id != NULL ? settling->text_id[i] : 0};
        const struct store_prompt *prompt = NULL;
        int status = span_bit(present, i) ? store_prompt_find(store, &call, &prompt) : 0;

        if (status != 0)
            return status;
        if (prompt != NULL && prompt->settled)
            settling->found[i] = (uint32_t)(prompt - store->prompts.prompt) + 1;
    }
    return 0;
}

static const struct store_prompt *prompt_of(const struct store *store, const struct store_settling *settling,
                                            size_t row)
{
    return settling->found[row] == 0 ? NULL : &store->prompts.prompt[settling->found[row] - 1];
}

static int settle_ids(const struct store *store, struct store_settling *settling, const struct store_gathering *rows)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < settling->rows; i++) {
        const struct store_prompt *prompt = prompt_of(store, settling, i);

        if (prompt == NULL || rows->values[i] == prompt->written)
            continue;
        rows->values[i] = prompt->written;
        status = note_hour(settling, settling->start_ns[i] / STORE_HOUR_NS);
    }
    return status;
}

/* Version or variant, where there is one and none was said. */
static int settle_names(const struct store *store, struct store_settling *settling, enum span_field field,
                        const struct store_gathering *rows)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < settling->rows; i++) {
        const struct store_prompt *prompt = prompt_of(store, settling, i);
        const char *text = prompt == NULL ? "" : field == SPAN_prompt_variant ? prompt->variant : prompt->written_text;

        if (text[0] == '\0' || span_bit(rows->present, i))
            continue;
        rows->texts[i] = (struct span_text){text, (uint32_t)strlen(text)};
        rows->present[i >> 6] |= UINT64_C(1) << (i & 63);
        if (field == SPAN_prompt_version)
            status = note_hour(settling, settling->start_ns[i] / STORE_HOUR_NS);
    }
    return status;
}

/* Previews without what varies, where there were any. */
static int settle_previews(struct store *store, const struct store_settling *settling,
                           const struct store_gathering *rows)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < settling->rows; i++) {
        const struct store_prompt *prompt = prompt_of(store, settling, i);
        const char *preview = "";

        if (prompt == NULL || !span_bit(rows->present, i))
            continue;
        status = store_preview_find(store, prompt->written, prompt->written_version, &preview);
        rows->texts[i] = (struct span_text){preview, (uint32_t)strlen(preview)};
        if (preview[0] == '\0')
            rows->present[i >> 6] &= ~(UINT64_C(1) << (i & 63));
    }
    return status;
}

/* How often a value is in a list that is in order. */
static bool recurs(const uint64_t *list, size_t n, uint64_t value)
{
    size_t from = 0;
    size_t to = n;

    while (from < to) {
        const size_t middle = (from + to) / 2;

        if (list[middle] < value)
            from = middle + 1;
        else
            to = middle;
    }
    return from + RECURS <= n && list[from + RECURS - 1] == value;
}

static int settle_texts(const struct store_settling *settling, const struct store_gathering *rows)
{
    uint64_t *list = malloc(settling->rows * sizeof(*list));
    size_t n = 0;

    if (list == NULL)
        return no_memory();
    for (size_t i = 0; i < settling->rows; i++)
        if (span_bit(rows->present, i))
            list[n++] = rows->values[i];
    qsort(list, n, sizeof(*list), by_value);
    for (size_t i = 0; i < settling->rows; i++)
        if (span_bit(rows->present, i) && settling->found[i] != 0 && !recurs(list, n, rows->values[i])) {
            rows->present[i >> 6] &= ~(UINT64_C(1) << (i & 63));
            rows->values[i] = 0;
        }
    free(list);
    return 0;
}

bool store_is_settled(const struct store_settling *settling, enum span_field field)
{
    return settling->rows > 0 &&
           (field == SPAN_prompt_id || field == SPAN_prompt_version || field == SPAN_prompt_variant ||
            field == SPAN_prompt_text_id || field == SPAN_prompt_preview);
}

int store_settle_field(struct store *store, struct store_settling *settling, enum span_field field,
                       const struct store_gathering *rows)
{
    int status = field == SPAN_prompt_id        ? settle_ids(store, settling, rows)
                 : field == SPAN_prompt_text_id ? settle_texts(settling, rows)
                 : field == SPAN_prompt_preview ? settle_previews(store, settling, rows)
                                                : settle_names(store, settling, field, rows);

    for (size_t i = 0; status == 0 && i < (settling->rows + 63) / 64; i++)
        if (rows->present[i] != 0)
            return 1;
    return status;
}

void store_settle_done(struct store_settling *settling)
{
    free(settling->start_ns);
    free(settling->text_id);
    free(settling->found);
    free(settling->hour);
}

/* ---- rollups ---- */

struct recount {
    struct store *store;
    struct rollup rollup;
    int64_t *block;
    size_t n_blocks, capacity;
};

static int list_blocks(struct recount *recount, uint64_t hour)
{
    sqlite3_stmt *list = store_statement(recount->store, STORE_SQL_hour_blocks);
    int status = 0;
    int code = SQLITE_DONE;

    if (list == NULL)
        return store_sqlite_failed(recount->store, "counting an hour again");
    (void)sqlite3_bind_int64(list, 1, store_int(hour * STORE_HOUR_NS));
    (void)sqlite3_bind_int64(list, 2, store_int((hour + 1) * STORE_HOUR_NS));
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        if (recount->n_blocks == recount->capacity) {
            const size_t capacity = recount->capacity == 0 ? 256 : recount->capacity * 2;
            int64_t *grown = realloc(recount->block, capacity * sizeof(*grown));

            if (grown == NULL) {
                status = no_memory();
                break;
            }
            recount->block = grown;
            recount->capacity = capacity;
        }
        recount->block[recount->n_blocks++] = sqlite3_column_int64(list, 0);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(recount->store, "counting an hour again");
    (void)sqlite3_reset(list);
    return status;
}

/* The other hours that the block reaches into are not asked for. */
static int count_block(struct recount *recount, int64_t block, uint64_t hour)
{
    const struct store_wanted wanted = {.fields = rollup_fields, .n_fields = rollup_n_fields};
    struct store_rows rows;
    int status;

    store_processes_trim(recount->store);
    status = store_read_block(recount->store, block, &wanted, &rows);
    if (status == STORE_DAMAGED)
        return 0; /* it was not counted before either */
    if (status == 0 && rollup_add(&recount->rollup, &rows) != 0)
        status = no_memory();
    for (size_t i = recount->rollup.n_hours; status == 0 && i > 0; i--)
        if (recount->rollup.hour[i - 1].hour != hour)
            rollup_hour_drop(&recount->rollup, recount->rollup.hour[i - 1].hour);
    return status;
}

/* Nothing of the hour is left, neither as rows nor packed. */
static int drop_hour(struct store *store, uint64_t hour)
{
    static const enum store_sql drops[] = {STORE_SQL_rollup_drop_hour, STORE_SQL_packed_drop};
    const int64_t which[] = {store_int(hour << 32), store_int(hour)};
    int status = 0;

    for (int i = 0; status == 0 && i < 2; i++) {
        sqlite3_stmt *drop = store_statement(store, drops[i]);

        if (drop != NULL)
            (void)sqlite3_bind_int64(drop, 1, which[i]);
        status = store_run(store, drop, "counting an hour again");
    }
    rollup_hour_drop(store->rollup, hour);
    return status;
}

static int replace(struct recount *recount, uint64_t hour)
{
    const struct rollup_hour *counted = rollup_hour_find(&recount->rollup, hour);
    int status = drop_hour(recount->store, hour);

    for (size_t i = 0; status == 0 && counted != NULL && i < counted->n; i++)
        if (rollup_group_add(recount->store->rollup, hour, counted->group[i]->key, counted->group[i]) != 0)
            status = no_memory();
    return status;
}

int store_recount(struct store *store, uint64_t hour)
{
    struct recount recount = {.store = store};
    int status = list_blocks(&recount, hour);

    rollup_init(&recount.rollup, STORE_GROUPS_PER_HOUR, NULL, NULL);
    for (size_t i = 0; status == 0 && i < recount.n_blocks; i++)
        status = count_block(&recount, recount.block[i], hour);
    if (status == 0)
        status = replace(&recount, hour);
    rollup_done(&recount.rollup);
    free(recount.block);
    return status;
}
