/*
 * What a store keeps in memory of prompts while it is open. Part of struct store (store_inner.h);
 * the store's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../span/span.h"

enum { STORE_PART_BYTES = 144 }; /* of what tells a part of a prompt, and its NUL */

/* The version that was found, as the merge writes it before its number: what a program states has
 * no such byte. */
#define STORE_FOUND '\x01'

/* The prompt that calls with an id belong to, from a time on. */
struct store_prompt {
    uint64_t from_ns;
    uint64_t prompt;  /* as it is shown: aliases and what people said were followed */
    uint32_t version; /* of it; 0: not told by the id */
    uint64_t written; /* what the merge writes: the prompt that the text was assigned to, */
    uint32_t written_version;
    bool learned; /* from its texts; else people alone said something of it */
    bool settled; /* it stays so; else what is learned may yet tell otherwise */
    bool moved;   /* people said that it is this one, so that what its calls say of their name is no more its name */
    bool is_text; /* the id is that of a text */
    char version_text[12], written_text[13];
    char variant[9];        /* which of a few texts the prompt has; "" where they are many */
    char *name;             /* that people gave it, or NULL */
    uint32_t part, n_parts; /* in store_prompts.part: what people said of some of its calls */
};

/* What tells a call's prompt. */
struct store_call {
    uint64_t id, text_id; /* text_id 0: none */
    uint64_t start_ns;
    struct span_text version, variant; /* as they lie in the row; bytes 0: none */
};

enum { STORE_QUIET_IDS = 16 }; /* in a bucket */

/* What is in memory of prompts: store/prompts/. */
struct store_prompts {
    /* Of versions: previews without what varies; open addressing. */
    struct store_preview {
        uint64_t prompt;
        uint32_t version;
        char *text; /* NULL: a free slot */
    } * preview;
    size_t n_previews, preview_slots;
    bool any;            /* the store has texts, templates or rules; else nothing is looked for */
    bool rules;          /* people said something of some */
    bool parts;          /* of parts of some */
    bool open;           /* something came since store_learn looked last */
    int64_t given_up_ns; /* when those that wait were last looked at for their age; real time */
    /* Calls of texts since rollups were saved, by id; open addressing, calls 0 is free. */
    struct store_text_count {
        uint64_t id, calls, last_ns;
    } * count;
    size_t n_counts, count_slots;
    /* Ids of which no calls are counted: those of texts that are done and recur, and of no text. In
     * buckets, the newest first. */
    struct store_quiet {
        uint64_t id[STORE_QUIET_IDS]; /* 0: free */
    } * quiet;
    size_t n_quiet, quiet_buckets;
    /* What ids stand for, as asked; open addressing. */
    struct store_known_id {
        uint64_t id;
        uint32_t version;  /* that stands in the row; 0: none */
        uint32_t first, n; /* in `prompt`; 0: nothing was learned of it */
        bool used;
    } * known;
    size_t n_known, known_slots;
    uint32_t *
        shared; /* open addressing: position in `prompt` + 1 of what many texts are, which differ in nothing; 0: free */
    size_t n_shared, shared_slots;
    struct store_prompt *prompt;
    size_t n_prompts, prompts_capacity;
    struct store_part {
        char text[STORE_PART_BYTES];
        uint32_t prompt; /* in `prompt`: what it is */
    } * part;
    size_t n_parts, parts_capacity;
    /* For the rows of one block. */
    uint32_t *found; /* position in `prompt` + 1; 0: nothing was learned */
    uint64_t *learned, *present;
    struct span_text *text;
    size_t rows_capacity;
    struct store_study *study; /* what learning keeps in memory; NULL: nothing yet */
};
