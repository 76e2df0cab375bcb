/*
 * Groups calls. The inner loop of a report: the group of each row of a block first, then column by
 * column into the groups. No text is compared and nothing allocated per row, apart from new groups.
 */
#include "group.h"

#include <stddef.h>
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
    free(grouping->at);
    free(grouping->of);
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

static bool row_has(const struct store_rows *rows, enum span_field field, size_t row)
{
    return rows->has[field] && span_bit(rows->column[field]->present, row);
}

static void add_sum(struct group_sum *sum, uint64_t value)
{
    sum->sum = sum->sum > UINT64_MAX - value ? UINT64_MAX : sum->sum + value;
    sum->calls++;
}

/*
 * The columns of a block, one after the other, each into the groups of its rows: `of[row]` is the
 * row's group, NULL where it is not counted. A column that no row has costs nothing.
 */
#define EACH_STATED(rows, field, of, row)                                                                              \
    for (size_t row = 0; (rows)->has[field] && row < (rows)->n; row++)                                                 \
        if ((of)[row] != NULL && span_bit((rows)->column[field]->present, row))

static void add_calls(const struct store_rows *rows, struct group *const *of)
{
    for (size_t row = 0; row < rows->n; row++) {
        if (of[row] == NULL)
            continue;
        bool error = row_has(rows, SPAN_error_type, row);
        of[row]->calls++;
        of[row]->errors += error;
        of[row]->answered += !error;
    }
    EACH_STATED(rows, SPAN_lost_bytes, of, row)
    {
        of[row]->lossy += rows->column[SPAN_lost_bytes]->u64[row] > 0;
    }
}

/* The hot loop: nothing but what changes from row to row is looked up in it. `sum` is where in a
 * group it goes. */
static void add_column(const struct store_rows *rows, enum span_field field, struct group *const *of, size_t sum)
{
    if (!rows->has[field])
        return;
    const uint64_t *present = rows->column[field]->present;
    const uint64_t *value = rows->column[field]->u64;
    for (size_t row = 0, n = rows->n; row < n; row++)
        if (of[row] != NULL && span_bit(present, row))
            add_sum((struct group_sum *)(void *)((char *)of[row] + sum), value[row]);
}

static void add_sums(const struct store_rows *rows, struct group *const *of)
{
    for (size_t i = 0; i < GROUP_TOKENS; i++)
        add_column(rows, token_fields[i], of, offsetof(struct group, tokens) + i * sizeof(struct group_sum));
    for (size_t i = 0; i < GROUP_PHASES; i++)
        add_column(rows, phase_fields[i], of, offsetof(struct group, phase) + i * sizeof(struct group_sum));
    add_column(rows, SPAN_total_ns, of, offsetof(struct group, whole));
}

static void add_times(const struct store_rows *rows, struct group *const *of)
{
    static const struct {
        enum span_field field;
        enum group_time time;
    } times[] = {{SPAN_ttft_ns, GROUP_TTFT}, {SPAN_first_text_ns, GROUP_FIRST_TEXT}, {SPAN_total_ns, GROUP_TOTAL}};

    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        EACH_STATED(rows, times[i].field, of, row)
        {
            quantiles_add(&of[row]->time[times[i].time], rows->column[times[i].field]->u64[row]);
        }
    }
    EACH_STATED(rows, SPAN_gap_sketch, of, row)
    {
        const struct span_column *column = rows->column[SPAN_gap_sketch];
        struct span_text gaps = column->dict[column->code[row]];
        quantiles_add_gaps(&of[row]->time[GROUP_ITL], (const uint8_t *)gaps.data, gaps.bytes);
    }
}

/* Tokens per second: by the application's clock, else by what the server says of itself. */
static void add_rates(const struct store_rows *rows, struct group *const *of)
{
    EACH_STATED(rows, SPAN_output_tokens, of, row)
    {
        enum span_field by = row_has(rows, SPAN_decode_ns, row) ? SPAN_decode_ns : SPAN_server_decode_ns;
        uint64_t ns = row_has(rows, by, row) ? rows->column[by]->u64[row] : 0;
        uint64_t tokens = rows->column[SPAN_output_tokens]->u64[row];
        if (ns == 0 || tokens == 0)
            continue;
        of[row]->rate_tokens += tokens;
        of[row]->rate_ns += ns;
    }
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

/* The first calls of a prompt show less of its words than later ones. Of one that was learned those
 * who show most would show a value of a slot: there the fewest that still say something. */
static bool is_better_label(const char *before, size_t bytes, bool learned)
{
    enum { SAYS_SOMETHING = 16 };
    const size_t have = strlen(before) > 2 ? strlen(before) - 2 : 0; /* without the quotes */

    if (!learned || have < SAYS_SOMETHING || bytes < SAYS_SOMETHING)
        return bytes > have;
    return bytes < have;
}

/* An unnamed prompt is shown by the beginning of its instructions, where that was kept. */
static void keep_label(struct grouping *grouping, const struct group *group, const struct store_rows *rows, size_t row)
{
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
        const char *const before = grouping->label[id] != 0 ? grouping->names.text[grouping->label[id]] : "";
        const bool learned = rows->learned != NULL && span_bit(rows->learned, row);
        char quoted[SPAN_TEXT_MAX + 3];
        if (!is_better_label(before, preview.bytes, learned))
            continue;
        int bytes = snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int)preview.bytes, preview.data);
        grouping->label[id] = names_id(&grouping->names, (struct span_text){quoted, (uint32_t)bytes});
    }
}

static void keep_labels(struct grouping *grouping, const struct store_rows *rows, struct group *const *of)
{
    EACH_STATED(rows, SPAN_prompt_preview, of, row)
    {
        if (of[row] != &grouping->total && !row_has(rows, SPAN_prompt_name, row))
            keep_label(grouping, of[row], rows, row);
    }
}

/* Prompts that begin with the same words are told apart by their ids, which come first, as the end
 * of a name may be cut. */
static void tell_apart(struct grouping *grouping)
{
    enum { DIGITS = 8 };
    const size_t n = grouping->labels_capacity < grouping->names.n ? grouping->labels_capacity : grouping->names.n;
    uint32_t *prompts = calloc(grouping->names.n, sizeof(*prompts));
    if (prompts == NULL) {
        grouping->failed = true;
        return;
    }
    for (size_t id = 0; id < n; id++)
        prompts[grouping->label[id]]++;
    for (size_t id = 0; id < n; id++) {
        const uint32_t label = grouping->label[id];
        char text[SPAN_TEXT_MAX + 3 + DIGITS + 2];
        if (label == 0 || prompts[label] < 2)
            continue;
        const int bytes =
            snprintf(text, sizeof(text), "%.*s %s", DIGITS, grouping->names.text[id], grouping->names.text[label]);
        grouping->label[id] = names_id(&grouping->names, (struct span_text){text, (uint32_t)bytes});
    }
    free(prompts);
}

static bool in_period(const struct grouping *grouping, const struct store_rows *rows, size_t row)
{
    const struct span_column *column = rows->column[SPAN_start_ns];
    return span_bit(column->present, row) && column->u64[row] >= grouping->since_ns &&
           column->u64[row] < grouping->until_ns &&
           (grouping->since_process_ns == 0 || rows->process[row]->start_ns >= grouping->since_process_ns);
}

/* Finds the group of each row, see EACH_STATED. Returns 0, or -1 when memory ran out. */
static int find_groups(struct grouping *grouping, const struct store_rows *rows)
{
    enum { NONE = 0, TOTAL = GROUPS_MAX + 1 };
    /* As positions first: a new group may move all others. */
    for (size_t row = 0; row < rows->n; row++) {
        grouping->at[row] = NONE;
        if (!in_period(grouping, rows, row))
            continue;
        uint64_t start = rows->column[SPAN_start_ns]->u64[row];
        if (grouping->first_ns == 0 || start < grouping->first_ns)
            grouping->first_ns = start;
        if (start > grouping->last_ns)
            grouping->last_ns = start;
        const struct group *group = group_of(grouping, rows, row);
        if (grouping->failed)
            return -1;
        grouping->at[row] = group == NULL ? TOTAL : (uint32_t)(group - grouping->group) + 1;
        grouping->other_groups_calls += group == NULL;
        grouping->learned_calls += rows->learned != NULL && span_bit(rows->learned, row);
    }
    for (size_t row = 0; row < rows->n; row++) {
        uint32_t at = grouping->at[row];
        grouping->of[row] = at == NONE ? NULL : at == TOTAL ? &grouping->total : &grouping->group[at - 1];
    }
    return 0;
}

static int room_for_rows(struct grouping *grouping, size_t n)
{
    if (n <= grouping->rows_capacity)
        return 0;
    grouping->rows_capacity = 0;
    free(grouping->at);
    free(grouping->of);
    grouping->at = malloc(n * sizeof(*grouping->at));
    grouping->of = malloc(n * sizeof(struct group *));
    if (grouping->at == NULL || grouping->of == NULL)
        return -1;
    grouping->rows_capacity = n;
    return 0;
}

static int each_block(void *context, const struct store_rows *rows)
{
    struct grouping *grouping = context;
    for (size_t i = 0; i < grouping->n_keys; i++)
        if (key_reader_begin(&grouping->reader[i], rows) < 0)
            grouping->failed = true;
    if (room_for_rows(grouping, rows->n) < 0)
        grouping->failed = true;
    if (grouping->failed || !rows->has[SPAN_start_ns])
        return grouping->failed ? 1 : 0;
    if (find_groups(grouping, rows) < 0)
        return 1;
    add_calls(rows, grouping->of);
    add_sums(rows, grouping->of);
    add_times(rows, grouping->of);
    add_rates(rows, grouping->of);
    keep_labels(grouping, rows, grouping->of);
    return grouping->failed ? 1 : 0;
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
    tell_apart(grouping);
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
