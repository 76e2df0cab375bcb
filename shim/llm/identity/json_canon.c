/*
 * The order-independent hash of json_canon.h: a scanner whose rules match everything, and a sum.
 *
 * Called by prompt.c on the scribe's thread with the raw bytes of `tools` and `response_format`. It
 * must give the same sums in every process and on every machine: no addresses, no byte order of the
 * machine, no random seeds.
 */
#include "json_canon.h"

#include "shim/llm/json/json_rules.h"

#include <string.h>
#include <strings.h>

static const uint64_t prime_a = UINT64_C(0x9e3779b185ebca87), prime_b = UINT64_C(0xc2b2ae3d27d4eb4f);

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void mix_word(struct text_hash *hash, uint64_t word)
{
    hash->a = rotate((hash->a ^ word) * prime_a, 29) + hash->b;
    hash->b = rotate((hash->b + word) * prime_b, 31) ^ hash->a;
}

static void push_byte(struct text_hash *hash, uint8_t byte)
{
    hash->word |= (uint64_t)byte << 8 * (hash->bytes & 7);
    if (!(++hash->bytes & 7)) {
        mix_word(hash, hash->word);
        hash->word = 0;
    }
}

void text_hash_init(struct text_hash *hash, uint64_t seed)
{
    *hash = (struct text_hash){.a = mix(seed + prime_a), .b = mix(seed ^ prime_b)};
}

void text_hash_push(struct text_hash *hash, const void *text, size_t bytes)
{
    const uint8_t *p = text;
    const uint8_t *const end = p + bytes;
    while (p < end && (hash->bytes & 7))
        push_byte(hash, *p++);
    for (; end - p >= 8; p += 8, hash->bytes += 8) {
        uint64_t word = 0;
        for (unsigned i = 0; i < 8; i++)
            word |= (uint64_t)p[i] << 8 * i; /* one load where the machine is little endian */
        mix_word(hash, word);
    }
    while (p < end)
        push_byte(hash, *p++);
}

void text_hash_end(const struct text_hash *hash, uint64_t ret_digest[2])
{
    struct text_hash copy = *hash;
    if (copy.bytes & 7)
        mix_word(&copy, copy.word);
    mix_word(&copy, copy.bytes);
    ret_digest[0] = mix(copy.a + rotate(copy.b, 17));
    ret_digest[1] = mix(copy.b ^ rotate(copy.a, 41));
}

/* The path of the value that is being reported; an array moves on to its next position. */
static uint64_t value_path(struct json_canon *canon, const struct json_value *value)
{
    struct json_canon_level *const level = &canon->level[canon->depth];
    uint64_t digest[2];
    struct text_hash hash;
    text_hash_init(&hash, level->path);
    if (level->array) {
        const uint64_t index = level->index++;
        hash.a ^= mix(index + 1);
    } else if (canon->depth && value->key != NULL) {
        text_hash_push(&hash, value->key, value->key_bytes);
    }
    text_hash_end(&hash, digest);
    return digest[0];
}

static void add_leaf(struct json_canon *canon, struct text_hash *hash)
{
    uint64_t digest[2];
    text_hash_end(hash, digest);
    canon->sum[0] += digest[0];
    canon->sum[1] += digest[1];
    canon->leaves++;
}

enum { TOOLS_NOT, TOOLS_LIST, TOOLS_ONE };

static bool key_is(const struct json_value *value, const char *word)
{
    return value->key_bytes == strlen(word) && !strncasecmp(value->key, word, value->key_bytes);
}

/* What opens below a level of this sort: [{"name"}], [{"function": {"name"}}] and the like, and
 * Gemini's [{"functionDeclarations": [{"name"}]}]. Names of other depths are those of
 * parameters. */
static uint8_t tools_below(uint8_t tools, const struct json_value *value)
{
    if (tools == TOOLS_LIST)
        return value->type == JSON_OBJECT_BEGIN ? TOOLS_ONE : TOOLS_NOT;
    if (tools == TOOLS_NOT || value->key == NULL)
        return TOOLS_NOT;
    if (value->type == JSON_ARRAY_BEGIN)
        return key_is(value, "functionDeclarations") || key_is(value, "function_declarations") ? TOOLS_LIST : TOOLS_NOT;
    return key_is(value, "function") || key_is(value, "toolSpec") ? TOOLS_ONE : TOOLS_NOT;
}

static void open_level(struct json_canon *canon, const struct json_value *value)
{
    const uint64_t path = value_path(canon, value);
    const uint8_t tools = canon->depth ? tools_below(canon->level[canon->depth].tools, value) : TOOLS_LIST;
    struct text_hash hash;
    text_hash_init(&hash, path);
    text_hash_push(&hash, &value->type, 1);
    add_leaf(canon, &hash);
    if (canon->depth <= JSON_PATH_DEPTH)
        canon->depth++;
    canon->level[canon->depth] =
        (struct json_canon_level){.path = path, .index = 0, .array = value->type == JSON_ARRAY_BEGIN, .tools = tools};
}

static void on_value(void *context, const struct json_value *value)
{
    struct json_canon *const canon = context;
    if (value->type == JSON_OBJECT_BEGIN || value->type == JSON_ARRAY_BEGIN) {
        open_level(canon, value);
        return;
    }
    if (value->type == JSON_OBJECT_END || value->type == JSON_ARRAY_END) {
        canon->depth -= canon->depth > 0;
        return;
    }
    if (value->first) {
        text_hash_init(&canon->text, value_path(canon, value));
        text_hash_push(&canon->text, &value->type, 1);
    }
    text_hash_push(&canon->text, value->text, value->bytes);
    if (canon->name != NULL && value->type == JSON_STRING && canon->level[canon->depth].tools == TOOLS_ONE &&
        key_is(value, "name"))
        canon->name(canon->name_context, value);
    if (value->last)
        add_leaf(canon, &canon->text);
}

void json_canon_init(struct json_canon *canon)
{
    const struct json_rules everything = {.root = json_rules_everything()};
    json_scan_init(&canon->scan, &everything, on_value, canon, false);
    canon->sum[0] = canon->sum[1] = canon->leaves = 0;
    canon->depth = 0;
    canon->name = NULL;
    canon->level[0] = (struct json_canon_level){.path = prime_a};
}

void json_canon_push(struct json_canon *canon, const char *json, size_t bytes)
{
    json_scan_push(&canon->scan, json, bytes);
}

void json_canon_end(struct json_canon *canon)
{
    (void)json_scan_end(&canon->scan);
}

void json_canon_tidy(struct json_canon *canon)
{
    if (json_scan_at_rest(&canon->scan)) { /* another value begins with json_canon_init */
        memset(&canon->scan, 0, sizeof(canon->scan));
        memset(&canon->text, 0, sizeof(canon->text));
        memset(canon->level, 0, sizeof(canon->level));
        return;
    }
    json_scan_tidy(&canon->scan);
    memset(canon->level + canon->depth + 1, 0, sizeof(canon->level) - (canon->depth + 1) * sizeof(canon->level[0]));
}
