/*
 * The prompts of a store, see prompt_list.h. Called by `pprofctl prompts`.
 */
#include "prompt_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/display_safe.h"

static size_t hash_of(uint64_t prompt, const char *version)
{
    uint64_t hash = prompt * UINT64_C(0x9e3779b97f4a7c15);
    for (; *version != '\0'; version++)
        hash = (hash ^ (unsigned char)*version) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 31);
}

static uint32_t *slot_of(const struct prompt_list *list, uint32_t *slots, size_t n_slots, uint64_t prompt,
                         const char *version)
{
    size_t at = hash_of(prompt, version) & (n_slots - 1);
    while (slots[at] != 0 &&
           (list->row[slots[at] - 1].prompt != prompt || strcmp(list->row[slots[at] - 1].version, version) != 0))
        at = (at + 1) & (n_slots - 1);
    return &slots[at];
}

static int grow(struct prompt_list *list)
{
    if (list->n == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct prompt_row *row = realloc(list->row, capacity * sizeof(*row));
        if (row == NULL)
            return -1;
        list->row = row;
        list->capacity = capacity;
    }
    if (list->n * 2 < list->n_slots)
        return 0;
    const size_t n_slots = list->n_slots == 0 ? 256 : list->n_slots * 2;
    uint32_t *slots = calloc(n_slots, sizeof(*slots));
    if (slots == NULL)
        return -1;
    for (size_t i = 0; i < list->n; i++)
        *slot_of(list, slots, n_slots, list->row[i].prompt, list->row[i].version) = (uint32_t)i + 1;
    free(list->slot);
    list->slot = slots;
    list->n_slots = n_slots;
    return 0;
}

/* The row of a version, made if need be; NULL without memory. */
static struct prompt_row *row_of(struct prompt_list *list, uint64_t prompt, const char *version)
{
    if (grow(list) < 0)
        return NULL;
    uint32_t *slot = slot_of(list, list->slot, list->n_slots, prompt, version);
    if (*slot == 0) {
        struct prompt_row *row = &list->row[list->n++];
        *row = (struct prompt_row){.prompt = prompt};
        (void)snprintf(row->version, sizeof(row->version), "%s", version);
        *slot = (uint32_t)list->n;
    }
    return &list->row[*slot - 1];
}

static int each_version(void *context, const struct store_prompt_version *version)
{
    char text[PROMPT_VERSION_BYTES];
    (void)snprintf(text, sizeof(text), "%u", version->version);
    struct prompt_row *row = row_of(context, version->prompt, text);
    if (row == NULL)
        return store_no_memory();
    if (row->is_learned) { /* two prompts that turned out to be one */
        row->learned.texts += version->texts;
        return 0;
    }
    row->is_learned = true;
    row->learned = *version;
    return 0;
}

static void text_of(const struct store_rows *rows, enum span_field field, size_t row, char *to, size_t room)
{
    const struct span_column *column = rows->column[field];
    to[0] = '\0';
    if (rows->has[field] && span_bit(column->present, row))
        display_safe(to, room, column->dict[column->code[row]]);
}

static int each_block(void *context, const struct store_rows *rows)
{
    for (size_t i = 0; rows->learned != NULL && i < rows->n; i++) {
        char version[PROMPT_VERSION_BYTES];
        if (!span_bit(rows->learned, i))
            continue;
        text_of(rows, SPAN_prompt_version, i, version, sizeof(version));
        struct prompt_row *row = row_of(context, rows->column[SPAN_prompt_id]->u64[i], version);
        if (row == NULL)
            return store_no_memory();
        const uint64_t start_ns = rows->column[SPAN_start_ns]->u64[i];
        row->first_ns = row->calls == 0 || start_ns < row->first_ns ? start_ns : row->first_ns;
        row->last_ns = start_ns > row->last_ns ? start_ns : row->last_ns;
        row->calls++;
        if (row->name[0] == '\0')
            text_of(rows, SPAN_prompt_name, i, row->name, sizeof(row->name));
    }
    return 0;
}

static int by_prompt(const void *a, const void *b)
{
    const struct prompt_row *x = a, *y = b;
    if (x->prompt != y->prompt)
        return x->prompt < y->prompt ? -1 : 1;
    if (x->is_learned && y->is_learned && x->learned.version != y->learned.version)
        return x->learned.version < y->learned.version ? -1 : 1;
    return strcmp(x->version, y->version);
}

/* A prompt is as large as all of its versions. */
struct block {
    uint64_t calls;
    size_t first, n;
};

static int by_calls(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    if (x->calls != y->calls)
        return x->calls > y->calls ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static int order(struct prompt_list *list)
{
    struct prompt_row *ordered = malloc((list->n + 1) * sizeof(*ordered));
    struct block *blocks = malloc((list->n + 1) * sizeof(*blocks));
    size_t n_blocks = 0, n = 0;
    if (ordered == NULL || blocks == NULL) {
        free(ordered);
        free(blocks);
        return store_no_memory();
    }
    if (list->n > 0)
        qsort(list->row, list->n, sizeof(*list->row), by_prompt);
    for (size_t i = 0; i < list->n; i++) {
        if (i == 0 || list->row[i].prompt != list->row[i - 1].prompt)
            blocks[n_blocks++] = (struct block){.first = i};
        blocks[n_blocks - 1].calls += list->row[i].calls;
        blocks[n_blocks - 1].n++;
    }
    if (n_blocks > 0)
        qsort(blocks, n_blocks, sizeof(*blocks), by_calls);
    for (size_t b = 0; b < n_blocks; b++)
        for (size_t i = 0; i < blocks[b].n; i++)
            ordered[n++] = list->row[blocks[b].first + i];
    free(blocks);
    free(list->row);
    list->row = ordered;
    return 0;
}

int prompt_list_read(struct prompt_list *list, struct store *store)
{
    static const enum span_field fields[] = {SPAN_prompt_id, SPAN_prompt_version, SPAN_prompt_name};
    const struct store_query query = {
        .until_ns = UINT64_MAX, .fields = fields, .n_fields = sizeof(fields) / sizeof(fields[0])};
    *list = (struct prompt_list){0};
    int status = store_prompt_versions(store, each_version, list);
    if (status == STORE_OK)
        status = store_scan(store, &query, each_block, list, &list->damaged);
    if (status == STORE_OK)
        status = store_texts_unassigned(store, &list->texts_unassigned);
    return status == STORE_OK ? order(list) : status;
}

void prompt_list_done(struct prompt_list *list)
{
    free(list->row);
    free(list->slot);
    *list = (struct prompt_list){0};
}
