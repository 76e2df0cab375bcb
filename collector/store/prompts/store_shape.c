/*
 * What versions of prompts look like (collector/prompts/shape.h), as it lies in the store: learned
 * with what a lesson found, told to those who list prompts, and previews without what varies.
 *
 * Called by store_learn.c and store_texts.c within the transaction that is open, and by readers.
 */
#include "store_study.h"

#include <stdlib.h>
#include <string.h>

#include "../../prompts/shape.h"

static int no_memory(void)
{
    return store_because(STORE_FAILED, "no memory");
}

static sqlite3_stmt *of_version(struct store *store, enum store_sql which, uint64_t prompt, uint32_t version)
{
    sqlite3_stmt *statement = store_statement(store, which);

    if (statement != NULL) {
        (void)sqlite3_clear_bindings(statement);
        (void)sqlite3_bind_int64(statement, 1, (int64_t)prompt);
        (void)sqlite3_bind_int64(statement, 2, version);
    }
    return statement;
}

/* ---- rows ---- */

/* A text of the row; "" where it has none. */
static int copy_preview(sqlite3_stmt *row, int column, char ret[STORE_PREVIEW_BYTES])
{
    const char *text;
    size_t bytes;
    int status = store_column_text(row, column, &text, &bytes);

    ret[0] = '\0';
    if (status == 0 && text != NULL && bytes < STORE_PREVIEW_BYTES)
        memcpy(ret, text, bytes + 1);
    return status;
}

/* 1, 0 where there is none that can be read, or negative status. */
static int read_shape(struct store *store, uint64_t prompt, uint32_t version, struct prompt_shape *ret_shape,
                      char ret_preview[STORE_PREVIEW_BYTES])
{
    sqlite3_stmt *get = of_version(store, STORE_SQL_shape_get, prompt, version);
    int code = get == NULL ? SQLITE_ERROR : sqlite3_step(get);
    int status = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : store_sqlite_failed(store, "reading prompts");

    ret_preview[0] = '\0';
    if (code == SQLITE_ROW) {
        const uint8_t *data;
        size_t bytes;

        status = store_column_blob(get, 0, &data, &bytes);
        if (status == 0)
            status = copy_preview(get, 1, ret_preview);
        if (status == 0)
            status = shape_read(ret_shape, data, bytes) == 0;
    }
    if (get != NULL)
        (void)sqlite3_reset(get);
    return status;
}

static int put_shape(struct store *store, uint64_t prompt, uint32_t version, const struct prompt_shape *shape,
                     const char *preview)
{
    sqlite3_stmt *put = of_version(store, STORE_SQL_shape_put, prompt, version);
    struct span_buffer data;
    int status;

    if (put == NULL)
        return store_sqlite_failed(store, "learning prompts");
    span_buffer_init(&data, SHAPE_BYTES_MAX);
    shape_write(shape, &data);
    status = data.failed ? no_memory() : 0;
    (void)sqlite3_bind_blob64(put, 3, data.data, data.bytes, SQLITE_STATIC);
    if (preview[0] != '\0')
        (void)sqlite3_bind_text(put, 4, preview, -1, SQLITE_STATIC);
    if (status == 0)
        status = store_run(store, put, "learning prompts");
    (void)sqlite3_clear_bindings(put);
    span_buffer_done(&data);
    return status;
}

/* ---- learning ---- */

/* Texts of one template, of those of a lesson. */
struct members {
    const struct prompt_features **text;
    const int64_t **number; /* of their rows */
    size_t n;
};

/* The preview of a text that waits; "" where none came. */
static int ask_preview(struct store *store, int64_t text, char ret[STORE_PREVIEW_BYTES])
{
    sqlite3_stmt *get = store_statement(store, STORE_SQL_open_preview);
    int code;
    int status = 0;

    ret[0] = '\0';
    if (get == NULL)
        return store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_bind_int64(get, 1, text);
    code = sqlite3_step(get);
    if (code == SQLITE_ROW)
        status = copy_preview(get, 0, ret);
    else if (code != SQLITE_DONE)
        status = store_sqlite_failed(store, "learning prompts");
    (void)sqlite3_reset(get);
    return status;
}

static void blank(const struct prompt_shape *shape, const struct prompt_features *text, const char *whole,
                  char ret[STORE_PREVIEW_BYTES])
{
    ret[shape_preview(shape, text, whole, strlen(whole), ret, STORE_PREVIEW_BYTES - 1)] = '\0';
}

/* Of the text whose preview shows most. */
static int make_preview(struct store *store, const struct prompt_shape *shape, const struct members *members,
                        char ret[STORE_PREVIEW_BYTES])
{
    char whole[STORE_PREVIEW_BYTES];
    size_t best = members->n;
    int most = 0;
    int status;

    for (size_t i = 0; i < members->n; i++) {
        const int shown = __builtin_popcountll(members->text[i]->preview_shown);

        if (shown > most) {
            most = shown;
            best = i;
        }
    }
    if (best == members->n)
        return 0;
    status = ask_preview(store, *members->number[best], whole);
    if (status == 0)
        blank(shape, members->text[best], whole, ret);
    return status;
}

/* `known`: as it was before the lesson, NULL for one that was made. */
static int learn_shape(struct store *store, const struct miner_template *template, const struct known_template *known,
                       const struct members *members)
{
    char preview[STORE_PREVIEW_BYTES] = "";
    struct prompt_shape *shape = calloc(1, sizeof(*shape));
    int status;

    if (shape == NULL)
        return no_memory();
    status = known == NULL ? 0 : read_shape(store, template->prompt, template->version, shape, preview);
    if (status == 0) {
        shape_make(shape, template, members->text, members->n);
    } else if (status == 1) {
        const uint16_t words = shape->words;

        status = 0;
        if (known->words != template->words || known->lines != template->lines)
            shape_cut(shape, template);
        for (size_t i = 0; i < members->n; i++)
            shape_join(shape, members->text[i]);
        if (shape->words != words)
            preview[0] = '\0';
    }
    if (status == 0 && preview[0] == '\0')
        status = make_preview(store, shape, members, preview);
    if (status == 0)
        status = put_shape(store, template->prompt, template->version, shape, preview);
    free(shape);
    return status;
}

/* What a template is told by: all texts of one that was made; of one that stays those that are done
 * now, so that each counts once. */
static bool counts(const struct store_lesson *lesson, const struct miner_text *text,
                   const struct miner_template *template)
{
    if (text->found == MINER_NOT)
        return false;
    return (size_t)text->found >= lesson->n_known ||
           (lesson->known[text->found].settled && template[text->found].settled && text->is_sure);
}

static int learn_shapes(struct store_lesson *lesson, const struct miner_template *template, size_t n_templates,
                        const struct miner_text *text, size_t n_texts, size_t *end, const struct members *all)
{
    int status = 0;

    for (size_t i = 0; i < n_texts; i++)
        end[text[i].found == MINER_NOT ? n_templates : (size_t)text[i].found] += counts(lesson, &text[i], template);
    for (size_t i = 0, sum = 0; i < n_templates; i++) {
        const size_t n = end[i];

        end[i] = sum;
        sum += n;
    }
    for (size_t i = 0; i < n_texts; i++)
        if (counts(lesson, &text[i], template)) {
            all->text[end[text[i].found]] = &text[i].features;
            all->number[end[text[i].found]++] = &lesson->open[i].number;
        }
    for (size_t i = 0, from = 0; status == 0 && i < n_templates; from = end[i++]) {
        const struct known_template *known = i < lesson->n_known ? &lesson->known[i] : NULL;
        const struct members members = {all->text + from, all->number + from, end[i] - from};

        if (template[i].alias == 0 && (members.n > 0 || (known != NULL && known->words != template[i].words)))
            status = learn_shape(lesson->store, &template[i], known, &members);
    }
    return status;
}

/* Of what was made anew, and is another one now. */
static int drop_shapes(struct store_lesson *lesson)
{
    int status = 0;

    for (size_t i = 0; status == 0 && i < lesson->n_texts; i++)
        if (lesson->open[i].prompt != 0 && !lesson->open[i].is_settled)
            status = store_run(
                lesson->store,
                of_version(lesson->store, STORE_SQL_shape_drop, lesson->open[i].prompt, lesson->open[i].version),
                "learning prompts");
    return status;
}

int store_shapes_save(struct store_lesson *lesson)
{
    size_t n_templates;
    size_t n_texts;
    const struct miner_template *template = miner_templates(lesson->miner, &n_templates);
    const struct miner_text *text = miner_texts(lesson->miner, &n_texts);
    struct members all = {calloc(n_texts + 1, sizeof(void *)), calloc(n_texts + 1, sizeof(void *)), n_texts};
    size_t *end = calloc(n_templates + 1, sizeof(*end));
    const bool has_room = all.text != NULL && all.number != NULL && end != NULL;
    int status = has_room ? drop_shapes(lesson) : no_memory();

    if (has_room && status == 0)
        status = learn_shapes(lesson, template, n_templates, text, n_texts, end, &all);
    free(end);
    free(all.number);
    free(all.text);
    return status;
}

/* ---- previews ---- */

/* The row of a text and whose it is: 1, 0 or negative status. */
static int find_text(struct store *store, uint64_t id, uint32_t setup, int64_t *ret_number, uint64_t *ret_prompt,
                     uint32_t *ret_version)
{
    sqlite3_stmt *get = of_version(store, STORE_SQL_text_get, id, setup);
    const int code = get == NULL ? SQLITE_ERROR : sqlite3_step(get);

    if (code == SQLITE_ROW) {
        *ret_number = sqlite3_column_int64(get, 0);
        *ret_prompt = (uint64_t)sqlite3_column_int64(get, 1);
        *ret_version = (uint32_t)sqlite3_column_int64(get, 2);
    }
    if (get != NULL)
        (void)sqlite3_reset(get);
    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : store_sqlite_failed(store, "storing a text");
}

static int keep_preview(struct store *store, int64_t number, const struct span_text *data, const char *preview)
{
    sqlite3_stmt *again = store_statement(store, STORE_SQL_open_again);
    int status;

    if (again == NULL)
        return store_sqlite_failed(store, "storing a text");
    (void)sqlite3_bind_int64(again, 1, number);
    (void)sqlite3_bind_blob64(again, 2, data->data, data->bytes, SQLITE_STATIC);
    (void)sqlite3_bind_text(again, 3, preview, -1, SQLITE_STATIC);
    status = store_run(store, again, "storing a text");
    (void)sqlite3_clear_bindings(again);
    return status;
}

int store_preview_take(struct store *store, uint64_t id, const struct prompt_features *features,
                       const struct span_text *data, const char *preview)
{
    char known[STORE_PREVIEW_BYTES] = "";
    char made[STORE_PREVIEW_BYTES];
    int64_t number = 0;
    uint64_t prompt = 0;
    uint32_t version = 0;
    struct prompt_shape *shape;
    int status = find_text(store, id, features->setup, &number, &prompt, &version);

    if (status != 1)
        return status;
    status = keep_preview(store, number, data, preview);
    if (status != 0 || prompt == 0)
        return status;
    shape = malloc(sizeof(*shape));
    status = shape == NULL ? no_memory() : read_shape(store, prompt, version, shape, known);
    if (status == 1) {
        status = 0;
        blank(shape, features, preview, made);
        if (known[0] == '\0' && made[0] != '\0')
            status = put_shape(store, prompt, version, shape, made);
    }
    free(shape);
    return status;
}

static struct store_preview *slot_of(struct store_preview *list, size_t slots, uint64_t prompt, uint32_t version)
{
    size_t at = (size_t)(((prompt ^ version) * UINT64_C(0x9E3779B97F4A7C15)) >> 32);

    while (list[at & (slots - 1)].text != NULL &&
           (list[at & (slots - 1)].prompt != prompt || list[at & (slots - 1)].version != version))
        at++;
    return &list[at & (slots - 1)];
}

static int more_slots(struct store_prompts *prompts)
{
    const size_t slots = prompts->preview_slots == 0 ? 256 : prompts->preview_slots * 2;
    struct store_preview *list;

    if (prompts->n_previews * 2 < prompts->preview_slots)
        return 0;
    list = calloc(slots, sizeof(*list));
    if (list == NULL)
        return no_memory();
    for (size_t i = 0; i < prompts->preview_slots; i++)
        if (prompts->preview[i].text != NULL)
            *slot_of(list, slots, prompts->preview[i].prompt, prompts->preview[i].version) = prompts->preview[i];
    free(prompts->preview);
    prompts->preview = list;
    prompts->preview_slots = slots;
    return 0;
}

int store_preview_find(struct store *store, uint64_t prompt, uint32_t version, const char **ret_preview)
{
    struct store_prompts *prompts = &store->prompts;
    struct store_preview *slot;
    int status = more_slots(prompts);

    if (status != 0)
        return status;
    slot = slot_of(prompts->preview, prompts->preview_slots, prompt, version);
    if (slot->text == NULL) {
        char preview[STORE_PREVIEW_BYTES] = "";
        sqlite3_stmt *get = of_version(store, STORE_SQL_shape_get, prompt, version);
        const int code = get == NULL ? SQLITE_ERROR : sqlite3_step(get);

        status = code == SQLITE_ROW    ? copy_preview(get, 1, preview)
                 : code == SQLITE_DONE ? 0
                                       : store_sqlite_failed(store, "reading prompts");
        if (get != NULL)
            (void)sqlite3_reset(get);
        if (status != 0)
            return status;
        *slot = (struct store_preview){prompt, version, strdup(preview)};
        if (slot->text == NULL)
            return no_memory();
        prompts->n_previews++;
    }
    *ret_preview = slot->text;
    return 0;
}

void store_previews_forget(struct store_prompts *prompts)
{
    for (size_t i = 0; i < prompts->preview_slots; i++)
        free(prompts->preview[i].text);
    free(prompts->preview);
    prompts->preview = NULL;
    prompts->n_previews = prompts->preview_slots = 0;
}

/* ---- reading ---- */

int store_prompt_shape(struct store *store, uint64_t prompt, uint32_t version, struct shape_told *ret_told,
                       char ret_preview[STORE_PREVIEW_BYTES])
{
    struct prompt_shape *shape = malloc(sizeof(*shape));
    int status = shape == NULL ? no_memory() : read_shape(store, prompt, version, shape, ret_preview);

    if (status == 1)
        shape_tell(shape, ret_told);
    free(shape);
    return status;
}
