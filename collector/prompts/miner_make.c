/*
 * New templates, see miner.c: a cluster of texts falls into classes (miner_versions.c), each of
 * which is a new template, a new version of one that is known, or shows that what stands in a known
 * one varies. Where that is not told yet by the times of the calls, nothing is decided.
 *
 * The collector's thread. Pure but for memory.
 */
#include "miner_inner.h"

#include <stdlib.h>

#include "miner_times.h"
#include "miner_versions.h"

enum {
    SURE_PERCENT = 97,         /* of a template's texts have what stands in it */
    RELATED_MIN = 8,           /* weight that two versions share at least … */
    RELATED_PERCENT = 60,      /* … and how much of the larger */
    RELATED_RUNS_PERCENT = 50, /* of words, where one follows on the other, or … */
    CONTAINED_PERCENT = 75,    /* … of the one with fewer: a sentence more or less */
    RECURS = 3,
    SETTLED_TEXTS = 16,
    OWN_MIN = 2, /* weight that each of two versions has and the other lacks */
};

/* A class of a cluster: texts of one version. */
struct class
{
    const struct miner_text *const *text; /* by id */
    const struct feature_set *const *set; /* of each */
    size_t count;
    bool open;                      /* a change may have begun */
    const struct miner_text *first; /* the one that was called first */
    struct feature_set common;
};

/* What nearly all have, of the text that has most of it. */
static const struct miner_text *describe(struct class *class)
{
    enum { SAMPLE = 128, PIVOTS = 4 };
    const struct miner_text *best = NULL;
    const unsigned count = class->count < SAMPLE ? (unsigned)class->count : SAMPLE;
    for (unsigned i = 0; i < count && i < PIVOTS; i++) {
        struct feature_set common;
        feature_set_common(&common, class->set[i], class->set, count, SURE_PERCENT);
        if (best == NULL || common.weight > class->common.weight) {
            class->common = common;
            best = class->text[i];
        }
    }
    return best;
}

/* One ends where the other begins (but for calls under way meanwhile), whichever is known first. */
static bool in_succession(const struct class *class, const struct miner_template *other)
{
    uint64_t last_ns = 0;
    for (size_t i = 0; i < class->count; i++)
        last_ns = class->text[i]->last_ns > last_ns ? class->text[i]->last_ns : last_ns;
    const uint64_t meanwhile = (other->last_ns - other->first_ns) / 20;
    return other->last_ns < class->first->first_ns + meanwhile || last_ns < other->first_ns + meanwhile;
}

/* They share most words, though perhaps no line, and were never called at one time: the edit of a
 * sentence. */
static bool follows(const struct class *class, const struct miner_template *other, const struct feature_set *other_set)
{
    struct feature_set own;
    const unsigned a = feature_set_runs(other_set), b = feature_set_runs(&class->common);
    feature_set_beyond(&own, &class->common, other_set);
    const unsigned shared = b - feature_set_runs(&own);
    return shared >= RELATED_MIN && in_succession(class, other) &&
           (shared * 100 >= (a > b ? a : b) * RELATED_RUNS_PERCENT ||
            shared * 100 >= (a < b ? a : b) * CONTAINED_PERCENT);
}

/* The prompt that this is a version of, by what they share. */
static int32_t related(const struct miner *miner, const struct miner_template *made, const struct class *class)
{
    const struct feature_set *const set = &class->common;
    uint32_t anchor[FEATURE_ANCHORS_MAX], looked_at[MINER_LOOKED_AT];
    const unsigned anchors = feature_template_anchors(made, anchor);
    const unsigned count = miner_candidates(miner, anchor, anchors, looked_at);
    int32_t best = MINER_NOT;
    uint32_t best_shared = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct feature_set *const other = &miner->set[looked_at[i]];
        const uint32_t larger = other->weight > set->weight ? other->weight : set->weight;
        uint32_t shared, missing;
        feature_set_compare(other, set, &shared, &missing);
        if (shared > best_shared && ((shared >= RELATED_MIN && shared * 100 >= larger * RELATED_PERCENT) ||
                                     follows(class, &miner->template[looked_at[i]], other))) {
            best_shared = shared;
            best = (int32_t)looked_at[i];
        }
    }
    return best;
}

/* Enough texts for what they share to be no accident, or texts that come again and again. */
static bool is_settled(const struct class *class)
{
    bool all_recur = true;
    for (size_t i = 0; i < class->count; i++)
        all_recur = all_recur && class->text[i]->calls >= RECURS;
    return !class->open && (class->count >= SETTLED_TEXTS || all_recur);
}

/* Both have something that the other has not; what a template has from too few texts it loses. Of
 * tools alone the times tell. */
static bool is_version(const struct feature_set *older, const struct feature_set *newer)
{
    struct feature_set old_own, new_own;
    feature_set_beyond(&old_own, older, newer);
    feature_set_beyond(&new_own, newer, older);
    return old_own.weight >= OWN_MIN && new_own.weight >= OWN_MIN && !feature_set_is_setup(&old_own) &&
           (feature_set_is_edit(&old_own) || feature_set_is_edit(&new_own));
}

/* How likely chance alone lets the class begin so late, or the template end so early. */
static double chance_of(const struct miner_template *older, const struct class *class)
{
    /* Of its texts no more is known than that there were so many calls at least. */
    const uint64_t calls = older->texts < SETTLED_TEXTS ? RECURS * (uint64_t)older->texts : older->texts;
    const struct miner_text old = {.calls = calls, .first_ns = older->first_ns, .last_ns = older->last_ns};
    struct miner_times before = {.calls = times_weight(&old)}, now = {.first_ns = UINT64_MAX};
    for (size_t i = 0; i < class->count; i++) {
        const struct miner_text *const text = class->text[i];
        now.calls += times_weight(text);
        before.before += times_before(text, older->first_ns);
        before.after += times_weight(text) - times_before(text, older->last_ns + 1);
        now.first_ns = text->first_ns < now.first_ns ? text->first_ns : now.first_ns;
        now.last_ns = text->last_ns > now.last_ns ? text->last_ns : now.last_ns;
    }
    now.before = times_before(&old, now.first_ns);
    now.after = before.calls - times_before(&old, now.last_ns + 1);
    return times_chance(&before, &now);
}

static void shrink(struct miner *miner, int32_t number, const struct feature_set *to)
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

static bool are_nearly_equal(const struct feature_set *a, const struct feature_set *b)
{
    uint32_t shared, missing;
    feature_set_compare(a, b, &shared, &missing);
    return shared * 5 >= 4 * (a->weight > b->weight ? a->weight : b->weight);
}

/* Another version that differs from `number` in the same few words as the class does: there stand
 * three values. */
static int32_t same_place(const struct miner *miner, int32_t number, const struct feature_set *common)
{
    struct feature_set own, beside;
    feature_set_beyond(&own, &miner->set[number], common);
    if (own.weight < OWN_MIN || (feature_set_is_edit(&own) && !feature_set_is_setup(&own)))
        return MINER_NOT;
    for (size_t i = 0; i < miner->templates; i++)
        if ((int32_t)i != number && miner->template[i].prompt == miner->template[number].prompt &&
            miner->template[i].alias == 0) {
            feature_set_beyond(&beside, &miner->set[number], &miner->set[i]);
            if (are_nearly_equal(&own, &beside))
                return (int32_t)i;
        }
    return MINER_NOT;
}

/* Other tools, from some time on: so can they be edited again and again. */
static bool is_new_setup(const struct miner *miner, int32_t number, const struct class *class)
{
    struct feature_set own;
    feature_set_beyond(&own, &miner->set[number], &class->common);
    return feature_set_is_setup(&own) && chance_of(&miner->template[number], class) < TIMES_SURELY;
}

/* Two versions are one: values of a slot made them. The older number stays. */
static int32_t unite(struct miner *miner, int32_t a, int32_t b)
{
    const int32_t kept = a < b ? a : b, gone = a < b ? b : a;
    struct miner_template *const alias = &miner->template[gone], *const into = &miner->template[kept];
    shrink(miner, kept, &miner->set[gone]);
    into->texts += alias->texts;
    into->first_ns = alias->first_ns < into->first_ns ? alias->first_ns : into->first_ns;
    into->last_ns = alias->last_ns > into->last_ns ? alias->last_ns : into->last_ns;
    alias->alias = into->prompt;
    alias->alias_version = into->version;
    alias->words = alias->lines = 0;
    alias->setup = 0;
    feature_set_of_template(&miner->set[gone], alias);
    for (size_t i = 0; i < miner->texts; i++)
        if (miner->text[i].found == gone)
            miner->text[i].found = kept;
    return kept;
}

/* A new template, a version of `older` where there is one. -1: no memory. */
static int32_t make_new(struct miner *miner, struct miner_template *made, const struct class *class, int32_t older)
{
    made->prompt = older != MINER_NOT ? miner->template[older].prompt : class->first->id;
    made->settled = is_settled(class);
    return miner_know(miner, made) ? -1 : (int32_t)miner->templates - 1;
}

/* `before`: how many templates there were before this cluster, whose classes are versions of each
 * other. */
static int make_template(struct miner *miner, struct class *class, size_t before)
{
    struct miner_template made = {0};
    feature_template_of(&made, &describe(class)->features, &class->common);
    int32_t number = related(miner, &made, class);
    const int32_t beside = number != MINER_NOT ? same_place(miner, number, &class->common) : MINER_NOT;
    bool is_sure = true;
    if (beside != MINER_NOT && !is_new_setup(miner, number, class)) {
        number = unite(miner, number, beside);
        shrink(miner, number, &class->common);
    } else if (number == MINER_NOT || (size_t)number >= before || is_version(&miner->set[number], &class->common)) {
        number = make_new(miner, &made, class, number);
    } else {
        const double chance = chance_of(&miner->template[number], class);
        if (chance < TIMES_SURELY) {
            number = make_new(miner, &made, class, number);
        } else if (chance < TIMES_PERHAPS && class->count < VERSIONS_OPEN_TEXTS) {
            is_sure = false;
        } else {
            shrink(miner, number, &class->common);
            miner->template[number].settled = miner->template[number].settled || is_settled(class);
        }
    }
    for (size_t i = 0; i < class->count && number >= 0; i++)
        miner_joined(miner, &miner->text[class->text[i] - miner->text], number, is_sure);
    return number < 0 ? -1 : 0;
}

static void earliest(struct class *class)
{
    for (size_t i = 0; i < class->count; i++)
        if (class->first == NULL || class->text[i]->first_ns < class->first->first_ns)
            class->first = class->text[i];
}

static int by_first(const void *a, const void *b)
{
    const struct class *const x = a, *const y = b;
    if (x->first->first_ns != y->first->first_ns)
        return x->first->first_ns < y->first->first_ns ? -1 : 1;
    return x->first->id < y->first->id ? -1 : x->first->id > y->first->id;
}

/* Room for the texts and sets of all members, which classes share; NULL: no memory. */
struct room {
    const struct miner_text **text;
    const struct feature_set **set;
    uint8_t *class;
};

static bool room_for(struct room *room, size_t members)
{
    room->text = malloc(members * sizeof(const struct miner_text *));
    room->set = malloc(members * sizeof(const struct feature_set *));
    room->class = malloc(members);
    return room->text != NULL && room->set != NULL && room->class != NULL;
}

static void room_done(struct room *room)
{
    free(room->text);
    free(room->set);
    free(room->class);
}

static int make_of_cluster(struct miner *miner, struct pool *pool, const unsigned *member, size_t members,
                           const struct feature_set *common)
{
    struct room room;
    struct class class[VERSIONS_MAX] = {0};
    bool open[VERSIONS_MAX];
    const int classes = room_for(&room, members) ? versions_of(pool, member, members, common, room.class, open) : -1;
    int status = classes > 0 ? 0 : -1;
    size_t used = 0;
    for (int k = 0; k < classes; k++) {
        class[k].text = room.text + used;
        class[k].set = room.set + used;
        class[k].open = open[k];
        for (size_t i = 0; i < members; i++)
            if (room.class[i] == k) {
                room.text[used] = pool_text(pool, member[i])->text;
                room.set[used++] = &pool_text(pool, member[i])->set;
                class[k].count++;
            }
        earliest(&class[k]);
    }
    if (classes > 0)
        qsort(class, (size_t)classes, sizeof(class[0]), by_first);
    const size_t before = miner->templates;
    for (int k = 0; k < classes && status == 0; k++)
        status = make_template(miner, &class[k], before);
    room_done(&room);
    return status;
}

/* A text that comes again and again makes no prompt alone, but it may be a version of one that is a
 * few texts. */
static int make_of_one(struct miner *miner, const struct pool_text *one)
{
    enum { FEW_TEXTS = 2 };
    const struct feature_set *const set = &one->set;
    struct class class = {.text = &one->text, .set = &set, .count = 1, .first = one->text};
    struct miner_template made = {0};
    feature_template_of(&made, &describe(&class)->features, &class.common);
    const int32_t number = related(miner, &made, &class);
    if (number == MINER_NOT || miner->template[number].texts > FEW_TEXTS)
        return 0;
    return make_template(miner, &class, miner->templates);
}

int miner_make_templates(struct miner *miner, struct pool *pool)
{
    const unsigned *member;
    struct feature_set common;
    size_t members;
    int status = 0;
    while (status == 0 && (members = pool_next(pool, &member, &common)) > 0)
        status = make_of_cluster(miner, pool, member, members, &common);
    for (unsigned i = 0; status == 0 && i < pool_texts(pool); i++)
        if (!pool_text(pool, i)->taken && pool_text(pool, i)->text->calls >= RECURS)
            status = make_of_one(miner, pool_text(pool, i));
    return status;
}
