/*
 * Counting spans into the groups of their hour, see rollup.h.
 *
 * Called by store_take.c for each block (hot: about 60 ns per span) and by the store's check. Works
 * on the numbers of texts (rollup_names.c): a text is looked up once per dictionary, a span's group
 * by numbers alone. Must not touch the file.
 */
#include "rollup.h"

#include <stdlib.h>
#include <string.h>

#include "store_rows.h"

#define HOUR_NS 3600000000000ull

/* The texts of keys and their places in it; of two in one place the later one counts. */
static const struct {
    enum span_field field;
    enum rollup_key key;
} texts[] = {
    {SPAN_prompt_version, ROLLUP_version}, {SPAN_provider, ROLLUP_provider},   {SPAN_request_model, ROLLUP_model},
    {SPAN_response_model, ROLLUP_model},   {SPAN_operation, ROLLUP_operation}, {SPAN_api, ROLLUP_api},
    {SPAN_service_tier, ROLLUP_tier},      {SPAN_speed, ROLLUP_speed},         {SPAN_completeness, ROLLUP_outcome},
    {SPAN_error_type, ROLLUP_outcome},     {SPAN_prompt_name, ROLLUP_prompt},
};
enum { TEXTS = sizeof(texts) / sizeof(texts[0]) };

static const enum span_field sum_fields[ROLLUP_SUM_COUNT] = {
#define X(column, field) field,
    ROLLUP_SUMS(X)
#undef X
};

static const enum span_field sketch_fields[ROLLUP_SKETCH_COUNT] = {
#define X(column, field) field,
    ROLLUP_SKETCHES(X)
#undef X
};

const enum span_field rollup_fields[] = {SPAN_start_ns,
                                         SPAN_prompt_id,
                                         SPAN_prompt_name,
                                         SPAN_prompt_version,
                                         SPAN_provider,
                                         SPAN_response_model,
                                         SPAN_request_model,
                                         SPAN_operation,
                                         SPAN_error_type,
                                         SPAN_completeness,
                                         SPAN_api,
                                         SPAN_service_tier,
                                         SPAN_speed,
#define X(column, field) field,
                                         ROLLUP_SUMS(X) ROLLUP_SKETCHES(X)
#undef X
};
const size_t rollup_n_fields = sizeof(rollup_fields) / sizeof(rollup_fields[0]);

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 29);
}

/* ---- groups ---- */

/* Room for one more pointer in a growing list. */
static int list_room(struct rollup_group ***list, size_t n, size_t *capacity)
{
    size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
    struct rollup_group **grown;

    if (n < *capacity)
        return 0;
    grown = realloc(*list, wanted * sizeof(struct rollup_group *));
    if (grown == NULL)
        return -1;
    *list = grown;
    *capacity = wanted;
    return 0;
}

/* A slot holds the upper half of the hash too, so that nearly no group is looked at in vain. */
static void index_group(struct rollup_hour *hour, size_t i)
{
    const uint64_t hash = hour->group[i]->hash;
    size_t at = (size_t)hash & (hour->slots - 1);

    while (hour->slot[at] != 0)
        at = (at + 1) & (hour->slots - 1);
    hour->slot[at] = (hash & ~(uint64_t)UINT32_MAX) | (i + 1);
}

static int index_all(struct rollup_hour *hour, size_t slots)
{
    uint64_t *slot = calloc(slots, sizeof(*slot));

    if (slot == NULL)
        return -1;
    free(hour->slot);
    hour->slot = slot;
    hour->slots = slots;
    for (size_t i = 0; i < hour->n; i++)
        index_group(hour, i);
    return 0;
}

static uint64_t hash_parts(const struct rollup_parts *parts)
{
    uint64_t h = parts->prompt;

    for (int k = 0; k + 1 < ROLLUP_KEY_COUNT; k += 2)
        h = mix(h, (uint64_t)parts->name[k] << 32 | parts->name[k + 1]);
    return mix(h, h >> 32);
}
_Static_assert(ROLLUP_KEY_COUNT % 2 == 0, "a part would not be in the hash");

static struct rollup_group *group_find(const struct rollup_hour *hour, const struct rollup_parts *parts, uint64_t hash)
{
    if (hour->slots == 0)
        return NULL;
    for (size_t at = (size_t)hash;; at++) {
        const uint64_t slot = hour->slot[at & (hour->slots - 1)];
        struct rollup_group *group;

        if (slot == 0)
            return NULL;
        if ((slot ^ hash) >> 32 != 0)
            continue;
        group = hour->group[(uint32_t)slot - 1];
        if (memcmp(&group->parts, parts, sizeof(*parts)) == 0)
            return group;
    }
}

/* The group that it is most likely to be, which is not looked at; or NULL. */
static const struct rollup_group *group_likely(const struct rollup_hour *hour, uint64_t hash)
{
    const uint64_t slot = hour->slots == 0 ? 0 : hour->slot[hash & (hour->slots - 1)];

    return slot == 0 ? NULL : hour->group[(uint32_t)slot - 1];
}

static struct rollup_group *group_new(const struct rollup *rollup, struct rollup_hour *hour,
                                      const struct rollup_parts *parts, uint64_t hash)
{
    struct rollup_group *group;

    if (list_room(&hour->group, hour->n, &hour->capacity) != 0)
        return NULL;
    if ((hour->n + 1) * 2 > hour->slots && index_all(hour, hour->slots == 0 ? 64 : hour->slots * 2) != 0)
        return NULL;
    group = calloc(1, sizeof(*group));
    if (group == NULL)
        return NULL;
    group->hash = hash;
    group->parts = *parts;
    rollup_names_texts(&rollup->names, parts, group->id_text, group->key);
    hour->group[hour->n++] = group;
    index_group(hour, hour->n - 1);
    return group;
}

static struct rollup_group *group_put(const struct rollup *rollup, struct rollup_hour *hour,
                                      const struct rollup_parts *parts, uint64_t hash)
{
    struct rollup_group *group = group_find(hour, parts, hash);

    return group != NULL ? group : group_new(rollup, hour, parts, hash);
}

/* ---- folding ---- */

static uint64_t capped(uint64_t a, uint64_t b)
{
    return b > INT64_MAX || a + b > INT64_MAX ? INT64_MAX : a + b;
}

static int group_join(struct rollup_group *to, const struct rollup_group *from)
{
    to->calls += from->calls;
    to->errors += from->errors;
    for (int s = 0; s < ROLLUP_SUM_COUNT; s++) {
        to->sum[s] = capped(to->sum[s], from->sum[s]);
        to->stated[s] += from->stated[s];
    }
    to->dirty = true;
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
        if (rollup_sketch_join(&to->sketch[s], &from->sketch[s]) != 0)
            return -1;
    return 0;
}

static int by_calls(const void *a, const void *b)
{
    uint64_t x = (*(struct rollup_group *const *)a)->calls;
    uint64_t y = (*(struct rollup_group *const *)b)->calls;

    return (x < y) - (x > y);
}

/*
 * Puts the `keep` groups with the most calls before the others; of those with as many calls, the
 * first ones. Nearly all groups have few calls, so they are counted by calls; sorting them took a
 * third of what folding takes.
 */
static int most_calls_first(struct rollup_hour *hour, size_t keep)
{
    enum { MANY = 256 };
    size_t with[MANY + 1] = {0};
    size_t limit = MANY, above = 0;
    struct rollup_group **ordered;
    size_t last = keep;

    for (size_t i = 0; i < hour->n; i++)
        with[hour->group[i]->calls < MANY ? hour->group[i]->calls : MANY]++;
    for (; limit > 0 && above + with[limit] <= keep; limit--)
        above += with[limit];
    if (limit == MANY) {
        qsort(hour->group, hour->n, sizeof(struct rollup_group *), by_calls);
        return 0;
    }
    ordered = malloc(hour->capacity * sizeof(struct rollup_group *));
    if (ordered == NULL)
        return -1;
    /* Those with `limit` calls fill what those with more leave of the first `keep`. */
    for (size_t i = 0, first = 0, equal = above; i < hour->n; i++) {
        struct rollup_group *group = hour->group[i];

        if (group->calls > limit)
            ordered[first++] = group;
        else if (group->calls == limit && equal < keep)
            ordered[equal++] = group;
        else
            ordered[last++] = group;
    }
    free(hour->group);
    hour->group = ordered;
    return 0;
}

/*
 * Too many groups: the half with the fewest calls gives up its prompt (whole = false) or everything
 * but provider, own price and outcome (whole = true) and is counted as `other`. Half, so that the
 * next folding is far away.
 */
static int fold(struct rollup *rollup, struct rollup_hour *hour, bool whole)
{
    size_t keep = hour->n / 2;
    size_t n = hour->n;

    if (most_calls_first(hour, keep) != 0)
        return -1;
    hour->n = keep;
    if (index_all(hour, hour->slots) != 0)
        return -1;
    for (size_t i = keep; i < n; i++) {
        struct rollup_group *from = hour->group[i];
        struct rollup_parts parts = from->parts;
        struct rollup_group *to;

        if (parts.name[ROLLUP_prompt] != ROLLUP_NAME_other)
            rollup->folded += from->calls;
        parts.prompt = 0;
        parts.name[ROLLUP_prompt] = ROLLUP_NAME_other;
        parts.name[ROLLUP_version] = 0;
        if (whole)
            parts.name[ROLLUP_service] = parts.name[ROLLUP_team] = parts.name[ROLLUP_model] =
                parts.name[ROLLUP_operation] = parts.name[ROLLUP_api] = parts.name[ROLLUP_tier] =
                    parts.name[ROLLUP_speed] = ROLLUP_NAME_other;
        if (list_room(&hour->removed, hour->n_removed, &hour->removed_capacity) != 0)
            return -1;
        /* group_put appends at hour->n, which is at most i: the slot of a group that was handled
         * already. */
        to = group_put(rollup, hour, &parts, hash_parts(&parts));
        if (to == NULL || group_join(to, from) != 0)
            return -1;
        hour->removed[hour->n_removed++] = from;
    }
    return 0;
}

/* ---- counting ---- */

enum { BATCH = 64 };

/*
 * Some rows on their way to their groups, which are scattered over memory: what the next step needs
 * is called for before the step is taken for the first row.
 */
struct batch {
    const struct store_rows *rows;
    size_t first, n;
    const uint32_t *number[TEXTS]; /* of each text of a column's dictionary; NULL: no row has the field */
    const struct span_process *process;
    uint32_t service, team; /* of the process */
    struct rollup_parts parts[BATCH];
    uint64_t hash[BATCH], hour[BATCH];
    struct rollup_group *group[BATCH];
};

/* The numbers of all texts that rows may point to, one after another in `number`. */
static int number_texts(struct rollup *rollup, struct batch *batch, uint32_t *number)
{
    for (int t = 0; t < TEXTS; t++) {
        const struct span_column *column = batch->rows->column[texts[t].field];

        if (!batch->rows->has[texts[t].field])
            continue;
        batch->number[t] = number;
        for (size_t i = 0; i < column->n_dict; i++, number++) {
            if (rollup_name(&rollup->names, column->dict[i].data, column->dict[i].bytes, number) != 0)
                return -1;
            if (texts[t].field == SPAN_completeness && *number == ROLLUP_NAME_whole)
                *number = ROLLUP_NAME_ok;
        }
    }
    return 0;
}

static const struct span_column *column_of(const struct batch *batch, enum span_field field)
{
    return batch->rows->has[field] ? batch->rows->column[field] : NULL;
}

static int fill_processes(struct rollup *rollup, struct batch *batch)
{
    for (size_t j = 0; j < batch->n; j++) {
        const struct span_process *process = batch->rows->process[batch->first + j];
        struct rollup_parts *parts = &batch->parts[j];

        if (process != batch->process) {
            if (rollup_name(&rollup->names, process->service, (uint32_t)strlen(process->service), &batch->service) !=
                    0 ||
                rollup_name(&rollup->names, process->team, (uint32_t)strlen(process->team), &batch->team) != 0)
                return -1;
            batch->process = process;
        }
        memset(parts, 0, sizeof(*parts));
        parts->name[ROLLUP_service] = batch->service;
        parts->name[ROLLUP_team] = batch->team;
        parts->name[ROLLUP_outcome] = ROLLUP_NAME_ok;
    }
    return 0;
}

static void fill_texts(struct batch *batch)
{
    for (int t = 0; t < TEXTS; t++) {
        const uint32_t *number = batch->number[t];
        const struct span_column *column = batch->rows->column[texts[t].field];

        for (size_t j = 0; number != NULL && j < batch->n; j++)
            if (span_bit(column->present, batch->first + j))
                batch->parts[j].name[texts[t].key] = number[column->code[batch->first + j]];
    }
}

/* After the texts: a prompt without a name goes by its id. */
static void fill_prompts(const struct rollup *rollup, struct batch *batch)
{
    const struct span_column *name = column_of(batch, SPAN_prompt_name);
    const struct span_column *id = column_of(batch, SPAN_prompt_id);

    for (size_t j = 0; j < batch->n; j++) {
        const size_t i = batch->first + j;

        if (name != NULL && span_bit(name->present, i))
            rollup_names_prompt(&rollup->names, batch->parts[j].name[ROLLUP_prompt], &batch->parts[j]);
        else if (id != NULL && span_bit(id->present, i))
            rollup_parts_prompt_id(&batch->parts[j], id->u64[i]);
    }
}

static int fill_hours(struct rollup *rollup, struct batch *batch)
{
    const struct span_column *start = column_of(batch, SPAN_start_ns);
    const struct span_column *cost = column_of(batch, SPAN_cost_nanousd);
    struct rollup_hour *hour = NULL;
    int status;

    for (size_t j = 0; j < batch->n; j++) {
        const size_t i = batch->first + j;

        batch->hour[j] = start != NULL ? start->u64[i] / HOUR_NS : 0;
        if (hour == NULL || hour->hour != batch->hour[j])
            hour = rollup_hour_put(rollup, batch->hour[j], &status);
        if (hour == NULL)
            return -1;
        if (cost != NULL && span_bit(cost->present, i))
            batch->parts[j].name[ROLLUP_own_price] = ROLLUP_NAME_own;
        batch->hash[j] = hash_parts(&batch->parts[j]);
        if (hour->slots > 0)
            __builtin_prefetch(&hour->slot[batch->hash[j] & (hour->slots - 1)]);
    }
    return 0;
}

/* Calls for the groups; from here on no hour is made, so that hours stay where they are. */
static void call_groups(struct rollup *rollup, struct batch *batch)
{
    const struct rollup_hour *hour = NULL;

    for (size_t j = 0; j < batch->n; j++) {
        const char *group;

        if (hour == NULL || hour->hour != batch->hour[j])
            hour = rollup_hour_find(rollup, batch->hour[j]);
        group = (const char *)group_likely(hour, batch->hash[j]);
        for (size_t at = 0; group != NULL && at < offsetof(struct rollup_group, dirty); at += 64)
            __builtin_prefetch(group + at, 1);
    }
}

static int find_groups(struct rollup *rollup, struct batch *batch)
{
    struct rollup_hour *hour = NULL;

    for (size_t j = 0; j < batch->n; j++) {
        if (hour == NULL || hour->hour != batch->hour[j])
            hour = rollup_hour_find(rollup, batch->hour[j]);
        if (rollup->groups_max > 0 && hour->n >= rollup->groups_max)
            rollup->overfull = true;
        batch->group[j] = group_put(rollup, hour, &batch->parts[j], batch->hash[j]);
        if (batch->group[j] == NULL)
            return -1;
        for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++)
            rollup_sketch_call(&batch->group[j]->sketch[s]);
    }
    return 0;
}

static void count_calls(struct rollup *rollup, struct batch *batch)
{
    const struct span_column *error = column_of(batch, SPAN_error_type);
    const struct span_column *sum[ROLLUP_SUM_COUNT];

    for (int s = 0; s < ROLLUP_SUM_COUNT; s++)
        sum[s] = column_of(batch, sum_fields[s]);
    for (size_t j = 0; j < batch->n; j++) {
        const size_t i = batch->first + j;
        struct rollup_group *group = batch->group[j];

        group->calls++;
        group->errors += error != NULL && span_bit(error->present, i);
        rollup->soiled += !group->dirty;
        group->dirty = true;
        for (int s = 0; s < ROLLUP_SUM_COUNT; s++)
            if (sum[s] != NULL && span_bit(sum[s]->present, i)) {
                group->sum[s] = capped(group->sum[s], sum[s]->u64[i]);
                group->stated[s]++;
            }
    }
}

static int count_sketches(struct batch *batch)
{
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++) {
        const struct span_column *column = column_of(batch, sketch_fields[s]);

        for (size_t j = 0; column != NULL && j < batch->n; j++) {
            const size_t i = batch->first + j;

            if (span_bit(column->present, i) &&
                rollup_sketch_add(&batch->group[j]->sketch[s], span_sketch_bucket(column->u64[i]), 1) != 0)
                return -1;
        }
    }
    return 0;
}

static int count_batch(struct rollup *rollup, struct batch *batch)
{
    if (fill_processes(rollup, batch) != 0)
        return -1;
    fill_texts(batch);
    fill_prompts(rollup, batch);
    if (fill_hours(rollup, batch) != 0)
        return -1;
    call_groups(rollup, batch);
    if (find_groups(rollup, batch) != 0)
        return -1;
    count_calls(rollup, batch);
    return count_sketches(batch);
}

/* Room for the numbers of all texts of the rows' dictionaries. */
static uint32_t *room_for_numbers(struct rollup *rollup, const struct store_rows *rows)
{
    size_t n = 1;

    for (int t = 0; t < TEXTS; t++)
        n += rows->has[texts[t].field] ? rows->column[texts[t].field]->n_dict : 0;
    if (n > rollup->n_scratch) {
        uint32_t *grown = realloc(rollup->scratch, n * sizeof(*grown));

        if (grown == NULL)
            return NULL;
        rollup->scratch = grown;
        rollup->n_scratch = n;
    }
    return rollup->scratch;
}

int rollup_add(struct rollup *rollup, const struct store_rows *rows)
{
    struct batch batch = {.rows = rows};
    uint32_t *numbers = room_for_numbers(rollup, rows);

    if (numbers == NULL || number_texts(rollup, &batch, numbers) != 0)
        return -1;
    for (; batch.first < rows->n; batch.first += BATCH) {
        batch.n = rows->n - batch.first < BATCH ? rows->n - batch.first : BATCH;
        if (count_batch(rollup, &batch) != 0)
            return -1;
    }
    /* Only here, between blocks: folding frees groups, and rows point to them while they are
     * counted. */
    for (size_t i = 0; rollup->overfull && i < rollup->n_hours; i++) {
        struct rollup_hour *hour = &rollup->hour[i];

        if (hour->n > rollup->groups_max &&
            (fold(rollup, hour, false) != 0 || (hour->n > rollup->groups_max / 4 * 3 && fold(rollup, hour, true) != 0)))
            return -1;
    }
    rollup->overfull = false;
    return 0;
}

/* ---- public: the rest ---- */

void rollup_init(struct rollup *rollup, size_t groups_max, int (*load)(void *, struct rollup *, uint64_t),
                 void *context)
{
    *rollup = (struct rollup){.groups_max = groups_max, .load = load, .context = context};
}

struct rollup_group *rollup_put(struct rollup *rollup, uint64_t number, const struct span_text key[ROLLUP_KEY_COUNT],
                                int *ret_status)
{
    struct rollup_hour *hour = rollup_hour_put(rollup, number, ret_status);
    struct rollup_parts parts;
    struct rollup_group *group = NULL;

    if (hour != NULL && rollup_names_parts(&rollup->names, key, &parts) == 0)
        group = group_put(rollup, hour, &parts, hash_parts(&parts));
    if (group == NULL && *ret_status == 0)
        *ret_status = -1;
    return group;
}

int rollup_group_add(struct rollup *rollup, uint64_t hour, const struct span_text key[ROLLUP_KEY_COUNT],
                     const struct rollup_group *from)
{
    int status = 0;
    struct rollup_group *group = rollup_put(rollup, hour, key, &status);

    return group == NULL ? status : group_join(group, from);
}

void rollup_keys_forget(struct rollup *rollup)
{
    rollup_hour_done(&rollup->keys);
    rollup->keys = (struct rollup_hour){0};
}

int64_t rollup_key_id(const struct rollup *rollup, const struct rollup_group *group)
{
    const struct rollup_group *known = group_find(&rollup->keys, &group->parts, group->hash);

    return known != NULL ? known->key_id : 0;
}

void rollup_key_learn(struct rollup *rollup, const struct rollup_group *group)
{
    struct rollup_group *known;

    if (rollup->keys.n >= ROLLUP_KEYS_KEPT)
        rollup_keys_forget(rollup);
    known = group_put(rollup, &rollup->keys, &group->parts, group->hash);
    if (known != NULL) /* else there is no memory: it is looked up again */
        known->key_id = group->key_id;
}
