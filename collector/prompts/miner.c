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

#include "feature_set.h"
#include "miner_pool.h"
#include "miner_versions.h"

enum {
    LOOKED_AT = 16,       /* templates that are compared with a text */
    COMMONPLACE = 64,     /* templates with the same anchor: more are not looked at */
    MISSING_MAX = 1,      /* of a template's weight: a text that lacks more is perhaps a new version */
    SURE_PERCENT = 97,    /* of a template's texts have what stands in it */
    RELATED_MIN = 8,      /* weight that two versions share at least … */
    RELATED_PERCENT = 60, /* … and how much of the larger */
    RECURS = 3,
    SETTLED_TEXTS = 16,
    OWN_MIN = 2, /* weight that each of two versions has and the other lacks */
};

/* Of the index: a template by one of its anchors. */
struct entry {
    uint32_t anchor;
    uint32_t template;
    uint32_t next; /* with the same hash, 0: none; else an entry's number plus 1 */
};

struct miner {
    struct miner_template *template;
    struct feature_set *set; /* of each */
    size_t templates, templates_room;
    struct miner_text *text;
    size_t texts, texts_room;
    struct entry *entry;
    size_t entries, entries_room;
    uint32_t *first; /* by an anchor's hash: an entry's number plus 1 */
    size_t firsts;   /* a power of two */
    uint8_t *votes;  /* of each template, 0 between two looks */
    size_t votes_room;
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

/* Templates that share anchors with a set, those first that share most: at most LOOKED_AT of them.
 * An anchor that very many have ("You are a helpful assistant") tells nothing. Returns how many. */
static unsigned candidates(const struct miner *miner, const uint32_t *anchor, unsigned anchors,
                           uint32_t ret_template[LOOKED_AT])
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
        if (at == LOOKED_AT)
            continue;
        best += best < LOOKED_AT;
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
    uint32_t looked_at[LOOKED_AT];
    const unsigned count = candidates(miner, anchor, anchors, looked_at);
    int32_t best = MINER_NOT;
    int64_t best_value = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t shared, missing;
        feature_set_compare(&miner->set[looked_at[i]], set, &shared, &missing);
        const int64_t value = (int64_t)shared - 2 * (int64_t)missing;
        if (value > best_value && (missing <= MISSING_MAX || missing * 100 <= (shared + missing) * missing_percent)) {
            best_value = value;
            best = (int32_t)looked_at[i];
        }
    }
    return best;
}

static void joined(struct miner *miner, struct miner_text *text, int32_t number)
{
    struct miner_template *const learned = &miner->template[number];
    text->found = number;
    learned->texts++;
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
            joined(miner, &miner->text[i], found);
            miner->text[i].is_sure = missing_percent == 0;
        }
}

/* ---- new templates ---- */

/* The set of a class of a cluster: what nearly all have, of the text that has most of it. */
static const struct miner_text *describe(struct pool *pool, const unsigned *member, size_t members,
                                         const uint8_t *class, uint8_t wanted, struct feature_set *ret_common)
{
    enum { SAMPLE = 128, PIVOTS = 4 };
    const struct feature_set *set[SAMPLE];
    const struct miner_text *text[PIVOTS], *best = NULL;
    unsigned count = 0;
    for (size_t i = 0; i < members && count < SAMPLE; i++)
        if (class[i] == wanted) {
            if (count < PIVOTS)
                text[count] = pool_text(pool, member[i])->text;
            set[count++] = &pool_text(pool, member[i])->set;
        }
    for (unsigned i = 0; i < count && i < PIVOTS; i++) {
        struct feature_set common;
        feature_set_common(&common, set[i], set, count, SURE_PERCENT);
        if (best == NULL || common.weight > ret_common->weight) {
            *ret_common = common;
            best = text[i];
        }
    }
    return best;
}

/* The prompt that this is a version of, by what they share. */
static int32_t related(const struct miner *miner, const struct miner_template *made, const struct feature_set *set)
{
    uint32_t anchor[FEATURE_ANCHORS_MAX], looked_at[LOOKED_AT];
    const unsigned anchors = feature_template_anchors(made, anchor);
    const unsigned count = candidates(miner, anchor, anchors, looked_at);
    int32_t best = MINER_NOT;
    uint32_t best_shared = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct feature_set *const other = &miner->set[looked_at[i]];
        const uint32_t larger = other->weight > set->weight ? other->weight : set->weight;
        uint32_t shared, missing;
        feature_set_compare(other, set, &shared, &missing);
        if (shared >= RELATED_MIN && shared * 100 >= larger * RELATED_PERCENT && shared > best_shared) {
            best_shared = shared;
            best = (int32_t)looked_at[i];
        }
    }
    return best;
}

/* The text that was called first gives the prompt its id: under that it was shown. */
static const struct miner_text *earliest(struct pool *pool, const unsigned *member, size_t members,
                                         const uint8_t *class, uint8_t wanted)
{
    const struct miner_text *first = NULL;
    for (size_t i = 0; i < members; i++) {
        const struct miner_text *const text = pool_text(pool, member[i])->text;
        if (class[i] == wanted && (first == NULL || text->first_ns < first->first_ns))
            first = text;
    }
    return first;
}

/* Enough texts for what they share to be no accident, or texts that come again and again. */
static bool is_settled(struct pool *pool, const unsigned *member, size_t members, const uint8_t *class, uint8_t wanted)
{
    size_t texts = 0;
    bool all_recur = true;
    for (size_t i = 0; i < members; i++)
        if (class[i] == wanted) {
            texts++;
            all_recur = all_recur && pool_text(pool, member[i])->text->calls >= RECURS;
        }
    return texts >= SETTLED_TEXTS || all_recur;
}

/* Both have something that the other has not; what a template has from too few texts it loses. */
static bool is_version(const struct feature_set *older, const struct feature_set *newer)
{
    struct feature_set old_own, new_own;
    feature_set_beyond(&old_own, older, newer);
    feature_set_beyond(&new_own, newer, older);
    return old_own.weight >= OWN_MIN && new_own.weight >= OWN_MIN &&
           (feature_set_is_edit(&old_own) || feature_set_is_edit(&new_own));
}

static void shrink(struct miner *miner, size_t number, const struct feature_set *to)
{
    struct feature_set kept = {0};
    for (unsigned i = 0; i < miner->set[number].count; i++)
        if (feature_set_may_have(to, miner->set[number].feature[i]))
            feature_set_add(&kept, miner->set[number].feature[i]);
    if (kept.weight < RELATED_MIN)
        return;
    feature_template_cut(&miner->template[number], &kept);
    feature_set_of_template(&miner->set[number], &miner->template[number]);
}

/* `before`: how many templates there were before this cluster, whose classes are versions of each
 * other. */
static int make_template(struct miner *miner, struct pool *pool, const unsigned *member, size_t members,
                         const uint8_t *class, uint8_t wanted, size_t before)
{
    struct miner_template made = {0};
    struct feature_set common = {0};
    const struct miner_text *const pivot = describe(pool, member, members, class, wanted, &common);
    feature_template_of(&made, &pivot->features, &common);
    const int32_t older = related(miner, &made, &common);
    int32_t number = older;
    made.settled = is_settled(pool, member, members, class, wanted);
    if (older != MINER_NOT && (size_t)older < before && !is_version(&miner->set[older], &common)) {
        shrink(miner, (size_t)older, &common);
        miner->template[older].settled = miner->template[older].settled || made.settled;
    } else {
        made.prompt =
            older != MINER_NOT ? miner->template[older].prompt : earliest(pool, member, members, class, wanted)->id;
        if (miner_know(miner, &made))
            return -1;
        number = (int32_t)miner->templates - 1;
    }
    for (size_t i = 0; i < members; i++)
        if (class[i] == wanted) {
            struct miner_text *const text = &miner->text[pool_text(pool, member[i])->text - miner->text];
            joined(miner, text, number);
            text->is_sure = true;
        }
    return 0;
}

/* Classes in the order in which they were called first. */
static void in_order(struct pool *pool, const unsigned *member, size_t members, const uint8_t *class, unsigned classes,
                     uint8_t *ret_order)
{
    for (unsigned i = 0; i < classes; i++) {
        const uint64_t first = earliest(pool, member, members, class, (uint8_t)i)->first_ns;
        unsigned at = i;
        for (; at > 0 && earliest(pool, member, members, class, ret_order[at - 1])->first_ns > first; at--)
            ret_order[at] = ret_order[at - 1];
        ret_order[at] = (uint8_t)i;
    }
}

static int make_templates(struct miner *miner, struct pool *pool)
{
    const unsigned *member;
    struct feature_set common;
    size_t members;
    int status = 0;
    while (status == 0 && (members = pool_next(pool, &member, &common)) > 0) {
        uint8_t *const class = malloc(members);
        uint8_t order[VERSIONS_MAX];
        const int classes = class != NULL ? versions_of(pool, member, members, &common, class) : -1;
        if (classes > 0)
            in_order(pool, member, members, class, (unsigned)classes, order);
        status = classes > 0 ? 0 : -1;
        const size_t before = miner->templates;
        for (int i = 0; i < classes && status == 0; i++)
            status = make_template(miner, pool, member, members, class, order[i], before);
        free(class);
    }
    return status;
}

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
    const int status = pool != NULL ? make_templates(miner, pool) : -1;
    pool_free(pool);
    free(left);
    if (status == 0) {
        join_known(miner, LOOSELY);
        number_versions(miner, known);
    }
    return status;
}
