/*
 * Learning prompts, see miner.h: texts join what is known; those left over make clusters
 * (miner_pool.c), a cluster falls into versions (miner_versions.c), and a new template that is
 * mostly one that is known is its next version.
 *
 * The collector's thread. Pure but for memory.
 */
#include "miner.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "miner_inner.h"
#include "miner_pool.h"

enum {
    COMMONPLACE = 64, /* templates with the same anchor: more are not looked at */
};

struct miner *miner_new(void)
{
    return calloc(1, sizeof(struct miner));
}

void miner_free(struct miner *miner)
{
    if (miner == NULL)
        return;
    free(miner->template);
    free(miner->set);
    free(miner->text);
    free(miner->entry);
    free(miner->first);
    free(miner->votes);
    free(miner);
}

static int make_room(void **rows, size_t *room, size_t wanted, size_t bytes)
{
    if (wanted <= *room)
        return 0;
    const size_t more = wanted + wanted / 2 + 64;
    void *const grown = realloc(*rows, more * bytes);
    if (grown == NULL)
        return -1;
    *rows = grown;
    *room = more;
    return 0;
}

static size_t slot_of(const struct miner *miner, uint32_t anchor)
{
    return (anchor * UINT32_C(2654435761) >> 2) & (miner->firsts - 1);
}

static void link_entry(struct miner *miner, size_t number)
{
    uint32_t *const first = &miner->first[slot_of(miner, miner->entry[number].anchor)];
    miner->entry[number].next = *first;
    *first = (uint32_t)number + 1;
}

static int make_index_room(struct miner *miner, size_t entries)
{
    if (make_room((void **)&miner->entry, &miner->entries_room, entries, sizeof(miner->entry[0])))
        return -1;
    if (entries <= miner->firsts)
        return 0;
    size_t firsts = miner->firsts ? miner->firsts : 1024;
    while (firsts < entries)
        firsts *= 2;
    uint32_t *const grown = calloc(firsts, sizeof(grown[0]));
    if (grown == NULL)
        return -1;
    free(miner->first);
    miner->first = grown;
    miner->firsts = firsts;
    for (size_t i = 0; i < miner->entries; i++)
        link_entry(miner, i);
    return 0;
}

int miner_know(struct miner *miner, const struct miner_template *known)
{
    uint32_t anchor[FEATURE_ANCHORS_MAX];
    const unsigned anchors = feature_template_anchors(known, anchor);
    size_t room = miner->templates_room;
    if (make_room((void **)&miner->set, &room, miner->templates + 1, sizeof(miner->set[0])) ||
        make_room((void **)&miner->template, &miner->templates_room, miner->templates + 1, sizeof(*known)) ||
        make_room((void **)&miner->votes, &miner->votes_room, miner->templates + 1, sizeof(miner->votes[0])) ||
        make_index_room(miner, miner->entries + anchors))
        return -1;
    for (unsigned i = 0; i < anchors; i++) {
        miner->entry[miner->entries] = (struct entry){.anchor = anchor[i], .template = (uint32_t)miner->templates};
        link_entry(miner, miner->entries++);
    }
    miner->votes[miner->templates] = 0;
    feature_set_of_template(&miner->set[miner->templates], known);
    miner->template[miner->templates++] = *known;
    return 0;
}

int miner_add(struct miner *miner, const struct miner_text *text)
{
    if (make_room((void **)&miner->text, &miner->texts_room, miner->texts + 1, sizeof(*text)))
        return -1;
    miner->text[miner->texts] = *text;
    miner->text[miner->texts].is_sure = false;
    miner->text[miner->texts++].found = MINER_NOT;
    return 0;
}

const struct miner_text *miner_texts(const struct miner *miner, size_t *ret_count)
{
    *ret_count = miner->texts;
    return miner->text;
}

const struct miner_template *miner_templates(const struct miner *miner, size_t *ret_count)
{
    *ret_count = miner->templates;
    return miner->template;
}

/* ---- texts and what is known ---- */

/* An anchor that very many have ("You are a helpful assistant") tells nothing. */
unsigned miner_candidates(const struct miner *miner, const uint32_t *anchor, unsigned anchors,
                          uint32_t ret_template[MINER_LOOKED_AT])
{
    uint32_t seen[FEATURE_ANCHORS_MAX * COMMONPLACE];
    unsigned count = 0, best = 0;
    for (unsigned i = 0; i < anchors; i++) {
        unsigned of_anchor = 0;
        for (uint32_t at = miner->firsts ? miner->first[slot_of(miner, anchor[i])] : 0; at;
             at = miner->entry[at - 1].next) {
            const struct entry *const entry = &miner->entry[at - 1];
            if (entry->anchor != anchor[i])
                continue;
            if (of_anchor++ == COMMONPLACE)
                break;
            if (miner->votes[entry->template] == 0)
                seen[count++] = entry->template;
            if (miner->votes[entry->template] < UINT8_MAX)
                miner->votes[entry->template]++;
        }
    }
    for (unsigned i = 0; i < count; i++) {
        const uint8_t votes = miner->votes[seen[i]];
        unsigned at = best;
        while (at > 0 && (miner->votes[ret_template[at - 1]] < votes ||
                          (miner->votes[ret_template[at - 1]] == votes && ret_template[at - 1] > seen[i])))
            at--;
        if (at == MINER_LOOKED_AT)
            continue;
        best += best < MINER_LOOKED_AT;
        memmove(ret_template + at + 1, ret_template + at, (best - at - 1) * sizeof(ret_template[0]));
        ret_template[at] = seen[i];
    }
    for (unsigned i = 0; i < count; i++)
        miner->votes[seen[i]] = 0;
    return best;
}

/* The best of the templates that have an anchor of this set: all that they share counts, what the
 * set lacks counts twice. MINER_NOT where each lacks more than is allowed. */
static int32_t best_known(const struct miner *miner, const uint32_t *anchor, unsigned anchors,
                          const struct feature_set *set, uint32_t missing_percent)
{
    uint32_t looked_at[MINER_LOOKED_AT];
    const unsigned count = miner_candidates(miner, anchor, anchors, looked_at);
    int32_t best = MINER_NOT;
    int64_t best_value = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t shared, missing;
        feature_set_compare(&miner->set[looked_at[i]], set, &shared, &missing);
        const int64_t value = (int64_t)shared - 2 * (int64_t)missing;
        if (value > best_value && feature_set_is_telling(&miner->set[looked_at[i]], set) &&
            missing * 100 <= (shared + missing) * missing_percent) {
            best_value = value;
            best = (int32_t)looked_at[i];
        }
    }
    return best;
}

/* A text that may yet turn out to be a new version says nothing of when this one was called. */
void miner_joined(struct miner *miner, struct miner_text *text, int32_t number, bool is_sure)
{
    struct miner_template *const learned = &miner->template[number];
    text->found = number;
    text->is_sure = is_sure;
    learned->texts++;
    if (!is_sure)
        return;
    if (!learned->first_ns || text->first_ns < learned->first_ns)
        learned->first_ns = text->first_ns;
    if (text->last_ns > learned->last_ns)
        learned->last_ns = text->last_ns;
}

static void join_known(struct miner *miner, uint32_t missing_percent)
{
    if (miner->entries > 0)
        for (size_t i = 0; i < miner->texts; i++) {
            struct feature_set set;
            uint32_t anchor[FEATURE_ANCHORS_MAX];
            if (miner->text[i].found != MINER_NOT)
                continue;
            feature_set_of_text(&set, &miner->text[i].features);
            const unsigned anchors = feature_anchors(&miner->text[i].features, anchor);
            const int32_t found = best_known(miner, anchor, anchors, &set, missing_percent);
            if (found == MINER_NOT)
                continue;
            miner_joined(miner, &miner->text[i], found, missing_percent == 0);
        }
}

/* ---- all of it ---- */

static bool is_used(const struct miner *miner, size_t templates, uint64_t prompt, uint32_t version)
{
    for (size_t i = 0; i < templates; i++)
        if (miner->template[i].prompt == prompt && miner->template[i].version == version)
            return true;
    return false;
}

/* New versions are numbered in the order of their first calls, each by the lowest number that no
 * known version has. */
static void number_versions(struct miner *miner, size_t known)
{
    for (size_t i = known; i < miner->templates; i++) {
        struct miner_template *const one = &miner->template[i];
        uint32_t before = 0, version = 0;
        for (size_t k = known; k < miner->templates; k++)
            before += miner->template[k].prompt == one->prompt && miner->template[k].first_ns < one->first_ns;
        do
            version++;
        while (is_used(miner, known, one->prompt, version) || before-- > 0);
        one->version = version;
    }
}

/* Templates have other numbers now; there are no more of them than before. */
static void index_again(struct miner *miner)
{
    miner->entries = 0;
    memset(miner->first, 0, miner->firsts * sizeof(miner->first[0]));
    for (size_t i = 0; i < miner->templates; i++) {
        uint32_t anchor[FEATURE_ANCHORS_MAX];
        const unsigned anchors = feature_template_anchors(&miner->template[i], anchor);
        for (unsigned k = 0; k < anchors && miner->entries < miner->entries_room; k++) {
            miner->entry[miner->entries] = (struct entry){.anchor = anchor[k], .template = (uint32_t)i};
            link_entry(miner, miner->entries++);
        }
    }
}

/* New templates that turned out to be others are none; of known ones it is kept what they are. */
static void drop_united(struct miner *miner, size_t known)
{
    size_t kept = known;
    for (size_t i = known; i < miner->templates; i++) {
        if (miner->template[i].alias)
            continue;
        for (size_t k = 0; k < miner->texts; k++)
            if (miner->text[k].found == (int32_t)i)
                miner->text[k].found = (int32_t)kept;
        miner->template[kept] = miner->template[i];
        miner->set[kept++] = miner->set[i];
    }
    if (kept == miner->templates)
        return;
    miner->templates = kept;
    index_again(miner);
}

int miner_run(struct miner *miner)
{
    enum { LOOSELY = 25 /* percent that a text may lack of a template when it makes none itself */ };
    const struct miner_text **const left = malloc((miner->texts + 1) * sizeof(struct miner_text *));
    const size_t known = miner->templates;
    size_t count = 0;
    if (left == NULL)
        return -1;
    join_known(miner, 0);
    for (size_t i = 0; i < miner->texts; i++)
        if (miner->text[i].found == MINER_NOT && miner->text[i].features.heads)
            left[count++] = &miner->text[i];
    struct pool *const pool = pool_new(left, count);
    const int status = pool != NULL ? miner_make_templates(miner, pool) : -1;
    pool_free(pool);
    free(left);
    if (status == 0) {
        drop_united(miner, known);
        join_known(miner, LOOSELY);
        number_versions(miner, known);
    }
    return status;
}
