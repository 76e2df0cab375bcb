/*
 * Versions within a cluster, see miner_versions.h.
 *
 * An edit leaves texts with the old words and texts with the new ones: features that come and go
 * together (a group). Sections that are there or not, examples that are picked, values of a slot
 * make groups too, but these combine, where versions exclude each other: n groups of versions make
 * at most n + 1 kinds of texts. And each version has something that the others lack, be it that two
 * words stand side by side between which an edit put others; texts without a paragraph that many
 * have retrieved have nothing of their own. Short values (one word) are a slot's, not an edit.
 */
#include "miner_versions.h"

#include <stdlib.h>
#include <string.h>

enum {
    LOOKED_AT = 256, /* members that are compared; the others join the class that they are like */
    BITS = 64,
    GROUPS_SEEN = 256,
    GROUPS_MAX = VERSIONS_MAX - 1,
    GROUP_PERCENT = 15, /* of the calls, at least, have it, and as many have it not */
    LONGER_WORDS = 5,
    OWN_WEIGHT = 2, /* that a version has and the others lack */
    EDIT_RUNS = 8,
    CALLS_MIN = 3,
    CALLS_WEIGHED = 8,
};

struct group {
    uint64_t has[LOOKED_AT / BITS];
    struct feature_set features;
};

struct occurrence {
    uint32_t feature;
    uint32_t member;
};

struct look {
    struct pool *pool;
    const unsigned *member;
    unsigned count;  /* of them looked at */
    unsigned weight; /* of these */
    const struct feature_set *common;
    struct group group[GROUPS_SEEN];
    unsigned groups;
    uint8_t class_of[LOOKED_AT];
    unsigned classes;
    struct feature_set own[VERSIONS_MAX];
};

static const struct feature_set *set_of(const struct look *look, unsigned i)
{
    return &pool_text(look->pool, look->member[i])->set;
}

static int by_feature(const void *a, const void *b)
{
    const struct occurrence *const x = a, *const y = b;
    if (x->feature != y->feature)
        return x->feature < y->feature ? -1 : 1;
    return x->member < y->member ? -1 : x->member > y->member;
}

/* Nearly the same texts have both: one in twenty may differ. */
static bool go_together(const struct group *a, const struct group *b)
{
    int differ = 0, either = 0;
    for (unsigned i = 0; i < LOOKED_AT / BITS; i++) {
        differ += __builtin_popcountll(a->has[i] ^ b->has[i]);
        either += __builtin_popcountll(a->has[i] | b->has[i]);
    }
    return differ * 20 <= either;
}

/* A text that comes often weighs more, but not so much that it drowns the others. */
static unsigned text_weight(const struct look *look, unsigned i)
{
    const uint64_t calls = pool_text(look->pool, look->member[i])->text->calls;
    return calls < CALLS_WEIGHED ? (unsigned)calls : CALLS_WEIGHED;
}

static unsigned weight_of(const struct look *look, const struct group *group)
{
    unsigned weight = 0;
    for (unsigned i = 0; i < look->count; i++)
        if (group->has[i / BITS] >> i % BITS & 1)
            weight += text_weight(look, i);
    return weight;
}

static void add_to_groups(struct look *look, const struct group *one)
{
    for (unsigned i = 0; i < look->groups; i++)
        if (go_together(&look->group[i], one)) {
            if (look->group[i].features.count < FEATURE_SET_MAX)
                feature_set_add(&look->group[i].features, one->features.feature[0]);
            return;
        }
    if (look->groups < GROUPS_SEEN)
        look->group[look->groups++] = *one;
}

static unsigned lines_of(const struct feature_set *set)
{
    return (set->weight - feature_set_runs(set)) / FEATURE_LINE_WEIGHT;
}

/* All texts have either this group or another one, and one of the two has more lines: a line was
 * put in, even where no more of it is seen than a word of a slot. */
static bool puts_lines(const struct look *look, unsigned group)
{
    for (unsigned i = 0; i < look->groups; i++) {
        unsigned texts = 0;
        for (unsigned k = 0; k < LOOKED_AT / BITS; k++)
            texts += (unsigned)__builtin_popcountll(look->group[i].has[k] ^ look->group[group].has[k]);
        if (texts == look->count && lines_of(&look->group[i].features) != lines_of(&look->group[group].features))
            return true;
    }
    return false;
}

/* -1: no memory. */
static int find_groups(struct look *look)
{
    struct occurrence *const seen = malloc(look->count * sizeof(*seen) * FEATURE_SET_MAX);
    size_t count = 0;
    unsigned kept = 0;
    bool is_kept[GROUPS_SEEN];
    if (seen == NULL)
        return -1;
    for (unsigned i = 0; i < look->count; i++)
        for (unsigned k = 0; k < set_of(look, i)->count; k++)
            if (!feature_set_has(look->common, set_of(look, i)->feature[k]))
                seen[count++] = (struct occurrence){set_of(look, i)->feature[k], i};
    qsort(seen, count, sizeof(seen[0]), by_feature);
    for (size_t from = 0, to; from < count; from = to) {
        struct group one = {0};
        feature_set_add(&one.features, seen[from].feature);
        for (to = from; to < count && seen[to].feature == seen[from].feature; to++)
            one.has[seen[to].member / BITS] |= UINT64_C(1) << seen[to].member % BITS;
        const unsigned having = weight_of(look, &one);
        if (having * 100 >= look->weight * GROUP_PERCENT &&
            (look->weight - having) * 100 >= look->weight * GROUP_PERCENT)
            add_to_groups(look, &one);
    }
    free(seen);
    for (unsigned i = 0; i < look->groups; i++)
        is_kept[i] = feature_set_is_edit(&look->group[i].features) || puts_lines(look, i);
    for (unsigned i = 0; i < look->groups; i++)
        if (is_kept[i])
            look->group[kept++] = look->group[i];
    look->groups = kept;
    return 0;
}

/* Texts with the same groups are a class. False: there are too many kinds, they combine. */
static bool find_classes(struct look *look)
{
    uint32_t kind[VERSIONS_MAX];
    look->classes = 0;
    for (unsigned i = 0; i < look->count; i++) {
        uint32_t groups = 0;
        unsigned class = 0;
        for (unsigned k = 0; k < look->groups; k++)
            groups |= (uint32_t)(look->group[k].has[i / BITS] >> i % BITS & 1) << k;
        while (class < look->classes && kind[class] != groups)
            class ++;
        if (class == look->classes) {
            if (look->classes == look->groups + 1)
                return false;
            kind[look->classes++] = groups;
        }
        look->class_of[i] = (uint8_t) class;
    }
    return look->classes >= 2;
}

/* What nine of ten texts of a class have, and at most one of ten others. */
static void find_own(struct look *look, unsigned class)
{
    const struct feature_set *inside[LOOKED_AT], *outside[LOOKED_AT];
    unsigned in = 0, out = 0;
    struct feature_set common;
    for (unsigned i = 0; i < look->count; i++)
        if (look->class_of[i] == class)
            inside[in++] = set_of(look, i);
        else
            outside[out++] = set_of(look, i);
    look->own[class] = (struct feature_set){0};
    if (in == 0)
        return;
    feature_set_common(&common, inside[0], inside, in, 90);
    for (unsigned i = 0; i < common.count; i++) {
        unsigned others = 0;
        for (unsigned k = 0; k < out; k++)
            others += feature_set_may_have(outside[k], common.feature[i]);
        if (others * 10 <= out)
            feature_set_add(&look->own[class], common.feature[i]);
    }
}

/* Each class has something of its own. One that was called too seldom to tell is left out, where
 * three remain. */
static bool are_versions(struct look *look)
{
    uint8_t kept[VERSIONS_MAX];
    unsigned classes = 0;
    for (unsigned class = 0; class < look->classes; class ++) {
        uint64_t calls = 0;
        for (unsigned i = 0; i < look->count; i++)
            if (look->class_of[i] == class)
                calls += pool_text(look->pool, look->member[i])->text->calls;
        find_own(look, class);
        if (look->own[class].weight < OWN_WEIGHT)
            return false;
        kept[class] = calls < CALLS_MIN ? VERSIONS_NONE : (uint8_t)classes;
        if (calls >= CALLS_MIN)
            look->own[classes++] = look->own[class];
    }
    for (unsigned i = 0; i < look->count; i++)
        look->class_of[i] = kept[look->class_of[i]];
    const unsigned left_out = look->classes - classes;
    look->classes = classes;
    return classes >= 2 && (left_out == 0 || (left_out == 1 && classes >= 3));
}

/* Words in which a text of the class goes beyond what all have, on average. */
static double words_beyond(const struct look *look, unsigned class)
{
    unsigned words = 0, texts = 0;
    for (unsigned i = 0; i < look->count; i++)
        if (look->class_of[i] == class) {
            words += feature_set_runs(set_of(look, i));
            texts++;
        }
    return (double)words / texts;
}

/* Two values of a slot part texts as an edit does, where other slots combine with it. An edit is
 * longer, or it puts words where the other class has none: there at most three runs go over the
 * place. And it changes lines, where a longer or shorter slot merely moves what is seen of the
 * words. */
static bool is_edit(const struct look *look)
{
    const unsigned a = feature_set_runs(&look->own[0]), b = feature_set_runs(&look->own[1]);
    const double longer = words_beyond(look, 0) - words_beyond(look, 1);
    if (a == look->own[0].weight && b == look->own[1].weight)
        return false;
    if (a >= EDIT_RUNS || b >= EDIT_RUNS)
        return true;
    return (a < FEATURE_RUN && longer <= -LONGER_WORDS) || (b < FEATURE_RUN && longer >= LONGER_WORDS);
}

/* Texts with this group and texts without it. */
static bool find_two(struct look *look, unsigned group)
{
    look->classes = 2;
    for (unsigned i = 0; i < look->count; i++)
        look->class_of[i] = look->group[group].has[i / BITS] >> i % BITS & 1;
    return are_versions(look) && is_edit(look);
}

/* All at once; where other things combine with an edit, the one group that parts the texts best. */
static bool find_versions(struct look *look)
{
    unsigned best = 0;
    uint32_t best_weight = 0;
    if (look->groups == 0)
        return false;
    if (look->groups <= GROUPS_MAX && find_classes(look) && are_versions(look))
        return true;
    for (unsigned i = 0; i < look->groups; i++)
        if (find_two(look, i) && look->own[0].weight + look->own[1].weight > best_weight) {
            best_weight = look->own[0].weight + look->own[1].weight;
            best = i;
        }
    return best_weight > 0 && find_two(look, best);
}

/* The class of whose own features a text has the largest share. */
static uint8_t nearest(const struct look *look, const struct feature_set *set)
{
    uint8_t best = 0;
    double best_share = -1;
    for (unsigned class = 0; class < look->classes; class ++) {
        uint32_t shared, missing;
        feature_set_compare(&look->own[class], set, &shared, &missing);
        const double share = shared + missing ? (double)shared / (shared + missing) : 0;
        if (share > best_share) {
            best_share = share;
            best = (uint8_t) class;
        }
    }
    return best;
}

int versions_of(struct pool *pool, const unsigned *member, size_t members, const struct feature_set *common,
                uint8_t *ret_class)
{
    struct look *const look = calloc(1, sizeof(*look));
    int classes = 1;
    if (look == NULL)
        return -1;
    *look = (struct look){
        .pool = pool, .member = member, .count = members < LOOKED_AT ? (unsigned)members : LOOKED_AT, .common = common};
    memset(ret_class, 0, members);
    for (unsigned i = 0; i < look->count; i++)
        look->weight += text_weight(look, i);
    if (find_groups(look)) {
        classes = -1;
    } else if (find_versions(look)) {
        classes = (int)look->classes;
        for (size_t i = 0; i < members; i++)
            ret_class[i] = i < look->count ? look->class_of[i] : nearest(look, &pool_text(pool, member[i])->set);
    }
    free(look);
    return classes;
}
