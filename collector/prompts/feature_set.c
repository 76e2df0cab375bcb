/*
 * Sets of features, see feature_set.h. Pure; the collector's thread.
 */
#include "feature_set.h"

#include <string.h>

/* Where a text begins and ends are words, too, so that the first word stands in as many runs as any
 * other. */
enum { WORD_BEGIN = 1 << PROMPT_FEATURES_BITS, WORD_END };
enum { KIND_RUN = 1, KIND_LINE = 2, KIND_SETUP = 3, KIND_BITS = 3 };

static uint32_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
    return (uint32_t)((hash * UINT64_C(0xbf58476d1ce4e5b9)) >> 32);
}

static uint32_t run_feature(uint32_t scope, const uint32_t *word)
{
    uint64_t hash = scope;
    for (int i = 0; i < FEATURE_RUN; i++) {
        if (word[i] == 0)
            return 0;
        hash = (hash ^ word[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 31;
    }
    return (mix(hash, 1) & ~(uint32_t)KIND_BITS) | KIND_RUN;
}

/* Lines keep their order, so that what a full sketch cannot tell is what lies above its last. The
 * scope changes the lowest bits alone. */
static uint32_t line_feature(uint32_t scope, uint32_t line)
{
    return line << 8 | (mix(scope, line) & 0xfc) | KIND_LINE;
}

static uint32_t setup_feature(uint32_t scope, uint32_t setup)
{
    return (mix(scope, setup) & ~(uint32_t)KIND_BITS) | KIND_SETUP;
}

unsigned feature_weight(uint32_t feature)
{
    return (feature & KIND_BITS) == KIND_RUN ? 1 : FEATURE_LINE_WEIGHT;
}

/* Some hundred numbers, most of them hashes: first by their highest bits, which leaves little to be
 * moved. */
static void sort(uint32_t *value, unsigned count)
{
    enum { HIGH_SHIFT = 24 };
    uint16_t from[1 << (32 - HIGH_SHIFT)] = {0};
    uint32_t sorted[FEATURE_SET_MAX];
    for (unsigned i = 0; i < count; i++)
        from[value[i] >> HIGH_SHIFT]++;
    for (unsigned i = 0, before = 0; i < sizeof(from) / sizeof(from[0]); i++) {
        const uint16_t here = from[i];
        from[i] = (uint16_t)before;
        before += here;
    }
    for (unsigned i = 0; i < count; i++)
        sorted[from[value[i] >> HIGH_SHIFT]++] = value[i];
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i;
        for (; at > 0 && value[at - 1] > sorted[i]; at--)
            value[at] = value[at - 1];
        value[at] = sorted[i];
    }
}

static void finish(struct feature_set *set)
{
    uint16_t kept = 0;
    sort(set->feature, set->count);
    set->weight = 0;
    for (uint16_t i = 0; i < set->count; i++)
        if (i == 0 || set->feature[i] != set->feature[kept - 1]) {
            set->feature[kept++] = set->feature[i];
            set->weight += feature_weight(set->feature[i]);
        }
    set->count = kept;
}

static void add_all(struct feature_set *set, uint32_t scope, uint32_t setup, const uint32_t *word, unsigned words,
                    const uint32_t *line, unsigned lines)
{
    set->count = 0;
    for (unsigned i = 0; i + FEATURE_RUN <= words; i++) {
        const uint32_t feature = run_feature(scope, word + i);
        if (feature != 0)
            set->feature[set->count++] = feature;
    }
    for (unsigned i = 0; i < lines; i++)
        set->feature[set->count++] = line_feature(scope, line[i]);
    if (setup != 0)
        set->feature[set->count++] = setup_feature(scope, setup);
    finish(set);
}

unsigned feature_words(const struct prompt_features *features, uint32_t ret_word[MINER_WORDS])
{
    unsigned words = 0;
    while (words < FEATURE_RUN - 1)
        ret_word[words++] = WORD_BEGIN;
    memcpy(ret_word + words, features->head, features->heads * sizeof(ret_word[0]));
    words += features->heads;
    if (features->has_between)
        ret_word[words++] = 0;
    memcpy(ret_word + words, features->tail, features->tails * sizeof(ret_word[0]));
    words += features->tails;
    for (unsigned i = 1; i < FEATURE_RUN; i++)
        ret_word[words++] = WORD_END;
    return words;
}

void feature_set_of_text(struct feature_set *ret, const struct prompt_features *features)
{
    uint32_t word[MINER_WORDS];
    const unsigned words = feature_words(features, word);
    add_all(ret, features->scope, features->setup, word, words, features->line, features->lines);
    ret->lines_full = features->lines == PROMPT_FEATURES_LINES;
    ret->lines_last = features->lines ? features->line[features->lines - 1] : 0;
}

void feature_set_of_template(struct feature_set *ret, const struct miner_template *learned)
{
    add_all(ret, learned->scope, learned->setup, learned->word, learned->words, learned->line, learned->lines);
    ret->lines_full = false;
    ret->lines_last = 0;
}

static unsigned anchors(uint32_t scope, const uint32_t *word, unsigned words, const uint32_t *line, unsigned lines,
                        uint32_t *ret)
{
    unsigned count = 0;
    for (unsigned i = 0; i + FEATURE_RUN <= words; i++)
        if (i + FEATURE_RUN <= FEATURE_FRONT || i + FEATURE_BACK >= words) {
            const uint32_t feature = run_feature(scope, word + i);
            if (feature != 0)
                ret[count++] = feature;
        }
    for (unsigned i = 0; i < lines; i++)
        ret[count++] = line_feature(scope, line[i]);
    return count;
}

unsigned feature_anchors(const struct prompt_features *features, uint32_t ret[FEATURE_ANCHORS_MAX])
{
    uint32_t word[MINER_WORDS];
    const unsigned words = feature_words(features, word);
    return anchors(features->scope, word, words, features->line, features->lines, ret);
}

unsigned feature_template_anchors(const struct miner_template *learned, uint32_t ret[FEATURE_ANCHORS_MAX])
{
    return anchors(learned->scope, learned->word, learned->words, learned->line, learned->lines, ret);
}

bool feature_set_has(const struct feature_set *set, uint32_t feature)
{
    unsigned from = 0, to = set->count;
    while (from < to) {
        const unsigned middle = (from + to) / 2;
        if (set->feature[middle] < feature)
            from = middle + 1;
        else
            to = middle;
    }
    return from < set->count && set->feature[from] == feature;
}

void feature_set_add(struct feature_set *set, uint32_t feature)
{
    set->feature[set->count++] = feature;
    set->weight += feature_weight(feature);
}

static bool cannot_tell(const struct feature_set *set, uint32_t feature)
{
    return set->lines_full && (feature & KIND_BITS) == KIND_LINE && feature >> 8 > set->lines_last;
}

bool feature_set_may_have(const struct feature_set *set, uint32_t feature)
{
    return cannot_tell(set, feature) || feature_set_has(set, feature);
}

unsigned feature_set_runs(const struct feature_set *set)
{
    unsigned runs = 0;
    for (unsigned i = 0; i < set->count; i++)
        runs += (set->feature[i] & KIND_BITS) == KIND_RUN;
    return runs;
}

unsigned feature_first_run(uint32_t scope, const uint32_t *word, unsigned words, const struct feature_set *set)
{
    for (unsigned i = 0; i + FEATURE_RUN <= words; i++) {
        const uint32_t feature = run_feature(scope, word + i);
        if (feature != 0 && feature_set_has(set, feature))
            return i;
    }
    return words;
}

bool feature_set_is_setup(const struct feature_set *set)
{
    return set->count == 1 && (set->feature[0] & KIND_BITS) == KIND_SETUP;
}

/* One word changes as many runs as a run has words, two one more; fewer are at the edge of what is
 * seen. */
bool feature_set_is_edit(const struct feature_set *own)
{
    const unsigned runs = feature_set_runs(own);
    return runs > FEATURE_RUN || (runs < FEATURE_RUN && own->weight > runs);
}

void feature_set_beyond(struct feature_set *ret, const struct feature_set *set, const struct feature_set *other)
{
    ret->count = 0;
    ret->weight = ret->lines_last = 0;
    ret->lines_full = false;
    for (unsigned i = 0; i < set->count; i++)
        if (!feature_set_may_have(other, set->feature[i]))
            feature_set_add(ret, set->feature[i]);
}

void feature_set_compare(const struct feature_set *common, const struct feature_set *set, uint32_t *ret_shared,
                         uint32_t *ret_missing)
{
    *ret_shared = *ret_missing = 0;
    for (unsigned i = 0, j = 0; i < common->count; i++) {
        const uint32_t feature = common->feature[i];
        while (j < set->count && set->feature[j] < feature)
            j++;
        if (j < set->count && set->feature[j] == feature)
            *ret_shared += feature_weight(feature);
        else if (!cannot_tell(set, feature))
            *ret_missing += feature_weight(feature);
    }
}

/* Lines do not count where words are few: of a single line with a slot none is left. */
bool feature_set_is_telling(const struct feature_set *common, const struct feature_set *text)
{
    enum { RUNS_MIN = 8, MUCH_PERCENT = 40 };
    unsigned shared = 0, runs = 0;
    if (common->weight >= FEATURE_TELLING)
        return true;
    for (unsigned i = 0, j = 0; i < text->count; i++) {
        const uint32_t feature = text->feature[i];
        if ((feature & KIND_BITS) != KIND_RUN)
            continue;
        while (j < common->count && common->feature[j] < feature)
            j++;
        shared += j < common->count && common->feature[j] == feature;
        runs++;
    }
    return shared >= RUNS_MIN && shared * 100 >= runs * MUCH_PERCENT;
}

void feature_set_common(struct feature_set *ret, const struct feature_set *pivot, const struct feature_set *const *sets,
                        unsigned count, unsigned percent)
{
    uint16_t have[FEATURE_SET_MAX] = {0};
    for (unsigned k = 0; k < count; k++)
        for (unsigned i = 0, j = 0; i < pivot->count; i++) {
            while (j < sets[k]->count && sets[k]->feature[j] < pivot->feature[i])
                j++;
            if ((j < sets[k]->count && sets[k]->feature[j] == pivot->feature[i]) ||
                cannot_tell(sets[k], pivot->feature[i]))
                have[i]++;
        }
    ret->count = 0;
    ret->weight = ret->lines_last = 0;
    ret->lines_full = false;
    for (unsigned i = 0; i < pivot->count; i++)
        if (have[i] * 100 >= count * percent)
            feature_set_add(ret, pivot->feature[i]);
}

/* Of `words` words those that a run in common covers, a 0 where what stood between is left out. */
static unsigned keep_words(uint32_t scope, const uint32_t *word, unsigned words, const struct feature_set *common,
                           uint32_t *ret_word)
{
    bool kept[MINER_WORDS] = {false}, joined[MINER_WORDS] = {false}; /* joined: with the word before */
    unsigned count = 0;
    for (unsigned i = 0; i + FEATURE_RUN <= words; i++) {
        const uint32_t feature = run_feature(scope, word + i);
        if (feature == 0 || !feature_set_has(common, feature))
            continue;
        memset(kept + i, true, FEATURE_RUN * sizeof(kept[0]));
        memset(joined + i + 1, true, (FEATURE_RUN - 1) * sizeof(joined[0]));
    }
    for (unsigned i = 0; i < words; i++) {
        if (!kept[i])
            continue;
        if (count && !joined[i])
            ret_word[count++] = 0;
        ret_word[count++] = word[i];
    }
    return count;
}

static unsigned keep_lines(uint32_t scope, const uint32_t *line, unsigned lines, const struct feature_set *common,
                           uint32_t *ret_line)
{
    unsigned count = 0;
    for (unsigned i = 0; i < lines; i++)
        if (feature_set_has(common, line_feature(scope, line[i])))
            ret_line[count++] = line[i];
    return count;
}

static uint32_t keep_setup(uint32_t scope, uint32_t setup, const struct feature_set *common)
{
    return setup != 0 && feature_set_has(common, setup_feature(scope, setup)) ? setup : 0;
}

void feature_template_of(struct miner_template *ret, const struct prompt_features *pivot,
                         const struct feature_set *common)
{
    uint32_t word[MINER_WORDS];
    const unsigned words = feature_words(pivot, word);
    ret->scope = pivot->scope;
    ret->words = (uint16_t)keep_words(pivot->scope, word, words, common, ret->word);
    ret->lines = (uint16_t)keep_lines(pivot->scope, pivot->line, pivot->lines, common, ret->line);
    ret->setup = keep_setup(pivot->scope, pivot->setup, common);
}

/* How many words the rest of `a` from i on and the rest of `b` from j on have in the same order. */
typedef uint8_t words_in_common[MINER_WORDS + 1][MINER_WORDS + 1];

static void compare_words(const struct miner_template *a, const struct miner_template *b, words_in_common ret)
{
    memset(ret, 0, sizeof(words_in_common));
    for (unsigned i = a->words; i-- > 0;)
        for (unsigned j = b->words; j-- > 0;) {
            const uint8_t without = ret[i + 1][j] > ret[i][j + 1] ? ret[i + 1][j] : ret[i][j + 1];
            const bool equal = a->word[i] == b->word[j] && a->word[i] != 0;
            ret[i][j] = equal && ret[i + 1][j + 1] >= without ? (uint8_t)(ret[i + 1][j + 1] + 1) : without;
        }
}

bool feature_template_words_differ(const struct miner_template *a, const struct miner_template *b)
{
    words_in_common common;
    bool has_slot = false, has_words = false;
    unsigned i = 0, j = 0;
    compare_words(a, b, common);
    while (i < a->words || j < b->words) {
        if (i < a->words && j < b->words && a->word[i] != 0 && a->word[i] == b->word[j] &&
            common[i][j] == common[i + 1][j + 1] + 1) {
            if (has_words && !has_slot)
                return true;
            has_slot = has_words = false;
            i++;
            j++;
            continue;
        }
        const bool of_a = j == b->words || (i < a->words && common[i + 1][j] >= common[i][j + 1]);
        const uint32_t word = of_a ? a->word[i++] : b->word[j++];
        has_slot = has_slot || word == 0;
        has_words = has_words || word != 0;
    }
    return has_words && !has_slot;
}

void feature_template_cut(struct miner_template *learned, const struct feature_set *common)
{
    uint32_t word[MINER_WORDS];
    memcpy(word, learned->word, sizeof(word));
    learned->words = (uint16_t)keep_words(learned->scope, word, learned->words, common, learned->word);
    learned->lines = (uint16_t)keep_lines(learned->scope, learned->line, learned->lines, common, learned->line);
    learned->setup = keep_setup(learned->scope, learned->setup, common);
}
