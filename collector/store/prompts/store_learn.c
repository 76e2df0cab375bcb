/*
 * What was learned of prompts, as it lies in the store: templates and whose texts are, written at
 * the end of a lesson and read for those who show it.
 *
 * Called by store_lesson.c within the transaction that writes a lesson, and by readers.
 */
#include "store_study.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../span/varint.h"
#include "../../prompts/miner.h"

enum { TEMPLATE_BYTES_MAX = 4096 };

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

uint64_t store_template_sum(const struct miner_template *template)
{
    uint64_t sum = mix(mix(template->prompt, template->version), template->texts);

    sum = mix(mix(sum, template->scope), template->setup);
    sum = mix(mix(mix(sum, template->first_ns), template->last_ns), template->alias);
    sum = mix(mix(sum, template->settled), template->alias_version);
    for (unsigned i = 0; i < template->words; i++)
        sum = mix(sum, template->word[i]);
    for (unsigned i = 0; i < template->lines; i++)
        sum = mix(sum, template->line[i] + (UINT64_C(1) << 32));
    return sum;
}

int store_template_row(struct miner_template *ret_template, sqlite3_stmt *row)
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
    ret_template->alias_version = (uint32_t)sqlite3_column_int64(row, 10);
    return status == 0 ? store_template_read(ret_template, data, bytes) : status;
}

/* ---- what was found ---- */

int store_template_put(struct store *store, const struct miner_template *template, struct span_buffer *data)
{
    sqlite3_stmt *put = store_statement(store, STORE_SQL_template_put);
    const int64_t numbers[] = {(int64_t) template->prompt, template->version, template->scope, template->setup,
                               template->texts};
    int status = write_hashes(data, template);

    if (status != 0)
        return status;
    if (put == NULL)
        return store_sqlite_failed(store, "learning prompts");
    for (int i = 0; i < 5; i++)
        (void)sqlite3_bind_int64(put, 1 + i, numbers[i]);
    (void)sqlite3_bind_blob64(put, 6, data->data, data->bytes, SQLITE_STATIC);
    (void)sqlite3_bind_int64(put, 7, store_int(template->first_ns));
    (void)sqlite3_bind_int64(put, 8, store_int(template->last_ns));
    (void)sqlite3_bind_int64(put, 9, (int64_t) template->alias);
    (void)sqlite3_bind_int64(put, 10, template->settled);
    (void)sqlite3_bind_int64(put, 11, template->alias_version);
    status = store_run(store, put, "learning prompts");
    (void)sqlite3_clear_bindings(put);
    return status;
}

/* A statement about a version of a prompt. */
static int of_version(struct store *store, enum store_sql which, uint64_t prompt, uint32_t version)
{
    sqlite3_stmt *statement = store_statement(store, which);

    if (statement == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(statement, 1, (int64_t)prompt);
    (void)sqlite3_bind_int64(statement, 2, version);
    return store_run(store, statement, "learning prompts");
}

/* Whose the text is, or (template NULL) that it is nobody's. */
static int assign(struct store *store, int64_t text, const struct miner_template *template)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_text_assign);

    if (statement == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_clear_bindings(statement);
    (void)sqlite3_bind_int64(statement, 1, text);
    if (template != NULL) {
        (void)sqlite3_bind_int64(statement, 2, (int64_t) template->prompt);
        (void)sqlite3_bind_int64(statement, 3, template->version);
    }
    return store_run(store, statement, "learning prompts");
}

/* Nothing that comes later can tell otherwise. */
static bool is_done(const struct miner_text *text, const struct miner_template *template)
{
    return template != NULL && template->settled && text->is_sure;
}

static int save_text(struct store *store, const struct miner_text *text, const struct open_text *was,
                     const struct miner_template *template)
{
    const uint64_t prompt = template == NULL ? 0 : template->prompt;
    const uint32_t version = template == NULL ? 0 : template->version;

    if (is_done(text, template))
        return store_text_settle(store, was->number, prompt, version);
    return prompt != was->prompt || version != was->version ? assign(store, was->number, template) : 0;
}

/* A settled template counts a text once, when it is done: the others come again. */
static int save_templates(struct store_lesson *lesson, const struct miner_template *template, size_t n_templates,
                          const struct miner_text *text, size_t n_texts)
{
    uint32_t *again = calloc(n_templates + 1, sizeof(*again));
    struct span_buffer data;
    int status = 0;

    if (again == NULL)
        return no_memory();
    span_buffer_init(&data, TEMPLATE_BYTES_MAX);
    for (size_t i = 0; i < n_texts; i++)
        if (text[i].found != MINER_NOT && template[text[i].found].settled && !text[i].is_sure)
            again[text[i].found]++;
    for (size_t i = 0; status == 0 && i < n_templates; i++) {
        struct miner_template kept = template[i];

        kept.texts -= again[i] < kept.texts ? again[i] : kept.texts;
        if (i >= lesson->n_known || store_template_sum(&kept) != lesson->known[i].sum)
            status = store_template_put(lesson->store, &kept, &data);
    }
    span_buffer_done(&data);
    free(again);
    return status;
}

/* What was made anew, before that is written. */
static int drop_unsettled(struct store_lesson *lesson)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < lesson->n_texts; i++)
        if (lesson->open[i].prompt != 0 && !lesson->open[i].is_settled)
            status =
                of_version(lesson->store, STORE_SQL_template_drop, lesson->open[i].prompt, lesson->open[i].version);
    return status;
}

/* Of texts that were left out, some belonged to what was made anew and is there no more. */
static int cut_loose(struct store_lesson *lesson, const struct miner_template *template, size_t n_templates)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < lesson->n_texts; i++) {
        const struct open_text *was = &lesson->open[i];
        size_t at = 0;

        if (was->prompt == 0 || was->is_settled)
            continue;
        while (at < n_templates && (template[at].prompt != was->prompt || template[at].version != was->version))
            at++;
        if (at == n_templates)
            status = of_version(lesson->store, STORE_SQL_texts_cut_loose, was->prompt, was->version);
    }
    return status;
}

int store_lesson_save(struct store_lesson *lesson)
{
    size_t n_templates;
    size_t n_texts;
    const struct miner_template *template = miner_templates(lesson->miner, &n_templates);
    const struct miner_text *text = miner_texts(lesson->miner, &n_texts);
    int status = drop_unsettled(lesson);

    status = status == 0 ? save_templates(lesson, template, n_templates, text, n_texts) : status;
    status = status == 0 ? store_shapes_save(lesson) : status;
    for (size_t i = 0; status == 0 && i < n_texts; i++)
        status = save_text(lesson->store, &text[i], &lesson->open[i],
                           text[i].found == MINER_NOT ? NULL : &template[text[i].found]);
    if (status == 0 && lesson->is_cut)
        status = cut_loose(lesson, template, n_templates);
    if (status == 0)
        status = store_study_unsettle(lesson->store);
    if (status == 0)
        status = store_rules_learn(lesson->store);
    return status == 0 ? store_lessons_put(lesson->store, lesson->lessons + 1) : status;
}

int store_lesson_keep(struct store_lesson *lesson)
{
    struct store_study *study = lesson->store->prompts.study;
    size_t n_templates;
    size_t n_texts;
    const struct miner_template *template = miner_templates(lesson->miner, &n_templates);
    const struct miner_text *text = miner_texts(lesson->miner, &n_texts);
    int status = 0;

    study->lessons = lesson->lessons + 1;
    for (size_t i = 0; i < n_texts; i++) {
        const struct miner_template *found = text[i].found == MINER_NOT ? NULL : &template[text[i].found];

        if (is_done(&text[i], found))
            waiting_drop(study->waiting, lesson->open[i].number);
        else
            waiting_looked(study->waiting, lesson->open[i].number,
                           found == NULL || found->settled ? 0 : store_bound(found->prompt, found->version));
    }
    for (size_t i = 0; status == 0 && i < n_templates; i++) {
        const struct known_template *was = i < lesson->n_known ? &lesson->known[i] : NULL;
        const bool is_new = template[i].settled && (was == NULL || !was->settled);
        struct feature_set set;

        if (!is_new && (was == NULL || (was->words == template[i].words && was->lines == template[i].lines)))
            continue;
        feature_set_of_template(&set, &template[i]);
        if (is_new)
            status = store_study_know(study, template[i].prompt, &set);
        /* Others that wait may now belong to it. */
        if (status == 0 && waiting_stir(study->waiting, set.feature, set.count) != 0)
            status = no_memory();
    }
    return status;
}

/* ---- reading ---- */

static void tell(struct store_prompt_version *version, const struct miner_template *template)
{
    bool varied = false;

    *version = (struct store_prompt_version){.prompt = template->prompt,
                                             .version = template->version,
                                             .own_prompt = template->prompt,
                                             .own_version = template->version,
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

        status = store_template_row(&template, list);
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
    sqlite3_stmt *count = store_statement(store, STORE_SQL_texts_unassigned);

    if (count == NULL || sqlite3_step(count) != SQLITE_ROW)
        return store_sqlite_failed(store, "reading");
    *ret_texts = (uint64_t)sqlite3_column_int64(count, 0);
    (void)sqlite3_reset(count);
    return 0;
}
