/* Sums of Anthropic's `usage.iterations`, see iterations.h. Scribe's thread; pure on the caller's
 * memory. */
#include "iterations.h"

#include <string.h>

#include "dialect_usage.h"

enum { ITERATED_OUTPUT = 1 };
const enum facts_number iterated[ITERATED] = {
    FACT_INPUT,    FACT_OUTPUT, FACT_CACHE_READ, FACT_CACHE_CREATION, FACT_CACHE_CREATION_5M, FACT_CACHE_CREATION_1H,
    FACT_REASONING};

static void add_one(struct iterations *iterations)
{
    if (iterations->advice || (iterations->attempt && !iterations->one[ITERATED_OUTPUT]))
        return;
    iterations->any = true;
    for (unsigned i = 0; i < ITERATED; i++)
        iterations->sum[i] += iterations->one[i];
}

void iterations_value(struct iterations *iterations, enum iterations_part part, const struct json_value *value)
{
    if (part == ITERATIONS_LIST) {
        if (value->type == JSON_ARRAY_BEGIN)
            memset(iterations, 0, sizeof(*iterations));
    } else if (part == ITERATIONS_TYPE) {
        iterations->attempt = json_text_is(value, "message") || json_text_is(value, "fallback_message");
        iterations->advice = json_text_is(value, "advisor_message");
    } else if (part == ITERATIONS_COUNT) {
        const enum facts_number which = value->has_u64 ? dialect_usage_fact(value->key, value->key_bytes) : FACT_TOTAL;
        for (unsigned i = 0; i < ITERATED; i++)
            if (iterated[i] == which && value->u64 <= FACTS_TOKENS_MAX)
                iterations->one[i] = value->u64;
    } else if (value->type == JSON_OBJECT_BEGIN) {
        memset(iterations->one, 0, sizeof(iterations->one));
        iterations->attempt = iterations->advice = false;
    } else if (value->type == JSON_OBJECT_END) {
        add_one(iterations);
    }
}

uint64_t iterations_above(const struct iterations *iterations, unsigned i, uint64_t stated)
{
    return iterations->any && iterations->sum[i] > stated ? iterations->sum[i] - stated : 0;
}
