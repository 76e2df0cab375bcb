/*
 * What people say of prompts: names, which of them are one, and which of their calls are another
 * one. Kept as rules that count over all that is learned, also later, and for whoever reads.
 *
 * The store's thread; each word in a transaction of its own. Must leave no rules that lead round in
 * circles.
 */
#include "../store_inner.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char doing[] = "noting what was said of a prompt";

/* ---- writing ---- */

/* Puts a rule; name NULL and into 0: that is left as it was. */
static int put(struct store *store, uint64_t prompt, const char *part, const char *name, uint64_t into)
{
    sqlite3_stmt *put = store_statement(store, STORE_SQL_rule_put);
    struct timespec now;
    int status;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (put != NULL) {
        (void)sqlite3_clear_bindings(put);
        (void)sqlite3_bind_int64(put, 1, (int64_t)prompt);
        (void)sqlite3_bind_text(put, 2, part, -1, SQLITE_STATIC);
        if (name != NULL)
            (void)sqlite3_bind_text(put, 3, name, -1, SQLITE_STATIC);
        if (into != 0)
            (void)sqlite3_bind_int64(put, 4, (int64_t)into);
        (void)sqlite3_bind_int64(put, 5, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    }
    status = store_run(store, put, doing);
    if (put != NULL)
        (void)sqlite3_clear_bindings(put);
    return status;
}

static int drop(struct store *store, uint64_t prompt, const char *part)
{
    sqlite3_stmt *drop = store_statement(store, STORE_SQL_rule_drop);
    int status;

    if (drop != NULL) {
        (void)sqlite3_bind_int64(drop, 1, (int64_t)prompt);
        (void)sqlite3_bind_text(drop, 2, part, -1, SQLITE_STATIC);
    }
    status = store_run(store, drop, doing);
    if (drop != NULL)
        (void)sqlite3_clear_bindings(drop);
    return status;
}

/* It goes nowhere any more. */
static int end_way(struct store *store, uint64_t prompt)
{
    sqlite3_stmt *end = store_statement(store, STORE_SQL_rule_end);

    if (end != NULL)
        (void)sqlite3_bind_int64(end, 1, (int64_t)prompt);
    return store_run(store, end, doing);
}

/* Ends the transaction, and forgets what was known before. */
static int end(struct store *store, int status)
{
    if (status != 0) {
        store_rollback(store);
        return status;
    }
    status = store_commit(store);
    return status == 0 ? store_prompts_look(store) : status;
}

static int shown(struct store *store, uint64_t id, uint64_t *ret_prompt)
{
    const struct store_call call = {.id = id, .start_ns = UINT64_MAX};
    const struct store_prompt *prompt = NULL;
    int status = store_prompt_find(store, &call, &prompt);

    *ret_prompt = prompt != NULL ? prompt->prompt : id;
    return status < 0 ? status : prompt != NULL;
}

/* Parts of `prompt` that are `part` by now are parts no more. */
static int drop_parts(struct store *store, uint64_t prompt, uint64_t part)
{
    enum { PARTS_MAX = 64 };
    char text[PARTS_MAX][STORE_PART_BYTES];
    sqlite3_stmt *list = store_statement(store, STORE_SQL_rule_parts);
    uint64_t into[PARTS_MAX];
    size_t n = 0;
    int status = 0;
    int code = SQLITE_DONE;

    if (list == NULL)
        return store_sqlite_failed(store, doing);
    (void)sqlite3_bind_int64(list, 1, (int64_t)prompt);
    (void)sqlite3_bind_int64(list, 2, PARTS_MAX);
    while (status == 0 && n < PARTS_MAX && (code = sqlite3_step(list)) == SQLITE_ROW) {
        const char *of;
        size_t bytes;

        status = store_column_text(list, 0, &of, &bytes);
        if (of == NULL || bytes >= STORE_PART_BYTES)
            continue;
        memcpy(text[n], of, bytes + 1);
        into[n++] = (uint64_t)sqlite3_column_int64(list, 1);
    }
    if (status == 0 && code != SQLITE_DONE && code != SQLITE_ROW)
        status = store_sqlite_failed(store, doing);
    (void)sqlite3_reset(list);
    for (size_t i = 0; status == 0 && i < n; i++) {
        uint64_t now = 0;

        status = shown(store, into[i], &now);
        if (status >= 0)
            status = now == part ? drop(store, prompt, text[i]) : 0;
    }
    return status;
}

int store_prompt_name(struct store *store, uint64_t prompt, const char *name)
{
    int status = store_begin(store);

    return status == 0 ? end(store, put(store, prompt, "", name, 0)) : status;
}

int store_prompt_merge(struct store *store, uint64_t prompt, uint64_t into, const char *name)
{
    int status = store_begin(store);

    if (status != 0)
        return status;
    status = drop_parts(store, into, prompt);
    if (status == 0)
        status = put(store, prompt, "", NULL, into);
    if (status == 0 && name != NULL)
        status = put(store, into, "", name, 0);
    return end(store, status);
}

int store_prompt_split(struct store *store, uint64_t prompt)
{
    int status = store_begin(store);

    return status == 0 ? end(store, put(store, prompt, "", NULL, prompt)) : status;
}

int store_prompt_split_part(struct store *store, uint64_t prompt, const char *part, uint64_t *ret_new)
{
    uint64_t hash = prompt;
    int status = store_begin(store);

    if (status != 0)
        return status;
    /* The same on every host. */
    for (const char *at = part; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    *ret_new = hash != 0 ? hash : 1;
    status = put(store, prompt, part, NULL, *ret_new);
    if (status == 0) /* it may have been merged back before */
        status = end_way(store, *ret_new);
    return end(store, status);
}

int store_rules_learn(struct store *store)
{
    sqlite3_stmt *list = store_statement(store, STORE_SQL_rules_of_texts);
    int code = list == NULL ? SQLITE_ERROR : SQLITE_ROW;
    int status = 0;

    while (status == 0 && (code = list == NULL ? SQLITE_ERROR : sqlite3_step(list)) == SQLITE_ROW) {
        const int64_t text = sqlite3_column_int64(list, 0);
        const int64_t prompt = sqlite3_column_int64(list, 1);
        sqlite3_stmt *move = store_statement(store, STORE_SQL_rule_move);

        (void)sqlite3_reset(list);
        if (move != NULL) {
            (void)sqlite3_bind_int64(move, 1, text);
            (void)sqlite3_bind_int64(move, 2, prompt);
        }
        status = store_run(store, move, doing);
        if (status == 0)
            status = drop(store, (uint64_t)text, "");
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, doing);
    if (list != NULL)
        (void)sqlite3_reset(list);
    return status;
}

/* ---- reading ---- */

int store_rules(struct store *store, int (*each)(void *context, const struct store_rule *rule), void *context)
{
    sqlite3_stmt *list = store_statement(store, STORE_SQL_rule_all);
    int status = list == NULL ? store_sqlite_failed(store, "reading prompts") : 0;
    int code = SQLITE_DONE;

    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        struct store_rule rule = {.prompt = (uint64_t)sqlite3_column_int64(list, 0),
                                  .into = (uint64_t)sqlite3_column_int64(list, 3),
                                  .said_ns = (uint64_t)sqlite3_column_int64(list, 4)};
        size_t bytes;

        status = store_column_text(list, 1, &rule.part, &bytes);
        if (status == 0)
            status = store_column_text(list, 2, &rule.name, &bytes);
        rule.part = rule.part == NULL ? "" : rule.part;
        status = status == 0 ? each(context, &rule) : status;
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "reading prompts");
    if (list != NULL)
        (void)sqlite3_reset(list);
    return status;
}

int store_prompts_moved(struct store *store, int (*each)(void *context, uint64_t prompt, uint64_t now, bool said),
                        void *context)
{
    sqlite3_stmt *list = store_statement(store, STORE_SQL_prompts_moved);
    int status = list == NULL ? store_sqlite_failed(store, "reading prompts") : store_prompts_look(store);
    int code = SQLITE_DONE;

    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        const uint64_t prompt = (uint64_t)sqlite3_column_int64(list, 0);
        uint64_t now = 0;

        status = store_prompts_trim(store);
        if (status == 0)
            status = shown(store, prompt, &now);
        if (status >= 0)
            status = now != prompt ? each(context, prompt, now, sqlite3_column_int64(list, 1) != 0) : 0;
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "reading prompts");
    if (list != NULL)
        (void)sqlite3_reset(list);
    return status;
}

int store_prompt_shown(struct store *store, uint64_t id, uint64_t *ret_prompt)
{
    int status = store_prompts_look(store);

    return status == 0 ? shown(store, id, ret_prompt) : status;
}
