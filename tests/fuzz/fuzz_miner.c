/*
 * Feeds arbitrary features to the miner (collector/prompts/): each text is what
 * prompt_features_read makes of a piece of the input, or words of a small alphabet, so that texts
 * have much in common. What is found must name a template that is there, versions of a prompt must
 * differ, and a second run that knows the settled ones must end, too.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/prompts/miner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { TEXTS_MAX = 48, WORDS_OF_A_BYTE = 3 };

/* A byte is a few words in a row, its highest bit ends a line. */
static void from_small_alphabet(struct prompt_features *ret, const uint8_t *data, size_t bytes)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < bytes; i++)
        for (unsigned k = 1; k <= WORDS_OF_A_BYTE; k++) {
            const uint32_t word = (data[i] & 0x7fU) * 8 + k;
            if (ret->heads < PROMPT_FEATURES_HEAD)
                ret->head[ret->heads++] = word;
            else if (ret->tails < PROMPT_FEATURES_TAIL)
                ret->tail[ret->tails++] = word;
            else
                ret->has_between = true;
        }
    for (size_t i = 1; i < bytes && ret->lines < PROMPT_FEATURES_LINES; i++) {
        const uint32_t line = (ret->lines ? ret->line[ret->lines - 1] : 0) + 1 + (data[i] & 0x3fU);
        if (data[i] & 0x80)
            ret->line[ret->lines++] = line;
    }
}

static void look_at(const struct miner *miner)
{
    size_t texts, templates;
    const struct miner_text *const text = miner_texts(miner, &texts);
    const struct miner_template *const template = miner_templates(miner, &templates);
    for (size_t i = 0; i < texts; i++)
        if (text[i].found != MINER_NOT && (size_t)text[i].found >= templates)
            abort();
    for (size_t i = 0; i < templates; i++) {
        if (template[i].version == 0 || template[i].words > MINER_WORDS || template[i].lines > PROMPT_FEATURES_LINES)
            abort();
        for (size_t k = 0; k < i; k++)
            if (template[i].prompt == template[k].prompt && template[i].version == template[k].version)
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct miner_text text[TEXTS_MAX];
    size_t count = 0;
    while (bytes > 2 && count < TEXTS_MAX) {
        const size_t size = data[1] < bytes - 2 ? data[1] : bytes - 2;
        struct miner_text *const one = &text[count];
        *one = (struct miner_text){
            .id = count * UINT64_C(0x9e3779b97f4a7c15), .calls = 1 + data[0] % 5, .first_ns = count + 1};
        if (data[0] & 0x80) {
            if (prompt_features_read(&one->features, data + 2, size) == 0)
                count++;
        } else {
            from_small_alphabet(&one->features, data + 2, size);
            one->features.scope = data[0] >> 6 & 1;
            count++;
        }
        data += 2 + size;
        bytes -= 2 + size;
    }
    struct miner *const first = miner_new(), *const second = miner_new();
    for (size_t i = 0; i < count; i++)
        if (miner_add(first, &text[i]))
            abort();
    if (miner_run(first))
        abort();
    look_at(first);
    size_t templates;
    const struct miner_template *const known = miner_templates(first, &templates);
    for (size_t i = 0; i < templates; i++)
        if (known[i].settled && miner_know(second, &known[i]))
            abort();
    for (size_t i = 0; i < count; i++)
        if (miner_add(second, &text[i]))
            abort();
    if (miner_run(second))
        abort();
    look_at(second);
    miner_free(first);
    miner_free(second);
    return 0;
}
