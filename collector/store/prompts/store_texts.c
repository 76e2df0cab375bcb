/*
 * Texts of instructions as they come: the features that tell one from another go from the blocks
 * into a table of their own, and calls are counted by their texts.
 *
 * Called by store_take.c within the transaction that stores the block. Counts stay in memory as the
 * rollups do, are saved with them, and are counted again from the same blocks after a crash. Must
 * cost nothing where no text ever came.
 */
#include "../store_inner.h"

#include <stdlib.h>
#include <string.h>

#include "../../../span/prompt_features.h"

/* ---- what is in memory ---- */

static void forget_known(struct store_prompts *prompts)
{
    store_previews_forget(prompts);
    for (size_t i = 0; i < prompts->n_prompts; i++)
        free(prompts->prompt[i].name);
    prompts->n_prompts = 0;
    prompts->n_parts = 0;
    prompts->n_known = 0;
    prompts->n_shared = 0;
    if (prompts->known_slots > 0)
        memset(prompts->known, 0, prompts->known_slots * sizeof(*prompts->known));
    if (prompts->shared_slots > 0)
        memset(prompts->shared, 0, prompts->shared_slots * sizeof(*prompts->shared));
}

static void forget_quiet(struct store_prompts *prompts)
{
    prompts->n_quiet = 0;
    if (prompts->quiet_buckets > 0)
        memset(prompts->quiet, 0, prompts->quiet_buckets * sizeof(*prompts->quiet));
}

static void forget_counts(struct store_prompts *prompts)
{
    prompts->n_counts = 0;
    if (prompts->count_slots > 0)
        memset(prompts->count, 0, prompts->count_slots * sizeof(*prompts->count));
}

int store_prompts_look(struct store *store)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_prompts_any);
    bool any;

    forget_known(&store->prompts);
    if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW)
        return store_sqlite_failed(store, "reading");
    any = sqlite3_column_int64(statement, 0) != 0;
    store->prompts.rules = sqlite3_column_int64(statement, 1) != 0;
    store->prompts.parts = sqlite3_column_int64(statement, 2) != 0;
    (void)sqlite3_reset(statement);
    store->prompts.open |= any && !store->prompts.any;
    store->prompts.any = any;
    return 0;
}

void store_prompts_forget(struct store *store)
{
    forget_known(&store->prompts);
    forget_counts(&store->prompts);
    forget_quiet(&store->prompts);
    store->prompts.any = false;
}

void store_prompts_done(struct store *store)
{
    forget_known(&store->prompts);
    free(store->prompts.known);
    free(store->prompts.shared);
    free(store->prompts.prompt);
    free(store->prompts.part);
    free(store->prompts.found);
    free(store->prompts.count);
    free(store->prompts.quiet);
    free(store->prompts.learned);
    free(store->prompts.present);
    free(store->prompts.text);
    store_study_end(store);
    store->prompts = (struct store_prompts){0};
}

/* ---- texts of which nothing is to be counted ---- */

enum {
    QUIET_BUCKETS_MIN = 1280,                   /* about 160 KB */
    QUIET_BUCKETS_MAX = QUIET_BUCKETS_MIN << 6, /* a million texts and a quarter more, 10 MB */
};

static struct store_quiet *bucket_of(const struct store_prompts *prompts, uint64_t id)
{
    const uint64_t hash = (id * UINT64_C(0x9E3779B97F4A7C15)) >> 32;

    return &prompts->quiet[hash * prompts->quiet_buckets >> 32];
}

/* Where it is in its bucket; STORE_QUIET_IDS: it is not. */
static unsigned place_of(const struct store_quiet *bucket, uint64_t id)
{
    unsigned at = 0;

    while (at < STORE_QUIET_IDS && bucket->id[at] != id)
        at++;
    return at;
}

/* Into its bucket, where it is first; who was there longest goes. */
static void put_quiet(struct store_prompts *prompts, uint64_t id)
{
    struct store_quiet *bucket = bucket_of(prompts, id);
    const unsigned at = place_of(bucket, id);

    prompts->n_quiet += at == STORE_QUIET_IDS && bucket->id[STORE_QUIET_IDS - 1] == 0;
    memmove(bucket->id + 1, bucket->id, (at < STORE_QUIET_IDS ? at : STORE_QUIET_IDS - 1) * sizeof(bucket->id[0]));
    bucket->id[0] = id;
}

/* Without memory it stays as it is: whoever is not in it is counted. */
static void more_quiet(struct store_prompts *prompts)
{
    const size_t old_buckets = prompts->quiet_buckets;
    struct store_quiet *old = prompts->quiet;
    const size_t buckets = old_buckets == 0 ? QUIET_BUCKETS_MIN : old_buckets * 2;
    struct store_quiet *quiet;

    if (prompts->n_quiet * 4 < old_buckets * STORE_QUIET_IDS * 3 || buckets > QUIET_BUCKETS_MAX)
        return;
    quiet = calloc(buckets, sizeof(*quiet));
    if (quiet == NULL)
        return;
    prompts->quiet = quiet;
    prompts->quiet_buckets = buckets;
    prompts->n_quiet = 0;
    for (size_t i = 0; i < old_buckets; i++)
        for (unsigned k = STORE_QUIET_IDS; k > 0; k--)
            if (old[i].id[k - 1] != 0)
                put_quiet(prompts, old[i].id[k - 1]);
    free(old);
}

static void note_quiet(struct store_prompts *prompts, uint64_t id)
{
    more_quiet(prompts);
    if (prompts->quiet_buckets > 0 && id != 0)
        put_quiet(prompts, id);
}

static bool is_quiet(const struct store_prompts *prompts, uint64_t id)
{
    return prompts->quiet_buckets > 0 && id != 0 && place_of(bucket_of(prompts, id), id) < STORE_QUIET_IDS;
}

static void drop_quiet(struct store_prompts *prompts, uint64_t id)
{
    if (is_quiet(prompts, id)) {
        struct store_quiet *bucket = bucket_of(prompts, id);
        const unsigned at = place_of(bucket, id);

        memmove(bucket->id + at, bucket->id + at + 1, (STORE_QUIET_IDS - 1 - at) * sizeof(bucket->id[0]));
        bucket->id[STORE_QUIET_IDS - 1] = 0;
    }
}

/* ---- features ---- */

static int put_open(struct store *store, int64_t number, const struct span_text *data, const char *preview)
{
    sqlite3_stmt *put = store_statement(store, STORE_SQL_open_put);
    int status;

    if (put == NULL)
        return store_sqlite_failed(store, "storing a text");
    (void)sqlite3_bind_int64(put, 1, number);
    (void)sqlite3_bind_blob64(put, 2, data->data, data->bytes, SQLITE_STATIC);
    if (preview[0] != '\0')
        (void)sqlite3_bind_text(put, 3, preview, -1, SQLITE_STATIC);
    status = store_run(store, put, "storing a text");
    (void)sqlite3_clear_bindings(put);
    store->prompts.any = store->prompts.open = true;
    return status;
}

static int put_text(struct store *store, uint64_t id, uint64_t start_ns, const struct span_text *data,
                    const struct prompt_features *features, const char *preview)
{
    sqlite3_stmt *put = store_statement(store, STORE_SQL_text_put);
    int status;

    if (put == NULL)
        return store_sqlite_failed(store, "storing a text");
    (void)sqlite3_bind_int64(put, 1, (int64_t)id);
    (void)sqlite3_bind_int64(put, 2, features->setup);
    (void)sqlite3_bind_int64(put, 3, store_int(start_ns));
    sqlite3_set_last_insert_rowid(store->db, 0);
    status = store_run(store, put, "storing a text");
    const int64_t number = sqlite3_last_insert_rowid(store->db); /* 0: it was there already */
    if (status != 0)
        return status;
    if (number > 0) {
        drop_quiet(&store->prompts, id);
        return put_open(store, number, data, preview);
    }
    return preview[0] != '\0' ? store_preview_take(store, id, features, data, preview) : 0;
}

/* Of a row whose features say which words it shows; "" else. */
static const char *preview_of(const struct store_rows *rows, size_t row, const struct prompt_features *features,
                              char text[STORE_PREVIEW_BYTES])
{
    const struct span_column *column = rows->column[SPAN_prompt_preview];

    text[0] = '\0';
    if (features->preview_begins != 0 && rows->has[SPAN_prompt_preview] && span_bit(column->present, row)) {
        const struct span_text *preview = &column->dict[column->code[row]];

        memcpy(text, preview->data, preview->bytes);
        text[preview->bytes] = '\0';
    }
    return text;
}

int store_texts_take(struct store *store, const struct store_rows *rows)
{
    const struct span_column *data = rows->column[SPAN_prompt_features];
    const struct span_column *id = rows->column[SPAN_prompt_id];
    uint64_t bad = 0;
    int status = 0;

    for (size_t i = 0; status == 0 && i < rows->n; i++) {
        char preview[STORE_PREVIEW_BYTES];
        struct prompt_features features;
        const struct span_text *text;

        if (!span_bit(data->present, i))
            continue;
        text = &data->dict[data->code[i]];
        if (!rows->has[SPAN_prompt_id] || !span_bit(id->present, i) ||
            prompt_features_read(&features, text->data, text->bytes) != 0)
            bad++;
        else
            status = put_text(store, id->u64[i], rows->column[SPAN_start_ns]->u64[i], text, &features,
                              preview_of(rows, i, &features, preview));
    }
    return status == 0 && bad > 0 ? store_note_loss(store, STORE_LOSS_features_damaged, bad, 0) : status;
}

int store_without_features(const uint8_t *block, size_t bytes, struct span_buffer *out)
{
    struct span_block_view view;
    int status = span_block_open(&view, block, bytes);

    if (status == 0)
        status = span_block_begin(out, view.n);
    for (size_t i = 0; status == 0 && i < view.n_columns; i++)
        if (view.column[i].number != SPAN_F_prompt_features)
            status = span_block_add(out, view.column[i].number, view.column[i].data, view.column[i].bytes);
    return status == 0 ? 0 : store_because(STORE_FAILED, "no memory");
}

/* ---- calls ---- */

static struct store_text_count *slot_of(struct store_text_count *count, size_t slots, uint64_t id)
{
    size_t at = (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32);

    while (count[at & (slots - 1)].calls != 0 && count[at & (slots - 1)].id != id)
        at++;
    return &count[at & (slots - 1)];
}

static int more_slots(struct store_prompts *prompts)
{
    size_t slots = prompts->count_slots == 0 ? 1024 : prompts->count_slots * 2;
    struct store_text_count *count;

    if (prompts->n_counts * 2 < prompts->count_slots)
        return 0;
    count = calloc(slots, sizeof(*count));
    if (count == NULL)
        return store_because(STORE_FAILED, "no memory");
    for (size_t i = 0; i < prompts->count_slots; i++)
        if (prompts->count[i].calls != 0)
            *slot_of(count, slots, prompts->count[i].id) = prompts->count[i];
    free(prompts->count);
    prompts->count = count;
    prompts->count_slots = slots;
    return 0;
}

int store_texts_count(struct store *store, const struct store_rows *rows)
{
    struct store_prompts *prompts = &store->prompts;
    const struct span_column *id = rows->column[SPAN_prompt_id];
    const struct span_column *start = rows->column[SPAN_start_ns];

    if (!prompts->any || !rows->has[SPAN_prompt_id] || !rows->has[SPAN_start_ns])
        return 0;
    for (size_t i = 0; i < rows->n; i++) {
        struct store_text_count *count;
        int status;

        if (!span_bit(id->present, i) || is_quiet(prompts, id->u64[i]))
            continue;
        status = more_slots(prompts);
        if (status != 0)
            return status;
        count = slot_of(prompts->count, prompts->count_slots, id->u64[i]);
        prompts->n_counts += count->calls == 0;
        count->id = id->u64[i];
        count->calls++;
        count->last_ns = start->u64[i] > count->last_ns ? start->u64[i] : count->last_ns;
    }
    return 0;
}

/* A text that waits and turns out to recur is to be looked at again; of one that is done and recurs
 * nothing is counted any more, nor of an id that is no text's. */
static int save_count(struct store *store, const struct store_text_count *count)
{
    sqlite3_stmt *list = store_statement(store, STORE_SQL_text_of);
    sqlite3_stmt *add = store_statement(store, STORE_SQL_text_count);
    bool quiet = true;
    int status = 0;
    int code = SQLITE_DONE;

    if (list == NULL || add == NULL)
        return store_sqlite_failed(store, "counting texts");
    (void)sqlite3_bind_int64(list, 1, (int64_t)count->id);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        const uint64_t before = (uint64_t)sqlite3_column_int64(list, 2);
        const bool recurs = before + count->calls >= STORE_RECURS;
        const bool done = sqlite3_column_int64(list, 1) != 0;

        quiet &= done && recurs;
        if (!done && recurs && before < STORE_RECURS) {
            store_study_again(store, sqlite3_column_int64(list, 0));
            store->prompts.open = true;
        }
        (void)sqlite3_bind_int64(add, 1, sqlite3_column_int64(list, 0));
        (void)sqlite3_bind_int64(add, 2, store_int(count->calls));
        (void)sqlite3_bind_int64(add, 3, store_int(count->last_ns));
        status = store_run(store, add, "counting texts");
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "counting texts");
    (void)sqlite3_reset(list);
    if (status == 0 && quiet)
        note_quiet(&store->prompts, count->id);
    return status;
}

int store_texts_save(struct store *store)
{
    struct store_prompts *prompts = &store->prompts;
    int status = 0;

    for (size_t i = 0; status == 0 && prompts->n_counts > 0 && i < prompts->count_slots; i++)
        if (prompts->count[i].calls > 0)
            status = save_count(store, &prompts->count[i]);
    if (status == 0)
        forget_counts(prompts);
    return status;
}
