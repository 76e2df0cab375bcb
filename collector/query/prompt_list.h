/*
 * The prompts of a store: all that its calls have, what was learned of each version, and what
 * turned out to be another one. Owner of a struct prompt_list: the caller; the thread that reads
 * the store.
 *
 * Memory: some hundred bytes a row, at most PROMPT_ROWS_MAX of them; calls of further ones are
 * counted.
 */
#pragma once

#include "../store/store.h"
#include "names.h"

enum { PROMPT_NAME_BYTES = 128, PROMPT_ROWS_MAX = 1000000 };

/* The calls with one id, name and version. */
struct prompt_row {
    uint64_t prompt;        /* 0: its calls say a name alone */
    uint32_t name, version; /* of the list's names; NAMES_ABSENT: none */
    bool is_learned;        /* then `learned`: of the version, or of the one of its time where calls state versions */
    uint64_t calls, first_ns, last_ns;
    struct store_prompt_version learned;
};

struct prompt_list {
    struct names names;     /* of names and versions; harmless for a terminal */
    struct prompt_row *row; /* most calls first; versions of a prompt beside each other */
    size_t n, capacity;
    uint32_t *slot; /* open addressing: position in row + 1, 0 free */
    size_t n_slots;
    struct prompt_moved {
        uint64_t prompt, shown;
        bool said; /* by people; else it was learned */
    } * moved;
    size_t n_moved, moved_capacity;
    uint64_t texts_unassigned;
    uint64_t damaged;    /* blocks that could not be read */
    uint64_t more_calls; /* of prompts beyond PROMPT_ROWS_MAX */
};

/* Reads the store. 0 or store_status; prompt_list_done in any case. */
int prompt_list_read(struct prompt_list *list, struct store *store);
void prompt_list_done(struct prompt_list *list);
/* A text of the list's, "" where there is none. */
const char *prompt_text(const struct prompt_list *list, uint32_t name);
