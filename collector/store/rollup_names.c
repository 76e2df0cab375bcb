/*
 * The texts of rollup keys by number, so that keys are compared and hashed without their texts.
 *
 * Called by rollup.c for each text of a block's dictionaries, by the store for each group that it
 * loads. What is in a rollup's memory uses these numbers: they go with it (rollup_clear). A prompt
 * is written in one way: a name that looks as an id does is that id, as it is in the store. Must
 * not touch the file.
 */
#include <stdlib.h>
#include <string.h>

#include "rollup.h"

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 29);
}

static uint64_t hash_text(const char *text, uint32_t bytes)
{
    uint64_t h = bytes;
    uint64_t piece;

    for (; bytes >= sizeof(piece); bytes -= (uint32_t)sizeof(piece), text += sizeof(piece)) {
        memcpy(&piece, text, sizeof(piece));
        h = mix(h, piece);
    }
    piece = 0;
    memcpy(&piece, text, bytes);
    h = mix(h, piece);
    return mix(h, h >> 32);
}

/* 16 digits as an id is written. */
static bool read_id(const char *text, uint32_t bytes, uint64_t *ret_id)
{
    *ret_id = 0;
    if (bytes != 16)
        return false;
    for (int d = 0; d < 16; d++) {
        const char c = text[d];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *ret_id = *ret_id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return true;
}

static void write_id(char text[16], uint64_t id)
{
    static const char digits[] = "0123456789abcdef";

    for (int d = 0; d < 16; d++)
        text[d] = digits[(id >> (60 - 4 * d)) & 15];
}

static int more_slots(struct rollup_names *names)
{
    const size_t slots = names->slots == 0 ? 64 : names->slots * 2;
    uint32_t *slot = calloc(slots, sizeof(*slot));

    if (slot == NULL)
        return -1;
    for (size_t i = 0; i < names->n; i++) {
        size_t at = (size_t)names->name[i].hash;

        while (slot[at & (slots - 1)] != 0)
            at++;
        slot[at & (slots - 1)] = (uint32_t)i + 1;
    }
    free(names->slot);
    names->slot = slot;
    names->slots = slots;
    return 0;
}

static int add(struct rollup_names *names, const char *text, uint32_t bytes, uint64_t hash)
{
    struct rollup_text name = {.hash = hash, .text = {.bytes = bytes}};
    char *copy;

    if (names->n == names->capacity) {
        const size_t capacity = names->capacity == 0 ? 32 : names->capacity * 2;
        struct rollup_text *grown = realloc(names->name, capacity * sizeof(*grown));

        if (grown == NULL)
            return -1;
        names->name = grown;
        names->capacity = capacity;
    }
    copy = malloc(bytes);
    if (copy == NULL)
        return -1;
    memcpy(copy, text, bytes);
    name.text.data = copy;
    name.is_id = read_id(text, bytes, &name.id);
    names->name[names->n++] = name;
    return 0;
}

static int put(struct rollup_names *names, const char *text, uint32_t bytes, uint32_t *ret_number)
{
    const uint64_t hash = hash_text(text, bytes);
    size_t at = (size_t)hash;

    if ((names->n + 1) * 2 > names->slots && more_slots(names) != 0)
        return -1;
    for (;; at++) {
        const uint32_t number = names->slot[at & (names->slots - 1)];
        if (number == 0)
            break;
        const struct rollup_text *known = &names->name[number - 1];
        if (known->hash == hash && known->text.bytes == bytes && memcmp(known->text.data, text, bytes) == 0) {
            *ret_number = number;
            return 0;
        }
    }
    if (add(names, text, bytes, hash) != 0)
        return -1;
    names->slot[at & (names->slots - 1)] = (uint32_t)names->n;
    *ret_number = (uint32_t)names->n;
    return 0;
}

/* Those that are asked for by number come first. */
static int put_fixed(struct rollup_names *names)
{
    static const char *const fixed[] = {
#define X(name) #name,
        ROLLUP_NAMES(X)
#undef X
    };
    uint32_t number;

    for (size_t i = names->n; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (put(names, fixed[i], (uint32_t)strlen(fixed[i]), &number) != 0)
            return -1;
    return 0;
}

int rollup_name(struct rollup_names *names, const char *text, uint32_t bytes, uint32_t *ret_number)
{
    *ret_number = ROLLUP_NAME_none;
    if (put_fixed(names) != 0)
        return -1;
    return bytes == 0 ? 0 : put(names, text, bytes, ret_number);
}

void rollup_parts_prompt_id(struct rollup_parts *parts, uint64_t id)
{
    parts->prompt = id;
    parts->name[ROLLUP_prompt] = ROLLUP_NAME_ID;
}

void rollup_names_prompt(const struct rollup_names *names, uint32_t number, struct rollup_parts *parts)
{
    const struct rollup_text *name = number == ROLLUP_NAME_none ? NULL : &names->name[number - 1];

    if (name != NULL && name->is_id)
        rollup_parts_prompt_id(parts, name->id);
    else
        parts->name[ROLLUP_prompt] = number;
}

int rollup_names_parts(struct rollup_names *names, const struct span_text key[ROLLUP_KEY_COUNT],
                       struct rollup_parts *ret_parts)
{
    memset(ret_parts, 0, sizeof(*ret_parts));
    for (int k = 0; k < ROLLUP_KEY_COUNT; k++)
        if (rollup_name(names, key[k].data, key[k].bytes, &ret_parts->name[k]) != 0)
            return -1;
    rollup_names_prompt(names, ret_parts->name[ROLLUP_prompt], ret_parts);
    return 0;
}

void rollup_names_texts(const struct rollup_names *names, const struct rollup_parts *parts, char id_text[16],
                        struct span_text ret_key[ROLLUP_KEY_COUNT])
{
    for (int k = 0; k < ROLLUP_KEY_COUNT; k++) {
        const uint32_t number = parts->name[k];

        ret_key[k] = number == ROLLUP_NAME_none || number == ROLLUP_NAME_ID ? (struct span_text){"", 0}
                                                                            : names->name[number - 1].text;
    }
    if (parts->name[ROLLUP_prompt] != ROLLUP_NAME_ID)
        return;
    write_id(id_text, parts->prompt);
    ret_key[ROLLUP_prompt] = (struct span_text){id_text, 16};
}

void rollup_names_done(struct rollup_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free((void *)(uintptr_t)names->name[i].text.data);
    free(names->name);
    free(names->slot);
    *names = (struct rollup_names){0};
}
