/*
 * What learning prompts costs: texts of T templates, each with a name in it and a paragraph after
 * it, learned from nothing, and new texts where all templates are known. One JSON object a line:
 * microseconds of CPU and bytes of memory. One thread. Usage: bench_prompts TEMPLATES TEXTS
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/prompts/miner.h"

enum { BEGIN_WORDS = 40, LINE_WORDS = 9, FOUND_LINES = 8 };

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ z >> 27;
}

static uint32_t hash24(uint64_t value)
{
    return (uint32_t)(next(&value) & 0xffffff) | 1;
}

static int by_value(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* 40 words of the template, two of a name, its 20 last words, then what was found. */
static void make_text(struct miner_text *text, uint64_t template, uint64_t number)
{
    struct prompt_features *const features = &text->features;
    uint64_t own = number * 977 + 5;
    *text = (struct miner_text){.id = next(&own), .calls = 1, .first_ns = number, .last_ns = number};
    for (unsigned i = 0; i < PROMPT_FEATURES_HEAD; i++)
        features->head[features->heads++] =
            i < BEGIN_WORDS || (i > BEGIN_WORDS + 1 && i < 62) ? hash24(template * 64 + i) : hash24(next(&own));
    for (unsigned i = 0; i < PROMPT_FEATURES_TAIL; i++)
        features->tail[features->tails++] = hash24(next(&own));
    features->has_between = true;
    for (unsigned i = 0; i < BEGIN_WORDS / LINE_WORDS; i++)
        features->line[features->lines++] = hash24(template * 64 + 1000 + i);
    for (unsigned i = 0; i < FOUND_LINES; i++)
        features->line[features->lines++] = hash24(next(&own));
    qsort(features->line, features->lines, sizeof(features->line[0]), by_value);
}

static struct miner *run(const struct miner_template *known, size_t knowns, uint64_t templates, size_t texts,
                         uint64_t from, const char *what)
{
    const size_t before = mallinfo2().uordblks;
    struct miner *const miner = miner_new();
    struct miner_text text;
    size_t found = 0, count;
    for (size_t i = 0; i < knowns; i++)
        if (miner_know(miner, &known[i]))
            exit(1);
    for (size_t i = 0; i < texts; i++) {
        make_text(&text, (from + i) % templates, from + i);
        if (miner_add(miner, &text))
            exit(1);
    }
    const double begun = cpu_us();
    if (miner_run(miner))
        exit(1);
    const double us = cpu_us() - begun;
    const struct miner_text *const done = miner_texts(miner, &count);
    for (size_t i = 0; i < count; i++)
        found += done[i].found != MINER_NOT;
    (void)miner_templates(miner, &count);
    printf("{\"what\": \"%s\", \"templates\": %zu, \"texts\": %zu, \"found\": %zu, \"us_per_text\": %.2f, \"bytes\": "
           "%zu}\n",
           what, count, texts, found, us / (double)texts, mallinfo2().uordblks - before);
    return miner;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_prompts TEMPLATES TEXTS\n");
        return 2;
    }
    const uint64_t templates = strtoull(argv[1], NULL, 10);
    const size_t texts = strtoull(argv[2], NULL, 10);
    size_t count;
    struct miner *const learned = run(NULL, 0, templates, templates * 16, 0, "learned from nothing");
    const struct miner_template *const known = miner_templates(learned, &count);
    miner_free(run(known, count, templates, texts, templates * 16, "templates known"));
    miner_free(learned);
}
