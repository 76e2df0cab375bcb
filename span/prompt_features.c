/*
 * Prompt features as bytes, see prompt_features.h: version, four counts, three numbers, all hashes,
 * three bytes each, little-endian, then a byte for each word and each line, and two masks where
 * there is a preview.
 *
 * Pure; any thread.
 */
#include "prompt_features.h"

#include <string.h>

enum { VERSION = 2, HASH_BYTES = PROMPT_FEATURES_BITS / 8, FIXED_BYTES = 5 + 3 * 4, MASK_BYTES = 2 * 8 };
enum { HAS_BETWEEN = 1, HAS_PREVIEW = 2 };

_Static_assert(FIXED_BYTES + MASK_BYTES +
                       (HASH_BYTES + 1) * (PROMPT_FEATURES_HEAD + PROMPT_FEATURES_TAIL + PROMPT_FEATURES_LINES) <=
                   SPAN_TEXT_MAX,
               "features fit into a field of a span");

static uint8_t *put(uint8_t *at, uint64_t value, unsigned bytes)
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

static uint8_t *put_bytes(uint8_t *at, const uint8_t *bytes, unsigned count)
{
    memcpy(at, bytes, count);
    return at + count;
}

size_t prompt_features_write(const struct prompt_features *features, uint8_t ret_data[SPAN_TEXT_MAX])
{
    const bool preview = features->preview_begins != 0;
    uint8_t *at = ret_data;
    *at++ = VERSION;
    *at++ = features->heads;
    *at++ = features->tails;
    *at++ = features->lines;
    *at++ = (uint8_t)((features->has_between ? HAS_BETWEEN : 0) | (preview ? HAS_PREVIEW : 0));
    at = put(at, features->scope, 4);
    at = put(at, features->setup, 4);
    at = put(at, features->bytes, 4);
    at = put_hashes(at, features->head, features->heads);
    at = put_hashes(at, features->tail, features->tails);
    at = put_hashes(at, features->line, features->lines);
    at = put_bytes(at, features->head_look, features->heads);
    at = put_bytes(at, features->tail_look, features->tails);
    at = put_bytes(at, features->line_place, features->lines);
    if (preview) {
        at = put(at, features->preview_begins, 8);
        at = put(at, features->preview_shown, 8);
    }
    return (size_t)(at - ret_data);
}

static uint64_t get(const uint8_t **at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t) * (*at)++ << 8 * i;
    return value;
}

static int get_hashes(const uint8_t **at, uint32_t *ret, unsigned count, bool ascending)
{
    for (unsigned i = 0; i < count; i++) {
        ret[i] = (uint32_t)get(at, HASH_BYTES);
        if (ret[i] == 0 || (ascending && i && ret[i] <= ret[i - 1]))
            return -1;
    }
    return 0;
}

static void get_bytes(const uint8_t **at, uint8_t *ret, unsigned count)
{
    memcpy(ret, *at, count);
    *at += count;
}

/* Which words follow a blank, and which of them are seen: only words that are there, and some. */
static int get_preview(struct prompt_features *ret, const uint8_t **at)
{
    ret->preview_begins = get(at, 8);
    ret->preview_shown = get(at, 8);
    if (ret->preview_begins == 0 || (ret->preview_shown & ~ret->preview_begins) != 0 ||
        (ret->heads < 64 && ret->preview_begins >> ret->heads != 0))
        return -1;
    return 0;
}

/* Everything behind the counts. */
static int get_rest(struct prompt_features *ret, const uint8_t **at, bool preview)
{
    ret->scope = (uint32_t)get(at, 4);
    ret->setup = (uint32_t)get(at, 4);
    ret->bytes = (uint32_t)get(at, 4);
    if (get_hashes(at, ret->head, ret->heads, false) || get_hashes(at, ret->tail, ret->tails, false) ||
        get_hashes(at, ret->line, ret->lines, true))
        return -1;
    get_bytes(at, ret->head_look, ret->heads);
    get_bytes(at, ret->tail_look, ret->tails);
    get_bytes(at, ret->line_place, ret->lines);
    return preview ? get_preview(ret, at) : 0;
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
    const uint8_t has = *at++;
    const bool between = has & HAS_BETWEEN, preview = has & HAS_PREVIEW;
    if (ret->heads > PROMPT_FEATURES_HEAD || ret->tails > PROMPT_FEATURES_TAIL || ret->lines > PROMPT_FEATURES_LINES ||
        has > (HAS_BETWEEN | HAS_PREVIEW) || (ret->heads < PROMPT_FEATURES_HEAD && (ret->tails || between)) ||
        bytes != (size_t)FIXED_BYTES + (preview ? (size_t)MASK_BYTES : 0) +
                     (size_t)(HASH_BYTES + 1) * ((size_t)ret->heads + ret->tails + ret->lines))
        return -1;
    ret->has_between = between;
    return get_rest(ret, &at, preview);
}
