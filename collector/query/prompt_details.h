/*
 * What is known of one version of a prompt beyond its row in a list: sizes, slots, a preview
 * without what varies, variants. Owner of a struct prompt_details: the caller; the thread that
 * reads the store.
 */
#pragma once

#include "../prompts/shape.h"
#include "prompt_list.h"

struct prompt_variant {
    char name[16];
    uint64_t calls, first_ns, last_ns;
};

struct prompt_details {
    bool is_known; /* then: */
    struct shape_told told;
    char preview[STORE_PREVIEW_BYTES]; /* "": none; harmless for a terminal */
    struct prompt_variant *variant;    /* prompt_details_variants: most calls first */
    size_t n_variants;
};

/* What was learned of the row's version. 0 or store_status. */
int prompt_details_read(struct prompt_details *details, struct store *store, const struct prompt_row *row);
/* Its variants as well: reads all calls. 0 or store_status; prompt_details_done in any case. */
int prompt_details_variants(struct prompt_details *details, struct store *store, const struct prompt_list *list,
                            const struct prompt_row *row);
void prompt_details_done(struct prompt_details *details);
/* Whether the row is meant by a name, an id or the beginning of one, each perhaps with @VERSION. */
bool prompt_is_meant(const struct prompt_list *list, const struct prompt_row *row, const char *what);
