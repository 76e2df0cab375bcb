/*
 * From the id that a call came with to the prompt that is shown: what was learned (a text is a
 * version of a prompt, a prompt turned out to be another one), then what people said (it is another
 * one, or some of its calls are). Asked by those who show rows and rollups, and by the merge.
 *
 * The store's thread. Memory is bounded: what was asked is forgotten when it is much. Whatever a
 * file says, every way ends.
 */
#include "../store_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KNOWN_MAX = 65536, /* ids and prompts in memory */
    HOPS_MAX = 64,     /* from a prompt to what it turned out to be; more are a circle */
    PARTS_MAX = 64,    /* of one prompt */
    DEPTH_MAX = 4,     /* parts of parts */
};

/* ---- what an id stands for ---- */

static struct store_known_id *slot_of(struct store_known_id *known, size_t slots, uint64_t id, uint32_t version)
{
    size_t at = (size_t)(((id ^ version) * UINT64_C(0x9E3779B97F4A7C15)) >> 32);

    while (known[at & (slots - 1)].used &&
           (known[at & (slots - 1)].id != id || known[at & (slots - 1)].version != version))
        at++;
    return &known[at & (slots - 1)];
}

/* Room for one more of a list; 0 or STORE_FAILED. */
static int more(void **list, size_t n, size_t *capacity, size_t each)
{
    const size_t wanted = *capacity == 0 ? 256 : *capacity * 2;
    void *grown;

    if (n < *capacity)
        return 0;
    grown = realloc(*list, wanted * each);
    if (grown == NULL)
        return store_because(STORE_FAILED, "no memory");
    *list = grown;
    *capacity = wanted;
    return 0;
}

/* Room for one more id. */
static int room(struct store_prompts *prompts)
{
    size_t slots = prompts->known_slots == 0 ? 1024 : prompts->known_slots * 2;
    struct store_known_id *known;

    if (prompts->n_known * 2 < prompts->known_slots)
        return 0;
    known = calloc(slots, sizeof(*known));
    if (known == NULL)
        return store_because(STORE_FAILED, "no memory");
    for (size_t i = 0; i < prompts->known_slots; i++)
        if (prompts->known[i].used)
            *slot_of(known, slots, prompts->known[i].id, prompts->known[i].version) = prompts->known[i];
    free(prompts->known);
    prompts->known = known;
    prompts->known_slots = slots;
    return 0;
}

static sqlite3_stmt *ask(struct store *store, enum store_sql which, uint64_t id)
{
    sqlite3_stmt *statement = store_statement(store, which);

    if (statement != NULL)
        (void)sqlite3_bind_int64(statement, 1, (int64_t)id);
    return statement;
}

/* What people said of all calls of a prompt: into which one it goes (0: none), and its name, the
 * caller's. 1, 0 when nothing, or negative status. */
static int ask_rule(struct store *store, uint64_t prompt, uint64_t *ret_into, char **ret_name)
{
    sqlite3_stmt *rule = store->prompts.rules ? ask(store, STORE_SQL_rule_get, prompt) : NULL;
    int code = !store->prompts.rules ? SQLITE_DONE : rule == NULL ? SQLITE_ERROR : sqlite3_step(rule);
    int status = code == SQLITE_ROW;

    *ret_into = 0;
    *ret_name = NULL;
    if (code == SQLITE_ROW) {
        const char *name;
        size_t bytes;

        if (store_column_text(rule, 0, &name, &bytes) != 0)
            status = STORE_FAILED;
        *ret_into = (uint64_t)sqlite3_column_int64(rule, 1);
        if (name != NULL && (*ret_name = strdup(name)) == NULL)
            status = store_because(STORE_FAILED, "no memory");
    } else if (code != SQLITE_DONE) {
        status = store_sqlite_failed(store, "reading prompts");
    }
    if (rule != NULL)
        (void)sqlite3_reset(rule);
    return status;
}

/* What a version of a prompt turned out to be: prompt 0 where it is itself. */
static int ask_alias(struct store *store, const struct store_prompt *prompt, uint64_t *ret_alias, uint32_t *ret_version)
{
    sqlite3_stmt *alias = ask(store, STORE_SQL_template_alias, prompt->prompt);
    int code;

    if (alias != NULL)
        (void)sqlite3_bind_int64(alias, 2, prompt->version);
    code = alias == NULL ? SQLITE_ERROR : sqlite3_step(alias);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "reading prompts");
    *ret_alias = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(alias, 0) : 0;
    *ret_version = code == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(alias, 1) : 0;
    (void)sqlite3_reset(alias);
    return 0;
}

/* One step of the way: rules come before what was learned, and one that names the prompt itself
 * ends it. What was learned does not lead back to where the way came from. */
static int hop(struct store *store, struct store_prompt *prompt, uint64_t way[HOPS_MAX], int *hops)
{
    uint64_t into = 0;
    uint32_t version = 0;
    int status;

    way[*hops] = prompt->prompt;
    free(prompt->name);
    status = ask_rule(store, prompt->prompt, &into, &prompt->name);
    if (status < 0)
        return status;
    if (into != 0) {
        prompt->moved |= into != prompt->prompt;
    } else {
        status = ask_alias(store, prompt, &into, &version);
        for (int i = 0; i < *hops; i++)
            into = way[i] == into ? 0 : into;
    }
    if (status < 0 || into == 0 || (into == prompt->prompt && (version == 0 || version == prompt->version)))
        return status < 0 ? status : 1;
    prompt->prompt = into;
    if (version != 0 && prompt->version != 0)
        prompt->version = version;
    (*hops)++;
    return 0;
}

/* What leads round in circles, as no rule that was made here does, is as if nothing was said. */
static int follow(struct store *store, struct store_prompt *prompt)
{
    const struct store_prompt begin = *prompt;
    uint64_t way[HOPS_MAX];
    int status = 0;

    for (int hops = 0; status == 0 && hops < HOPS_MAX;)
        status = hop(store, prompt, way, &hops);
    if (status == 0) {
        free(prompt->name);
        *prompt = begin;
        prompt->name = NULL;
    }
    prompt->version_text[0] = '\0';
    if (prompt->version > 0)
        (void)snprintf(prompt->version_text, sizeof(prompt->version_text), "%u", prompt->version);
    return status < 0 ? status : 0;
}

/* A prompt that has a few texts alone, each of which recurs, has variants: they go by the beginning
 * of the text's id. */
static int ask_variant(struct store *store, uint64_t id, struct store_prompt *prompt)
{
    sqlite3_stmt *variants = ask(store, STORE_SQL_template_variants, prompt->prompt);
    int code;

    if (variants != NULL)
        (void)sqlite3_bind_int64(variants, 2, prompt->version);
    code = variants == NULL ? SQLITE_ERROR : sqlite3_step(variants);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "reading prompts");
    if (code == SQLITE_ROW && sqlite3_column_int64(variants, 0) != 0)
        (void)snprintf(prompt->variant, sizeof(prompt->variant), "%08x", (unsigned)(id >> 32));
    (void)sqlite3_reset(variants);
    return 0;
}

/* The list of the prompt's parts, as text and number of the prompt that each is. */
static int list_parts(struct store *store, uint64_t prompt, char text[PARTS_MAX][STORE_PART_BYTES],
                      uint64_t into[PARTS_MAX], uint32_t *ret_n)
{
    sqlite3_stmt *list = ask(store, STORE_SQL_rule_parts, prompt);
    int code = SQLITE_DONE;
    int status = 0;

    *ret_n = 0;
    if (list != NULL)
        (void)sqlite3_bind_int64(list, 2, PARTS_MAX);
    while (list != NULL && status == 0 && *ret_n < PARTS_MAX && (code = sqlite3_step(list)) == SQLITE_ROW) {
        const char *part;
        size_t bytes;

        status = store_column_text(list, 0, &part, &bytes);
        if (status != 0 || part == NULL || bytes >= STORE_PART_BYTES || sqlite3_column_type(list, 1) == SQLITE_NULL)
            continue;
        memcpy(text[*ret_n], part, bytes + 1);
        into[(*ret_n)++] = (uint64_t)sqlite3_column_int64(list, 1);
    }
    if (list == NULL || (status == 0 && code != SQLITE_DONE && code != SQLITE_ROW))
        status = store_sqlite_failed(store, "reading prompts");
    if (list != NULL)
        (void)sqlite3_reset(list);
    return status;
}

/* One more, followed to its end. */
static int put(struct store *store, const struct store_prompt *prompt)
{
    struct store_prompts *prompts = &store->prompts;
    struct store_prompt *added;
    int status =
        more((void **)&prompts->prompt, prompts->n_prompts, &prompts->prompts_capacity, sizeof(*prompts->prompt));

    if (status != 0)
        return status;
    added = &prompts->prompt[prompts->n_prompts++];
    *added = *prompt;
    added->written_text[0] = '\0';
    if (added->written_version > 0)
        (void)snprintf(added->written_text, sizeof(added->written_text), "%c%u", STORE_FOUND, added->written_version);
    return follow(store, added);
}

/* A part of the prompt at `at`, as a prompt of its own; one that is the same prompt is none. */
static int put_part(struct store *store, size_t at, const char text[STORE_PART_BYTES], uint64_t into)
{
    struct store_prompts *prompts = &store->prompts;
    struct store_prompt part = prompts->prompt[at];
    int status = more((void **)&prompts->part, prompts->n_parts, &prompts->parts_capacity, sizeof(*prompts->part));

    part.prompt = into;
    part.moved = true;
    part.name = NULL;
    part.n_parts = 0;
    if (text[0] != '@') { /* what tells these parts is not kept for ever */
        part.written = into;
        part.written_version = part.version;
    }
    if (status == 0)
        status = put(store, &part);
    if (status != 0 || prompts->prompt[prompts->n_prompts - 1].prompt == prompts->prompt[at].prompt)
        return status;
    memcpy(prompts->part[prompts->n_parts].text, text, STORE_PART_BYTES);
    prompts->part[prompts->n_parts++].prompt = (uint32_t)prompts->n_prompts - 1;
    prompts->prompt[at].n_parts++;
    return 0;
}

static int add_parts(struct store *store, size_t at, int depth)
{
    struct store_prompts *prompts = &store->prompts;
    char text[PARTS_MAX][STORE_PART_BYTES];
    uint64_t into[PARTS_MAX];
    uint32_t n = 0;
    int status = list_parts(store, prompts->prompt[at].prompt, text, into, &n);

    prompts->prompt[at].part = (uint32_t)prompts->n_parts;
    for (uint32_t i = 0; status == 0 && i < n; i++)
        status = put_part(store, at, text[i], into[i]);
    n = prompts->prompt[at].n_parts;
    for (uint32_t i = 0; status == 0 && depth < DEPTH_MAX && i < n; i++)
        status = add_parts(store, prompts->part[prompts->prompt[at].part + i].prompt, depth + 1);
    return status;
}

enum { STEPS_MAX = 16 }; /* of one text: sets of tools that it came with */

/* The prompts of a text, in the order of time. */
static int list_steps(struct store *store, uint64_t id, struct store_prompt list[STEPS_MAX], size_t *ret_n)
{
    sqlite3_stmt *steps = ask(store, STORE_SQL_text_steps, id);
    size_t n = 0;
    int code = SQLITE_DONE;
    int status;

    if (steps == NULL)
        return store_sqlite_failed(store, "reading prompts");
    while (n < STEPS_MAX && (code = sqlite3_step(steps)) == SQLITE_ROW) {
        const uint64_t prompt = (uint64_t)sqlite3_column_int64(steps, 0);
        const uint32_t version = (uint32_t)sqlite3_column_int64(steps, 1);

        if (n == 0 || list[n - 1].prompt != prompt || list[n - 1].version != version)
            list[n++] = (struct store_prompt){.from_ns = (uint64_t)sqlite3_column_int64(steps, 2),
                                              .prompt = prompt,
                                              .version = version,
                                              .written = prompt,
                                              .written_version = version,
                                              .learned = true,
                                              .is_text = true,
                                              .settled = sqlite3_column_int64(steps, 3) != 0};
    }
    status = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : store_sqlite_failed(store, "reading prompts");
    (void)sqlite3_reset(steps);
    *ret_n = n;
    return status;
}

/* ---- texts of one prompt ---- */

/* Where it stands, or a free slot. */
static uint32_t *shared_of(const struct store_prompts *prompts, uint32_t *shared, size_t slots,
                           const struct store_prompt *prompt)
{
    size_t at = (size_t)(((prompt->written ^ prompt->written_version) * UINT64_C(0x9E3779B97F4A7C15)) >> 32);

    for (;; at++) {
        const uint32_t number = shared[at & (slots - 1)];
        const struct store_prompt *other = number == 0 ? NULL : &prompts->prompt[number - 1];

        if (other == NULL || (other->written == prompt->written && other->written_version == prompt->written_version &&
                              other->settled == prompt->settled))
            return &shared[at & (slots - 1)];
    }
}

static int more_shared(struct store_prompts *prompts)
{
    const size_t slots = prompts->shared_slots == 0 ? 256 : prompts->shared_slots * 2;
    uint32_t *shared;

    if (prompts->n_shared * 2 < prompts->shared_slots)
        return 0;
    shared = calloc(slots, sizeof(*shared));
    if (shared == NULL)
        return store_because(STORE_FAILED, "no memory");
    for (size_t i = 0; i < prompts->shared_slots; i++)
        if (prompts->shared[i] != 0)
            *shared_of(prompts, shared, slots, &prompts->prompt[prompts->shared[i] - 1]) = prompts->shared[i];
    free(prompts->shared);
    prompts->shared = shared;
    prompts->shared_slots = slots;
    return 0;
}

/* What texts that belonged to one prompt all the time are, if nothing tells them apart: *ret_at is
 * where that stands. 1, 0 when it is not known, or negative status. */
static int find_shared(struct store_prompts *prompts, const struct store_prompt *prompt, size_t *ret_at)
{
    const int status = more_shared(prompts);

    if (status != 0)
        return status;
    *ret_at = *shared_of(prompts, prompts->shared, prompts->shared_slots, prompt);
    return *ret_at > 0 ? (--*ret_at, 1) : 0;
}

/* The last one that was put. */
static void share(struct store_prompts *prompts)
{
    const struct store_prompt *prompt = &prompts->prompt[prompts->n_prompts - 1];

    *shared_of(prompts, prompts->shared, prompts->shared_slots, prompt) = (uint32_t)prompts->n_prompts;
    prompts->n_shared++;
}

/* Whether people said that calls with this id, of a text as it may be, are another prompt: that
 * counts whatever was learned of the text since. 1, 0 or negative status. */
static int is_ruled(struct store *store, uint64_t id, const struct store_prompt *list, size_t n, bool *ret_known)
{
    char *name = NULL;
    uint64_t into = 0;
    int status = ask_rule(store, id, &into, &name);

    *ret_known = status == 1;
    free(name);
    for (size_t i = 0; i < n; i++)
        if (list[i].prompt == id)
            return status < 0 ? status : 0;
    return status < 0 ? status : into != 0;
}

/* By a statement that gives 1 or 0: that, or negative status. */
static int is_any(struct store *store, enum store_sql which, uint64_t id)
{
    sqlite3_stmt *any = ask(store, which, id);
    int found;

    if (any == NULL || sqlite3_step(any) != SQLITE_ROW)
        return store_sqlite_failed(store, "reading prompts");
    found = sqlite3_column_int64(any, 0) != 0;
    (void)sqlite3_reset(any);
    return found;
}

/* A prompt, or one of which people alone said something, of all or of some of its calls. */
static int ask_prompt(struct store *store, uint64_t id, uint32_t version, bool known, struct store_prompt *ret_prompt)
{
    char text[PARTS_MAX][STORE_PART_BYTES];
    uint64_t into[PARTS_MAX];
    uint32_t parts = 0;
    const int learned = is_any(store, STORE_SQL_template_any, id);
    const int is_part = store->prompts.parts ? is_any(store, STORE_SQL_rule_is_part, id) : 0;
    int status = learned < 0 ? learned : is_part < 0 ? is_part : 0;

    if (status == 0 && learned == 0 && !known && store->prompts.parts)
        status = list_parts(store, id, text, into, &parts);
    *ret_prompt = (struct store_prompt){.prompt = id,
                                        .version = version,
                                        .written = id,
                                        .written_version = version,
                                        .learned = learned == 1,
                                        .moved = is_part == 1,
                                        .settled = learned == 1};
    return status < 0 ? status : learned == 1 || is_part == 1 || known || parts > 0;
}

/* The prompts of a text, from `first` on. */
static int put_texts(struct store *store, uint64_t id, struct store_prompt *list, size_t n, size_t *ret_first)
{
    struct store_prompts *prompts = &store->prompts;
    const bool alone = n == 1 && !prompts->parts;
    int status = alone ? find_shared(prompts, &list[0], ret_first) : 0;

    if (status != 0)
        return status < 0 ? status : 0;
    *ret_first = prompts->n_prompts;
    for (size_t i = 0; status == 0 && i < n; i++) {
        status = ask_variant(store, id, &list[i]);
        if (status == 0)
            status = put(store, &list[i]);
    }
    if (status == 0 && alone && list[0].variant[0] == '\0')
        share(prompts);
    return status;
}

static int put_all(struct store *store, const struct store_prompt *list, size_t n)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < n; i++)
        status = put(store, &list[i]);
    return status;
}

/* What the id may stand for: a text of prompts, or a prompt. */
static int ask_prompts(struct store *store, uint64_t id, uint32_t version)
{
    struct store_prompts *prompts = &store->prompts;
    struct store_prompt list[STEPS_MAX];
    size_t first = prompts->n_prompts;
    bool known = false;
    size_t n = 0;
    int status = version == 0 ? list_steps(store, id, list, &n) : 0;
    const int ruled = status != 0 ? status : is_ruled(store, id, list, n, &known);

    if (ruled < 0)
        return ruled;
    if (ruled == 1 && n > 0) {
        list[0] = (struct store_prompt){.prompt = id, .written = id, .is_text = true};
        n = 1;
        status = put_all(store, list, n);
    } else if (n == 0) {
        status = ask_prompt(store, id, version, known, &list[0]);
        if (status < 0)
            return status;
        n = (size_t)status;
        status = put_all(store, list, n);
    } else {
        status = put_texts(store, id, list, n, &first);
    }
    for (size_t i = 0; status == 0 && prompts->parts && i < n; i++)
        status = add_parts(store, first + i, 0);
    if (status == 0) {
        struct store_known_id *slot = slot_of(prompts->known, prompts->known_slots, id, version);

        *slot = (struct store_known_id){id, version, (uint32_t)first, (uint32_t)n, true};
        prompts->n_known++;
    }
    return status;
}

/* ---- a call ---- */

uint32_t store_found_version(struct span_text text)
{
    uint32_t version = 0;

    if (text.bytes < 2 || text.bytes > 11 || text.data[0] != STORE_FOUND)
        return 0;
    for (uint32_t i = 1; i < text.bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || version > UINT32_MAX / 10 - 1)
            return 0;
        version = version * 10 + (uint32_t)(text.data[i] - '0');
    }
    return version;
}

static bool is_text(const char *text, struct span_text other)
{
    return strlen(text) == other.bytes && memcmp(text, other.data, other.bytes) == 0;
}

/* '@' and a version; '#' and a variant, which is the beginning of the text's id; '=' and the id of
 * the exact text. */
static bool is_part(const char *part, const struct store_prompt *prompt, const struct store_call *call)
{
    char digits[17];

    if (part[0] == '@')
        return call->version.bytes > 0 && call->version.data[0] != STORE_FOUND
                   ? is_text(part + 1, call->version)
                   : strcmp(part + 1, prompt->version_text) == 0;
    if (part[0] == '#') {
        (void)snprintf(digits, sizeof(digits), "%08x", (unsigned)(call->id >> 32));
        return call->variant.bytes > 0 ? is_text(part + 1, call->variant)
                                       : prompt->is_text && strcmp(part + 1, digits) == 0;
    }
    (void)snprintf(digits, sizeof(digits), "%016llx", (unsigned long long)call->text_id);
    return part[0] == '=' && call->text_id != 0 && strcmp(part + 1, digits) == 0;
}

static const struct store_prompt *part_of(const struct store_prompts *prompts, const struct store_prompt *prompt,
                                          const struct store_call *call)
{
    for (uint32_t i = 0; i < prompt->n_parts; i++) {
        const struct store_part *part = &prompts->part[prompt->part + i];

        if (is_part(part->text, prompt, call))
            return &prompts->prompt[part->prompt];
    }
    return NULL;
}

int store_prompt_find(struct store *store, const struct store_call *call, const struct store_prompt **ret_prompt)
{
    struct store_prompts *prompts = &store->prompts;
    const uint32_t version = store_found_version(call->version);
    const struct store_known_id *known;
    const struct store_prompt *found;
    int status;

    *ret_prompt = NULL;
    if (!prompts->any)
        return 0;
    status = room(prompts);
    if (status != 0)
        return status;
    known = slot_of(prompts->known, prompts->known_slots, call->id, version);
    if (!known->used) {
        status = ask_prompts(store, call->id, version);
        if (status != 0)
            return status;
        known = slot_of(prompts->known, prompts->known_slots, call->id, version);
    }
    if (known->n == 0)
        return 0;
    found = &prompts->prompt[known->first];
    for (uint32_t i = 1; i < known->n && prompts->prompt[known->first + i].from_ns <= call->start_ns; i++)
        found = &prompts->prompt[known->first + i];
    for (; found != NULL; found = part_of(prompts, found, call))
        *ret_prompt = found;
    return 0;
}

int store_prompts_trim(struct store *store)
{
    const struct store_prompts *prompts = &store->prompts;

    return prompts->n_known > KNOWN_MAX || prompts->n_prompts > KNOWN_MAX || prompts->n_parts > KNOWN_MAX
               ? store_prompts_look(store)
               : 0;
}
