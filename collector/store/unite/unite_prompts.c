/*
 * Uniting stores: texts of instructions, the templates that were learned of them, and what people
 * said. Texts and templates come before any block, as calls are counted by their texts; templates
 * of both stores that are one become one by an alias, so that no call has to be rewritten but those
 * of a version that the other store has given to something else.
 *
 * Called by unite.c; one transaction each.
 */
#include "unite_inner.h"

#include <stdlib.h>
#include <string.h>

#include "../../prompts/learned.h"

enum { TEXTS_A_STEP = 4096 };

/* ---- versions ---- */

uint32_t unite_version(const struct unite *unite, uint64_t prompt, uint32_t version)
{
    for (size_t i = 0; i < unite->n_renumbered; i++)
        if (unite->renumbered[i].prompt == prompt && unite->renumbered[i].from == version)
            return unite->renumbered[i].to;
    return version;
}

static int renumber(struct unite *unite, uint64_t prompt, uint32_t from, uint32_t to)
{
    struct unite_renumbered *grown = realloc(unite->renumbered, (unite->n_renumbered + 1) * sizeof(*grown));

    if (grown == NULL)
        return store_because(STORE_FAILED, "no memory");
    unite->renumbered = grown;
    unite->renumbered[unite->n_renumbered++] = (struct unite_renumbered){prompt, from, to};
    return 0;
}

/* ---- templates ---- */

/* Whether both say the same of their texts; how many texts there were does not count. */
static bool same_template(const struct miner_template *a, const struct miner_template *b)
{
    return a->scope == b->scope && a->setup == b->setup && a->words == b->words && a->lines == b->lines &&
           a->alias == b->alias && a->alias_version == b->alias_version &&
           memcmp(a->word, b->word, a->words * sizeof(a->word[0])) == 0 &&
           memcmp(a->line, b->line, a->lines * sizeof(a->line[0])) == 0;
}

/* What the store that is written knows of a prompt: whether it has the version, whether it has the
 * template under some number, and the highest number. */
struct known {
    bool has_version, has_template;
    uint32_t same, highest;
    uint64_t alias; /* what the version turned out to be */
};

static int look_up(struct unite *unite, const struct miner_template *template, struct known *ret_known)
{
    sqlite3_stmt *list = store_statement(unite->into, STORE_SQL_template_of);
    struct miner_template other;
    int status = 0;
    int code = SQLITE_DONE;

    *ret_known = (struct known){0};
    if (list == NULL)
        return store_sqlite_failed(unite->into, "reading prompts");
    (void)sqlite3_bind_int64(list, 1, (int64_t) template->prompt);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        status = store_template_row(&other, list);
        if (status == STORE_DAMAGED) {
            status = 0;
            continue;
        }
        if (other.version == template->version) {
            ret_known->has_version = true;
            ret_known->alias = other.alias;
        }
        if (same_template(&other, template)) {
            ret_known->has_template = true;
            ret_known->same = other.version;
        }
        ret_known->highest = other.version > ret_known->highest ? other.version : ret_known->highest;
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->into, "reading prompts");
    (void)sqlite3_reset(list);
    return status;
}

/* The highest number that the store that is read has given of a prompt. */
static int highest_there(struct unite *unite, uint64_t prompt, uint32_t *highest)
{
    sqlite3_stmt *ask = NULL;
    int status =
        unite_prepare(unite->from, "SELECT coalesce(max(version),0) FROM prompt_template WHERE prompt=?1", &ask);

    if (status != 0)
        return status;
    (void)sqlite3_bind_int64(ask, 1, (int64_t)prompt);
    if (sqlite3_step(ask) != SQLITE_ROW)
        status = store_sqlite_failed(unite->from, "reading prompts");
    else if (sqlite3_column_int64(ask, 0) > *highest)
        *highest = (uint32_t)sqlite3_column_int64(ask, 0);
    (void)sqlite3_finalize(ask);
    return status;
}

/* What the version looks like, where that is not known here. */
static int take_shape(struct unite *unite, uint64_t prompt, uint32_t there, uint32_t here)
{
    sqlite3_stmt *get = NULL;
    sqlite3_stmt *put = NULL;
    int status =
        unite_prepare(unite->from, "SELECT data,preview FROM prompt_shape WHERE prompt=?1 AND version=?2", &get);
    int code = SQLITE_DONE;

    if (status == 0)
        status = unite_prepare(
            unite->into, "INSERT OR IGNORE INTO prompt_shape(prompt,version,data,preview) VALUES(?1,?2,?3,?4)", &put);
    if (status == 0) {
        (void)sqlite3_bind_int64(get, 1, (int64_t)prompt);
        (void)sqlite3_bind_int64(get, 2, there);
        code = sqlite3_step(get);
    }
    if (code == SQLITE_ROW) {
        (void)sqlite3_bind_int64(put, 1, (int64_t)prompt);
        (void)sqlite3_bind_int64(put, 2, here);
        (void)sqlite3_bind_value(put, 3, sqlite3_column_value(get, 0));
        (void)sqlite3_bind_value(put, 4, sqlite3_column_value(get, 1));
        status = sqlite3_step(put) == SQLITE_DONE ? 0 : store_sqlite_failed(unite->into, "storing a prompt");
    } else if (status == 0 && code != SQLITE_DONE) {
        status = store_sqlite_failed(unite->from, "reading prompts");
    }
    (void)sqlite3_finalize(get);
    (void)sqlite3_finalize(put);
    return status;
}

/* The next number that neither store has given of the prompt. */
static int take_number(struct unite *unite, struct miner_template *template, struct known *known)
{
    int status = highest_there(unite, template->prompt, &known->highest);

    if (status == 0 && known->highest < UINT32_MAX)
        status = renumber(unite, template->prompt, template->version, known->highest + 1);
    template->version = known->highest + 1;
    return status;
}

/* A version that is one of the other store's: its calls are shown so, by an alias, or come with
 * that number where the number that they have means something else here. */
static int take_same(struct unite *unite, struct miner_template *template, const struct unite_match *match,
                     struct known *known, struct span_buffer *data)
{
    int status = 0;

    unite->told->prompts_both++;
    if (match->prompt == template->prompt && match->version == template->version)
        return 0;
    if (match->prompt == template->prompt && known->has_version)
        return renumber(unite, template->prompt, template->version, match->version);
    if (known->has_version && known->alias == match->prompt)
        return 0; /* from an earlier time */
    unite->told->unified += match->prompt != template->prompt;
    if (known->has_version)
        status = take_number(unite, template, known);
    template->alias = match->prompt;
    template->alias_version = match->version;
    return status == 0 ? store_template_put(unite->into, template, data) : status;
}

static int take_template(struct unite *unite, struct miner_template *template, struct span_buffer *data)
{
    const uint32_t there = template->version;
    struct unite_match match = {0};
    struct known known;
    int status = look_up(unite, template, &known);

    if (status == 0 && !known.has_template && template->alias == 0)
        status = unite_template_find(unite, template, &match);
    if (status != 0)
        return status;
    if (match.shared > 0)
        return take_same(unite, template, &match, &known, data);
    unite->told->prompts_both += known.has_version || known.has_template;
    if (known.has_template)
        return known.same == template->version ? 0 : renumber(unite, template->prompt, template->version, known.same);
    if (template->alias != 0)
        template->alias_version = unite_version(
            unite, template->alias, template->alias_version != 0 ? template->alias_version : template->version);
    if (known.has_version)
        status = take_number(unite, template, &known);
    if (status == 0)
        status = take_shape(unite, template->prompt, there, template->version);
    return status == 0 ? store_template_put(unite->into, template, data) : status;
}

/* Those that stay; others are made anew from their texts. */
static int take_templates(struct unite *unite)
{
    struct miner_template template;
    struct span_buffer data;
    sqlite3_stmt *list = NULL;
    int status = unite_prepare(unite->from,
                               "SELECT prompt,version,scope,setup,texts,data,first_ns,last_ns,alias,settled,"
                               "alias_version FROM prompt_template WHERE settled=1 ORDER BY alias<>0,prompt,version",
                               &list);
    int code = SQLITE_DONE;

    span_buffer_init(&data, 1 << 20);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        status = store_template_row(&template, list);
        unite->told->prompts_there++;
        if (status == 0)
            status = take_template(unite, &template, &data);
        else if (status == STORE_DAMAGED)
            status = 0; /* `check` of that store says so */
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->from, "reading prompts");
    (void)sqlite3_finalize(list);
    span_buffer_done(&data);
    return status;
}

/* ---- texts ---- */

static int run(struct unite *unite, sqlite3_stmt *statement)
{
    const int code = sqlite3_step(statement);
    const int status =
        code == SQLITE_DONE || code == SQLITE_ROW ? 0 : store_sqlite_failed(unite->into, "storing a text");

    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return status;
}

struct texts {
    sqlite3_stmt *list, *put, *settle, *open;
};

static int prepare_texts(struct unite *unite, struct texts *texts)
{
    const struct {
        struct store *store;
        const char *sql;
        sqlite3_stmt **statement;
    } all[] = {
        {unite->from,
         "SELECT t.n,t.id,t.setup,t.done,t.prompt,t.version,t.calls,t.first_ns,t.last_ns,o.features,o.preview FROM "
         "prompt_text t "
         "LEFT JOIN prompt_open o ON o.text=t.n WHERE t.n>?1 AND (t.done=1 OR o.features IS NOT NULL) ORDER BY t.n "
         "LIMIT ?2",
         &texts->list},
        /* Its calls are counted as they come; of those that were merged it is only kept that they
         * were many. */
        {unite->into,
         "INSERT INTO prompt_text(id,setup,done,prompt,version,calls,first_ns,last_ns) VALUES(?1,?2,?3,?4,?5,?6,?7,?8) "
         "ON CONFLICT(id,setup) DO UPDATE SET calls=max(calls,excluded.calls), "
         "first_ns=min(first_ns,excluded.first_ns), last_ns=max(last_ns,excluded.last_ns)",
         &texts->put},
        {unite->into, "UPDATE prompt_text SET done=1, prompt=?3, version=?4 WHERE id=?1 AND setup=?2 AND done=0",
         &texts->settle},
        {unite->into,
         "INSERT OR IGNORE INTO prompt_open(text,features,preview) SELECT n,?3,?4 FROM prompt_text WHERE id=?1 AND "
         "setup=?2 AND "
         "done=0",
         &texts->open}};
    int status = 0;

    for (size_t i = 0; status == 0 && i < sizeof(all) / sizeof(all[0]); i++)
        status = unite_prepare(all[i].store, all[i].sql, all[i].statement);
    return status;
}

/* What is open here and done there is done. */
static int settle_text(struct unite *unite, const struct texts *texts, int64_t prompt, int64_t version)
{
    sqlite3_stmt *drop = NULL;
    int status;

    for (int i = 0; i < 2; i++)
        (void)sqlite3_bind_int64(texts->settle, i + 1, sqlite3_column_int64(texts->list, i + 1));
    (void)sqlite3_bind_int64(texts->settle, 3, prompt);
    (void)sqlite3_bind_int64(texts->settle, 4, version);
    status = run(unite, texts->settle);
    if (status == 0 && sqlite3_changes(unite->into->db) > 0) {
        status = unite_prepare(unite->into,
                               "DELETE FROM prompt_open WHERE text IN (SELECT n FROM prompt_text WHERE "
                               "id=?1 AND setup=?2)",
                               &drop);
        if (status == 0) {
            for (int i = 0; i < 2; i++)
                (void)sqlite3_bind_int64(drop, i + 1, sqlite3_column_int64(texts->list, i + 1));
            status = run(unite, drop);
        }
        (void)sqlite3_finalize(drop);
    }
    return status;
}

static int open_text(struct unite *unite, const struct texts *texts)
{
    const uint8_t *features;
    size_t bytes;
    int status = store_column_blob(texts->list, 9, &features, &bytes);

    if (status != 0 || features == NULL)
        return status;
    for (int i = 0; i < 2; i++)
        (void)sqlite3_bind_int64(texts->open, i + 1, sqlite3_column_int64(texts->list, i + 1));
    (void)sqlite3_bind_blob64(texts->open, 3, features, bytes, SQLITE_STATIC);
    (void)sqlite3_bind_value(texts->open, 4, sqlite3_column_value(texts->list, 10));
    return run(unite, texts->open);
}

static int take_text(struct unite *unite, const struct texts *texts)
{
    sqlite3_stmt *row = texts->list;
    const bool done = sqlite3_column_int64(row, 3) != 0 && sqlite3_column_type(row, 4) != SQLITE_NULL;
    const int64_t prompt = sqlite3_column_int64(row, 4);
    const int64_t version = unite_version(unite, (uint64_t)prompt, (uint32_t)sqlite3_column_int64(row, 5));
    const bool recurs = sqlite3_column_int64(row, 6) >= STORE_RECURS;
    int status;

    for (int i = 0; i < 2; i++)
        (void)sqlite3_bind_int64(texts->put, i + 1, sqlite3_column_int64(row, i + 1));
    (void)sqlite3_bind_int64(texts->put, 3, done);
    if (done) {
        (void)sqlite3_bind_int64(texts->put, 4, prompt);
        (void)sqlite3_bind_int64(texts->put, 5, version);
    }
    (void)sqlite3_bind_int64(texts->put, 6, done && recurs ? STORE_RECURS : 0);
    (void)sqlite3_bind_int64(texts->put, 7, sqlite3_column_int64(row, 7));
    (void)sqlite3_bind_int64(texts->put, 8, sqlite3_column_int64(row, 8));
    status = run(unite, texts->put);
    if (status == 0)
        status = done ? settle_text(unite, texts, prompt, version) : open_text(unite, texts);
    unite->into->prompts.any = unite->into->prompts.open = true;
    return status;
}

/* Some texts after `*after`; *ret_more tells whether others may follow. */
static int take_texts(struct unite *unite, const struct texts *texts, int64_t *after, bool *ret_more)
{
    int status = store_begin(unite->into);
    int code = SQLITE_DONE;
    size_t n = 0;

    if (status != 0)
        return status;
    (void)sqlite3_bind_int64(texts->list, 1, *after);
    (void)sqlite3_bind_int64(texts->list, 2, TEXTS_A_STEP);
    for (; status == 0 && (code = sqlite3_step(texts->list)) == SQLITE_ROW; n++) {
        *after = sqlite3_column_int64(texts->list, 0);
        status = take_text(unite, texts);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->from, "reading texts");
    (void)sqlite3_reset(texts->list);
    *ret_more = n == TEXTS_A_STEP;
    if (status == 0)
        return store_commit(unite->into);
    store_rollback(unite->into);
    return status;
}

int unite_prompts(struct unite *unite)
{
    struct texts texts = {0};
    uint64_t lessons = 0;
    int64_t after = -1;
    bool more = true;
    int status = store_begin(unite->into);

    if (status != 0)
        return status;
    status = unite_templates_begin(unite);
    if (status == 0)
        status = take_templates(unite);
    unite_templates_end(unite);
    if (status == 0) /* who learns meanwhile begins anew */
        status = store_lessons(unite->into, &lessons);
    if (status == 0)
        status = store_lessons_put(unite->into, lessons + 1);
    if (status == 0)
        status = store_commit(unite->into);
    else
        store_rollback(unite->into);
    if (status == 0)
        status = prepare_texts(unite, &texts);
    while (status == 0 && more)
        status = take_texts(unite, &texts, &after, &more);
    (void)sqlite3_finalize(texts.list);
    (void)sqlite3_finalize(texts.put);
    (void)sqlite3_finalize(texts.settle);
    (void)sqlite3_finalize(texts.open);
    return status == 0 ? store_prompts_look(unite->into) : status;
}

/* ---- what people said ---- */

/* A word of the other store that is the later one. */
static int is_older(struct unite *unite, const struct store_rule *rule)
{
    sqlite3_stmt *ask = NULL;
    int status =
        unite_prepare(unite->into, "SELECT 1 FROM prompt_rule WHERE prompt=?1 AND part=?2 AND said_ns>?3", &ask);

    if (status != 0)
        return status;
    (void)sqlite3_bind_int64(ask, 1, (int64_t)rule->prompt);
    (void)sqlite3_bind_text(ask, 2, rule->part, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(ask, 3, store_int(rule->said_ns));
    unite->told->rules_older += sqlite3_step(ask) == SQLITE_ROW;
    (void)sqlite3_finalize(ask);
    return 0;
}

static int take_rule(void *context, const struct store_rule *rule)
{
    struct unite *unite = context;
    sqlite3_stmt *put = NULL;
    int status = unite_prepare(unite->into,
                               "INSERT INTO prompt_rule(prompt,part,name,into_prompt,said_ns) VALUES(?1,?2,?3,?4,?5) "
                               "ON CONFLICT(prompt,part) DO UPDATE SET name=coalesce(excluded.name,name), "
                               "into_prompt=coalesce(excluded.into_prompt,into_prompt), said_ns=excluded.said_ns WHERE "
                               "excluded.said_ns>said_ns",
                               &put);

    if (status != 0)
        return status;
    (void)sqlite3_bind_int64(put, 1, (int64_t)rule->prompt);
    (void)sqlite3_bind_text(put, 2, rule->part, -1, SQLITE_STATIC);
    if (rule->name != NULL)
        (void)sqlite3_bind_text(put, 3, rule->name, -1, SQLITE_STATIC);
    if (rule->into != 0)
        (void)sqlite3_bind_int64(put, 4, (int64_t)rule->into);
    (void)sqlite3_bind_int64(put, 5, store_int(rule->said_ns));
    status = run(unite, put);
    (void)sqlite3_finalize(put);
    if (status == 0 && sqlite3_changes(unite->into->db) > 0)
        unite->told->rules++;
    else if (status == 0)
        status = is_older(unite, rule);
    return status;
}

/* Where the words of both lead round in circles, the oldest of them does not count. */
static int break_circles(struct unite *unite)
{
    static const char sql[] =
        "WITH RECURSIVE way(start,at,n) AS (SELECT prompt,into_prompt,1 FROM prompt_rule WHERE part='' AND "
        "into_prompt<>prompt UNION SELECT start,r.into_prompt,n+1 FROM way JOIN prompt_rule r ON r.prompt=at WHERE "
        "r.part='' AND r.into_prompt<>r.prompt AND at<>start AND n<64) "
        "UPDATE prompt_rule SET into_prompt=NULL WHERE part='' AND prompt=(SELECT prompt FROM prompt_rule WHERE "
        "part='' AND prompt IN (SELECT start FROM way WHERE at=start) ORDER BY said_ns,prompt LIMIT 1)";
    int status = 0;

    do {
        if (sqlite3_exec(unite->into->db, sql, NULL, NULL, NULL) != SQLITE_OK)
            status = store_sqlite_failed(unite->into, "uniting what was said of prompts");
        else if (sqlite3_changes(unite->into->db) > 0)
            unite->told->rules_older++;
    } while (status == 0 && sqlite3_changes(unite->into->db) > 0);
    return status;
}

int unite_rules(struct unite *unite)
{
    int status = store_begin(unite->into);

    if (status != 0)
        return status;
    status = store_rules(unite->from, take_rule, unite);
    if (status == 0)
        status = break_circles(unite);
    if (status == 0)
        status = store_commit(unite->into);
    else
        store_rollback(unite->into);
    return status == 0 ? store_prompts_look(unite->into) : status;
}
