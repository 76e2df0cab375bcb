/* What the configuration says of keys, previews and names of prompts, as the exchange needs it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sent_texts;
struct shown;

/* Read-only after start, but for `shown` and `sent`; one per process. */
struct exchange_config {
    bool has_hash_key; /* false: ids of prompts and aliases of keys are absent */
    uint8_t hash_key[32];
    unsigned preview_chars;  /* 0: no preview */
    bool preview_user;       /* the user's text too, where there are no instructions */
    struct sent_texts *sent; /* of which texts the collector has the features; NULL: they are never sent */
    struct shown *shown;     /* what may be seen of previews; NULL: nothing */
    const char *prompt;      /* LIBPPROF_PROMPT, "name" or "name@version", or NULL */
};
