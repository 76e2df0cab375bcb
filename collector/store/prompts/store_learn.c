/*
 * Learning prompts: texts that belong to no prompt yet and the templates that are known go to the
 * miner (collector/prompts/), what it finds goes into the store. One transaction: who is killed
 * meanwhile leaves the store as it was, and the next one finds the same.
 *
 * Called by pprofd in its pauses and at its end, by record at its end, and before an hour's merge.
 * Memory is bounded: the templates that were used last and the texts that came last, some thousand
 * of each.
 */
#include "../store_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../../span/varint.h"
#include "../../prompts/miner.h"

enum {
    TEMPLATES_KNOWN = 8192,  /* about 2 KB each in the miner */
    TEXTS_AT_ONCE = 4096,    /* as much */
    TEXTS_OPEN_MAX = 100000, /* that wait to be assigned, and for how long */
    TEXTS_OPEN_DAYS = 30,
    TEMPLATE_BYTES_MAX = 4096,
    RECURS = 3,
};

#define DAY_NS (UINT64_C(86400) * 1000000000)

struct learning {
    struct store *store;
    struct miner *miner;
    struct span_buffer data;
    uint64_t *was; /* checksum of each template that was known, to see what changed */
    size_t n_known;
    struct open_text { /* what else a text's row says */
        uint32_t setup, version;
        uint64_t prompt; /* 0: none */
    } * open;
    size_t n_texts;
};

static int no_memory(void)
{
    return store_because(STORE_FAILED, "no memory");
}

/* ---- templates ---- */

/* Hashes of words and lines: how many of each, then all. */
static int write_hashes(struct span_buffer *out, const struct miner_template *template)
{
    out->bytes = 0;
    span_put_varint(out, template->words);
    span_put_varint(out, template->lines);
    for (unsigned i = 0; i < template->words; i++)
        span_put_varint(out, template->word[i]);
    for (unsigned i = 0; i < template->lines; i++)
        span_put_varint(out, template->line[i]);
    return out->failed ? no_memory() : 0;
}

int store_template_read(struct miner_template *template, const uint8_t *data, size_t bytes)
{
    struct span_reader reader = {data, data + bytes, data == NULL};
    const uint64_t words = span_take_varint(&reader);
    const uint64_t lines = span_take_varint(&reader);

    if (reader.bad || words > MINER_WORDS || lines > PROMPT_FEATURES_LINES)
        return store_because(STORE_DAMAGED, "a template of a prompt is damaged");
    template->words = (uint16_t)words;
    template->lines = (uint16_t)lines;
    for (unsigned i = 0; i < words; i++)
        template->word[i] = (uint32_t)span_take_varint(&reader);
    for (unsigned i = 0; i < lines; i++)
        template->line[i] = (uint32_t)span_take_varint(&reader);
    return !reader.bad && reader.at == reader.end ? 0
                                                  : store_because(STORE_DAMAGED, "a template of a prompt is damaged");
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    sum = (sum ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return sum ^ sum >> 29;
}

static uint64_t checksum(const struct miner_template *template)
{
    uint64_t sum = mix(mix(template->prompt, template->version), template->texts);

    sum = mix(mix(sum, template->scope), template->setup);
    sum = mix(mix(mix(sum, template->first_ns), template->last_ns), template->alias);
    for (unsigned i = 0; i < template->words; i++)
        sum = mix(sum, template->word[i]);
    for (unsigned i = 0; i < template->lines; i++)
        sum = mix(sum, template->line[i] + (UINT64_C(1) << 32));
    return sum;
}

static int read_template(struct miner_template *ret_template, sqlite3_stmt *row)
{
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 5, &data, &bytes);

    memset(ret_template, 0, sizeof(*ret_template));
    ret_template->prompt = (uint64_t)sqlite3_column_int64(row, 0);
    ret_template->version = (uint32_t)sqlite3_column_int64(row, 1);
    ret_template->scope = (uint32_t)sqlite3_column_int64(row, 2);
    ret_template->setup = (uint32_t)sqlite3_column_int64(row, 3);
    ret_template->texts = (uint32_t)sqlite3_column_int64(row, 4);
    ret_template->first_ns = (uint64_t)sqlite3_column_int64(row, 6);
    ret_template->last_ns = (uint64_t)sqlite3_column_int64(row, 7);
    ret_template->alias = (uint64_t)sqlite3_column_int64(row, 8);
    ret_template->settled = sqlite3_column_int64(row, 9) != 0;
    return status == 0 ? store_template_read(ret_template, data, bytes) : status;
}

static int know(struct learning *learning, sqlite3_stmt *row)
{
    struct miner_template template;
    int status = read_template(&template, row);

    if (status == STORE_DAMAGED)
        return 0; /* `check` says so; the others are as good as ever */
    if (status != 0)
        return status;
    learning->was[learning->n_known++] = checksum(&template);
    return miner_know(learning->miner, &template) == 0 ? 0 : no_memory();
}

static int add(struct learning *learning, sqlite3_stmt *row)
{
    struct miner_text text = {.id = (uint64_t)sqlite3_column_int64(row, 0),
                              .calls = (uint64_t)sqlite3_column_int64(row, 1),
                              .first_ns = (uint64_t)sqlite3_column_int64(row, 2),
                              .last_ns = (uint64_t)sqlite3_column_int64(row, 3)};
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 4, &data, &bytes);

    if (status != 0)
        return status;
    if (data == NULL || prompt_features_read(&text.features, data, bytes) != 0)
        return 0;
    learning->open[learning->n_texts++] = (struct open_text){
        text.features.setup, (uint32_t)sqlite3_column_int64(row, 6), (uint64_t)sqlite3_column_int64(row, 5)};
    return miner_add(learning->miner, &text) == 0 ? 0 : no_memory();
}

/* All rows of a list of at most `max`. */
static int each_row(struct learning *learning, enum store_sql which, int64_t max,
                    int (*each)(struct learning *learning, sqlite3_stmt *row))
{
    sqlite3_stmt *list = store_statement(learning->store, which);
    int status = 0;
    int code = SQLITE_DONE;

    if (list == NULL)
        return store_sqlite_failed(learning->store, "learning prompts");
    (void)sqlite3_bind_int64(list, 1, max);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW)
        status = each(learning, list);
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(learning->store, "learning prompts");
    (void)sqlite3_reset(list);
    return status;
}

/* ---- what was found ---- */

static int put_template(struct learning *learning, const struct miner_template *template)
{
    sqlite3_stmt *put = store_statement(learning->store, STORE_SQL_template_put);
    const int64_t numbers[] = {(int64_t) template->prompt, template->version, template->scope, template->setup,
                               template->texts};
    int status = write_hashes(&learning->data, template);

    if (status != 0)
        return status;
    if (put == NULL)
        return store_sqlite_failed(learning->store, "learning prompts");
    for (int i = 0; i < 5; i++)
        (void)sqlite3_bind_int64(put, 1 + i, numbers[i]);
    (void)sqlite3_bind_blob64(put, 6, learning->data.data, learning->data.bytes, SQLITE_STATIC);
    (void)sqlite3_bind_int64(put, 7, store_int(template->first_ns));
    (void)sqlite3_bind_int64(put, 8, store_int(template->last_ns));
    (void)sqlite3_bind_int64(put, 9, (int64_t) template->alias);
    (void)sqlite3_bind_int64(put, 10, template->settled);
    status = store_run(learning->store, put, "learning prompts");
    (void)sqlite3_clear_bindings(put);
    return status;
}

/* Blocks that were merged before it was known whose the text is are to be merged again; a text that
 * lay too long for that stays, so that its id can be told for ever. */
static int unsettle(struct store *store, const struct miner_text *text)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_block_unsettle);

    if (statement == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(statement, 1, store_int(text->first_ns));
    (void)sqlite3_bind_int64(statement, 2, store_int(text->last_ns));
    return store_run(store, statement, "learning prompts");
}

/* Whose the text is, or (template NULL) that it is nobody's. */
static int assign(struct store *store, const struct miner_text *text, const struct miner_template *template)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_text_assign);

    if (statement == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_clear_bindings(statement);
    (void)sqlite3_bind_int64(statement, 1, (int64_t)text->id);
    (void)sqlite3_bind_int64(statement, 2, text->features.setup);
    if (template != NULL) {
        (void)sqlite3_bind_int64(statement, 3, (int64_t) template->prompt);
        (void)sqlite3_bind_int64(statement, 4, template->version);
    }
    return store_run(store, statement, "learning prompts");
}

/* It stays so: what the text looked like is needed no more. */
static int settle(struct store *store, const struct miner_text *text)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_text_settle);
    const bool is_long = text->last_ns - text->first_ns > DAY_NS;

    if (statement == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(statement, 1, (int64_t)text->id);
    (void)sqlite3_bind_int64(statement, 2, text->features.setup);
    (void)sqlite3_bind_int64(statement, 3, is_long ? RECURS : 0);
    int status = store_run(store, statement, "learning prompts");
    return status == 0 && !is_long ? unsettle(store, text) : status;
}

/* Nothing that comes later can tell otherwise. */
static bool is_done(const struct miner_text *text, const struct miner_template *template)
{
    return template != NULL && template->settled && text->is_sure;
}

static int save_text(struct learning *learning, const struct miner_text *text, const struct open_text *was,
                     const struct miner_template *template)
{
    const uint64_t prompt = template == NULL ? 0 : template->prompt;
    const uint32_t version = template == NULL ? 0 : template->version;
    int status = 0;

    if (prompt != was->prompt || version != was->version)
        status = assign(learning->store, text, template);
    return status == 0 && is_done(text, template) ? settle(learning->store, text) : status;
}

/* A settled template counts a text once, when it is done: the others come again. */
static int save_templates(struct learning *learning, const struct miner_template *template, size_t n_templates,
                          const struct miner_text *text, size_t n_texts)
{
    uint32_t *again = calloc(n_templates + 1, sizeof(*again));
    int status = 0;

    if (again == NULL)
        return no_memory();
    for (size_t i = 0; i < n_texts; i++)
        if (text[i].found != MINER_NOT && template[text[i].found].settled && !text[i].is_sure)
            again[text[i].found]++;
    for (size_t i = 0; status == 0 && i < n_templates; i++) {
        struct miner_template kept = template[i];

        kept.texts -= again[i] < kept.texts ? again[i] : kept.texts;
        if (i >= learning->n_known || checksum(&kept) != learning->was[i])
            status = put_template(learning, &kept);
    }
    free(again);
    return status;
}

static int save(struct learning *learning, bool *ret_settled)
{
    size_t n_templates;
    size_t n_texts;
    const struct miner_template *template = miner_templates(learning->miner, &n_templates);
    const struct miner_text *text = miner_texts(learning->miner, &n_texts);
    int status =
        store_run(learning->store, store_statement(learning->store, STORE_SQL_templates_drop), "learning prompts");

    status = status == 0 ? save_templates(learning, template, n_templates, text, n_texts) : status;
    for (size_t i = 0; status == 0 && i < n_texts && i < learning->n_texts; i++) {
        const struct miner_template *found = text[i].found == MINER_NOT ? NULL : &template[text[i].found];

        status = save_text(learning, &text[i], &learning->open[i], found);
        *ret_settled |= is_done(&text[i], found);
    }
    /* Of those that were not looked at, some belonged to what was made anew. */
    if (status == 0 && learning->n_texts == TEXTS_AT_ONCE)
        status =
            store_run(learning->store, store_statement(learning->store, STORE_SQL_texts_cut_loose), "learning prompts");
    return status;
}

/* Texts that wait too long, by the newest of them, or too many, go. What comes from a clock that is
 * ahead of ours makes no other older. */
static int drop_old(struct store *store)
{
    sqlite3_stmt *drop = store_statement(store, STORE_SQL_texts_drop_old);
    struct timespec now;

    if (drop == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(drop, 1, TEXTS_OPEN_DAYS * (int64_t)DAY_NS);
    (void)sqlite3_bind_int64(drop, 2, TEXTS_OPEN_MAX);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)sqlite3_bind_int64(drop, 3, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    return store_run(store, drop, "learning prompts");
}

static int ask_number(struct store *store, enum store_sql which, uint64_t *ret_number)
{
    sqlite3_stmt *statement = store_statement(store, which);

    if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW)
        return store_sqlite_failed(store, "reading");
    *ret_number = (uint64_t)sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    return 0;
}

static int learn(struct learning *learning, bool *ret_more)
{
    uint64_t open = 0;
    bool settled = false;
    int status = ask_number(learning->store, STORE_SQL_texts_any_open, &open);

    if (status != 0 || open == 0)
        return status;
    status = each_row(learning, STORE_SQL_template_list, TEMPLATES_KNOWN, know);
    if (status == 0)
        status = each_row(learning, STORE_SQL_texts_open, TEXTS_AT_ONCE, add);
    if (status == 0 && miner_run(learning->miner) != 0)
        status = no_memory();
    if (status == 0)
        status = save(learning, &settled);
    if (status == 0)
        status = store_rules_learn(learning->store);
    if (status == 0)
        status = drop_old(learning->store);
    *ret_more = status == 0 && settled && learning->n_texts == TEXTS_AT_ONCE;
    return status;
}

static int run(struct store *store, bool *ret_more)
{
    struct learning learning = {.store = store,
                                .miner = miner_new(),
                                .was = calloc(TEMPLATES_KNOWN, sizeof(*learning.was)),
                                .open = calloc(TEXTS_AT_ONCE, sizeof(*learning.open))};
    int status = learning.miner == NULL || learning.was == NULL || learning.open == NULL ? no_memory() : 0;

    span_buffer_init(&learning.data, TEMPLATE_BYTES_MAX);
    /* First what is in memory of calls: a text that recurs is no accident. */
    if (status == 0)
        status = store_rollup_save(store);
    if (status == 0)
        status = learn(&learning, ret_more);
    span_buffer_done(&learning.data);
    if (learning.miner != NULL)
        miner_free(learning.miner);
    free(learning.was);
    free(learning.open);
    return status;
}

int store_learn(struct store *store, bool *ret_more)
{
    int status;

    *ret_more = false;
    if (!store->writing || store->in_transaction)
        return store_because(STORE_FAILED, "learning needs a store open for writing and no transaction");
    if (store->data_version != -1 && !store->prompts.open && store->prompts.n_counts == 0)
        return 0;
    status = store_begin(store);
    if (status != 0)
        return status;
    if (store->prompts.open || store->prompts.n_counts > 0)
        status = run(store, ret_more);
    if (status != 0) {
        store_rollback(store);
        return status;
    }
    status = store_commit_all(store);
    if (status == 0) {
        store->prompts.open = *ret_more;
        status = store_prompts_look(store);
    }
    return status;
}

/* ---- reading ---- */

static void tell(struct store_prompt_version *version, const struct miner_template *template)
{
    bool varied = false;

    *version = (struct store_prompt_version){.prompt = template->prompt,
                                             .version = template->version,
                                             .settled = template->settled,
                                             .texts = template->texts,
                                             .first_ns = template->first_ns,
                                             .last_ns = template->last_ns};
    for (unsigned i = 0; i < template->words; i++) {
        if (template->word[i] >= 1 << PROMPT_FEATURES_BITS)
            continue; /* where a text begins and ends */
        varied |= template->word[i] == 0;
        version->words++;
        version->constant += template->word[i] != 0;
        version->begins += !varied;
    }
}

int store_prompt_versions(struct store *store, int (*each)(void *context, const struct store_prompt_version *version),
                          void *context)
{
    sqlite3_stmt *list = store_statement(store, STORE_SQL_template_all);
    struct miner_template template;
    int status = list == NULL ? store_sqlite_failed(store, "reading prompts") : store_prompts_look(store);
    int code = SQLITE_DONE;

    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        const struct store_prompt *shown = NULL;
        struct store_prompt_version version;
        char mark[16];

        status = read_template(&template, list);
        if (status == STORE_DAMAGED)
            status = 0;
        else if (status == 0) {
            tell(&version, &template);
            const struct store_call call = {
                .id = template.prompt,
                .start_ns = UINT64_MAX,
                .version = {mark, (uint32_t)snprintf(mark, sizeof(mark), "%c%u", STORE_FOUND, template.version)}};

            status = store_prompt_find(store, &call, &shown);
            if (shown != NULL) {
                version.prompt = shown->prompt;
                version.version = shown->version;
            }
            if (status == 0)
                status = each(context, &version);
        }
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "reading prompts");
    (void)sqlite3_reset(list);
    return status;
}

int store_texts_unassigned(struct store *store, uint64_t *ret_texts)
{
    return ask_number(store, STORE_SQL_texts_unassigned, ret_texts);
}
