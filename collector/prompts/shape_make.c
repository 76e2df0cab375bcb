/*
 * The shape of a version that was found: the words that the miner found in nearly all of its texts,
 * and between them those, fewer in a row than it looks for, that all have. The collector's thread;
 * pure. See shape.h.
 */
#include "shape_inner.h"

#include <string.h>

enum {
    SAMPLE = 32,      /* texts in which short runs are looked for */
    TEXTS_TO_SAY = 3, /* in fewer what they share may be a value */
    VALUE_WORDS = 40, /* longer values are text, of which nothing is common but by accident */
};

/* A text laid beside the words that all have. */
struct laid {
    struct shape_row row;
    int place[MINER_WORDS];
};

static bool is_edge(uint32_t word)
{
    return word >= UINT32_C(1) << PROMPT_FEATURES_BITS; /* where a text begins and ends */
}

static void take_words(struct prompt_shape *shape, const struct miner_template *learned)
{
    if (learned->words == 0 || !is_edge(learned->word[0]))
        (void)shape_slot_at(shape, 0);
    for (unsigned i = 0; i < learned->words; i++)
        if (learned->word[i] == 0)
            (void)shape_slot_at(shape, shape->words);
        else if (!is_edge(learned->word[i]))
            shape->word[shape->words++] = (struct shape_word){.hash = learned->word[i]};
    if (learned->words == 0 || !is_edge(learned->word[learned->words - 1]))
        (void)shape_slot_at(shape, shape->words);
}

/* The longest row of words that both have in this order, put into `common`; returns its length. */
static unsigned common_words(uint32_t *common, unsigned count, const uint32_t *other, unsigned others)
{
    uint8_t best[VALUE_WORDS + 1][VALUE_WORDS + 1] = {{0}}; /* of what follows both places */
    unsigned kept = 0;
    for (unsigned i = count; i-- > 0;)
        for (unsigned k = others; k-- > 0;)
            best[i][k] = common[i] == other[k]              ? (uint8_t)(best[i + 1][k + 1] + 1)
                         : best[i + 1][k] >= best[i][k + 1] ? best[i + 1][k]
                                                            : best[i][k + 1];
    for (unsigned i = 0, k = 0; i < count && k < others;) {
        if (common[i] == other[k]) {
            common[kept++] = common[i++];
            k++;
        } else if (best[i + 1][k] >= best[i][k + 1]) {
            i++;
        } else {
            k++;
        }
    }
    return kept;
}

/* What a text has in a slot. Returns how many words, or -1 where it does not say. */
static int value_in(const struct prompt_shape *shape, const struct laid *laid, unsigned after, int *ret_from)
{
    const int before = after == 0 ? -1 : laid->place[after - 1];
    const int behind = after == shape->words ? (int)laid->row.words : laid->place[after];
    *ret_from = before + 1;
    return (after > 0 && before == SHAPE_NOT_THERE) || behind == SHAPE_NOT_THERE ? -1 : behind - before - 1;
}

/* Words that all values of a slot have. 0 where they are too few to be more than accident. */
static unsigned short_words(const struct prompt_shape *shape, const struct laid *laid, unsigned count, unsigned after,
                            uint32_t ret_word[VALUE_WORDS])
{
    unsigned common = 0, texts = 0, words = 0;
    for (unsigned i = 0; i < count; i++) {
        int from;
        const int size = value_in(shape, &laid[i], after, &from);
        if (size < 0)
            continue;
        if (size > VALUE_WORDS)
            return 0;
        const uint32_t *const value = laid[i].row.hash + from;
        for (int k = 0; k < size; k++)
            if (value[k] == 0)
                return 0;
        if (texts++ == 0)
            memcpy(ret_word, value, (common = (unsigned)size) * sizeof(*value));
        else
            common = common_words(ret_word, common, value, (unsigned)size);
        words += (unsigned)size;
    }
    return texts >= TEXTS_TO_SAY && common * 4 * texts >= words ? common : 0;
}

/* Whether something stands before a common word in any text: between it and the one before. Bit
 * `common` is for what stands behind the last. */
static uint64_t gaps_between(const struct prompt_shape *shape, const struct laid *laid, unsigned count, unsigned after,
                             const uint32_t *word, unsigned common)
{
    uint64_t gaps = 0;
    for (unsigned i = 0; i < count; i++) {
        int from;
        const int size = value_in(shape, &laid[i], after, &from);
        int at = 0;
        for (unsigned k = 0; size >= 0 && k < common; k++, at++)
            for (; at < size && laid[i].row.hash[from + at] != word[k]; at++)
                gaps |= UINT64_C(1) << k;
        if (at < size)
            gaps |= UINT64_C(1) << common;
    }
    return gaps;
}

/* Words and slots in place of a slot. */
static void put_words(struct prompt_shape *shape, unsigned after, const uint32_t *word, unsigned common, uint64_t gaps)
{
    unsigned kept = 0;
    memmove(&shape->word[after + common], &shape->word[after], (shape->words - after) * sizeof(shape->word[0]));
    for (unsigned k = 0; k < common; k++)
        shape->word[after + k] = (struct shape_word){.hash = word[k]};
    shape->words = (uint16_t)(shape->words + common);
    for (unsigned s = 0; s < shape->slots; s++) {
        if (shape->slot[s].after == after)
            continue;
        shape->slot[kept] = shape->slot[s];
        shape->slot[kept].after = (uint16_t)(shape->slot[kept].after + (shape->slot[s].after > after ? common : 0));
        kept++;
    }
    shape->slots = (uint16_t)kept;
    for (unsigned k = 0; k <= common; k++)
        if (gaps >> k & 1)
            (void)shape_slot_at(shape, after + k);
}

static void find_short_runs(struct prompt_shape *shape, struct laid *laid, unsigned count)
{
    for (unsigned s = shape->slots; s-- > 0;) {
        uint32_t word[VALUE_WORDS];
        const unsigned after = shape->slot[s].after;
        const unsigned common = short_words(shape, laid, count, after, word);
        if (common == 0 || shape->words + common > MINER_WORDS || shape->slots + common > SHAPE_SLOTS)
            continue;
        put_words(shape, after, word, common, gaps_between(shape, laid, count, after, word, common));
        for (unsigned i = 0; i < count; i++)
            shape_align(shape, &laid[i].row, laid[i].place);
    }
}

void shape_make(struct prompt_shape *ret, const struct miner_template *learned,
                const struct prompt_features *const *texts, size_t count)
{
    struct laid laid[SAMPLE];
    const unsigned sample = count < SAMPLE ? (unsigned)count : SAMPLE;
    memset(ret, 0, sizeof(*ret));
    take_words(ret, learned);
    for (unsigned i = 0; i < learned->lines; i++)
        ret->line[ret->lines++] = (struct shape_line){.hash = learned->line[i]};
    for (unsigned i = 0; i < sample; i++) {
        shape_row_of(&laid[i].row, texts[i]);
        shape_align(ret, &laid[i].row, laid[i].place);
    }
    find_short_runs(ret, laid, sample);
    for (size_t i = 0; i < count; i++)
        shape_join(ret, texts[i]);
}

/* The words that a template has left are those that it had, but for some. */
static void cut_words(struct prompt_shape *shape, const struct miner_template *learned)
{
    bool gone[MINER_WORDS] = {false};
    unsigned next = 0;
    for (unsigned at = 0, run; at < shape->words; at += run) {
        run = shape_run(shape, at);
        for (unsigned i = at; i < at + run && run >= SHAPE_LONG_RUN; i++) {
            unsigned found = next;
            while (found < learned->words && (is_edge(learned->word[found]) || learned->word[found] == 0))
                found++;
            gone[i] = found == learned->words || learned->word[found] != shape->word[i].hash;
            next = gone[i] ? next : found + 1;
        }
    }
    for (unsigned i = shape->words; i-- > 0;)
        if (gone[i])
            shape_drop(shape, i, 1);
}

void shape_cut(struct prompt_shape *shape, const struct miner_template *learned)
{
    unsigned kept = 0, next = 0;
    cut_words(shape, learned);
    for (unsigned i = 0; i < shape->lines; i++) {
        while (next < learned->lines && learned->line[next] < shape->line[i].hash)
            next++;
        if (next < learned->lines && learned->line[next] == shape->line[i].hash)
            shape->line[kept++] = shape->line[i];
    }
    shape->lines = (uint16_t)kept;
}
