/*
 * Texts of which templates are known, for tests of learning: drafts of words of a vocabulary of
 * numbers, their features, and whether the miner found what they were made from.
 */
#pragma once

#include "collector_tests.h"

#include "collector/prompts/miner.h"
#include "span_tests.h"

enum { TEXT_WORDS = 2048, TEXTS = 400, STOP = 1, NEVER = 1 << 23 };

struct draft { /* a text under construction */
    uint32_t word[TEXT_WORDS];
    unsigned words;
};

static uint64_t seed;

static inline void begin(struct draft *draft)
{
    draft->words = 0;
}

static inline void add_word(struct draft *draft, uint32_t word)
{
    assert_true(draft->words < TEXT_WORDS);
    draft->word[draft->words++] = word;
}

/* `count` words of a text that its number tells, a full stop after every eighth. */
static inline void add_text(struct draft *draft, uint32_t number, unsigned count)
{
    uint64_t own = number * UINT64_C(7919) + 1;
    for (unsigned i = 0; i < count; i++)
        add_word(draft, i % 9 == 8 || i + 1 == count ? STOP : 2 + (uint32_t)(random_next(&own) % 5000));
}

static inline void add_name(struct draft *draft)
{
    add_word(draft, 6000 + (uint32_t)(random_next(&seed) % 400));
    add_word(draft, 7000 + (uint32_t)(random_next(&seed) % 400));
}

static inline uint32_t random_text(void)
{
    return 100000 + (uint32_t)(random_next(&seed) % 1000000);
}

static inline int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static inline uint32_t mixed(uint64_t a, uint64_t b)
{
    uint64_t state = a * UINT64_C(0x9e3779b97f4a7c15) + b;
    const uint32_t hash = (uint32_t)(random_next(&state) % ((1 << PROMPT_FEATURES_BITS) - 1));
    return hash ? hash : 1;
}

static inline void add_line(uint32_t *line, unsigned *count, uint64_t before, uint64_t now)
{
    line[(*count)++] = mixed(before, now);
}

/* As the scribe does it: first words, last words, the lowest hashes of neighbouring lines. */
static inline void features_of(const struct draft *draft, struct prompt_features *ret)
{
    uint32_t line[TEXT_WORDS];
    unsigned lines = 0;
    uint64_t before = 0, now = 0;
    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < draft->words; i++) {
        now = mixed(now, draft->word[i]);
        if (draft->word[i] == STOP || i + 1 == draft->words) {
            add_line(line, &lines, before, now);
            before = now;
            now = 0;
        }
    }
    add_line(line, &lines, before, UINT64_MAX);
    qsort(line, lines, sizeof(line[0]), by_value);
    for (unsigned i = 0; i < lines && ret->lines < PROMPT_FEATURES_LINES; i++)
        if (i == 0 || line[i] != line[i - 1])
            ret->line[ret->lines++] = line[i];
    ret->heads = (uint8_t)(draft->words < PROMPT_FEATURES_HEAD ? draft->words : PROMPT_FEATURES_HEAD);
    for (unsigned i = 0; i < ret->heads; i++)
        ret->head[i] = mixed(5, draft->word[i]);
    const unsigned rest = draft->words - ret->heads;
    ret->tails = (uint8_t)(rest < PROMPT_FEATURES_TAIL ? rest : PROMPT_FEATURES_TAIL);
    ret->has_between = rest > PROMPT_FEATURES_TAIL;
    for (unsigned i = 0; i < ret->tails; i++)
        ret->tail[i] = mixed(5, draft->word[draft->words - ret->tails + i]);
}

/* The texts of a test, each with what it is. */
static struct {
    struct miner_text text[TEXTS];
    uint32_t truth[TEXTS];
    unsigned count;
} all;

static inline void forget(uint64_t new_seed)
{
    all.count = 0;
    seed = new_seed;
}

static inline struct miner_text *add(const struct draft *draft, uint32_t truth, uint64_t calls)
{
    assert_true(all.count < TEXTS);
    struct miner_text *const text = &all.text[all.count];
    *text = (struct miner_text){.calls = calls, .first_ns = all.count + 1, .last_ns = all.count + 1};
    features_of(draft, &text->features);
    for (unsigned i = 0; i < draft->words; i++)
        text->id = text->id * 31 + mixed(text->id, draft->word[i]);
    text->id = text->id << 20 | (all.count + 1);
    all.truth[all.count++] = truth;
    return text;
}

static inline struct miner *run_all(void)
{
    struct miner *const miner = miner_new();
    for (unsigned i = 0; i < all.count; i++)
        assert_int_equal(miner_add(miner, &all.text[i]), 0);
    assert_int_equal(miner_run(miner), 0);
    return miner;
}

static inline const struct miner_template *template_of(const struct miner *miner, unsigned i)
{
    size_t texts, templates;
    const struct miner_text *const text = miner_texts(miner, &texts);
    const struct miner_template *const template = miner_templates(miner, &templates);
    assert_true(i < texts && text[i].found < (int32_t)templates);
    return text[i].found == MINER_NOT ? NULL : &template[text[i].found];
}

/* Same truth, same template and version; other truth, another one. */
static inline void expect_truth(const struct miner *miner)
{
    for (unsigned i = 0; i < all.count; i++)
        for (unsigned k = 0; k < i; k++) {
            const struct miner_template *const a = template_of(miner, i), *const b = template_of(miner, k);
            assert_non_null(a);
            if (all.truth[i] == all.truth[k])
                assert_ptr_equal(a, b);
            else
                assert_ptr_not_equal(a, b);
        }
}

/* ---- what varies ---- */

static inline void add_names(struct draft *draft, unsigned templates, unsigned texts)
{
    for (unsigned i = 0; i < texts; i++)
        for (unsigned k = 0; k < templates; k++) {
            begin(draft);
            add_text(draft, 77, 4);
            add_name(draft);
            add_text(draft, k, 40);
            add(draft, k, 1);
        }
}
