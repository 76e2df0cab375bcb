/*
 * Learning prompts, a lesson at a time: some of the texts that wait and the templates that they may
 * belong to are read and go to the miner (collector/prompts/), what it finds is written. Between
 * the two the store is free, and nothing of it is needed. Each is one transaction: who is killed
 * meanwhile leaves the store as it was, and the next one finds the same.
 *
 * Called by pprofd beside its work and at its end, by record at its end, and before an hour's
 * merge. Memory is bounded: LESSON_BYTES for texts and templates, and what store_study.c keeps.
 */
#include "store_study.h"

#include <stdlib.h>

enum {
    TEXTS_AT_ONCE = 3072, /* and half as many more that belong to what some of them belong to */
    TEXT_BYTES = 2700,    /* in the miner */
    KNOWN_BYTES = 3400,
    LESSON_BYTES = 14 << 20,
};

static int no_memory(void)
{
    return store_because(STORE_FAILED, "no memory");
}

/* ---- what is read ---- */

static int more_room(void **rows, size_t n, size_t *room, size_t bytes)
{
    const size_t wanted = n + n / 2 + 64;
    void *grown;

    if (n < *room)
        return 0;
    grown = realloc(*rows, wanted * bytes);
    if (grown == NULL)
        return no_memory();
    *rows = grown;
    *room = wanted;
    return 0;
}

static int know(struct store_lesson *lesson, const struct miner_template *template)
{
    int status = more_room((void **)&lesson->known, lesson->n_known, &lesson->known_room, sizeof(*lesson->known));

    if (status != 0)
        return status;
    lesson->known[lesson->n_known++] = (struct known_template){store_template_sum(template),
                                                               template->prompt,
                                                               template->version,
                                                               template->words,
                                                               template->lines,
                                                               template->settled};
    return miner_know(lesson->miner, template) == 0 ? 0 : no_memory();
}

/* Whether it was asked for; then it is. */
static bool was_asked(struct store_lesson *lesson, uint64_t prompt)
{
    size_t at = (size_t)(prompt * UINT64_C(0x9E3779B97F4A7C15) >> 32) % STORE_PROMPTS_ASKED;

    while (lesson->asked[at] != 0 && lesson->asked[at] != prompt)
        at = (at + 1) % STORE_PROMPTS_ASKED;
    const bool was = lesson->asked[at] == prompt;
    lesson->asked[at] = prompt;
    return was;
}

/* All versions of a prompt; those that are not settled later, when it is known whose texts are
 * there. */
static int know_prompt(struct store_lesson *lesson, uint64_t prompt)
{
    sqlite3_stmt *list = store_statement(lesson->store, STORE_SQL_template_of);
    int code = SQLITE_DONE;
    int status = 0;

    if (list == NULL)
        return store_sqlite_failed(lesson->store, "learning prompts");
    (void)sqlite3_bind_int64(list, 1, (int64_t)prompt);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        struct miner_template template;

        status = store_template_row(&template, list);
        if (status == STORE_DAMAGED) {
            status = 0; /* `check` says so; the others are as good as ever */
        } else if (status == 0 && template.settled) {
            status = know(lesson, &template);
        } else if (status == 0) {
            status = more_room((void **)&lesson->unsettled, lesson->n_unsettled, &lesson->unsettled_room,
                               sizeof(*lesson->unsettled));
            if (status == 0)
                lesson->unsettled[lesson->n_unsettled++] = template;
        }
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(lesson->store, "learning prompts");
    (void)sqlite3_reset(list);
    return status;
}

/* The templates that the text may belong to. */
static int know_of(struct store_lesson *lesson, const struct prompt_features *features)
{
    struct feature_set set;
    uint64_t prompt[TEMPLATE_INDEX_FOUND];
    unsigned count;
    int status = 0;

    feature_set_of_text(&set, features);
    count = template_index_find(lesson->store->prompts.study->index, &set, prompt);
    for (unsigned i = 0; status == 0 && i < count; i++)
        if (!was_asked(lesson, prompt[i]))
            status = know_prompt(lesson, prompt[i]);
    return status;
}

static int add(struct store_lesson *lesson, sqlite3_stmt *row)
{
    struct miner_text text = {.id = (uint64_t)sqlite3_column_int64(row, 1),
                              .calls = (uint64_t)sqlite3_column_int64(row, 2),
                              .first_ns = (uint64_t)sqlite3_column_int64(row, 3),
                              .last_ns = (uint64_t)sqlite3_column_int64(row, 4)};
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 5, &data, &bytes);

    if (status != 0)
        return status;
    if (data == NULL || prompt_features_read(&text.features, data, bytes) != 0)
        return 0;
    lesson->open[lesson->n_texts++] =
        (struct open_text){sqlite3_column_int64(row, 0), (uint32_t)sqlite3_column_int64(row, 7),
                           (uint64_t)sqlite3_column_int64(row, 6), sqlite3_column_int64(row, 8) != 0};
    status = know_of(lesson, &text.features);
    if (status != 0)
        return status;
    return miner_add(lesson->miner, &text) == 0 ? 0 : no_memory();
}

static int read_text(struct store_lesson *lesson, int64_t number)
{
    sqlite3_stmt *get = store_statement(lesson->store, STORE_SQL_texts_open);
    int status = 0;
    int code;

    if (get == NULL)
        return store_sqlite_failed(lesson->store, "learning prompts");
    (void)sqlite3_bind_int64(get, 1, number - 1);
    (void)sqlite3_bind_int64(get, 2, 1);
    code = sqlite3_step(get);
    if (code == SQLITE_ROW && sqlite3_column_int64(get, 0) == number)
        status = add(lesson, get);
    else if (code == SQLITE_ROW || code == SQLITE_DONE)
        waiting_drop(lesson->store->prompts.study->waiting, number); /* another writer was there */
    else
        status = store_sqlite_failed(lesson->store, "learning prompts");
    (void)sqlite3_reset(get);
    return status;
}

/* Whether a text is there that belongs to it: then it is made anew. */
static bool is_made_anew(const struct store_lesson *lesson, const struct miner_template *template)
{
    for (size_t i = 0; i < lesson->n_texts; i++)
        if (lesson->open[i].prompt == template->prompt && lesson->open[i].version == template->version)
            return true;
    return false;
}

static int read_window(struct store_lesson *lesson, const int64_t *number, size_t count)
{
    int status = 0;

    lesson->open = calloc(count, sizeof(*lesson->open));
    if (lesson->open == NULL)
        return no_memory();
    for (size_t i = 0; status == 0 && i < count && !lesson->is_cut; i++) {
        status = read_text(lesson, number[i]);
        lesson->is_cut = lesson->n_texts * TEXT_BYTES + lesson->n_known * KNOWN_BYTES > LESSON_BYTES && i + 1 < count;
    }
    for (size_t i = 0; status == 0 && i < lesson->n_unsettled; i++)
        if (!is_made_anew(lesson, &lesson->unsettled[i]))
            status = know(lesson, &lesson->unsettled[i]);
    return status;
}

/* ---- lessons ---- */

static void lesson_free(struct store_lesson *lesson)
{
    if (lesson->miner != NULL)
        miner_free(lesson->miner);
    free(lesson->known);
    free(lesson->unsettled);
    free(lesson->open);
    free(lesson);
}

/* A window of what waits; NULL: none is due. */
static int begin_lesson(struct store *store, struct store_lesson **ret_lesson)
{
    int64_t *number = NULL;
    size_t count = 0;
    struct store_lesson *lesson;
    int status;

    if (waiting_window(store->prompts.study->waiting, TEXTS_AT_ONCE, &number, &count) != 0)
        return no_memory();
    if (count == 0)
        return 0;
    lesson = calloc(1, sizeof(*lesson));
    if (lesson == NULL) {
        free(number);
        return no_memory();
    }
    lesson->store = store;
    lesson->lessons = store->prompts.study->lessons;
    lesson->miner = miner_new();
    status = lesson->miner == NULL ? no_memory() : read_window(lesson, number, count);
    free(number);
    if (status == 0)
        *ret_lesson = lesson;
    else
        lesson_free(lesson);
    return status;
}

static int read_some(struct store *store, struct store_lesson **ret_lesson, bool *ret_more)
{
    /* First what is in memory of calls: a text that recurs is no accident. */
    bool more_to_give_up = false;
    int status = store->prompts.n_counts > 0 ? store_rollup_save(store) : 0;

    if (status == 0)
        status = store_study_begin(store);
    if (status == 0)
        status = store_study_read(store);
    if (status == 0 &&
        (store->prompts.study->read_to_end || waiting_count(store->prompts.study->waiting) == WAITING_MAX))
        status = begin_lesson(store, ret_lesson);
    if (status == 0 && *ret_lesson == NULL)
        status = store_study_give_up(store, &more_to_give_up);
    if (status == 0)
        status = store_study_unsettle(store);
    *ret_more = *ret_lesson != NULL || more_to_give_up || (status == 0 && !store->prompts.study->read_to_end);
    return status;
}

int store_lesson_begin(struct store *store, struct store_lesson **ret_lesson, bool *ret_more)
{
    int status;

    *ret_lesson = NULL;
    *ret_more = false;
    if (!store->writing || store->in_transaction)
        return store_because(STORE_FAILED, "learning needs a store open for writing and no transaction");
    const bool is_due = store_study_is_due(store);
    if (store->data_version != -1 && !store->prompts.open && store->prompts.n_counts == 0 && !is_due)
        return 0;
    status = store_begin(store);
    if (status != 0)
        return status;
    if (store->prompts.open || store->prompts.n_counts > 0 || is_due)
        status = read_some(store, ret_lesson, ret_more);
    if (status == 0)
        status = store_commit_all(store);
    else
        store_rollback(store);
    if (status == 0) {
        store->prompts.open = *ret_more;
        return 0;
    }
    store_study_end(store);
    if (*ret_lesson != NULL)
        lesson_free(*ret_lesson);
    *ret_lesson = NULL;
    *ret_more = false;
    return status;
}

void store_lesson_run(struct store_lesson *lesson)
{
    lesson->failed = miner_run(lesson->miner);
}

/* 1: others learned meanwhile. */
static int write_lesson(struct store_lesson *lesson)
{
    struct store *store = lesson->store;
    int status = store_study_begin(store);

    if (status == 0 && store->prompts.study->lessons != lesson->lessons)
        return 1;
    return status == 0 ? store_lesson_save(lesson) : status;
}

int store_lesson_end(struct store *store, struct store_lesson *lesson, bool *ret_more)
{
    int status = lesson->failed != 0 ? no_memory() : store_begin(store);
    const bool begun = status == 0;

    *ret_more = false;
    if (status == 0)
        status = write_lesson(lesson);
    const bool written = status == 0;
    if (status >= 0)
        status = store_commit_all(store);
    else if (begun)
        store_rollback(store);
    if (status == 0 && written)
        status = store_lesson_keep(lesson);
    lesson_free(lesson);
    if (status != 0) {
        store_study_end(store);
        store->prompts.open = true;
        return status;
    }
    *ret_more = store->prompts.open = true;
    return store_prompts_look(store);
}

int store_learn(struct store *store, bool *ret_more)
{
    struct store_lesson *lesson = NULL;
    int status = store_lesson_begin(store, &lesson, ret_more);

    if (status != 0 || lesson == NULL)
        return status;
    store_lesson_run(lesson);
    return store_lesson_end(store, lesson, ret_more);
}
