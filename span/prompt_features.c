/*
 * Prompt features as bytes, see prompt_features.h: version, four counts, three numbers, then all
 * hashes, three bytes each, little-endian.
 *
 * Pure; any thread.
 */
#include "prompt_features.h"

#include <string.h>

enum { VERSION = 1, HASH_BYTES = PROMPT_FEATURES_BITS / 8, FIXED_BYTES = 5 + 3 * 4 };

_Static_assert(FIXED_BYTES + HASH_BYTES * (PROMPT_FEATURES_HEAD + PROMPT_FEATURES_TAIL + PROMPT_FEATURES_LINES) <=
                   SPAN_TEXT_MAX,
               "features fit into a field of a span");

static uint8_t *put(uint8_t *at, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

static uint8_t *put_hashes(uint8_t *at, const uint32_t *hash, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        at = put(at, hash[i], HASH_BYTES);
    return at;
}

size_t prompt_features_write(const struct prompt_features *features, uint8_t ret_data[SPAN_TEXT_MAX])
{
    uint8_t *at = ret_data;
    *at++ = VERSION;
    *at++ = features->heads;
    *at++ = features->tails;
    *at++ = features->lines;
    *at++ = features->has_between;
    at = put(at, features->scope, 4);
    at = put(at, features->setup, 4);
    at = put(at, features->bytes, 4);
    at = put_hashes(at, features->head, features->heads);
    at = put_hashes(at, features->tail, features->tails);
    at = put_hashes(at, features->line, features->lines);
    return (size_t)(at - ret_data);
}

static uint32_t get(const uint8_t **at, unsigned bytes)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint32_t) * (*at)++ << 8 * i;
    return value;
}

static int get_hashes(const uint8_t **at, uint32_t *ret, unsigned count, bool ascending)
{
    for (unsigned i = 0; i < count; i++) {
        ret[i] = get(at, HASH_BYTES);
        if (ret[i] == 0 || (ascending && i && ret[i] <= ret[i - 1]))
            return -1;
    }
    return 0;
}

int prompt_features_read(struct prompt_features *ret, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    memset(ret, 0, sizeof(*ret));
    if (bytes < FIXED_BYTES || *at++ != VERSION)
        return -1;
    ret->heads = *at++;
    ret->tails = *at++;
    ret->lines = *at++;
    const uint8_t between = *at++;
    if (ret->heads > PROMPT_FEATURES_HEAD || ret->tails > PROMPT_FEATURES_TAIL || ret->lines > PROMPT_FEATURES_LINES ||
        between > 1 || (ret->heads < PROMPT_FEATURES_HEAD && (ret->tails || between)) ||
        bytes != FIXED_BYTES + (size_t)HASH_BYTES * ((size_t)ret->heads + ret->tails + ret->lines))
        return -1;
    ret->has_between = between;
    ret->scope = get(&at, 4);
    ret->setup = get(&at, 4);
    ret->bytes = get(&at, 4);
    if (get_hashes(&at, ret->head, ret->heads, false) || get_hashes(&at, ret->tail, ret->tails, false))
        return -1;
    return get_hashes(&at, ret->line, ret->lines, true);
}
