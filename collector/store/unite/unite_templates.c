/*
 * Uniting stores: which templates of the store that is read are ones of the other store. Hosts that
 * hash with one key learn the same of the same texts, but for what varied on one of them alone: so
 * two templates are one where what one of them has beyond the other is no edit, not even of a word.
 *
 * Called by unite_prompts.c. Memory: about 70 bytes a template of the store that is written; the
 * templates themselves are read as they are asked for.
 */
#include "unite_inner.h"

#include "../../prompts/template_index.h"

enum { SHARED_PERCENT = 70 }; /* of the smaller one, at least */

int unite_templates_begin(struct unite *unite)
{
    sqlite3_stmt *list = store_statement(unite->into, STORE_SQL_template_all);
    struct miner_template template;
    struct feature_set set;
    int status = 0;
    int code = SQLITE_DONE;

    unite->index = template_index_new();
    if (unite->index == NULL)
        return store_because(STORE_FAILED, "no memory");
    if (list == NULL)
        return store_sqlite_failed(unite->into, "reading prompts");
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        status = store_template_row(&template, list);
        if (status != 0 || !template.settled || template.alias != 0) {
            status = status == STORE_DAMAGED ? 0 : status;
            continue;
        }
        unite->told->prompts_here++;
        feature_set_of_template(&set, &template);
        if (template_index_add(unite->index, template.prompt, &set) != 0)
            status = store_because(STORE_FAILED, "no memory");
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->into, "reading prompts");
    (void)sqlite3_reset(list);
    return status;
}

void unite_templates_end(struct unite *unite)
{
    template_index_free(unite->index);
    unite->index = NULL;
}

/* Weight of what both have, where they are one; 0: they are not. */
static uint32_t same(const struct miner_template *a, const struct feature_set *of_a, const struct miner_template *b)
{
    struct feature_set of_b;
    struct feature_set own_a;
    struct feature_set own_b;
    uint32_t shared;
    uint32_t missing;

    if (a->scope != b->scope || a->setup != b->setup || b->alias != 0 || !b->settled)
        return 0;
    feature_set_of_template(&of_b, b);
    feature_set_compare(of_a, &of_b, &shared, &missing);
    feature_set_beyond(&own_a, of_a, &of_b);
    feature_set_beyond(&own_b, &of_b, of_a);
    const uint32_t smaller = of_a->weight < of_b.weight ? of_a->weight : of_b.weight;
    const bool is_edit = feature_set_is_edit(&own_a) && feature_set_is_edit(&own_b);

    if (is_edit || (uint64_t)shared * 100 < (uint64_t)smaller * SHARED_PERCENT || feature_template_words_differ(a, b))
        return 0;
    return shared;
}

static int best_of(struct unite *unite, uint64_t prompt, const struct miner_template *template,
                   const struct feature_set *set, struct unite_match *match)
{
    sqlite3_stmt *list = store_statement(unite->into, STORE_SQL_template_of);
    struct miner_template other;
    int status = 0;
    int code = SQLITE_DONE;

    if (list == NULL)
        return store_sqlite_failed(unite->into, "reading prompts");
    (void)sqlite3_bind_int64(list, 1, (int64_t)prompt);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        status = store_template_row(&other, list);
        const uint32_t shared = status == 0 ? same(template, set, &other) : 0;

        /* Its own prompt and version before others that are as like. */
        if (shared > match->shared ||
            (shared > 0 && shared == match->shared && prompt == template->prompt && other.version == template->version))
            *match = (struct unite_match){prompt, other.version, shared};
        status = status == STORE_DAMAGED ? 0 : status;
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->into, "reading prompts");
    (void)sqlite3_reset(list);
    return status;
}

int unite_template_find(struct unite *unite, const struct miner_template *template, struct unite_match *ret_match)
{
    uint64_t prompt[TEMPLATE_INDEX_FOUND];
    struct feature_set set;
    int status;

    *ret_match = (struct unite_match){0};
    feature_set_of_template(&set, template);
    status = best_of(unite, template->prompt, template, &set, ret_match);
    const unsigned n = template_index_find(unite->index, &set, prompt);
    for (unsigned i = 0; status == 0 && i < n; i++)
        if (prompt[i] != template->prompt)
            status = best_of(unite, prompt[i], template, &set, ret_match);
    return status;
}
