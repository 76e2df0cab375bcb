/*
 * Several prompts that share a long beginning and were taken for one, see miner_look.h: behind it
 * each has sentences of its own, and each text has those of one. A choice of sections or examples
 * looks so too, but that lies across: some texts of several classes have it.
 *
 * The collector's thread; pure.
 */
#include "miner_look.h"

#include <stdlib.h>
#include <string.h>

enum {
    TASK_FROM = 24, /* words before what each of several prompts has of its own */
    TASK_LINES = 2,
    TASK_CALLS = 6, /* of each of them, on average */
};

/* Whole sentences. */
static bool is_long(const struct group *group)
{
    return feature_set_runs(&group->features) >= EDIT_RUNS || lines_of(&group->features) >= TASK_LINES;
}

/* Behind a beginning. */
static bool is_task(const struct look *look, const struct group *group)
{
    uint32_t word[MINER_WORDS];
    unsigned member = 0;
    if (feature_set_is_setup(&group->features) || (!is_long(group) && !lines_of(&group->features)))
        return false;
    while (!has(group, member))
        member++;
    const unsigned words = feature_words(&text_of(look, member)->features, word);
    return feature_first_run(text_of(look, member)->features.scope, word, words, &group->features) >= TASK_FROM;
}

static int by_weight(const void *a, const void *b)
{
    const struct group *const x = *(const struct group *const *)a, *const y = *(const struct group *const *)b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return x->features.feature[0] < y->features.feature[0] ? -1 : 1;
}

/* Some texts of several classes have it, and others of these have not: sections and examples that
 * are picked lie across, a prompt's slots hold nothing so long. */
static bool lies_across(const struct look *look, const struct group *group)
{
    unsigned in[VERSIONS_MAX] = {0}, all[VERSIONS_MAX] = {0}, partly = 0;
    for (unsigned i = 0; i < look->count; i++)
        if (look->class_of[i] != VERSIONS_NONE) {
            all[look->class_of[i]]++;
            in[look->class_of[i]] += has(group, i);
        }
    for (unsigned class = 0; class < look->classes; class ++)
        partly += in[class] * 10 > all[class] && in[class] * 10 < all[class] * 9;
    return partly >= 2;
}

static bool is_clean(const struct look *look)
{
    for (unsigned i = 0; i < look->groups; i++)
        if (feature_set_is_edit(&look->group[i].features) && lies_across(look, &look->group[i]))
            return false;
    return true;
}

/* Classes of which each text has one, beginning with this group. */
static bool cover(struct look *look, const struct group *const *task, unsigned tasks, unsigned seed)
{
    unsigned left = look->count;
    bool all_long = true;
    memset(look->class_of, VERSIONS_NONE, sizeof(look->class_of));
    look->classes = 0;
    for (unsigned k = 0; k < tasks; k++) {
        const struct group *const group = task[k == 0 ? seed : k - (k <= seed)];
        unsigned taken = 0;
        for (unsigned i = 0; i < look->count; i++)
            taken += has(group, i) && look->class_of[i] != VERSIONS_NONE;
        if (taken * 20 > group->texts)
            continue;
        if (look->classes == VERSIONS_MAX)
            return false;
        for (unsigned i = 0; i < look->count; i++)
            if (has(group, i) && look->class_of[i] == VERSIONS_NONE) {
                look->class_of[i] = (uint8_t)look->classes;
                left--;
            }
        look->classes++;
        all_long = all_long && is_long(group);
    }
    return (all_long || is_clean(look)) && look->classes >= 2 && left * 20 <= look->count &&
           look->weight >= TASK_CALLS * look->classes && look_are_versions(look, OWN_WEIGHT);
}

bool look_find_tasks(struct look *look)
{
    enum { SEEDS = 16 };
    const struct group *task[GROUPS_SEEN];
    unsigned tasks = 0, best = 0;
    uint32_t best_weight = 0;
    for (unsigned i = 0; i < look->groups; i++)
        if (is_task(look, &look->group[i]))
            task[tasks++] = &look->group[i];
    qsort(task, tasks, sizeof(const struct group *), by_weight);
    for (unsigned i = 0; i < tasks && i < SEEDS; i++)
        if (cover(look, task, tasks, i) && look_own_weight(look) > best_weight) {
            best_weight = look_own_weight(look);
            best = i;
        }
    return best_weight > 0 && cover(look, task, tasks, best);
}
