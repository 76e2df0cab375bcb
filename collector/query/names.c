/*
 * Distinct texts as small numbers. Called by group.c, once per distinct dictionary entry of a
 * block.
 */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include "../base/display_safe.h"

static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 29);
}

int names_init(struct names *names)
{
    *names = (struct names){.n = 1, .capacity = 64, .n_slots = 256};
    names->text = calloc(names->capacity, sizeof(*names->text));
    names->slot = calloc(names->n_slots, sizeof(*names->slot));
    if (names->text != NULL && names->slot != NULL)
        return 0;
    names_done(names);
    return -1;
}

void names_done(struct names *names)
{
    for (uint32_t i = 1; names->text != NULL && i < names->n; i++)
        free(names->text[i]);
    free(names->text);
    free(names->slot);
    *names = (struct names){0};
}

/* The slot where the text is or belongs. */
static uint32_t *find_slot(const struct names *names, uint32_t *slots, uint32_t n_slots, const char *text)
{
    uint32_t at = (uint32_t)hash_text(text) & (n_slots - 1);
    while (slots[at] != 0 && strcmp(names->text[slots[at]], text) != 0)
        at = (at + 1) & (n_slots - 1);
    return &slots[at];
}

static int grow(struct names *names)
{
    if (names->n == names->capacity) {
        uint32_t capacity = names->capacity * 2;
        char **text = realloc(names->text, capacity * sizeof(*text));
        if (text == NULL)
            return -1;
        names->text = text;
        names->capacity = capacity;
    }
    if (names->n < names->n_slots / 2)
        return 0;
    uint32_t n_slots = names->n_slots * 2;
    uint32_t *slots = calloc(n_slots, sizeof(*slots));
    if (slots == NULL)
        return -1;
    for (uint32_t id = 1; id < names->n; id++)
        *find_slot(names, slots, n_slots, names->text[id]) = id;
    free(names->slot);
    names->slot = slots;
    names->n_slots = n_slots;
    return 0;
}

uint32_t names_id(struct names *names, struct span_text text)
{
    char safe[SPAN_TEXT_MAX * 2 + 16];
    display_safe(safe, sizeof(safe), text);
    uint32_t *slot = find_slot(names, names->slot, names->n_slots, safe);
    if (*slot != 0)
        return *slot;
    if (names->n == NAMES_MAX)
        return NAMES_ABSENT;
    char *copy = grow(names) < 0 ? NULL : strdup(safe);
    if (copy == NULL) {
        names->failed = true;
        return NAMES_ABSENT;
    }
    names->text[names->n] = copy;
    *find_slot(names, names->slot, names->n_slots, copy) = names->n;
    return names->n++;
}
