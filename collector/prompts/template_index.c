/*
 * The index of templates, see template_index.h: ANCHORS features of each, in one table of open
 * addressing. All texts of a template have all of its features, so any few of them find it; those
 * are taken that the fewest other templates go by, so that a paragraph which a thousand prompts
 * share finds none of them.
 *
 * The collector's thread; pure but for memory.
 */
#include "template_index.h"

#include <stdlib.h>
#include <string.h>

enum {
    ANCHORS = 6,
    COMMONPLACE = 64, /* templates that go by the same feature; more do not */
    SLOTS_MIN = 1024,
    FULL_PERCENT = 80,
    SEEN_MAX = FEATURE_SET_MAX * 8, /* templates that have something of a text */
};

struct slot {
    uint32_t feature;
    uint32_t number; /* of a template, plus 1; 0: free */
};

struct template_index {
    struct slot *slot;
    size_t slots, used;
    uint64_t *prompt; /* of each template */
    uint8_t *votes;   /* of each, 0 between two searches */
    size_t count, room;
};

struct template_index *template_index_new(void)
{
    return calloc(1, sizeof(struct template_index));
}

void template_index_free(struct template_index *index)
{
    if (index == NULL)
        return;
    free(index->slot);
    free(index->prompt);
    free(index->votes);
    free(index);
}

size_t template_index_count(const struct template_index *index)
{
    return index->count;
}

/* Of features that are equally common the lowest by this are taken. */
static uint32_t rank(uint32_t feature)
{
    return (uint32_t)((feature * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* By another hash: those of low ranks would all be in one place. */
static size_t home_of(const struct template_index *index, uint32_t feature)
{
    const uint32_t hash = (uint32_t)((feature * UINT64_C(0xD6E8FEB86659FD93)) >> 32);

    return (size_t)((uint64_t)hash * index->slots >> 32);
}

static void put(struct template_index *index, struct slot slot)
{
    size_t at = home_of(index, slot.feature);

    while (index->slot[at].number != 0)
        at = at + 1 == index->slots ? 0 : at + 1;
    index->slot[at] = slot;
    index->used++;
}

/* By a quarter each time: twice as much would be half empty when it matters. */
static int more_slots(struct template_index *index)
{
    const size_t slots = index->slots == 0 ? SLOTS_MIN : index->slots + index->slots / 4;
    struct slot *const old = index->slot;
    const size_t old_slots = index->slots;

    if ((index->used + ANCHORS) * 100 < index->slots * FULL_PERCENT)
        return 0;
    index->slot = calloc(slots, sizeof(*index->slot));
    if (index->slot == NULL) {
        index->slot = old;
        return -1;
    }
    index->slots = slots;
    index->used = 0;
    for (size_t i = 0; i < old_slots; i++)
        if (old[i].number != 0)
            put(index, old[i]);
    free(old);
    return 0;
}

static int more_templates(struct template_index *index)
{
    const size_t room = index->room + index->room / 4 + 64;
    uint64_t *prompt;
    uint8_t *votes;

    if (index->count < index->room)
        return 0;
    prompt = realloc(index->prompt, room * sizeof(*prompt));
    if (prompt == NULL)
        return -1;
    index->prompt = prompt;
    votes = realloc(index->votes, room);
    if (votes == NULL)
        return -1;
    memset(votes + index->room, 0, room - index->room);
    index->votes = votes;
    index->room = room;
    return 0;
}

/* How many templates go by the feature, at most COMMONPLACE. */
static unsigned how_common(const struct template_index *index, uint32_t feature)
{
    unsigned count = 0;

    for (size_t at = home_of(index, feature); index->slot[at].number != 0 && count < COMMONPLACE;
         at = at + 1 == index->slots ? 0 : at + 1)
        count += index->slot[at].feature == feature;
    return count;
}

int template_index_add(struct template_index *index, uint64_t prompt, const struct feature_set *set)
{
    struct anchor {
        unsigned common;
        uint32_t feature;
    } best[ANCHORS];
    unsigned n = 0;

    if (more_slots(index) != 0 || more_templates(index) != 0)
        return -1;
    for (unsigned i = 0; i < set->count; i++) {
        const struct anchor anchor = {how_common(index, set->feature[i]), set->feature[i]};
        unsigned at = n;

        if (anchor.common >= COMMONPLACE)
            continue;
        while (at > 0 && (best[at - 1].common > anchor.common ||
                          (best[at - 1].common == anchor.common && rank(best[at - 1].feature) > rank(anchor.feature))))
            at--;
        if (at == ANCHORS)
            continue;
        n += n < ANCHORS;
        memmove(best + at + 1, best + at, (n - at - 1) * sizeof(best[0]));
        best[at] = anchor;
    }
    index->prompt[index->count++] = prompt;
    for (unsigned i = 0; i < n; i++)
        put(index, (struct slot){best[i].feature, (uint32_t)index->count});
    return 0;
}

static void vote(struct template_index *index, uint32_t feature, uint32_t *seen, unsigned *count)
{
    for (size_t at = home_of(index, feature); index->slot[at].number != 0; at = at + 1 == index->slots ? 0 : at + 1) {
        const uint32_t number = index->slot[at].number - 1;

        if (index->slot[at].feature != feature || (index->votes[number] == 0 && *count == SEEN_MAX))
            continue;
        if (index->votes[number]++ == 0)
            seen[(*count)++] = number;
    }
}

/* Those that have at least half as much as the best. */
static unsigned choose(const struct template_index *index, const uint32_t *seen, unsigned count,
                       uint32_t ret_best[TEMPLATE_INDEX_FOUND])
{
    unsigned best = 0;

    for (unsigned i = 0; i < count; i++) {
        const uint8_t votes = index->votes[seen[i]];
        unsigned at = best;

        while (at > 0 && (index->votes[ret_best[at - 1]] < votes ||
                          (index->votes[ret_best[at - 1]] == votes && ret_best[at - 1] > seen[i])))
            at--;
        if (at == TEMPLATE_INDEX_FOUND)
            continue;
        best += best < TEMPLATE_INDEX_FOUND;
        memmove(ret_best + at + 1, ret_best + at, (best - at - 1) * sizeof(ret_best[0]));
        ret_best[at] = seen[i];
    }
    while (best > 0 && index->votes[ret_best[best - 1]] * 2 < index->votes[ret_best[0]])
        best--;
    return best;
}

unsigned template_index_find(struct template_index *index, const struct feature_set *set,
                             uint64_t ret_prompt[TEMPLATE_INDEX_FOUND])
{
    uint32_t seen[SEEN_MAX], best[TEMPLATE_INDEX_FOUND];
    unsigned count = 0, found = 0;

    for (unsigned i = 0; index->slots > 0 && i < set->count; i++)
        vote(index, set->feature[i], seen, &count);
    const unsigned chosen = choose(index, seen, count, best);
    for (unsigned i = 0; i < count; i++)
        index->votes[seen[i]] = 0;
    for (unsigned i = 0; i < chosen; i++) {
        unsigned at = 0;

        while (at < found && ret_prompt[at] != index->prompt[best[i]])
            at++;
        ret_prompt[at] = index->prompt[best[i]];
        found += at == found;
    }
    return found;
}
