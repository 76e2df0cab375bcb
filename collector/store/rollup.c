/*
 * Counting spans into the groups of their hour, see rollup.h.
 *
 * Called by store_take.c for each block (hot: about 60 ns per span) and by the store's check. Works
 * on dictionary positions: the combination of texts is looked up once per distinct combination in a
 * block, not once per span. Must not touch the file.
 */
#include "rollup.h"

#include <stdlib.h>
#include <string.h>

#include "store_rows.h"

#define HOUR_NS 3600000000000ull

enum {
    PROMPT_NAME,
    PROMPT_VERSION,
    PROVIDER,
    RESPONSE_MODEL,
    REQUEST_MODEL,
    OPERATION,
    ERROR_TYPE,
    COMPLETENESS,
    API,
    TIER,
    SPEED,
    TEXTS,
};

static const enum span_field text_fields[TEXTS] = {
    SPAN_prompt_name, SPAN_prompt_version, SPAN_provider, SPAN_response_model, SPAN_request_model, SPAN_operation,
    SPAN_error_type,  SPAN_completeness,   SPAN_api,      SPAN_service_tier,   SPAN_speed,
};

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

/* One distinct combination in the rows at hand. */
struct combination {
    uint32_t row; /* a row that has it */
    struct rollup_group *group;
};

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

static void index_group(struct rollup_hour *hour, size_t i)
{
    size_t at = (size_t)hour->group[i]->hash & (hour->slots - 1);

    while (hour->slot[at] != 0)
        at = (at + 1) & (hour->slots - 1);
    hour->slot[at] = (uint32_t)i + 1;
}

static int index_all(struct rollup_hour *hour, size_t slots)
{
    uint32_t *slot = calloc(slots, sizeof(*slot));

    if (slot == NULL)
        return -1;
    free(hour->slot);
    hour->slot = slot;
    hour->slots = slots;
    for (size_t i = 0; i < hour->n; i++)
        index_group(hour, i);
    return 0;
}

static bool same_key(const struct span_text *a, const struct span_text *b)
{
    for (int k = 0; k < ROLLUP_KEY_COUNT; k++)
        if (a[k].bytes != b[k].bytes || (a[k].bytes > 0 && memcmp(a[k].data, b[k].data, a[k].bytes) != 0))
            return false;
    return true;
}

/* Fewer than eight bytes as a number; texts of one length are told apart, others by their
 * length. */
static uint64_t short_piece(const char *text, uint32_t bytes)
{
    uint32_t low, high;

    if (bytes >= sizeof(low)) {
        memcpy(&low, text, sizeof(low));
        memcpy(&high, text + bytes - sizeof(high), sizeof(high));
        return (uint64_t)high << 32 | low;
    }
    if (bytes == 0)
        return 0;
    return (uint64_t)(uint8_t)text[0] << 16 | (uint64_t)(uint8_t)text[bytes / 2] << 8 | (uint8_t)text[bytes - 1];
}

static uint64_t hash_key(const struct span_text key[ROLLUP_KEY_COUNT])
{
    uint64_t h = 0;

    for (int k = 0; k < ROLLUP_KEY_COUNT; k++) {
        const char *text = key[k].data;
        uint32_t left = key[k].bytes;
        uint64_t piece;

        for (; left >= sizeof(piece); left -= (uint32_t)sizeof(piece), text += sizeof(piece)) {
            memcpy(&piece, text, sizeof(piece));
            h = mix(h, piece);
        }
        h = mix(h, short_piece(text, left) ^ (uint64_t)key[k].bytes << 56);
    }
    return mix(h, h >> 32);
}

static struct rollup_group *group_find(const struct rollup_hour *hour, const struct span_text *key, uint64_t hash)
{
    if (hour->slots == 0)
        return NULL;
    for (size_t at = (size_t)hash;; at++) {
        uint32_t i = hour->slot[at & (hour->slots - 1)];

        if (i == 0)
            return NULL;
        if (hour->group[i - 1]->hash == hash && same_key(hour->group[i - 1]->key, key))
            return hour->group[i - 1];
    }
}

static struct rollup_group *group_new(struct rollup_hour *hour, const struct span_text *key, uint64_t hash)
{
    size_t bytes = 0;
    struct rollup_group *group;
    char *text;

    if (list_room(&hour->group, hour->n, &hour->capacity) != 0)
        return NULL;
    if ((hour->n + 1) * 2 > hour->slots && index_all(hour, hour->slots == 0 ? 64 : hour->slots * 2) != 0)
        return NULL;
    for (int k = 0; k < ROLLUP_KEY_COUNT; k++)
        bytes += key[k].bytes;
    group = calloc(1, sizeof(*group) + bytes);
    if (group == NULL)
        return NULL;
    group->hash = hash;
    text = (char *)(group + 1);
    for (int k = 0; k < ROLLUP_KEY_COUNT; k++) {
        group->key[k] = (struct span_text){text, key[k].bytes};
        if (key[k].bytes > 0)
            memcpy(text, key[k].data, key[k].bytes);
        text += key[k].bytes;
    }
    hour->group[hour->n++] = group;
    index_group(hour, hour->n - 1);
    return group;
}

static struct rollup_group *group_put(struct rollup_hour *hour, const struct span_text *key)
{
    uint64_t hash = hash_key(key);
    struct rollup_group *group = group_find(hour, key, hash);

    return group != NULL ? group : group_new(hour, key, hash);
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

static const struct span_text other = {"other", 5};

static bool is_other(const struct span_text *text)
{
    return text->bytes == other.bytes && memcmp(text->data, other.data, other.bytes) == 0;
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
        struct span_text key[ROLLUP_KEY_COUNT];
        struct rollup_group *to;

        memcpy(key, from->key, sizeof(key));
        if (!is_other(&key[ROLLUP_prompt]))
            rollup->folded += from->calls;
        key[ROLLUP_prompt] = other;
        key[ROLLUP_version] = (struct span_text){"", 0};
        if (whole)
            key[ROLLUP_service] = key[ROLLUP_team] = key[ROLLUP_model] = key[ROLLUP_operation] = key[ROLLUP_api] =
                key[ROLLUP_tier] = key[ROLLUP_speed] = other;
        if (list_room(&hour->removed, hour->n_removed, &hour->removed_capacity) != 0)
            return -1;
        /* group_put appends at hour->n, which is at most i: the slot of a group that was handled
         * already. */
        to = group_put(hour, key);
        if (to == NULL || group_join(to, from) != 0)
            return -1;
        hour->removed[hour->n_removed++] = from;
    }
    return 0;
}

/* ---- counting ---- */

static bool has_cost(const struct store_rows *rows, size_t i)
{
    return rows->has[SPAN_cost_nanousd] && span_bit(rows->column[SPAN_cost_nanousd]->present, i);
}

/* Whether column `field` says the same in every row, so that it cannot tell rows apart. */
static bool is_constant(const struct store_rows *rows, enum span_field field)
{
    const struct span_column *column = rows->column[field];

    if (!rows->has[field])
        return true;
    if (column->n_dict > 1)
        return false;
    for (size_t i = 1; column->present != NULL && i < rows->n; i++)
        if (span_bit(column->present, i) != span_bit(column->present, 0))
            return false;
    return true;
}

/* A hash of what tells rows apart, for each row; column by column. */
static void hash_rows(const struct store_rows *rows, const enum span_field *varying, size_t n_varying, uint64_t *hash)
{
    const struct span_column *start = rows->has[SPAN_start_ns] ? rows->column[SPAN_start_ns] : NULL;
    const struct span_column *prompt = rows->has[SPAN_prompt_id] ? rows->column[SPAN_prompt_id] : NULL;

    for (size_t i = 0; i < rows->n; i++)
        hash[i] = mix((uint64_t)(uintptr_t)rows->process[i], start != NULL ? start->u64[i] / HOUR_NS : 0);
    for (size_t i = 0; prompt != NULL && i < rows->n; i++)
        hash[i] = mix(hash[i], prompt->u64[i] + span_bit(prompt->present, i));
    for (size_t i = 0; rows->has[SPAN_cost_nanousd] && i < rows->n; i++)
        hash[i] = mix(hash[i], has_cost(rows, i));
    for (size_t t = 0; t < n_varying; t++) {
        const uint64_t *present = rows->column[varying[t]]->present;
        const uint32_t *code = rows->column[varying[t]]->code;

        for (size_t i = 0; i < rows->n; i++)
            hash[i] = mix(hash[i], span_bit(present, i) ? code[i] + 1 : 0);
    }
}

static bool same_row(const struct store_rows *rows, size_t a, size_t b, const enum span_field *varying,
                     size_t n_varying)
{
    if (rows->process[a] != rows->process[b] || has_cost(rows, a) != has_cost(rows, b))
        return false;
    if (rows->has[SPAN_start_ns]) {
        const uint64_t *start_ns = rows->column[SPAN_start_ns]->u64;

        if (start_ns[a] / HOUR_NS != start_ns[b] / HOUR_NS)
            return false;
    }
    if (rows->has[SPAN_prompt_id]) {
        const struct span_column *column = rows->column[SPAN_prompt_id];

        if (column->u64[a] != column->u64[b] || span_bit(column->present, a) != span_bit(column->present, b))
            return false;
    }
    for (size_t t = 0; t < n_varying; t++) {
        const struct span_column *column = rows->column[varying[t]];
        bool has = span_bit(column->present, a);

        if (has != span_bit(column->present, b) || (has && column->code[a] != column->code[b]))
            return false;
    }
    return true;
}

static bool has_text(const struct store_rows *rows, size_t i, int which, struct span_text *ret_text)
{
    enum span_field field = text_fields[which];

    if (!rows->has[field] || !span_bit(rows->column[field]->present, i))
        return false;
    *ret_text = rows->column[field]->dict[rows->column[field]->code[i]];
    return true;
}

static void row_texts(const struct store_rows *rows, size_t i, struct span_text key[ROLLUP_KEY_COUNT], char hex[17])
{
    static const char digits[] = "0123456789abcdef";
    const struct span_process *process = rows->process[i];

    for (int k = 0; k < ROLLUP_KEY_COUNT; k++)
        key[k] = (struct span_text){"", 0};
    key[ROLLUP_service] = (struct span_text){process->service, (uint32_t)strlen(process->service)};
    key[ROLLUP_team] = (struct span_text){process->team, (uint32_t)strlen(process->team)};
    if (!has_text(rows, i, PROMPT_NAME, &key[ROLLUP_prompt]) && rows->has[SPAN_prompt_id] &&
        span_bit(rows->column[SPAN_prompt_id]->present, i)) {
        uint64_t id = rows->column[SPAN_prompt_id]->u64[i];

        for (int d = 0; d < 16; d++)
            hex[d] = digits[(id >> (60 - 4 * d)) & 15];
        key[ROLLUP_prompt] = (struct span_text){hex, 16};
    }
    (void)has_text(rows, i, PROMPT_VERSION, &key[ROLLUP_version]);
    (void)has_text(rows, i, PROVIDER, &key[ROLLUP_provider]);
    if (!has_text(rows, i, RESPONSE_MODEL, &key[ROLLUP_model]))
        (void)has_text(rows, i, REQUEST_MODEL, &key[ROLLUP_model]);
    (void)has_text(rows, i, OPERATION, &key[ROLLUP_operation]);
    (void)has_text(rows, i, API, &key[ROLLUP_api]);
    (void)has_text(rows, i, TIER, &key[ROLLUP_tier]);
    (void)has_text(rows, i, SPEED, &key[ROLLUP_speed]);
    if (has_cost(rows, i))
        key[ROLLUP_own_price] = (struct span_text){"own", 3};
    if (!has_text(rows, i, ERROR_TYPE, &key[ROLLUP_outcome])) {
        struct span_text end;

        key[ROLLUP_outcome] = (struct span_text){"ok", 2};
        if (has_text(rows, i, COMPLETENESS, &end) && !(end.bytes == 5 && memcmp(end.data, "whole", 5) == 0))
            key[ROLLUP_outcome] = end;
    }
}

static struct rollup_group *row_group(struct rollup *rollup, const struct store_rows *rows, size_t i)
{
    struct span_text key[ROLLUP_KEY_COUNT];
    char hex[17];
    int status;
    uint64_t number = rows->has[SPAN_start_ns] ? rows->column[SPAN_start_ns]->u64[i] / HOUR_NS : 0;
    struct rollup_hour *hour = rollup_hour_put(rollup, number, &status);

    if (hour == NULL)
        return NULL;
    row_texts(rows, i, key, hex);
    if (rollup->groups_max > 0 && hour->n >= rollup->groups_max)
        rollup->overfull = true;
    return group_put(hour, key);
}

/* Fills group[i] for every row. `table` has `slots` zeroed entries, `hash` a place for each row. */
static int assign(struct rollup *rollup, const struct store_rows *rows, struct rollup_group **group,
                  struct combination *table, size_t slots, uint64_t *hash)
{
    enum span_field varying[TEXTS];
    size_t n_varying = 0;

    for (int t = 0; t < TEXTS; t++)
        if (!is_constant(rows, text_fields[t]))
            varying[n_varying++] = text_fields[t];
    hash_rows(rows, varying, n_varying, hash);
    for (size_t i = 0; i < rows->n; i++) {
        size_t at = (size_t)hash[i] & (slots - 1);

        while (table[at].group != NULL &&
               (hash[table[at].row] != hash[i] || !same_row(rows, table[at].row, i, varying, n_varying)))
            at = (at + 1) & (slots - 1);
        if (table[at].group == NULL) {
            table[at].row = (uint32_t)i;
            table[at].group = row_group(rollup, rows, i);
            if (table[at].group == NULL)
                return -1;
        }
        group[i] = table[at].group;
    }
    return 0;
}

static int count_sketches(const struct store_rows *rows, struct rollup_group *const *group)
{
    for (int s = 0; s < ROLLUP_SKETCH_COUNT; s++) {
        const struct span_column *column = rows->has[sketch_fields[s]] ? rows->column[sketch_fields[s]] : NULL;

        for (size_t i = 0; column != NULL && i < rows->n; i++)
            if (span_bit(column->present, i) &&
                rollup_sketch_add(&group[i]->sketch[s], span_sketch_bucket(column->u64[i]), 1) != 0)
                return -1;
    }
    return 0;
}

static void count_sums(struct rollup *rollup, const struct store_rows *rows, struct rollup_group *const *group)
{
    const struct span_column *error = rows->has[SPAN_error_type] ? rows->column[SPAN_error_type] : NULL;

    for (size_t i = 0; i < rows->n; i++) {
        group[i]->calls++;
        group[i]->errors += error != NULL && span_bit(error->present, i);
        rollup->soiled += !group[i]->dirty;
        group[i]->dirty = true;
    }
    for (int s = 0; s < ROLLUP_SUM_COUNT; s++) {
        const struct span_column *column = rows->has[sum_fields[s]] ? rows->column[sum_fields[s]] : NULL;

        for (size_t i = 0; column != NULL && i < rows->n; i++)
            if (span_bit(column->present, i)) {
                group[i]->sum[s] = capped(group[i]->sum[s], column->u64[i]);
                group[i]->stated[s]++;
            }
    }
}

int rollup_add(struct rollup *rollup, const struct store_rows *rows)
{
    size_t slots = 64;
    size_t bytes;
    struct rollup_group **group;
    struct combination *table;
    uint64_t *hash;

    while (slots < rows->n * 2)
        slots *= 2;
    bytes = slots * sizeof(*table) + rows->n * (sizeof(struct rollup_group *) + sizeof(*hash));
    if (bytes > rollup->scratch_bytes) {
        void *grown = realloc(rollup->scratch, bytes);

        if (grown == NULL)
            return -1;
        rollup->scratch = grown;
        rollup->scratch_bytes = bytes;
    }
    table = rollup->scratch;
    memset(table, 0, slots * sizeof(*table));
    group = (struct rollup_group **)(void *)(table + slots);
    hash = (uint64_t *)(void *)(group + rows->n);
    if (assign(rollup, rows, group, table, slots, hash) != 0 || count_sketches(rows, group) != 0)
        return -1;
    count_sums(rollup, rows, group);
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
    struct rollup_group *group = hour == NULL ? NULL : group_put(hour, key);

    if (group == NULL && *ret_status == 0)
        *ret_status = -1;
    return group;
}

int64_t rollup_key_id(const struct rollup *rollup, const struct rollup_group *group)
{
    const struct rollup_group *known = group_find(&rollup->keys, group->key, group->hash);

    return known != NULL ? known->key_id : 0;
}

void rollup_key_learn(struct rollup *rollup, const struct rollup_group *group)
{
    struct rollup_group *known;

    if (rollup->keys.n >= ROLLUP_KEYS_KEPT) {
        rollup_hour_done(&rollup->keys);
        rollup->keys = (struct rollup_hour){0};
    }
    known = group_put(&rollup->keys, group->key);
    if (known != NULL) /* else there is no memory: it is looked up again */
        known->key_id = group->key_id;
}
