/*
 * What learning keeps in memory, see store_study.h: read from the store once, then kept up with
 * what comes. Bounded: so many texts wait, so many templates are found; what is beyond lies in the
 * store.
 *
 * Called by store_learn.c in its transactions. What is in memory holds for as long as nobody else
 * learns, which a number in the store tells.
 */
#include "store_study.h"

#include <stdlib.h>
#include <time.h>

#include "../../prompts/learned.h"

enum {
    TEMPLATES_FOUND = 131072, /* those that were used last: about 10 MB */
    READ_AT_ONCE = 4096,
    AGED_AT_ONCE = 512,
    OPEN_DAYS = 30,   /* that a text waits for others of its kind */
    LEARNED_DAYS = 1, /* that a text with a prompt waits for what may yet change it */
};

#define CLOSE_NS INT64_C(600000000000)
#define DAY_NS (UINT64_C(86400) * 1000000000)

static int no_memory(void)
{
    return store_because(STORE_FAILED, "no memory");
}

void store_study_end(struct store *store)
{
    struct store_study *study = store->prompts.study;

    store->prompts.study = NULL;
    if (study == NULL)
        return;
    template_index_free(study->index);
    waiting_free(study->waiting);
    free(study->stretch);
    free(study);
}

void store_study_again(struct store *store, int64_t text)
{
    if (store->prompts.study != NULL)
        waiting_again(store->prompts.study->waiting, text);
}

uint32_t store_bound(uint64_t prompt, uint32_t version)
{
    return (uint32_t)((prompt + version) * UINT64_C(0x9E3779B97F4A7C15) >> 32) | 1;
}

/* ---- lessons ---- */

static int ask_number(struct store *store, enum store_sql which, int64_t *ret_number)
{
    sqlite3_stmt *statement = store_statement(store, which);
    int code = statement == NULL ? SQLITE_ERROR : sqlite3_step(statement);

    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "learning prompts");
    *ret_number = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return 0;
}

int store_lessons(struct store *store, uint64_t *ret_lessons)
{
    int64_t lessons = 0;
    int status = ask_number(store, STORE_SQL_lessons, &lessons);

    *ret_lessons = (uint64_t)lessons;
    return status;
}

int store_lessons_put(struct store *store, uint64_t lessons)
{
    sqlite3_stmt *put = store_statement(store, STORE_SQL_meta_put);

    if (put == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_text(put, 1, STORE_META_LESSONS, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(put, 2, store_int(lessons));
    return store_run(store, put, "learning prompts");
}

/* ---- templates ---- */

int store_study_know(struct store_study *study, uint64_t prompt, const struct feature_set *set)
{
    return template_index_add(study->index, prompt, set) == 0 ? 0 : no_memory();
}

static int read_templates(struct store *store, struct store_study *study)
{
    sqlite3_stmt *list = store_statement(store, STORE_SQL_template_list);
    int code = SQLITE_DONE;
    int status = 0;

    if (list == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(list, 1, TEMPLATES_FOUND);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        struct miner_template template;
        struct feature_set set;

        status = store_template_row(&template, list);
        if (status == STORE_DAMAGED) {
            status = 0; /* `check` says so; the others are as good as ever */
            continue;
        }
        if (status == 0) {
            feature_set_of_template(&set, &template);
            status = store_study_know(study, template.prompt, &set);
        }
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_reset(list);
    return status;
}

/* So many new ones since: those that are used are read again. */
static bool is_full(const struct store_study *study)
{
    return template_index_count(study->index) > TEMPLATES_FOUND + TEMPLATES_FOUND / 8;
}

int store_study_begin(struct store *store)
{
    struct store_study *study = store->prompts.study;
    uint64_t lessons = 0;
    int status = store_lessons(store, &lessons);

    if (status != 0)
        return status;
    if (study != NULL && study->lessons == lessons && study->times_away == store->times_away && !is_full(study))
        return 0;
    store_study_end(store);
    study = calloc(1, sizeof(*study));
    if (study == NULL)
        return no_memory();
    store->prompts.study = study;
    study->lessons = lessons;
    study->times_away = store->times_away;
    study->index = template_index_new();
    study->waiting = waiting_new();
    if (study->index == NULL || study->waiting == NULL)
        return no_memory();
    return read_templates(store, study);
}

/* ---- texts ---- */

/* Calls `each` for the texts that wait above a number, at most so many; *ret_number is the last
 * one's, *ret_count how many there were. */
static int each_open(struct store *store, int64_t above, size_t most,
                     int (*each)(struct store_study *study, sqlite3_stmt *row), int64_t *ret_number, size_t *ret_count)
{
    sqlite3_stmt *list = store_statement(store, STORE_SQL_texts_open);
    int code = SQLITE_DONE;
    int status = 0;

    *ret_count = 0;
    if (list == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(list, 1, above);
    (void)sqlite3_bind_int64(list, 2, (int64_t)most);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        *ret_number = sqlite3_column_int64(list, 0);
        ++*ret_count;
        status = each(store->prompts.study, list);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_reset(list);
    return status;
}

static int wait_for_others(struct store_study *study, sqlite3_stmt *row)
{
    const uint64_t prompt = (uint64_t)sqlite3_column_int64(row, 6);
    const bool is_settled = sqlite3_column_int64(row, 8) != 0;
    struct prompt_features features;
    const uint8_t *data;
    size_t bytes;
    int status = store_column_blob(row, 5, &data, &bytes);

    if (status != 0 || data == NULL || prompt_features_read(&features, data, bytes) != 0)
        return status; /* damaged: `check` says so */
    return waiting_add(study->waiting, sqlite3_column_int64(row, 0), &features,
                       prompt == 0 || is_settled ? 0 : store_bound(prompt, (uint32_t)sqlite3_column_int64(row, 7))) == 0
               ? 0
               : no_memory();
}

int store_study_read(struct store *store)
{
    struct store_study *study = store->prompts.study;
    const size_t room = WAITING_MAX - waiting_count(study->waiting);
    const size_t most = room < READ_AT_ONCE ? room : READ_AT_ONCE;
    size_t count = 0;
    int status = most == 0 ? 0 : each_open(store, study->mark, most, wait_for_others, &study->mark, &count);

    study->read_to_end = status == 0 && count < READ_AT_ONCE && room > count;
    return status;
}

/* ---- texts that are done ---- */

/* When calls with it began: merged blocks of that time are to be merged again. */
static int note_stretch(struct store_study *study, int64_t first_ns, int64_t last_ns)
{
    if (study->stretches == study->stretches_room) {
        const size_t room = study->stretches_room + study->stretches_room / 2 + 256;
        struct store_stretch *grown = realloc(study->stretch, room * sizeof(*grown));

        if (grown == NULL)
            return no_memory();
        study->stretch = grown;
        study->stretches_room = room;
    }
    study->stretch[study->stretches++] = (struct store_stretch){first_ns, last_ns};
    return 0;
}

int store_text_settle(struct store *store, int64_t text, uint64_t prompt, uint32_t version)
{
    sqlite3_stmt *settle = store_statement(store, STORE_SQL_text_settle);
    sqlite3_stmt *drop = store_statement(store, STORE_SQL_open_drop);
    sqlite3_stmt *times = store_statement(store, STORE_SQL_text_times);
    int64_t first_ns = 0;
    int64_t last_ns = INT64_MAX;
    int status;
    int code;

    if (settle == NULL || drop == NULL || times == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(times, 1, text);
    code = sqlite3_step(times);
    if (code == SQLITE_ROW) {
        first_ns = sqlite3_column_int64(times, 0);
        last_ns = sqlite3_column_int64(times, 1);
    } else if (code != SQLITE_DONE) {
        return store_sqlite_failed(store, "learning prompts");
    }
    (void)sqlite3_reset(times);
    (void)sqlite3_bind_int64(settle, 1, text);
    (void)sqlite3_bind_int64(settle, 2, (int64_t)prompt);
    (void)sqlite3_bind_int64(settle, 3, version);
    (void)sqlite3_bind_int64(settle, 4, (int64_t)DAY_NS);
    status = store_run(store, settle, "learning prompts");
    (void)sqlite3_bind_int64(drop, 1, text);
    if (status == 0)
        status = store_run(store, drop, "learning prompts");
    if (status != 0 || last_ns - first_ns > (int64_t)DAY_NS)
        return status; /* it lay too long: its row stays, so that its id can be told for ever */
    return note_stretch(store->prompts.study, first_ns, last_ns);
}

static int by_first(const void *a, const void *b)
{
    const struct store_stretch *x = a;
    const struct store_stretch *y = b;

    return (x->first_ns > y->first_ns) - (x->first_ns < y->first_ns);
}

/* What lies close together is one: a merged block is mostly an hour's. */
int store_study_unsettle(struct store *store)
{
    struct store_study *study = store->prompts.study;
    int status = 0;

    if (study->stretches > 0)
        qsort(study->stretch, study->stretches, sizeof(*study->stretch), by_first);
    for (size_t i = 0, k; status == 0 && i < study->stretches; i = k) {
        sqlite3_stmt *unsettle = store_statement(store, STORE_SQL_block_unsettle);
        int64_t last_ns = study->stretch[i].last_ns;

        for (k = i + 1; k < study->stretches && study->stretch[k].first_ns - last_ns <= CLOSE_NS; k++)
            last_ns = study->stretch[k].last_ns > last_ns ? study->stretch[k].last_ns : last_ns;
        if (unsettle == NULL)
            return store_sqlite_failed(store, "learning prompts");
        (void)sqlite3_bind_int64(unsettle, 1, study->stretch[i].first_ns);
        (void)sqlite3_bind_int64(unsettle, 2, last_ns);
        status = store_run(store, unsettle, "learning prompts");
    }
    study->stretches = 0;
    return status;
}

/* ---- giving up ---- */

/* It is as it will be: what its template has is kept as what it is. */
static int keep(struct store *store, const struct store_waits *text)
{
    sqlite3_stmt *settled = store_statement(store, STORE_SQL_template_keep);
    int status;

    if (settled == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(settled, 1, (int64_t)text->prompt);
    (void)sqlite3_bind_int64(settled, 2, text->version);
    status = store_run(store, settled, "learning prompts");
    return status == 0 ? store_text_settle(store, text->number, text->prompt, text->version) : status;
}

static int give_up(struct store *store, const struct store_waits *text)
{
    static const enum store_sql drops[] = {STORE_SQL_text_drop, STORE_SQL_open_drop};
    int status = 0;

    waiting_drop(store->prompts.study->waiting, text->number);
    if (text->prompt != 0)
        return keep(store, text);
    for (int i = 0; status == 0 && i < 2; i++) {
        sqlite3_stmt *drop = store_statement(store, drops[i]);

        if (drop != NULL)
            (void)sqlite3_bind_int64(drop, 1, text->number);
        status = store_run(store, drop, "forgetting texts");
    }
    return status;
}

static int note_text(struct store_study *study, sqlite3_stmt *row)
{
    study->aged[study->n_aged++] =
        (struct store_waits){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 4),
                             (uint64_t)sqlite3_column_int64(row, 6), (uint32_t)sqlite3_column_int64(row, 7)};
    return 0;
}

struct ages {
    int64_t open_ns, learned_ns; /* texts without a prompt, and others, whose last call was before that */
};

/* The former by the newest text; one from a clock that is ahead of ours makes no other older. */
static int oldest_kept(struct store *store, struct ages *ret)
{
    struct timespec now;
    int64_t newest_ns = 0;
    int status = ask_number(store, STORE_SQL_text_newest, &newest_ns);

    (void)clock_gettime(CLOCK_REALTIME, &now);
    const int64_t now_ns = now.tv_sec * 1000000000 + now.tv_nsec;
    ret->open_ns = (newest_ns < now_ns ? newest_ns : now_ns) - OPEN_DAYS * (int64_t)DAY_NS;
    ret->learned_ns = now_ns - LEARNED_DAYS * (int64_t)DAY_NS;
    store->prompts.given_up_ns = now_ns;
    return status;
}

bool store_study_is_due(const struct store *store)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec - store->prompts.given_up_ns > (int64_t)STORE_HOUR_NS;
}

int store_study_give_up(struct store *store, bool *ret_more)
{
    struct store_study *study = store->prompts.study;
    const bool too_many = !study->read_to_end && waiting_count(study->waiting) >= WAITING_MAX;
    const size_t most = too_many ? STORE_AGED_MAX : AGED_AT_ONCE;
    int64_t above = too_many ? 0 : study->looked;
    struct ages oldest = {0};
    bool any_kept = false;
    bool any = false;
    int status = oldest_kept(store, &oldest);

    study->n_aged = 0;
    size_t count = 0;
    if (status == 0)
        status = each_open(store, above, most, note_text, &above, &count);
    for (size_t i = 0; status == 0 && i < study->n_aged; i++) {
        const struct store_waits *text = &study->aged[i];

        if (too_many || text->last_ns < (text->prompt != 0 ? oldest.learned_ns : oldest.open_ns)) {
            any = true;
            any_kept |= text->prompt != 0;
            status = give_up(store, text);
        }
    }
    if (!too_many)
        study->looked = count < most ? 0 : above;
    *ret_more = any && study->looked != 0;
    if (status == 0 && any_kept) /* templates that are known from now on are to be read */
        status = store_lessons_put(store, study->lessons + 1);
    return status;
}
