/*
 * Rows as they lie in the store become rows as they are shown: ids, versions, variants and names of
 * the prompts that were learned or that people spoke of; keys of rollups likewise. Changed as they
 * are read, in the transaction that reads them, so that whoever reads sees one prompt under one id
 * however many texts it has.
 *
 * The store's thread. Called by store_steps.c and store_rollup.c.
 */
#include "../store_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rows ---- */

bool store_is_of_prompt(enum span_field field)
{
    return field == SPAN_prompt_id || field == SPAN_prompt_version || field == SPAN_prompt_variant ||
           field == SPAN_prompt_name || field == SPAN_prompt_preview;
}

static bool is_wanted(const struct store_wanted *wanted, enum span_field field)
{
    for (size_t i = 0; i < wanted->n_fields; i++)
        if (wanted->fields[i] == field)
            return true;
    return false;
}

static int room_for_rows(struct store_prompts *prompts, size_t n)
{
    if (n <= prompts->rows_capacity)
        return 0;
    prompts->rows_capacity = 0;
    free(prompts->learned);
    free(prompts->present);
    free(prompts->text);
    free(prompts->found);
    prompts->learned = malloc((n + 63) / 64 * sizeof(*prompts->learned));
    prompts->present = malloc((n + 63) / 64 * sizeof(*prompts->present));
    prompts->text = malloc(n * sizeof(*prompts->text));
    prompts->found = malloc(n * sizeof(*prompts->found));
    if (prompts->learned == NULL || prompts->present == NULL || prompts->text == NULL || prompts->found == NULL)
        return store_because(STORE_FAILED, "no memory");
    prompts->rows_capacity = n;
    return 0;
}

/* The column of texts as it is in prompts->text: as if it had been stored so. */
static int replace_texts(struct store *store, enum span_field field, struct store_rows *rows)
{
    struct span_buffer out;
    int failed;

    span_buffer_init(&out, (size_t)rows->n * (SPAN_TEXT_MAX + 16) + 65536);
    failed = span_column_encode_text(&out, store->prompts.text, store->prompts.present, rows->n, 0);
    if (failed == 0)
        failed = span_column_decode_text(&store->column[field], out.data, out.bytes, rows->n);
    span_buffer_done(&out);
    rows->has[field] = failed == 0;
    rows->column[field] = failed == 0 ? &store->column[field] : NULL;
    return failed == 0 ? 0 : store_because(STORE_FAILED, "no memory");
}

static struct span_text text_of(const struct store_rows *rows, enum span_field field, size_t i)
{
    const struct span_column *column = rows->column[field];

    return rows->has[field] && span_bit(column->present, i) ? column->dict[column->code[i]] : (struct span_text){0};
}

/* What the row has instead of its own text of the field; NULL: that stays. What a row says of
 * itself comes before what was found; its name does not where people said that it is another
 * prompt. */
static const char *instead(const struct store_prompt *prompt, enum span_field field, struct span_text own)
{
    const bool found = field == SPAN_prompt_version && own.bytes > 0 && own.data[0] == STORE_FOUND;

    if (prompt == NULL)
        return NULL;
    if (field == SPAN_prompt_name)
        return own.bytes == 0 || prompt->moved ? (prompt->name != NULL ? prompt->name : "") : NULL;
    if (own.bytes > 0 && !found)
        return NULL;
    return field == SPAN_prompt_variant ? prompt->variant : prompt->version_text;
}

static const struct store_prompt *prompt_of(const struct store *store, size_t row)
{
    return store->prompts.found[row] == 0 ? NULL : &store->prompts.prompt[store->prompts.found[row] - 1];
}

/* The preview that a row has instead of its own: without what varies, once that is known. What was
 * merged was written so. */
static int preview_instead(struct store *store, const struct store_prompt *prompt, const char **ret)
{
    *ret = NULL;
    return prompt == NULL || !prompt->learned || !prompt->is_text
               ? 0
               : store_preview_find(store, prompt->written, prompt->written_version, ret);
}

static int fill_texts(struct store *store, enum span_field field, struct store_rows *rows)
{
    struct store_prompts *prompts = &store->prompts;
    bool any = false;

    memset(prompts->present, 0, (rows->n + 63) / 64 * sizeof(*prompts->present));
    for (size_t i = 0; i < rows->n; i++) {
        struct span_text text = text_of(rows, field, i);
        const char *other = NULL;
        int status = 0;

        if (field != SPAN_prompt_preview)
            other = instead(prompt_of(store, i), field, text);
        else if (text.bytes > 0)
            status = preview_instead(store, prompt_of(store, i), &other);
        if (status != 0)
            return status;
        if (other != NULL) {
            any |= other[0] != '\0' || text.bytes > 0;
            text = (struct span_text){other, (uint32_t)strlen(other)};
        } else if (field == SPAN_prompt_version && store_found_version(text) != 0) {
            any = true; /* nothing is known of it any more: the number it had */
            text = (struct span_text){text.data + 1, text.bytes - 1};
        }
        if (text.bytes == 0)
            continue;
        prompts->present[i >> 6] |= UINT64_C(1) << (i & 63);
        prompts->text[i] = text;
    }
    return any ? replace_texts(store, field, rows) : 0;
}

/* What each row belongs to. */
static int find(struct store *store, struct store_rows *rows)
{
    struct store_prompts *prompts = &store->prompts;
    const struct span_column *id = rows->column[SPAN_prompt_id];
    const struct span_column *text_id = rows->column[SPAN_prompt_text_id];
    int status = 0;

    memset(prompts->learned, 0, (rows->n + 63) / 64 * sizeof(*prompts->learned));
    memset(prompts->found, 0, rows->n * sizeof(*prompts->found));
    for (size_t i = 0; status == 0 && i < rows->n; i++) {
        const struct store_prompt *prompt = NULL;

        if (!span_bit(id->present, i))
            continue;
        struct store_call call = {.id = id->u64[i],
                                  .start_ns = rows->column[SPAN_start_ns]->u64[i],
                                  .version = text_of(rows, SPAN_prompt_version, i)};
        if (prompts->parts) {
            call.variant = text_of(rows, SPAN_prompt_variant, i);
            if (rows->has[SPAN_prompt_text_id] && span_bit(text_id->present, i))
                call.text_id = text_id->u64[i];
        }
        status = store_prompt_find(store, &call, &prompt);
        if (prompt == NULL)
            continue;
        prompts->found[i] = (uint32_t)(prompt - prompts->prompt) + 1;
        if (prompt->learned)
            prompts->learned[i >> 6] |= UINT64_C(1) << (i & 63);
    }
    rows->learned = prompts->learned;
    return status;
}

int store_prompts_show(struct store *store, const struct store_wanted *wanted, struct store_rows *rows)
{
    static const enum span_field texts[] = {SPAN_prompt_version, SPAN_prompt_variant, SPAN_prompt_name,
                                            SPAN_prompt_preview};
    struct span_column *id = &store->column[SPAN_prompt_id];
    int status = store_prompts_trim(store);

    if (status == 0)
        status = room_for_rows(&store->prompts, rows->n);
    if (status != 0 || !rows->has[SPAN_prompt_id])
        return status;
    status = find(store, rows);
    for (size_t t = 0; status == 0 && t < sizeof(texts) / sizeof(texts[0]); t++)
        if (is_wanted(wanted, texts[t]))
            status = fill_texts(store, texts[t], rows);
    for (size_t i = 0; status == 0 && i < rows->n; i++)
        if (prompt_of(store, i) != NULL)
            id->u64[i] = prompt_of(store, i)->prompt;
    return status;
}

/* ---- rollups ---- */

static bool is_id(const struct span_text *text, uint64_t *ret_id)
{
    *ret_id = 0;
    for (uint32_t i = 0; i < text->bytes; i++) {
        const char c = text->data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *ret_id = *ret_id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return text->bytes == 16;
}

int store_prompt_key(struct store *store, uint64_t hour, const struct rollup_group *group,
                     struct store_shown_key *ret_key)
{
    const struct store_prompt *prompt = NULL;
    struct span_text *version = &ret_key->key[ROLLUP_version];
    struct store_call call = {.start_ns = hour * STORE_HOUR_NS, .version = group->key[ROLLUP_version]};
    int status = 0;

    memcpy(ret_key->key, group->key, sizeof(ret_key->key));
    if (is_id(&group->key[ROLLUP_prompt], &call.id))
        status = store_prompt_find(store, &call, &prompt);
    if (prompt != NULL) {
        (void)snprintf(ret_key->id, sizeof(ret_key->id), "%016llx", (unsigned long long)prompt->prompt);
        ret_key->key[ROLLUP_prompt] = (struct span_text){ret_key->id, 16};
    }
    if (prompt != NULL && (version->bytes == 0 || version->data[0] == STORE_FOUND)) {
        memcpy(ret_key->version, prompt->version_text, sizeof(ret_key->version));
        *version = (struct span_text){ret_key->version, (uint32_t)strlen(ret_key->version)};
    } else if (store_found_version(*version) != 0) {
        *version = (struct span_text){version->data + 1, version->bytes - 1};
    }
    return status;
}
