/*
 * One version of a prompt, see prompt_details.h. Called by `pprofctl prompts`.
 */
#include "prompt_details.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/display_safe.h"

enum { VARIANTS_MAX = 64 };

int prompt_details_read(struct prompt_details *details, struct store *store, const struct prompt_row *row)
{
    char preview[STORE_PREVIEW_BYTES];
    *details = (struct prompt_details){0};
    if (!row->is_learned)
        return STORE_OK;
    const int found =
        store_prompt_shape(store, row->learned.own_prompt, row->learned.own_version, &details->told, preview);
    if (found < 0)
        return found;
    details->is_known = found == 1;
    if (found == 1)
        display_safe(details->preview, sizeof(details->preview),
                     (struct span_text){preview, (uint32_t)strlen(preview)});
    return STORE_OK;
}

/* ---- variants ---- */

struct counting {
    struct prompt_details *details;
    uint64_t prompt;
    const char *version;
};

static struct prompt_variant *variant_of(struct prompt_details *details, struct span_text text)
{
    char name[sizeof(details->variant->name)];
    display_safe(name, sizeof(name), text);
    for (size_t i = 0; i < details->n_variants; i++)
        if (strcmp(details->variant[i].name, name) == 0)
            return &details->variant[i];
    if (details->n_variants == VARIANTS_MAX)
        return NULL;
    struct prompt_variant *variant = &details->variant[details->n_variants++];
    *variant = (struct prompt_variant){.first_ns = UINT64_MAX};
    memcpy(variant->name, name, sizeof(name));
    return variant;
}

static struct span_text text_of(const struct store_rows *rows, enum span_field field, size_t row)
{
    const struct span_column *column = rows->column[field];
    return rows->has[field] && span_bit(column->present, row) ? column->dict[column->code[row]]
                                                              : (struct span_text){"", 0};
}

static int each_block(void *context, const struct store_rows *rows)
{
    struct counting *counting = context;
    for (size_t i = 0; rows->has[SPAN_prompt_id] && rows->has[SPAN_prompt_variant] && i < rows->n; i++) {
        const struct span_text text = text_of(rows, SPAN_prompt_variant, i);
        char version[PROMPT_NAME_BYTES];
        if (text.bytes == 0 || !span_bit(rows->column[SPAN_prompt_id]->present, i) ||
            rows->column[SPAN_prompt_id]->u64[i] != counting->prompt)
            continue;
        display_safe(version, sizeof(version), text_of(rows, SPAN_prompt_version, i));
        struct prompt_variant *variant =
            strcmp(version, counting->version) == 0 ? variant_of(counting->details, text) : NULL;
        if (variant == NULL)
            continue;
        const uint64_t start_ns = rows->column[SPAN_start_ns]->u64[i];
        variant->calls++;
        variant->first_ns = start_ns < variant->first_ns ? start_ns : variant->first_ns;
        variant->last_ns = start_ns > variant->last_ns ? start_ns : variant->last_ns;
    }
    return 0;
}

static int by_calls(const void *a, const void *b)
{
    const struct prompt_variant *x = a, *y = b;
    if (x->calls != y->calls)
        return x->calls > y->calls ? -1 : 1;
    return strcmp(x->name, y->name);
}

int prompt_details_variants(struct prompt_details *details, struct store *store, const struct prompt_list *list,
                            const struct prompt_row *row)
{
    static const enum span_field fields[] = {SPAN_prompt_id, SPAN_prompt_version, SPAN_prompt_variant};
    const struct store_query query = {
        .until_ns = UINT64_MAX, .fields = fields, .n_fields = sizeof(fields) / sizeof(fields[0])};
    struct counting counting = {details, row->prompt, prompt_text(list, row->version)};
    details->variant = calloc(VARIANTS_MAX, sizeof(*details->variant));
    if (details->variant == NULL)
        return store_no_memory();
    const int status = store_scan(store, &query, each_block, &counting, NULL);
    qsort(details->variant, details->n_variants, sizeof(*details->variant), by_calls);
    return status;
}

void prompt_details_done(struct prompt_details *details)
{
    free(details->variant);
    *details = (struct prompt_details){0};
}

/* ---- which one ---- */

static bool is_named(const struct prompt_list *list, const struct prompt_row *row, const char *what, size_t bytes)
{
    const char *name = prompt_text(list, row->name);
    char id[20];
    (void)snprintf(id, sizeof(id), "%016" PRIx64, row->prompt);
    return (strlen(name) == bytes && strncmp(name, what, bytes) == 0) ||
           (row->prompt != 0 && bytes > 0 && bytes <= 16 && strncasecmp(id, what, bytes) == 0);
}

bool prompt_is_meant(const struct prompt_list *list, const struct prompt_row *row, const char *what)
{
    const char *at = strrchr(what, '@');
    return is_named(list, row, what, strlen(what)) || (at != NULL && is_named(list, row, what, (size_t)(at - what)) &&
                                                       strcmp(prompt_text(list, row->version), at + 1) == 0);
}
