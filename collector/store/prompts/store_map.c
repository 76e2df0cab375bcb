/*
 * From the id that a call came with to the prompt that was learned: what reports, exports and the
 * merge ask. Rows are changed as they are read, in the transaction that reads them, so that whoever
 * reads sees one prompt under one id however many texts it has.
 *
 * The store's thread. Memory is bounded: what was asked is forgotten when it is much.
 */
#include "../store_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KNOWN_MAX = 65536, /* ids and prompts in memory */
    HOPS_MAX = 64,     /* from a prompt to what it turned out to be; ends what leads round in circles */
};

/* ---- what an id stands for ---- */

static struct store_known_id *slot_of(struct store_known_id *known, size_t slots, uint64_t id)
{
    size_t at = (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32);

    while (known[at & (slots - 1)].used && known[at & (slots - 1)].id != id)
        at++;
    return &known[at & (slots - 1)];
}

/* Room for one more id and one more prompt. */
static int room(struct store_prompts *prompts)
{
    size_t slots = prompts->known_slots == 0 ? 1024 : prompts->known_slots * 2;
    size_t capacity = prompts->prompts_capacity == 0 ? 256 : prompts->prompts_capacity * 2;

    if (prompts->n_prompts == prompts->prompts_capacity) {
        struct store_prompt *prompt = realloc(prompts->prompt, capacity * sizeof(*prompt));

        if (prompt == NULL)
            return store_because(STORE_FAILED, "no memory");
        prompts->prompt = prompt;
        prompts->prompts_capacity = capacity;
    }
    if (prompts->n_known * 2 >= prompts->known_slots) {
        struct store_known_id *known = calloc(slots, sizeof(*known));

        if (known == NULL)
            return store_because(STORE_FAILED, "no memory");
        for (size_t i = 0; i < prompts->known_slots; i++)
            if (prompts->known[i].used)
                *slot_of(known, slots, prompts->known[i].id) = prompts->known[i];
        free(prompts->known);
        prompts->known = known;
        prompts->known_slots = slots;
    }
    return 0;
}

static sqlite3_stmt *ask(struct store *store, enum store_sql which, uint64_t id)
{
    sqlite3_stmt *statement = store_statement(store, which);

    if (statement != NULL)
        (void)sqlite3_bind_int64(statement, 1, (int64_t)id);
    return statement;
}

/* What people said of a prompt: into which one it goes (0: none), and its name, the caller's. */
static int ask_rule(struct store *store, uint64_t prompt, uint64_t *ret_into, char **ret_name)
{
    sqlite3_stmt *rule = ask(store, STORE_SQL_rule_get, prompt);
    int code = rule == NULL ? SQLITE_ERROR : sqlite3_step(rule);
    int status = 0;

    *ret_into = 0;
    *ret_name = NULL;
    if (code == SQLITE_ROW) {
        const char *name;
        size_t bytes;

        status = store_column_text(rule, 0, &name, &bytes);
        *ret_into = (uint64_t)sqlite3_column_int64(rule, 1);
        if (name != NULL && (*ret_name = strdup(name)) == NULL)
            status = store_because(STORE_FAILED, "no memory");
    } else if (code != SQLITE_DONE) {
        status = store_sqlite_failed(store, "reading prompts");
    }
    if (rule != NULL)
        (void)sqlite3_reset(rule);
    return status;
}

/* How many templates the prompt has, and what it turned out to be (0: itself). */
static int ask_templates(struct store *store, uint64_t prompt, bool *ret_any, uint64_t *ret_alias)
{
    sqlite3_stmt *templates = ask(store, STORE_SQL_template_alias, prompt);

    if (templates == NULL || sqlite3_step(templates) != SQLITE_ROW)
        return store_sqlite_failed(store, "reading prompts");
    *ret_any = sqlite3_column_int64(templates, 0) > 0;
    *ret_alias = (uint64_t)sqlite3_column_int64(templates, 1);
    (void)sqlite3_reset(templates);
    return 0;
}

/* The last one of those that a prompt turned out to be, one after the other; rules come first. */
static int follow(struct store *store, struct store_prompt *prompt)
{
    for (int hop = 0; hop < HOPS_MAX; hop++) {
        uint64_t into = 0;
        bool any;
        int status;

        free(prompt->name);
        status = ask_rule(store, prompt->prompt, &into, &prompt->name);
        if (status == 0 && into == 0)
            status = ask_templates(store, prompt->prompt, &any, &into);
        if (status != 0 || into == 0 || into == prompt->prompt)
            return status;
        prompt->prompt = into;
    }
    return 0;
}

/* A prompt that has a few texts alone, each of which recurs, has variants: they go by the beginning
 * of the text's id. */
static int ask_variant(struct store *store, uint64_t id, struct store_prompt *prompt)
{
    sqlite3_stmt *variants = ask(store, STORE_SQL_template_variants, prompt->prompt);
    int code;

    if (variants != NULL)
        (void)sqlite3_bind_int64(variants, 2, prompt->version);
    code = variants == NULL ? SQLITE_ERROR : sqlite3_step(variants);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "reading prompts");
    if (code == SQLITE_ROW && sqlite3_column_int64(variants, 0) != 0)
        (void)snprintf(prompt->variant, sizeof(prompt->variant), "%08x", (unsigned)(id >> 32));
    (void)sqlite3_reset(variants);
    return 0;
}

/* One more for the id at hand. */
static int add(struct store *store, uint64_t id, const struct store_prompt *prompt)
{
    struct store_prompts *prompts = &store->prompts;
    struct store_prompt *added;
    int status = room(prompts);

    if (status != 0)
        return status;
    added = &prompts->prompt[prompts->n_prompts++];
    *added = *prompt;
    if (prompt->version > 0) {
        (void)snprintf(added->version_text, sizeof(added->version_text), "%u", prompt->version);
        status = ask_variant(store, id, added);
    }
    return status == 0 ? follow(store, added) : status;
}

/* The prompts of a text, in the order of time; else the id may be a prompt's own. */
static int ask_prompts(struct store *store, uint64_t id)
{
    struct store_prompt list[16];
    sqlite3_stmt *steps = ask(store, STORE_SQL_text_steps, id);
    bool is_prompt = false;
    uint64_t alias;
    size_t n = 0;
    int code = SQLITE_DONE;
    int status;

    if (steps == NULL)
        return store_sqlite_failed(store, "reading prompts");
    while (n < sizeof(list) / sizeof(list[0]) && (code = sqlite3_step(steps)) == SQLITE_ROW) {
        const uint64_t prompt = (uint64_t)sqlite3_column_int64(steps, 0);
        const uint32_t version = (uint32_t)sqlite3_column_int64(steps, 1);

        if (n == 0 || list[n - 1].prompt != prompt || list[n - 1].version != version)
            list[n++] = (struct store_prompt){.from_ns = (uint64_t)sqlite3_column_int64(steps, 2),
                                              .prompt = prompt,
                                              .version = version,
                                              .settled = sqlite3_column_int64(steps, 3) != 0};
    }
    status = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : store_sqlite_failed(store, "reading prompts");
    (void)sqlite3_reset(steps);
    if (status == 0 && n == 0) {
        status = ask_templates(store, id, &is_prompt, &alias);
        list[0] = (struct store_prompt){.prompt = id, .settled = true};
        n = is_prompt;
    }
    for (size_t i = 0; status == 0 && i < n; i++)
        status = add(store, id, &list[i]);
    return status;
}

int store_prompt_find(struct store *store, uint64_t id, uint64_t start_ns, const struct store_prompt **ret_prompt)
{
    struct store_prompts *prompts = &store->prompts;
    struct store_known_id *known;
    const struct store_prompt *found;
    int status;

    *ret_prompt = NULL;
    if (!prompts->any)
        return 0;
    status = room(prompts);
    if (status != 0)
        return status;
    known = slot_of(prompts->known, prompts->known_slots, id);
    if (!known->used) {
        const size_t first = prompts->n_prompts;

        status = ask_prompts(store, id);
        if (status != 0)
            return status;
        known = slot_of(prompts->known, prompts->known_slots, id);
        *known = (struct store_known_id){id, (uint32_t)first, (uint32_t)(prompts->n_prompts - first), true};
        prompts->n_known++;
    }
    if (known->n == 0)
        return 0;
    found = &prompts->prompt[known->first];
    for (uint32_t i = 1; i < known->n && prompts->prompt[known->first + i].from_ns <= start_ns; i++)
        found = &prompts->prompt[known->first + i];
    *ret_prompt = found;
    return 0;
}

int store_prompts_trim(struct store *store)
{
    const struct store_prompts *prompts = &store->prompts;

    return prompts->n_known > KNOWN_MAX || prompts->n_prompts > KNOWN_MAX ? store_prompts_look(store) : 0;
}

/* ---- rows ---- */

bool store_is_of_prompt(enum span_field field)
{
    return field == SPAN_prompt_id || field == SPAN_prompt_version || field == SPAN_prompt_variant ||
           field == SPAN_prompt_name;
}

static bool is_wanted(const struct store_wanted *wanted, enum span_field field)
{
    for (size_t i = 0; i < wanted->n_fields; i++)
        if (wanted->fields[i] == field)
            return true;
    return false;
}

static int room_for_rows(struct store_prompts *prompts, size_t n)
{
    if (n <= prompts->rows_capacity)
        return 0;
    prompts->rows_capacity = 0;
    free(prompts->learned);
    free(prompts->present);
    free(prompts->text);
    prompts->learned = malloc((n + 63) / 64 * sizeof(*prompts->learned));
    prompts->present = malloc((n + 63) / 64 * sizeof(*prompts->present));
    prompts->text = malloc(n * sizeof(*prompts->text));
    if (prompts->learned == NULL || prompts->present == NULL || prompts->text == NULL)
        return store_because(STORE_FAILED, "no memory");
    prompts->rows_capacity = n;
    return 0;
}

/* The column of texts as it is in prompts->text: as if it had been stored so. */
static int replace_texts(struct store *store, enum span_field field, struct store_rows *rows)
{
    struct span_buffer out;
    int failed;

    span_buffer_init(&out, (size_t)rows->n * (SPAN_TEXT_MAX + 16) + 65536);
    failed = span_column_encode_text(&out, store->prompts.text, store->prompts.present, rows->n, 0);
    if (failed == 0)
        failed = span_column_decode_text(&store->column[field], out.data, out.bytes, rows->n);
    span_buffer_done(&out);
    rows->has[field] = failed == 0;
    rows->column[field] = failed == 0 ? &store->column[field] : NULL;
    return failed == 0 ? 0 : store_because(STORE_FAILED, "no memory");
}

/* What a row says of itself comes first; names and versions that were found or given later fill the
 * rest. Every id was asked for by mark_learned, so that what is known stays where it is. */
static int fill_texts(struct store *store, enum span_field field, const struct span_column *id, struct store_rows *rows)
{
    struct store_prompts *prompts = &store->prompts;
    const struct span_column *own = rows->has[field] ? rows->column[field] : NULL;
    bool any = false;

    memset(prompts->present, 0, (rows->n + 63) / 64 * sizeof(*prompts->present));
    for (size_t i = 0; i < rows->n; i++) {
        const struct store_prompt *prompt = NULL;
        const char *text = NULL;
        int status;

        if (own != NULL && span_bit(own->present, i)) {
            prompts->present[i >> 6] |= UINT64_C(1) << (i & 63);
            prompts->text[i] = own->dict[own->code[i]];
            continue;
        }
        if (!span_bit(prompts->learned, i))
            continue;
        status = store_prompt_find(store, id->u64[i], rows->column[SPAN_start_ns]->u64[i], &prompt);
        if (status != 0)
            return status;
        if (prompt != NULL)
            text = field == SPAN_prompt_name      ? prompt->name
                   : field == SPAN_prompt_variant ? prompt->variant
                                                  : prompt->version_text;
        if (text == NULL || text[0] == '\0')
            continue;
        any = true;
        prompts->present[i >> 6] |= UINT64_C(1) << (i & 63);
        prompts->text[i] = (struct span_text){text, (uint32_t)strlen(text)};
    }
    return any ? replace_texts(store, field, rows) : 0;
}

/* Which rows have a prompt that was learned. */
static int mark_learned(struct store *store, const struct span_column *id, struct store_rows *rows)
{
    memset(store->prompts.learned, 0, (rows->n + 63) / 64 * sizeof(*store->prompts.learned));
    for (size_t i = 0; i < rows->n; i++) {
        const struct store_prompt *prompt = NULL;
        int status = span_bit(id->present, i)
                         ? store_prompt_find(store, id->u64[i], rows->column[SPAN_start_ns]->u64[i], &prompt)
                         : 0;

        if (status != 0)
            return status;
        if (prompt != NULL)
            store->prompts.learned[i >> 6] |= UINT64_C(1) << (i & 63);
    }
    rows->learned = store->prompts.learned;
    return 0;
}

int store_prompts_show(struct store *store, const struct store_wanted *wanted, struct store_rows *rows)
{
    static const enum span_field texts[] = {SPAN_prompt_version, SPAN_prompt_variant, SPAN_prompt_name};
    struct span_column *id = &store->column[SPAN_prompt_id];
    int status = store_prompts_trim(store);

    if (status == 0)
        status = room_for_rows(&store->prompts, rows->n);
    if (status != 0 || !rows->has[SPAN_prompt_id])
        return status;
    status = mark_learned(store, id, rows);
    for (size_t t = 0; status == 0 && t < sizeof(texts) / sizeof(texts[0]); t++)
        if (is_wanted(wanted, texts[t]))
            status = fill_texts(store, texts[t], id, rows);
    for (size_t i = 0; status == 0 && i < rows->n; i++) {
        const struct store_prompt *prompt = NULL;

        if (!span_bit(rows->learned, i))
            continue;
        status = store_prompt_find(store, id->u64[i], rows->column[SPAN_start_ns]->u64[i], &prompt);
        if (prompt != NULL)
            id->u64[i] = prompt->prompt;
    }
    return status;
}

/* ---- what people say ---- */

int store_prompt_say(struct store *store, uint64_t prompt, const char *name, uint64_t into)
{
    sqlite3_stmt *put;
    int status = store_begin(store);

    if (status != 0)
        return status;
    put = store_statement(store, STORE_SQL_rule_put);
    if (put != NULL) {
        (void)sqlite3_clear_bindings(put);
        (void)sqlite3_bind_int64(put, 1, (int64_t)prompt);
        if (name != NULL)
            (void)sqlite3_bind_text(put, 2, name, -1, SQLITE_STATIC);
        if (into != 0)
            (void)sqlite3_bind_int64(put, 3, (int64_t)into);
    }
    status = store_run(store, put, "noting what was said of a prompt");
    if (put != NULL)
        (void)sqlite3_clear_bindings(put);
    if (status != 0) {
        store_rollback(store);
        return status;
    }
    status = store_commit(store);
    return status == 0 ? store_prompts_look(store) : status;
}

int store_prompt_shown(struct store *store, uint64_t id, uint64_t *ret_prompt)
{
    const struct store_prompt *prompt = NULL;
    int status = store_prompts_look(store);

    if (status == 0)
        status = store_prompt_find(store, id, UINT64_MAX, &prompt);
    if (prompt == NULL)
        return status;
    *ret_prompt = prompt->prompt;
    return 1;
}

/* ---- rollups ---- */

static bool is_id(const struct span_text *text, uint64_t *ret_id)
{
    *ret_id = 0;
    for (uint32_t i = 0; i < text->bytes; i++) {
        const char c = text->data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *ret_id = *ret_id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return text->bytes == 16;
}

int store_prompt_key(struct store *store, uint64_t hour, const struct rollup_group *group,
                     struct store_shown_key *ret_key)
{
    const struct store_prompt *prompt = NULL;
    uint64_t id;
    int status;

    memcpy(ret_key->key, group->key, sizeof(ret_key->key));
    if (!is_id(&group->key[ROLLUP_prompt], &id))
        return 0;
    status = store_prompt_find(store, id, hour * STORE_HOUR_NS, &prompt);
    if (prompt == NULL)
        return status;
    (void)snprintf(ret_key->id, sizeof(ret_key->id), "%016llx", (unsigned long long)prompt->prompt);
    ret_key->key[ROLLUP_prompt] = (struct span_text){ret_key->id, 16};
    if (group->key[ROLLUP_version].bytes == 0) {
        memcpy(ret_key->version, prompt->version_text, sizeof(ret_key->version));
        ret_key->key[ROLLUP_version] = (struct span_text){ret_key->version, (uint32_t)strlen(ret_key->version)};
    }
    return 0;
}
