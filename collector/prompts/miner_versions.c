/*
 * Versions within a cluster, see miner_versions.h.
 *
 * An edit leaves texts with the old words and texts with the new ones: features that come and go
 * together (a group). Sections that are there or not, examples that are picked, values of a slot
 * make groups too, but these combine, where versions exclude each other: n groups of versions make
 * at most n + 1 kinds of texts. And each version has something that the others lack, be it that two
 * words stand side by side between which an edit put others; texts without a paragraph that many
 * have retrieved have nothing of their own.
 *
 * Short values (one word) are a slot's, not an edit, unless time says otherwise: a word that all
 * texts before have and all after lack, or the second of two values that began so late that chance
 * does not explain it. That is asked of places with two values only; of three, each may follow the
 * other for good (a month's name), and yet it is a slot.
 *
 * What was told apart is looked at again, part by part, until nothing more is found.
 */
#include "miner_versions.h"

#include <stdlib.h>
#include <string.h>

#include "miner_times.h"

enum {
    GROUPS_MAX = VERSIONS_MAX - 1,
    GROUP_PERCENT = 15, /* of the calls, at least, have it, and as many have it not */
    RARE_PERCENT = 4,   /* where more than chance or place speaks for it */
    LONGER_WORDS = 5,
    CALLS_MIN = 3,
    CALLS_WEIGHED = 8,
};

struct occurrence {
    uint32_t feature;
    uint32_t member;
};

static int by_feature(const void *a, const void *b)
{
    const struct occurrence *const x = a, *const y = b;
    if (x->feature != y->feature)
        return x->feature < y->feature ? -1 : 1;
    return x->member < y->member ? -1 : x->member > y->member;
}

static unsigned bits_differ(const struct group *a, const struct group *b)
{
    unsigned differ = 0;
    for (unsigned i = 0; i < LOOKED_AT / BITS; i++)
        differ += (unsigned)__builtin_popcountll(a->has[i] ^ b->has[i]);
    return differ;
}

/* Nearly the same texts have both: one in twenty may differ. */
static bool go_together(const struct group *a, const struct group *b)
{
    const unsigned fewer = a->texts < b->texts ? a->texts : b->texts, more = a->texts + b->texts - fewer;
    if ((more - fewer) * 20 > more)
        return false;
    const unsigned differ = bits_differ(a, b), either = (a->texts + b->texts + differ) / 2;
    return differ * 20 <= either;
}

/* A text has either one or the other: two values of a place. */
static bool take_turns(const struct look *look, const struct group *a, const struct group *b)
{
    const unsigned agree = look->count - bits_differ(a, b);
    return agree * 20 <= (a->texts < b->texts ? a->texts : b->texts);
}

/* A text that comes often weighs more, but not so much that it drowns the others. */
static unsigned text_weight(const struct look *look, unsigned i)
{
    const uint64_t calls = text_of(look, i)->calls;
    return calls < CALLS_WEIGHED ? (unsigned)calls : CALLS_WEIGHED;
}

static void weigh(const struct look *look, struct group *group)
{
    group->texts = group->weight = 0;
    for (unsigned i = 0; i < look->count; i++)
        if (has(group, i)) {
            group->texts++;
            group->weight += text_weight(look, i);
        }
}

static bool has_share(const struct look *look, unsigned weight, unsigned percent)
{
    return weight * 100 >= look->weight * percent && (look->weight - weight) * 100 >= look->weight * percent;
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

/* All texts have either this group or another one, and one of the two has more lines: a line was
 * put in, even where no more of it is seen than a word of a slot. */
static bool puts_lines(const struct look *look, const struct group *group)
{
    for (unsigned i = 0; i < look->groups; i++)
        if (look->group[i].often && bits_differ(&look->group[i], group) == look->count &&
            lines_of(&look->group[i].features) != lines_of(&group->features))
            return true;
    return false;
}

/* -1: no memory. */
static int find_groups(struct look *look)
{
    struct occurrence *const seen = malloc((look->count + 1) * sizeof(*seen) * FEATURE_SET_MAX);
    size_t count = 0;
    if (seen == NULL)
        return -1;
    look->groups = 0;
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
        weigh(look, &one);
        one.often = has_share(look, one.weight, GROUP_PERCENT);
        if (one.texts >= 2 || (one.weight >= CALLS_MIN && has_share(look, one.weight, RARE_PERCENT)))
            add_to_groups(look, &one);
    }
    free(seen);
    return 0;
}

/* Groups of an edit. */
static unsigned edits(const struct look *look, const struct group *ret_group[GROUPS_SEEN])
{
    unsigned count = 0;
    for (unsigned i = 0; i < look->groups; i++)
        if (look->group[i].often &&
            (feature_set_is_edit(&look->group[i].features) || puts_lines(look, &look->group[i])))
            ret_group[count++] = &look->group[i];
    return count;
}

/* Texts with the same groups are a class. False: there are too many kinds, they combine. */
static bool find_classes(struct look *look, const struct group *const *group, unsigned groups)
{
    uint32_t kind[VERSIONS_MAX];
    look->classes = 0;
    for (unsigned i = 0; i < look->count; i++) {
        uint32_t of_text = 0;
        unsigned class = 0;
        for (unsigned k = 0; k < groups; k++)
            of_text |= (uint32_t)has(group[k], i) << k;
        while (class < look->classes && kind[class] != of_text)
            class ++;
        if (class == look->classes) {
            if (look->classes == groups + 1)
                return false;
            kind[look->classes++] = of_text;
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

bool look_are_versions(struct look *look, unsigned own_min)
{
    uint8_t kept[VERSIONS_MAX];
    unsigned classes = 0;
    for (unsigned class = 0; class < look->classes; class ++) {
        uint64_t calls = 0;
        for (unsigned i = 0; i < look->count; i++)
            if (look->class_of[i] == class)
                calls += text_of(look, i)->calls;
        find_own(look, class);
        if (look->own[class].weight < own_min)
            return false;
        kept[class] = calls < CALLS_MIN ? VERSIONS_NONE : (uint8_t)classes;
        if (calls >= CALLS_MIN)
            look->own[classes++] = look->own[class];
    }
    for (unsigned i = 0; i < look->count; i++)
        if (look->class_of[i] != VERSIONS_NONE)
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

/* Each class ends before another begins. */
static bool is_succession(const struct look *look)
{
    uint64_t first[VERSIONS_MAX], last[VERSIONS_MAX] = {0};
    memset(first, 0xff, sizeof(first));
    for (unsigned i = 0; i < look->count; i++) {
        const unsigned class = look->class_of[i];
        if (class == VERSIONS_NONE)
            continue;
        first[class] = text_of(look, i)->first_ns < first[class] ? text_of(look, i)->first_ns : first[class];
        last[class] = text_of(look, i)->last_ns > last[class] ? text_of(look, i)->last_ns : last[class];
    }
    for (unsigned a = 0; a < look->classes; a++)
        for (unsigned b = 0; b < a; b++)
            if (first[a] <= last[b] && first[b] <= last[a])
                return false;
    return true;
}

static bool has_texts(const struct look *look, unsigned class, unsigned wanted)
{
    unsigned texts = 0;
    for (unsigned i = 0; i < look->count; i++) {
        bool again = look->class_of[i] != class; /* one text comes with several lists of tools */
        for (unsigned k = 0; k < i && !again; k++)
            again = look->class_of[k] == class && text_of(look, k)->id == text_of(look, i)->id;
        texts += !again;
    }
    return texts >= wanted;
}

/* Classes that differ in their tools alone: a choice for each call, unless they follow each other,
 * or there are two with several texts each. */
static bool are_tools_chosen(const struct look *look)
{
    enum { TEXTS = 4 };
    unsigned by_tools = 0;
    for (unsigned i = 0; i < look->classes; i++)
        by_tools += feature_set_is_setup(&look->own[i]);
    if (look->classes > 2 || by_tools < 2)
        return by_tools >= 2 && !is_succession(look);
    return !has_texts(look, 0, TEXTS) || !has_texts(look, 1, TEXTS);
}

/* Texts with this group and texts without it. */
static void part_by(struct look *look, const struct group *group)
{
    look->classes = 2;
    for (unsigned i = 0; i < look->count; i++)
        look->class_of[i] = has(group, i);
}

uint32_t look_own_weight(const struct look *look)
{
    uint32_t weight = 0;
    for (unsigned i = 0; i < look->classes; i++)
        weight += look->own[i].weight;
    return weight;
}

/* Where other things combine with an edit: the one group that parts the texts best. */
static bool find_two(struct look *look, const struct group *const *group, unsigned groups)
{
    const struct group *best = NULL;
    uint32_t best_weight = 0;
    for (unsigned i = 0; i < groups; i++) {
        part_by(look, group[i]);
        if (look_are_versions(look, OWN_WEIGHT) && is_edit(look) && !are_tools_chosen(look) &&
            look_own_weight(look) > best_weight) {
            best_weight = look_own_weight(look);
            best = group[i];
        }
    }
    if (best == NULL)
        return false;
    part_by(look, best);
    return look_are_versions(look, OWN_WEIGHT);
}

/* ---- by time ---- */

static double chance_of(const struct look *look, const struct group *group)
{
    struct miner_times side[2] = {{.first_ns = UINT64_MAX}, {.first_ns = UINT64_MAX}};
    for (unsigned i = 0; i < look->count; i++) {
        struct miner_times *const own = &side[has(group, i)];
        const struct miner_text *const text = text_of(look, i);
        own->calls += times_weight(text);
        own->first_ns = text->first_ns < own->first_ns ? text->first_ns : own->first_ns;
        own->last_ns = text->last_ns > own->last_ns ? text->last_ns : own->last_ns;
    }
    for (unsigned i = 0; i < look->count; i++) {
        struct miner_times *const other = &side[!has(group, i)];
        const struct miner_text *const text = text_of(look, i);
        other->before += times_before(text, other->first_ns);
        other->after += times_weight(text) - times_before(text, other->last_ns + 1);
    }
    return times_chance(&side[0], &side[1]);
}

static bool has_other_value(const struct look *look, const struct group *group)
{
    for (unsigned i = 0; i < look->groups; i++)
        if (take_turns(look, &look->group[i], group))
            return true;
    return false;
}

/* Two values of which one begins late or ends early. */
static bool find_by_time(struct look *look)
{
    const struct group *best = NULL;
    double best_chance = TIMES_SURELY;
    for (unsigned i = 0; i < look->groups; i++) {
        const double chance = chance_of(look, &look->group[i]);
        if (chance >= best_chance || !has_other_value(look, &look->group[i]))
            continue;
        part_by(look, &look->group[i]);
        if (!look_are_versions(look, 1))
            continue;
        best_chance = chance;
        best = &look->group[i];
    }
    if (best == NULL)
        return false;
    part_by(look, best);
    return look_are_versions(look, 1);
}

/* ---- all of it ---- */

static bool find_versions(struct look *look)
{
    const struct group *edit[GROUPS_SEEN];
    const unsigned count = edits(look, edit);
    if (count > 0 && count <= GROUPS_MAX && find_classes(look, edit, count) && look_are_versions(look, OWN_WEIGHT) &&
        !are_tools_chosen(look))
        return true;
    return find_two(look, edit, count) || look_find_tasks(look) || find_by_time(look);
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

/* A few texts, late, lack what nearly all others have: what becomes of it is not known yet. */
static bool may_change(const struct look *look)
{
    enum { PIVOTS = 4, NEARLY_ALL_PERCENT = 70 };
    for (unsigned i = 0; i < look->groups; i++)
        if (look->group[i].texts >= 2 && feature_set_is_edit(&look->group[i].features))
            return true;
    for (unsigned pivot = 0; pivot < PIVOTS && pivot < look->count; pivot++)
        for (unsigned f = 0; f < set_of(look, pivot)->count; f++) {
            const uint32_t feature = set_of(look, pivot)->feature[f];
            struct group one = {0};
            for (unsigned i = 0; i < look->count; i++)
                one.has[i / BITS] |= (uint64_t)feature_set_may_have(set_of(look, i), feature) << i % BITS;
            weigh(look, &one);
            if (one.texts < look->count && one.weight * 100 >= look->weight * NEARLY_ALL_PERCENT &&
                chance_of(look, &one) < TIMES_PERHAPS)
                return true;
        }
    return false;
}

static int part(struct look *look, const unsigned *member, size_t members, uint8_t *ret_class)
{
    look->member = member;
    look->count = members < LOOKED_AT ? (unsigned)members : LOOKED_AT;
    look->weight = 0;
    for (unsigned i = 0; i < look->count; i++)
        look->weight += text_weight(look, i);
    if (find_groups(look))
        return -1;
    if (!find_versions(look))
        return 1;
    for (size_t i = 0; i < members; i++)
        ret_class[i] = i < look->count ? look->class_of[i] : nearest(look, &pool_text(look->pool, member[i])->set);
    return (int)look->classes;
}

/* Parts a class; what is left of it keeps its number. Returns how many it became, -1: no memory. */
static int part_class(struct look *look, const unsigned *member, size_t members, uint8_t *class, unsigned wanted,
                      unsigned next, unsigned *inside, uint8_t *new_class)
{
    size_t count = 0;
    for (size_t i = 0; i < members; i++)
        if (class[i] == wanted)
            inside[count++] = member[i];
    const int parts = part(look, inside, count, new_class);
    if (parts <= 1 || next + (unsigned)parts - 1 > VERSIONS_MAX)
        return parts < 0 ? -1 : 1;
    count = 0;
    for (size_t i = 0; i < members; i++)
        if (class[i] == wanted) {
            const uint8_t into = new_class[count++];
            class[i] = into == VERSIONS_NONE ? into : (uint8_t)(into == 0 ? wanted : next + into - 1);
        }
    return parts;
}

int versions_of(struct pool *pool, const unsigned *member, size_t members, const struct feature_set *common,
                uint8_t *ret_class, bool ret_open[VERSIONS_MAX])
{
    struct look *const look = calloc(1, sizeof(*look));
    struct group *const group = malloc(GROUPS_SEEN * sizeof(*group));
    unsigned *const inside = malloc(members * sizeof(*inside));
    uint8_t *const new_class = malloc(members);
    int classes = look != NULL && group != NULL && inside != NULL && new_class != NULL ? 1 : -1;
    memset(ret_class, 0, members);
    for (unsigned class = 0; classes > 0 && class < (unsigned)classes;) {
        look->pool = pool;
        look->common = common;
        look->group = group;
        const int parts = part_class(look, member, members, ret_class, class, (unsigned)classes, inside, new_class);
        classes = parts < 0 ? -1 : classes + parts - 1;
        if (parts == 1) {
            ret_open[class] = look->count < VERSIONS_OPEN_TEXTS && may_change(look);
            class ++;
        }
    }
    free(look);
    free(group);
    free(inside);
    free(new_class);
    return classes;
}
