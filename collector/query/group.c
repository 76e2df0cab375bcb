/*
 * Groups calls. The inner loop of a report: no text is compared and nothing allocated per row, apart from new groups.
 */
#include "group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum span_field token_fields[GROUP_TOKENS] = {SPAN_input_tokens, SPAN_output_tokens,
                                                           SPAN_cache_read_tokens, SPAN_reasoning_tokens};
static const enum span_field phase_fields[GROUP_PHASES] = {SPAN_queue_ns, SPAN_dns_ns,  SPAN_connect_ns, SPAN_tls_ns,
                                                           SPAN_send_ns,  SPAN_wait_ns, SPAN_decode_ns};
static const enum span_field other_fields[] = {SPAN_total_ns,   SPAN_ttft_ns,    SPAN_first_text_ns,
                                               SPAN_gap_sketch, SPAN_error_type, SPAN_server_decode_ns,
                                               SPAN_lost_bytes};

enum {
    OTHER_FIELDS = sizeof(other_fields) / sizeof(other_fields[0]),
    FIELDS_MAX = 1 + GROUP_TOKENS + GROUP_PHASES + OTHER_FIELDS + 4 * KEYS_MAX,
};

int grouping_init(struct grouping *grouping, const struct key *const *by, size_t n_by)
{
    *grouping = (struct grouping){.n_keys = n_by, .until_ns = UINT64_MAX, .n_slots = 64};
    grouping->slot = calloc(grouping->n_slots, sizeof(*grouping->slot));
    grouping->reader = calloc(n_by > 0 ? n_by : 1, sizeof(*grouping->reader));
    if (grouping->slot == NULL || grouping->reader == NULL || names_init(&grouping->names) < 0) {
        grouping_done(grouping);
        return -1;
    }
    for (size_t i = 0; i < n_by; i++) {
        grouping->key[i] = by[i];
        (void)key_reader_init(&grouping->reader[i], by[i], &grouping->names);
    }
    return 0;
}

static void group_done(struct group *group)
{
    for (size_t i = 0; i < GROUP_TIMES; i++)
        quantiles_done(&group->time[i]);
}

void grouping_done(struct grouping *grouping)
{
    for (size_t i = 0; grouping->reader != NULL && i < grouping->n_keys; i++)
        key_reader_done(&grouping->reader[i]);
    for (size_t i = 0; i < grouping->n_groups; i++)
        group_done(&grouping->group[i]);
    group_done(&grouping->total);
    names_done(&grouping->names);
    free(grouping->reader);
    free(grouping->group);
    free(grouping->slot);
    free(grouping->label);
    *grouping = (struct grouping){0};
}

static size_t hash_ids(const uint32_t *id, size_t n)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ id[i]) * UINT64_C(0x9e3779b97f4a7c15) + (hash >> 32);
    return (size_t)(hash ^ (hash >> 31));
}

/* The slot of the group with these ids, or the free one where it belongs. */
static uint32_t *find_slot(const struct grouping *grouping, uint32_t *slots, size_t n_slots, const uint32_t *id)
{
    size_t at = hash_ids(id, grouping->n_keys) & (n_slots - 1);
    while (slots[at] != 0 && memcmp(grouping->group[slots[at] - 1].id, id, grouping->n_keys * sizeof(*id)) != 0)
        at = (at + 1) & (n_slots - 1);
    return &slots[at];
}

static int grow(struct grouping *grouping)
{
    if (grouping->n_groups == grouping->groups_capacity) {
        size_t capacity = grouping->groups_capacity == 0 ? 16 : grouping->groups_capacity * 2;
        struct group *grown = realloc(grouping->group, capacity * sizeof(*grown));
        if (grown == NULL)
            return -1;
        grouping->group = grown;
        grouping->groups_capacity = capacity;
    }
    if (grouping->n_groups < grouping->n_slots / 2)
        return 0;
    size_t n_slots = grouping->n_slots * 2;
    uint32_t *slots = calloc(n_slots, sizeof(*slots));
    if (slots == NULL)
        return -1;
    for (size_t i = 0; i < grouping->n_groups; i++)
        *find_slot(grouping, slots, n_slots, grouping->group[i].id) = (uint32_t)i + 1;
    free(grouping->slot);
    grouping->slot = slots;
    grouping->n_slots = n_slots;
    return 0;
}

/* The group of a row; NULL when there are too many or memory ran out. */
static struct group *group_of(struct grouping *grouping, const struct store_rows *rows, size_t row)
{
    uint32_t id[KEYS_MAX] = {0};
    for (size_t i = 0; i < grouping->n_keys; i++)
        id[i] = key_reader_id(&grouping->reader[i], rows, row);
    uint32_t *slot = find_slot(grouping, grouping->slot, grouping->n_slots, id);
    if (*slot != 0)
        return &grouping->group[*slot - 1];
    if (grouping->n_groups == GROUPS_MAX)
        return NULL;
    if (grow(grouping) < 0) {
        grouping->failed = true;
        return NULL;
    }
    struct group *group = &grouping->group[grouping->n_groups++];
    *group = (struct group){0};
    memcpy(group->id, id, sizeof(id));
    *find_slot(grouping, grouping->slot, grouping->n_slots, id) = (uint32_t)grouping->n_groups;
    return group;
}

static bool read_u64(const struct store_rows *rows, enum span_field field, size_t row, uint64_t *ret_value)
{
    if (!rows->has[field] || !span_bit(rows->column[field]->present, row))
        return false;
    *ret_value = rows->column[field]->u64[row];
    return true;
}

static bool row_has(const struct store_rows *rows, enum span_field field, size_t row)
{
    return rows->has[field] && span_bit(rows->column[field]->present, row);
}

static void add_sum(struct group_sum *sum, uint64_t value)
{
    sum->sum = sum->sum > UINT64_MAX - value ? UINT64_MAX : sum->sum + value;
    sum->calls++;
}

/* Tokens per second: by the application's clock, else by what the server says of itself. */
static void add_rate(struct group *group, const struct store_rows *rows, size_t row)
{
    uint64_t tokens, ns;
    if (!read_u64(rows, SPAN_output_tokens, row, &tokens))
        return;
    if (!read_u64(rows, SPAN_decode_ns, row, &ns) && !read_u64(rows, SPAN_server_decode_ns, row, &ns))
        return;
    if (ns == 0 || tokens == 0)
        return;
    group->rate_tokens += tokens;
    group->rate_ns += ns;
}

static void add_row(struct group *group, const struct store_rows *rows, size_t row)
{
    uint64_t value;
    group->calls++;
    if (row_has(rows, SPAN_error_type, row))
        group->errors++;
    else
        group->answered++;
    if (read_u64(rows, SPAN_lost_bytes, row, &value) && value > 0)
        group->lossy++;
    for (size_t i = 0; i < GROUP_TOKENS; i++)
        if (read_u64(rows, token_fields[i], row, &value))
            add_sum(&group->tokens[i], value);
    for (size_t i = 0; i < GROUP_PHASES; i++)
        if (read_u64(rows, phase_fields[i], row, &value))
            add_sum(&group->phase[i], value);
    if (read_u64(rows, SPAN_ttft_ns, row, &value))
        quantiles_add(&group->time[GROUP_TTFT], value);
    if (read_u64(rows, SPAN_first_text_ns, row, &value))
        quantiles_add(&group->time[GROUP_FIRST_TEXT], value);
    if (read_u64(rows, SPAN_total_ns, row, &value)) {
        quantiles_add(&group->time[GROUP_TOTAL], value);
        add_sum(&group->whole, value);
    }
    if (row_has(rows, SPAN_gap_sketch, row)) {
        const struct span_column *column = rows->column[SPAN_gap_sketch];
        struct span_text gaps = column->dict[column->code[row]];
        quantiles_add_gaps(&group->time[GROUP_ITL], (const uint8_t *)gaps.data, gaps.bytes);
    }
    add_rate(group, rows, row);
}

static void fold_sum(struct group_sum *into, const struct group_sum *from)
{
    into->sum = into->sum > UINT64_MAX - from->sum ? UINT64_MAX : into->sum + from->sum;
    into->calls += from->calls;
}

/* Adds a group to the total; cheaper than adding each row twice. */
static void fold(struct group *into, const struct group *from)
{
    into->calls += from->calls;
    into->errors += from->errors;
    into->answered += from->answered;
    into->lossy += from->lossy;
    for (size_t i = 0; i < GROUP_TOKENS; i++)
        fold_sum(&into->tokens[i], &from->tokens[i]);
    for (size_t i = 0; i < GROUP_PHASES; i++)
        fold_sum(&into->phase[i], &from->phase[i]);
    fold_sum(&into->whole, &from->whole);
    into->rate_tokens += from->rate_tokens;
    into->rate_ns += from->rate_ns;
    for (size_t i = 0; i < GROUP_TIMES; i++)
        quantiles_merge(&into->time[i], &from->time[i]);
}

/* An unnamed prompt is shown by the beginning of its instructions, where that was kept. */
static void keep_label(struct grouping *grouping, const struct group *group, const struct store_rows *rows, size_t row)
{
    if (!row_has(rows, SPAN_prompt_preview, row) || row_has(rows, SPAN_prompt_name, row))
        return;
    for (size_t i = 0; i < grouping->n_keys; i++) {
        uint32_t id = group->id[i];
        if (grouping->key[i]->kind != KEY_PROMPT || id == NAMES_ABSENT)
            continue;
        if (id >= grouping->labels_capacity) {
            size_t capacity = grouping->names.capacity;
            uint32_t *grown = realloc(grouping->label, capacity * sizeof(*grown));
            if (grown == NULL) {
                grouping->failed = true;
                return;
            }
            memset(grown + grouping->labels_capacity, 0, (capacity - grouping->labels_capacity) * sizeof(*grown));
            grouping->label = grown;
            grouping->labels_capacity = capacity;
        }
        const struct span_column *column = rows->column[SPAN_prompt_preview];
        struct span_text preview = column->dict[column->code[row]];
        /* The first calls of a prompt show less of it than later ones. */
        if (grouping->label[id] != 0 && strlen(grouping->names.text[grouping->label[id]]) >= preview.bytes + 2)
            continue;
        char quoted[SPAN_TEXT_MAX + 3];
        int bytes = snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int)preview.bytes, preview.data);
        grouping->label[id] = names_id(&grouping->names, (struct span_text){quoted, (uint32_t)bytes});
    }
}

static int each_block(void *context, const struct store_rows *rows)
{
    struct grouping *grouping = context;
    for (size_t i = 0; i < grouping->n_keys; i++)
        if (key_reader_begin(&grouping->reader[i], rows) < 0)
            grouping->failed = true;
    if (grouping->failed || !rows->has[SPAN_start_ns])
        return grouping->failed ? 1 : 0;
    for (size_t row = 0; row < rows->n; row++) {
        uint64_t start;
        if (!read_u64(rows, SPAN_start_ns, row, &start) || start < grouping->since_ns || start >= grouping->until_ns)
            continue;
        if (grouping->since_process_ns > 0 && rows->process[row]->start_ns < grouping->since_process_ns)
            continue;
        if (grouping->first_ns == 0 || start < grouping->first_ns)
            grouping->first_ns = start;
        if (start > grouping->last_ns)
            grouping->last_ns = start;
        struct group *group = group_of(grouping, rows, row);
        if (grouping->failed)
            return 1;
        if (group == NULL) {
            add_row(&grouping->total, rows, row);
            grouping->other_groups_calls++;
            continue;
        }
        add_row(group, rows, row);
        keep_label(grouping, group, rows, row);
    }
    return 0;
}

int grouping_scan(struct grouping *grouping, struct store *store)
{
    enum span_field fields[FIELDS_MAX];
    size_t n = 0;
    fields[n++] = SPAN_start_ns;
    for (size_t i = 0; i < GROUP_TOKENS; i++)
        fields[n++] = token_fields[i];
    for (size_t i = 0; i < GROUP_PHASES; i++)
        fields[n++] = phase_fields[i];
    for (size_t i = 0; i < OTHER_FIELDS; i++)
        fields[n++] = other_fields[i];
    for (size_t i = 0; i < grouping->n_keys; i++)
        n = key_fields(grouping->key[i], fields, n);
    struct store_query query = {
        .since_ns = grouping->since_ns, .until_ns = grouping->until_ns, .fields = fields, .n_fields = n};
    int status = store_scan(store, &query, each_block, grouping, &grouping->damaged);
    for (size_t i = 0; i < grouping->n_groups; i++)
        fold(&grouping->total, &grouping->group[i]);
    /* Without memory for a name or a time a row would be wrong, or say that nothing was seen. */
    grouping->failed |= grouping->names.failed;
    for (size_t i = 0; i < GROUP_TIMES; i++)
        grouping->failed |= grouping->total.time[i].failed;
    return grouping->failed ? STORE_FAILED : status;
}

const char *grouping_text(const struct grouping *grouping, const struct group *group, size_t key, bool *ret_seen)
{
    uint32_t id = group->id[key];
    if (ret_seen != NULL)
        *ret_seen = id != NAMES_ABSENT;
    if (id == NAMES_ABSENT)
        return "-";
    if (id < grouping->labels_capacity && grouping->label[id] != 0 && grouping->key[key]->kind == KEY_PROMPT)
        id = grouping->label[id];
    return grouping->names.text[id];
}
