/*
 * The prompts of a store: what was learned of each version, and its calls. Owner of a struct
 * prompt_list: the caller; the thread that reads the store.
 */
#pragma once

#include "../store/store.h"

enum { PROMPT_NAME_BYTES = 128, PROMPT_VERSION_BYTES = 64 };

struct prompt_row {
    uint64_t prompt;
    char version[PROMPT_VERSION_BYTES]; /* said or found; "": none */
    char name[PROMPT_NAME_BYTES];       /* "": none; harmless for a terminal */
    uint64_t calls, first_ns, last_ns;  /* of all calls; 0 calls: none is left, or none was merged yet */
    bool is_learned;                    /* then: */
    struct store_prompt_version learned;
};

struct prompt_list {
    struct prompt_row *row; /* most calls first; versions of a prompt beside each other */
    size_t n, capacity;
    uint32_t *slot; /* open addressing: position in row + 1, 0 free */
    size_t n_slots;
    uint64_t texts_unassigned;
    uint64_t damaged; /* blocks that could not be read */
};

/* Reads the store. 0 or store_status; prompt_list_done in any case. */
int prompt_list_read(struct prompt_list *list, struct store *store);
void prompt_list_done(struct prompt_list *list);
