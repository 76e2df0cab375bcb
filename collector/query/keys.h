/*
 * What calls can be grouped by: the list of keys, and the key of each row of a block as a number.
 * Owner: the caller; one thread.
 */
#pragma once

#include "../store/store.h"
#include "names.h"

enum {
    KEYS_MAX = 8, /* of one report */
    KEYS_CACHE_BITS = 12,
    KEYS_CACHE = 1 << KEYS_CACHE_BITS, /* recent values of fields without a dictionary */
};

enum key_kind { KEY_TEXT, KEY_NUMBER, KEY_BOOL, KEY_PROCESS, KEY_PID, KEY_PROMPT, KEY_MODEL, KEY_DAY, KEY_HOUR };

struct key {
    const char *name; /* --by, csv, json */
    const char *title;
    const char *meaning;
    enum key_kind kind;
    enum span_field field; /* TEXT, NUMBER, BOOL */
    size_t offset;         /* PROCESS: of the text in struct span_process */
};

extern const struct key keys[];
extern const size_t n_keys;
/* The key of this name, or NULL. */
const struct key *key_find(const char *name, size_t bytes);
/* Adds the fields that the key reads to a query's list; returns the new length. */
size_t key_fields(const struct key *key, enum span_field *fields, size_t n);

/* Reads the key of the rows of block after block. */
struct key_reader {
    const struct key *key;
    struct names *names;
    uint32_t *by_code;      /* dictionary position to id, of this block; UINT32_MAX: not asked yet */
    uint32_t *by_code_else; /* of the second text (prompt: version, model: the answering one) */
    size_t by_code_capacity, by_code_else_capacity;
    const struct span_process *process; /* whose text was read last */
    uint32_t process_id;
    uint64_t block; /* of how many the reader was told */
    struct {
        uint64_t value;
        uint64_t
            scope; /* 0: free, 1: whatever the block, else 1 + the block whose dictionary positions the value is made of */
        uint32_t id;
    } cache[KEYS_CACHE];
};

int key_reader_init(struct key_reader *reader, const struct key *key, struct names *names);
void key_reader_done(struct key_reader *reader);
/* A new block begins. Returns 0, or -1 when memory ran out. */
int key_reader_begin(struct key_reader *reader, const struct store_rows *rows);
uint32_t key_reader_id(struct key_reader *reader, const struct store_rows *rows, size_t row);
