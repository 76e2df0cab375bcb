/*
 * The prompts of a store, see prompt_list.h. Called by `pprofctl prompts`.
 */
#include "prompt_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *prompt_text(const struct prompt_list *list, uint32_t name)
{
    return name == NAMES_ABSENT ? "" : list->names.text[name];
}

/* ---- rows ---- */

struct row_key {
    uint64_t prompt;
    uint32_t name, version;
};

static size_t hash_of(const struct row_key *key)
{
    const uint64_t hash = (key->prompt ^ key->name) * UINT64_C(0x9e3779b97f4a7c15) + key->version;
    return (size_t)((hash ^ hash >> 31) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
}

static uint32_t *slot_of(const struct prompt_list *list, uint32_t *slots, size_t n_slots, const struct row_key *key)
{
    size_t at = hash_of(key) & (n_slots - 1);
    for (; slots[at] != 0; at = (at + 1) & (n_slots - 1)) {
        const struct prompt_row *row = &list->row[slots[at] - 1];
        if (row->prompt == key->prompt && row->name == key->name && row->version == key->version)
            break;
    }
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
        *slot_of(list, slots, n_slots,
                 &(struct row_key){list->row[i].prompt, list->row[i].name, list->row[i].version}) = (uint32_t)i + 1;
    free(list->slot);
    list->slot = slots;
    list->n_slots = n_slots;
    return 0;
}

/* The row of a version, made if need be; NULL without memory, and (*ret_full) where there are too
 * many. */
static struct prompt_row *row_of(struct prompt_list *list, const struct row_key *key, bool *ret_full)
{
    *ret_full = false;
    if (grow(list) < 0)
        return NULL;
    uint32_t *slot = slot_of(list, list->slot, list->n_slots, key);
    *ret_full = *slot == 0 && list->n == PROMPT_ROWS_MAX;
    if (*ret_full)
        return NULL;
    if (*slot == 0) {
        list->row[list->n++] = (struct prompt_row){.prompt = key->prompt, .name = key->name, .version = key->version};
        *slot = (uint32_t)list->n;
    }
    return &list->row[*slot - 1];
}

static uint32_t text_of(struct prompt_list *list, const struct store_rows *rows, enum span_field field, size_t row)
{
    const struct span_column *column = rows->column[field];
    return rows->has[field] && span_bit(column->present, row) ? names_id(&list->names, column->dict[column->code[row]])
                                                              : (uint32_t)NAMES_ABSENT;
}

static int each_block(void *context, const struct store_rows *rows)
{
    struct prompt_list *list = context;
    for (size_t i = 0; i < rows->n; i++) {
        const bool has_id = rows->has[SPAN_prompt_id] && span_bit(rows->column[SPAN_prompt_id]->present, i);
        const struct row_key key = {has_id ? rows->column[SPAN_prompt_id]->u64[i] : 0,
                                    text_of(list, rows, SPAN_prompt_name, i),
                                    text_of(list, rows, SPAN_prompt_version, i)};
        bool full;
        if (key.prompt == 0 && key.name == NAMES_ABSENT)
            continue;
        struct prompt_row *row = row_of(list, &key, &full);
        list->more_calls += full;
        if (row == NULL && !full)
            return store_no_memory();
        if (row == NULL)
            continue;
        const uint64_t start_ns = rows->column[SPAN_start_ns]->u64[i];
        row->first_ns = row->calls == 0 || start_ns < row->first_ns ? start_ns : row->first_ns;
        row->last_ns = start_ns > row->last_ns ? start_ns : row->last_ns;
        row->calls++;
    }
    return list->names.failed ? store_no_memory() : 0;
}

/* ---- what was learned ---- */

/* The versions of a prompt beside each other. */
struct learned {
    struct store_prompt_version *version;
    size_t n, capacity;
    struct prompt_list *list;
};

static int each_version(void *context, const struct store_prompt_version *version)
{
    struct learned *learned = context;
    if (learned->n == learned->capacity) {
        const size_t capacity = learned->capacity == 0 ? 64 : learned->capacity * 2;
        struct store_prompt_version *grown = realloc(learned->version, capacity * sizeof(*grown));
        if (grown == NULL)
            return store_no_memory();
        learned->version = grown;
        learned->capacity = capacity;
    }
    learned->version[learned->n++] = *version;
    return 0;
}

static int by_version(const void *a, const void *b)
{
    const struct store_prompt_version *x = a, *y = b;
    if (x->prompt != y->prompt)
        return x->prompt < y->prompt ? -1 : 1;
    if (x->version != y->version)
        return x->version < y->version ? -1 : 1;
    return (x->first_ns > y->first_ns) - (x->first_ns < y->first_ns);
}

/* In order, and each version once: two prompts that turned out to be one may both have had it. */
static void order_versions(struct learned *learned)
{
    size_t n = 0;
    if (learned->n > 0)
        qsort(learned->version, learned->n, sizeof(*learned->version), by_version);
    for (size_t i = 0; i < learned->n; i++) {
        struct store_prompt_version *before = n > 0 ? &learned->version[n - 1] : NULL;
        if (before != NULL && before->prompt == learned->version[i].prompt &&
            before->version == learned->version[i].version)
            before->texts += learned->version[i].texts;
        else
            learned->version[n++] = learned->version[i];
    }
    learned->n = n;
}

/* What was learned of the row's version; where its calls state another one, of the last that had
 * begun when they began. NULL: nothing. */
static const struct store_prompt_version *version_of(const struct learned *learned, const struct prompt_row *row)
{
    const char *version = prompt_text(learned->list, row->version);
    const struct store_prompt_version *found = NULL;
    size_t from = 0, to = learned->n;
    while (from < to) {
        const size_t middle = (from + to) / 2;
        if (learned->version[middle].prompt < row->prompt)
            from = middle + 1;
        else
            to = middle;
    }
    for (size_t i = from; i < learned->n && learned->version[i].prompt == row->prompt; i++) {
        char text[16];
        (void)snprintf(text, sizeof(text), "%u", learned->version[i].version);
        if (strcmp(text, version) == 0)
            return &learned->version[i];
        if (version[0] != '\0' && (found == NULL || learned->version[i].first_ns <= row->first_ns))
            found = &learned->version[i];
    }
    return found;
}

static int add_learned(struct prompt_list *list, struct store *store)
{
    struct learned learned = {.list = list};
    int status = store_prompt_versions(store, each_version, &learned);
    order_versions(&learned);
    for (size_t i = 0; status == STORE_OK && i < list->n; i++) {
        const struct store_prompt_version *version = version_of(&learned, &list->row[i]);
        list->row[i].is_learned = version != NULL;
        if (version != NULL)
            list->row[i].learned = *version;
    }
    free(learned.version);
    return status;
}

static int each_moved(void *context, uint64_t prompt, uint64_t shown, bool said)
{
    struct prompt_list *list = context;
    if (list->n_moved == list->moved_capacity) {
        const size_t capacity = list->moved_capacity == 0 ? 16 : list->moved_capacity * 2;
        struct prompt_moved *grown = realloc(list->moved, capacity * sizeof(*grown));
        if (grown == NULL)
            return store_no_memory();
        list->moved = grown;
        list->moved_capacity = capacity;
    }
    list->moved[list->n_moved++] = (struct prompt_moved){prompt, shown, said};
    return 0;
}

/* ---- order ---- */

/* Found versions by their numbers, others as they are written. */
static int compare_versions(const char *x, const char *y)
{
    char *end_x, *end_y;
    const unsigned long a = strtoul(x, &end_x, 10), b = strtoul(y, &end_y, 10);
    if (*end_x == '\0' && *end_y == '\0' && a != b)
        return a < b ? -1 : 1;
    return strcmp(x, y);
}

/* A row with what it is ordered by. */
struct place {
    uint64_t calls; /* of the prompt: it is as large as all of its versions */
    uint64_t prompt;
    const char *name, *version;
    size_t at;
};

static int by_prompt(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->prompt != y->prompt)
        return x->prompt < y->prompt ? -1 : 1;
    const int names = strcmp(x->name, y->name);
    return names != 0 ? names : compare_versions(x->version, y->version);
}

static int by_calls(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->calls != y->calls)
        return x->calls > y->calls ? -1 : 1;
    return by_prompt(a, b);
}

/* What has no id goes by its name alone. */
static bool same_prompt(const struct place *x, const struct place *y)
{
    return x->prompt == y->prompt && (x->prompt != 0 || strcmp(x->name, y->name) == 0);
}

static int order(struct prompt_list *list)
{
    struct prompt_row *ordered = malloc((list->n + 1) * sizeof(*ordered));
    struct place *place = malloc((list->n + 1) * sizeof(*place));
    if (ordered == NULL || place == NULL) {
        free(ordered);
        free(place);
        return store_no_memory();
    }
    for (size_t i = 0; i < list->n; i++)
        place[i] = (struct place){.prompt = list->row[i].prompt,
                                  .name = prompt_text(list, list->row[i].name),
                                  .version = prompt_text(list, list->row[i].version),
                                  .at = i};
    qsort(place, list->n, sizeof(*place), by_prompt);
    for (size_t i = 0, next = 0; i < list->n; i = next) {
        uint64_t calls = 0;
        for (next = i; next < list->n && same_prompt(&place[i], &place[next]); next++)
            calls += list->row[place[next].at].calls;
        for (size_t k = i; k < next; k++)
            place[k].calls = calls;
    }
    qsort(place, list->n, sizeof(*place), by_calls);
    for (size_t i = 0; i < list->n; i++)
        ordered[i] = list->row[place[i].at];
    free(place);
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
    if (names_init(&list->names) < 0)
        return store_no_memory();
    int status = store_scan(store, &query, each_block, list, &list->damaged);
    if (status == STORE_OK)
        status = add_learned(list, store);
    if (status == STORE_OK)
        status = store_prompts_moved(store, each_moved, list);
    if (status == STORE_OK)
        status = store_texts_unassigned(store, &list->texts_unassigned);
    return status == STORE_OK ? order(list) : status;
}

void prompt_list_done(struct prompt_list *list)
{
    free(list->row);
    free(list->slot);
    free(list->moved);
    names_done(&list->names);
    *list = (struct prompt_list){0};
}
