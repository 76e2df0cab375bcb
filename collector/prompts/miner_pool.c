/*
 * Clusters of texts, see miner_pool.h.
 *
 * A template's anchors stand in all of its texts; those of a slot's value in few. What the texts
 * with one anchor have in common is worth (texts − 1) × words²: the most valuable is taken first,
 * then what the others are worth is looked at again. So a paragraph that three texts have retrieved
 * is never preferred to the instructions that forty share. Values only fall, so that an old one is
 * an upper bound (the queue is lazy). All orders are by the texts' ids: how they came in plays no
 * part.
 */
#include "miner_pool.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE = 24,      /* texts of an anchor that are compared */
    PIVOTS = 4,       /* of them, each tried as the one that is no stranger */
    SAMPLE_WIDE = 64, /* texts of a cluster that say what it has in common */
    SAMPLE_PERCENT = 80,
    WIDE_PERCENT = 90,
    RECURS = 3,         /* calls from which a text is no accident */
    SHORT_PERCENT = 75, /* of words that several texts share that are each called again and again */
    SHORT_TEXTS = 5,    /* that have less in common than FEATURE_TELLING, at least */
    EFFORT_A_TEXT =
        1500, /* comparisons that a run may take for each: texts of few words in many orders would take minutes */
    WEIGHT_ENOUGH = 35, /* in whatever text, some 20 words in two lines; less must be 3 tenths of it */
};

struct posting {
    uint32_t anchor;
    uint32_t text;
};

struct candidate {
    double value;
    uint32_t anchor;
    uint32_t round; /* in which the value was found */
    size_t from, count;
};

struct pool {
    struct pool_text *text; /* by id */
    size_t count;
    struct posting *posting; /* by anchor, then text */
    size_t postings;
    struct candidate *queue; /* a heap */
    size_t candidates;
    uint32_t round;
    uint64_t effort; /* comparisons that are left */
    unsigned *member;
    bool *is_member;
};

static int by_id(const void *a, const void *b)
{
    const struct pool_text *const x = a, *const y = b;
    return x->text->id < y->text->id ? -1 : x->text->id > y->text->id;
}

static int by_anchor(const void *a, const void *b)
{
    const struct posting *const x = a, *const y = b;
    if (x->anchor != y->anchor)
        return x->anchor < y->anchor ? -1 : 1;
    return x->text < y->text ? -1 : x->text > y->text;
}

static bool is_before(const struct candidate *a, const struct candidate *b)
{
    return a->value > b->value || (a->value == b->value && a->anchor < b->anchor);
}

static void sift(struct pool *pool, size_t at)
{
    for (;;) {
        size_t best = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < pool->candidates; child++)
            if (is_before(&pool->queue[child], &pool->queue[best]))
                best = child;
        if (best == at)
            return;
        const struct candidate moved = pool->queue[at];
        pool->queue[at] = pool->queue[best];
        pool->queue[best] = moved;
        at = best;
    }
}

static void drop_first(struct pool *pool)
{
    pool->queue[0] = pool->queue[--pool->candidates];
    sift(pool, 0);
}

static void fill_postings(struct pool *pool)
{
    size_t kept = 0;
    for (size_t i = 0; i < pool->count; i++) {
        uint32_t anchor[FEATURE_ANCHORS_MAX];
        const unsigned anchors = feature_anchors(&pool->text[i].text->features, anchor);
        for (unsigned k = 0; k < anchors; k++)
            pool->posting[pool->postings++] = (struct posting){anchor[k], (uint32_t)i};
    }
    qsort(pool->posting, pool->postings, sizeof(pool->posting[0]), by_anchor);
    for (size_t i = 0; i < pool->postings; i++)
        if (i == 0 || by_anchor(&pool->posting[i], &pool->posting[kept - 1]) != 0)
            pool->posting[kept++] = pool->posting[i];
    pool->postings = kept;
}

static double worth(double words)
{
    return words * sqrt(words);
}

/* Before it is looked at, a candidate is worth at most what its texts could have in common. */
static void fill_queue(struct pool *pool)
{
    for (size_t from = 0, to; from < pool->postings; from = to) {
        double most = 0;
        for (to = from; to < pool->postings && pool->posting[to].anchor == pool->posting[from].anchor; to++)
            if (pool->text[pool->posting[to].text].set.weight > most)
                most = pool->text[pool->posting[to].text].set.weight;
        if (to - from >= 2)
            pool->queue[pool->candidates++] = (struct candidate){
                (double)(to - from - 1) * worth(most), pool->posting[from].anchor, UINT32_MAX, from, to - from};
    }
    for (size_t i = pool->candidates / 2 + 1; i-- > 0;)
        sift(pool, i);
}

struct pool *pool_new(const struct miner_text *const *texts, size_t count)
{
    struct pool *const pool = calloc(1, sizeof(*pool));
    if (pool == NULL)
        return NULL;
    const size_t postings = count * FEATURE_ANCHORS_MAX + 1;
    pool->text = calloc(count + 1, sizeof(pool->text[0]));
    pool->posting = malloc(postings * sizeof(pool->posting[0]));
    pool->queue = malloc((postings / 2 + 1) * sizeof(pool->queue[0]));
    pool->member = malloc((count + 1) * sizeof(pool->member[0]));
    pool->is_member = calloc(count + 1, sizeof(pool->is_member[0]));
    if (pool->text == NULL || pool->posting == NULL || pool->queue == NULL || pool->member == NULL ||
        pool->is_member == NULL) {
        pool_free(pool);
        return NULL;
    }
    pool->count = count;
    pool->effort = (uint64_t)count * EFFORT_A_TEXT + 100000;
    for (size_t i = 0; i < count; i++)
        pool->text[i].text = texts[i];
    qsort(pool->text, count, sizeof(pool->text[0]), by_id);
    for (size_t i = 0; i < count; i++)
        feature_set_of_text(&pool->text[i].set, &pool->text[i].text->features);
    fill_postings(pool);
    fill_queue(pool);
    return pool;
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    free(pool->text);
    free(pool->posting);
    free(pool->queue);
    free(pool->member);
    free(pool->is_member);
    free(pool);
}

struct pool_text *pool_text(struct pool *pool, unsigned number)
{
    return &pool->text[number];
}

unsigned pool_texts(const struct pool *pool)
{
    return (unsigned)pool->count;
}

static bool is_wide(const struct feature_set *common, const struct feature_set *pivot)
{
    if (common->weight < FEATURE_TELLING)
        return feature_set_is_telling(common, pivot);
    return common->weight >= WEIGHT_ENOUGH || common->weight * 10 >= pivot->weight * 3;
}

/* Three quarters of what is common stand in it. */
static bool fits(const struct feature_set *common, const struct feature_set *set)
{
    uint32_t shared, missing;
    feature_set_compare(common, set, &shared, &missing);
    return shared >= 3 * missing &&
           (shared >= FEATURE_TELLING || (common->weight < FEATURE_TELLING && feature_set_is_telling(common, set)));
}

static bool is_succession(const struct pool_text *const *text, unsigned texts)
{
    for (unsigned i = 0; i < texts; i++)
        for (unsigned k = 0; k < i; k++)
            if (text[i]->text->first_ns <= text[k]->text->last_ns && text[k]->text->first_ns <= text[i]->text->last_ns)
                return false;
    return true;
}

/* Two texts can be chance, unless both are called again and again; where they share few words, one
 * must follow on the other, too. */
static bool are_enough(const struct feature_set *common, const struct pool_text *const *text, size_t texts,
                       bool all_recur)
{
    if (common->weight < FEATURE_TELLING)
        return texts >= SHORT_TEXTS || (texts == 2 && all_recur && is_succession(text, 2));
    return texts >= 3 || (texts == 2 && all_recur);
}

/* Few words, and the texts come again and again: they may begin alike and each be a prompt of its
 * own, where what they share is not most of them and none follows on another. */
static bool may_be_many(const struct feature_set *common, const struct pool_text *const *text, unsigned texts,
                        bool most_recur)
{
    unsigned runs = 0;
    if (!most_recur || common->weight >= WEIGHT_ENOUGH)
        return false;
    for (unsigned i = 0; i < texts; i++)
        runs += feature_set_runs(&text[i]->set);
    return feature_set_runs(common) * 100 * texts < runs * SHORT_PERCENT && !is_succession(text, texts);
}

static void spend(struct pool *pool, uint64_t comparisons)
{
    pool->effort -= comparisons < pool->effort ? comparisons : pool->effort;
}

static double value_of(struct pool *pool, const struct candidate *candidate, struct feature_set *ret_common)
{
    const struct pool_text *text[SAMPLE];
    const struct feature_set *sample[SAMPLE];
    unsigned sampled = 0;
    size_t untaken = 0;
    size_t recurring = 0;
    double best = 0;
    for (size_t i = candidate->from; i < candidate->from + candidate->count; i++) {
        const struct pool_text *const one = &pool->text[pool->posting[i].text];
        if (one->taken)
            continue;
        untaken++;
        recurring += one->text->calls >= RECURS;
        if (sampled < SAMPLE) {
            text[sampled] = one;
            sample[sampled++] = &one->set;
        }
    }
    for (unsigned i = 0; untaken >= 2 && i < sampled && i < PIVOTS; i++) {
        struct feature_set common;
        unsigned fitting = 0;
        spend(pool, 2 * (uint64_t)sampled);
        feature_set_common(&common, sample[i], sample, sampled, SAMPLE_PERCENT);
        for (unsigned k = 0; k < sampled; k++)
            fitting += fits(&common, sample[k]);
        if (!is_wide(&common, sample[i]) || fitting < 2 || !are_enough(&common, text, untaken, recurring == untaken) ||
            may_be_many(&common, text, sampled, recurring * 2 > untaken))
            continue;
        const double texts = (double)untaken * fitting / sampled;
        const double value = (texts - 1) * worth(common.weight);
        if (value > best) {
            best = value;
            *ret_common = common;
        }
    }
    return best;
}

static size_t first_posting(const struct pool *pool, uint32_t anchor)
{
    size_t from = 0, to = pool->postings;
    while (from < to) {
        const size_t middle = (from + to) / 2;
        if (pool->posting[middle].anchor < anchor)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static int by_number(const void *a, const void *b)
{
    const unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

/* Every text that is not taken, has an anchor in common and fits. */
static size_t gather(struct pool *pool, const struct feature_set *common)
{
    size_t members = 0;
    for (unsigned i = 0; i < common->count; i++)
        for (size_t k = first_posting(pool, common->feature[i]);
             k < pool->postings && pool->posting[k].anchor == common->feature[i]; k++) {
            const unsigned number = pool->posting[k].text;
            if (pool->text[number].taken || pool->is_member[number])
                continue;
            spend(pool, 1);
            if (!fits(common, &pool->text[number].set))
                continue;
            pool->is_member[number] = true;
            pool->member[members++] = number;
        }
    for (size_t i = 0; i < members; i++)
        pool->is_member[pool->member[i]] = false;
    qsort(pool->member, members, sizeof(pool->member[0]), by_number);
    return members;
}

/* What the members have in common, as the best of a few of them tells it. */
static void look_wider(const struct pool *pool, size_t members, struct feature_set *common)
{
    const struct feature_set *sample[SAMPLE_WIDE];
    const unsigned sampled = members < SAMPLE_WIDE ? (unsigned)members : SAMPLE_WIDE;
    struct feature_set best = {0}, tried;
    for (unsigned i = 0; i < sampled; i++)
        sample[i] = &pool->text[pool->member[i]].set;
    for (unsigned i = 0; i < sampled && i < PIVOTS; i++) {
        feature_set_common(&tried, sample[i], sample, sampled, WIDE_PERCENT);
        if (tried.weight > best.weight)
            best = tried;
    }
    if (is_wide(&best, common))
        *common = best;
}

static bool take(struct pool *pool, size_t members, const struct feature_set *common)
{
    bool all_recur = true;
    if (members < 2)
        return false;
    for (size_t i = 0; i < members; i++)
        all_recur = all_recur && pool->text[pool->member[i]].text->calls >= RECURS;
    const struct pool_text *const two[] = {&pool->text[pool->member[0]], &pool->text[pool->member[1]]};
    if (!are_enough(common, two, members, all_recur))
        return false;
    for (size_t i = 0; i < members; i++)
        pool->text[pool->member[i]].taken = true;
    pool->round++;
    return true;
}

size_t pool_next(struct pool *pool, const unsigned **ret_member, struct feature_set *ret_common)
{
    while (pool->candidates && pool->effort) {
        struct candidate *const first = &pool->queue[0];
        const double value = value_of(pool, first, ret_common);
        if (value <= 0) {
            drop_first(pool);
            continue;
        }
        if (first->round != pool->round && value < first->value) {
            first->value = value;
            first->round = pool->round;
            sift(pool, 0);
            continue;
        }
        size_t members = gather(pool, ret_common);
        if (members >= 2) {
            look_wider(pool, members, ret_common);
            members = gather(pool, ret_common);
        }
        if (!take(pool, members, ret_common)) {
            drop_first(pool);
            continue;
        }
        *ret_member = pool->member;
        return members;
    }
    return 0;
}
