/*
 * Rollups: what the calls of one hour add up to, for each combination of the keys below.
 *
 * In memory only; the store loads and saves them (store_rollup.c). Used when the store takes blocks
 * in and by its check, which counts again. One thread. A sum comes with the number of spans that
 * stated the value: unknown is not zero.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../span/sketch.h"
#include "../../span/span.h"

struct store_rows;

/*
 * The one list of keys and sums: the enums, the tables, every statement and the reader are made
 * from it. A key or a sum more is one line here (for a key, the place in rollup.c that fills it;
 * a sum goes to the end of its list) and a step in store_migrate.c that counts again.
 *
 * ROLLUP_KEYS(X, AND): the parts of the key after the hour, AND between them. "" where nothing was
 * stated.
 *   tier, speed   as the answer states them; they decide the price, as api and model do
 *   own_price     "own" where the answer states its cost itself, so that it is not priced again
 */
#define ROLLUP_KEYS(X, AND)                                                                                            \
    X(service) AND X(team)                                                                                             \
    AND X(prompt)                                                                                                      \
    AND X(version)                                                                                                     \
    AND X(provider)                                                                                                    \
    AND X(model)                                                                                                       \
    AND X(operation)                                                                                                   \
    AND X(api)                                                                                                         \
    AND X(tier)                                                                                                        \
    AND X(speed)                                                                                                       \
    AND X(own_price)                                                                                                   \
    AND X(outcome)
/* X(column of rollup_hour, field of the span). The number of spans that stated it is column_n. The
 * mean gap between tokens (ITL) is decode_ns / (chunks - decode_ns_n). */
#define ROLLUP_SUMS(X)                                                                                                 \
    X(input, SPAN_input_tokens)                                                                                        \
    X(output, SPAN_output_tokens)                                                                                      \
    X(cache_read, SPAN_cache_read_tokens)                                                                              \
    X(cache_creation, SPAN_cache_creation_tokens)                                                                      \
    X(cache_creation_5m, SPAN_cache_creation_5m_tokens)                                                                \
    X(cache_creation_1h, SPAN_cache_creation_1h_tokens)                                                                \
    X(reasoning, SPAN_reasoning_tokens)                                                                                \
    X(cost_nanousd, SPAN_cost_nanousd)                                                                                 \
    X(decode_ns, SPAN_decode_ns)                                                                                       \
    X(chunks, SPAN_content_chunks)
/* X(column, field): distributions, in the buckets of span/sketch.h. */
#define ROLLUP_SKETCHES(X) X(ttft, SPAN_ttft_ns) X(total, SPAN_total_ns)

#define ROLLUP_COMMA ,
enum rollup_key {
#define X(ident) ROLLUP_##ident
    ROLLUP_KEYS(X, ROLLUP_COMMA),
#undef X
    ROLLUP_KEY_COUNT
};
enum rollup_sum {
#define X(column, field) ROLLUP_SUM_##column,
    ROLLUP_SUMS(X)
#undef X
        ROLLUP_SUM_COUNT
};
enum rollup_distribution {
#define X(column, field) ROLLUP_SKETCH_##column,
    ROLLUP_SKETCHES(X)
#undef X
        ROLLUP_SKETCH_COUNT
};

/* Columns as SQL names them, in the order in which the store binds and reads them. */
#define ROLLUP_SQL_NAME(ident) #ident
#define ROLLUP_SQL_KEYS ROLLUP_KEYS(ROLLUP_SQL_NAME, ",")
#define ROLLUP_SQL_ONE(ident) "?"
#define ROLLUP_SQL_KEY_PARAMETERS ROLLUP_KEYS(ROLLUP_SQL_ONE, ",")
#define ROLLUP_SQL_EQUAL(ident) #ident "=?"
#define ROLLUP_SQL_KEY_IS ROLLUP_KEYS(ROLLUP_SQL_EQUAL, " AND ")
#define ROLLUP_SQL_SUM(column, field) "," #column "," #column "_n"
#define ROLLUP_SQL_SKETCH(column, field) "," #column
#define ROLLUP_SQL_VALUES "calls,errors" ROLLUP_SUMS(ROLLUP_SQL_SUM) ROLLUP_SKETCHES(ROLLUP_SQL_SKETCH)
#define ROLLUP_SQL_TWO(column, field) ",?,?"
#define ROLLUP_SQL_BLOB(column, field) ",?"
#define ROLLUP_SQL_PARAMETERS "?,?" ROLLUP_SUMS(ROLLUP_SQL_TWO) ROLLUP_SKETCHES(ROLLUP_SQL_BLOB)

/* The fields that a rollup reads; every one of them that the rows have must be decoded. */
extern const enum span_field rollup_fields[];
extern const size_t rollup_n_fields;

/* A sketch from its lowest bucket in use to its highest; a whole span_sketch takes 4 KB, and there
 * are thousands of groups. */
struct rollup_sketch {
    uint64_t *count; /* of the buckets from `first` on; those at both ends are not 0 */
    uint16_t first, n, capacity;
};

/* A key by the numbers of its texts (rollup_names.c): equal where the texts are equal. */
struct rollup_parts {
    uint64_t prompt; /* the id, where name[ROLLUP_prompt] is ROLLUP_NAME_ID; else 0 */
    uint32_t name[ROLLUP_KEY_COUNT];
};

struct rollup_group {
    uint64_t hash; /* of the parts */
    struct rollup_parts parts;
    uint64_t calls, errors;
    struct rollup_sketch sketch[ROLLUP_SKETCH_COUNT];
    uint64_t sum[ROLLUP_SUM_COUNT]; /* sticks at INT64_MAX */
    uint64_t stated[ROLLUP_SUM_COUNT];
    bool dirty;                             /* differs from what is stored */
    int64_t key_id;                         /* of the key in the store; 0: not known yet */
    char id_text[16];                       /* the prompt's id as digits, where its key is one */
    struct span_text key[ROLLUP_KEY_COUNT]; /* hold as long as the rollup's names */
};

struct rollup_hour {
    uint64_t hour; /* since 1970 */
    struct rollup_group **group;
    size_t n, capacity;
    uint64_t *slot; /* open addressing: the hash's upper half, index + 1 */
    size_t slots;
    struct rollup_group **removed; /* folded away; to be deleted where stored */
    size_t n_removed, removed_capacity;
    uint64_t used; /* clock of the last use */
    bool packed;   /* it lies packed in the store (store_packed.c), */
    bool to_pack;  /* or is to be, when it is saved */
};

/* A text that is part of keys. */
struct rollup_text {
    uint64_t hash;
    struct span_text text;
    bool is_id; /* it is how an id is written: 16 digits; then it is */
    uint64_t id;
};

/* Every text has a number, from 1; "" is 0. */
struct rollup_names {
    struct rollup_text *name;
    size_t n, capacity;
    uint32_t *slot; /* open addressing: number */
    size_t slots;
};

struct rollup {
    struct rollup_hour *hour;
    size_t n_hours, capacity;
    uint32_t *hour_slot; /* open addressing: index + 1 */
    size_t hour_slots;
    bool overfull;     /* some hour may have more groups than groups_max */
    size_t groups_max; /* per hour */
    uint64_t clock;
    uint64_t folded; /* calls that lost their own group since the last save */
    uint64_t soiled; /* how often a group that was as stored came to differ from it */
    /* Asked when an hour is met for the first time; adds what is stored by rollup_put. NULL:
     * nothing is. */
    int (*load)(void *context, struct rollup *rollup, uint64_t hour);
    void *context;
    struct rollup_hour keys; /* keys whose number in the store is known, whatever the hour: the same ones come again */
    struct rollup_names names; /* of all keys in memory */
    uint32_t *scratch;         /* of rollup_add */
    size_t n_scratch;
};

void rollup_init(struct rollup *rollup, size_t groups_max, int (*load)(void *, struct rollup *, uint64_t),
                 void *context);
void rollup_done(struct rollup *rollup);
/* Forgets everything in memory (after a rollback, or when another process wrote). */
void rollup_clear(struct rollup *rollup);
/* Forgets the hours used longest ago until at most `keep` are left, all of them where there are too
 * many names; only after everything was saved. */
void rollup_trim(struct rollup *rollup, size_t keep);

/* Counts rows in; rows need process[] and the columns of rollup_fields. 0, or negative: memory, or
 * what `load` returned. */
int rollup_add(struct rollup *rollup, const struct store_rows *rows);

/* The group with this key in this hour, made if need be; NULL without memory or when load failed
 * (*ret_status). */
struct rollup_group *rollup_put(struct rollup *rollup, uint64_t hour, const struct span_text key[ROLLUP_KEY_COUNT],
                                int *ret_status);

enum { ROLLUP_KEYS_KEPT = 16384 }; /* about half a kilobyte each; when there are more, learning begins anew */

/* The number of the group's key in the store, or 0 when it is not known. Forgotten by
 * rollup_clear. */
int64_t rollup_key_id(const struct rollup *rollup, const struct rollup_group *group);
/* Remembers group->key_id. */
void rollup_key_learn(struct rollup *rollup, const struct rollup_group *group);

/* rollup_names.c. Names that every rollup has, so that code can ask for them by number. */
#define ROLLUP_NAMES(X) X(other) X(own) X(ok) X(whole)
enum rollup_name_number {
    ROLLUP_NAME_none,
#define X(name) ROLLUP_NAME_##name,
    ROLLUP_NAMES(X)
#undef X
};
#define ROLLUP_NAME_ID UINT32_MAX   /* not a name: rollup_parts.prompt */
enum { ROLLUP_NAMES_KEPT = 65536 }; /* with more, everything in memory is forgotten when it was saved */

/* The number of a text, which it is given if need be. 0, or -1 without memory. */
int rollup_name(struct rollup_names *names, const char *text, uint32_t bytes, uint32_t *ret_number);
/* A key's parts. 0, or -1 without memory. */
int rollup_names_parts(struct rollup_names *names, const struct span_text key[ROLLUP_KEY_COUNT],
                       struct rollup_parts *ret_parts);
/* The prompt by its name's number, or by its id: one way of writing each. */
void rollup_names_prompt(const struct rollup_names *names, uint32_t number, struct rollup_parts *parts);
void rollup_parts_prompt_id(struct rollup_parts *parts, uint64_t id);
/* The texts again; that of an id is written to `id_text` (16 bytes). */
void rollup_names_texts(const struct rollup_names *names, const struct rollup_parts *parts, char id_text[16],
                        struct span_text ret_key[ROLLUP_KEY_COUNT]);
void rollup_names_done(struct rollup_names *names);

/* rollup_hours.c: the hour with this number, made (and loaded) if need be; NULL without memory or
 * when load failed. */
struct rollup_hour *rollup_hour_put(struct rollup *rollup, uint64_t number, int *ret_status);
/* The hour, or NULL when it is not in memory. */
struct rollup_hour *rollup_hour_find(const struct rollup *rollup, uint64_t number);
/* Forgets one hour. */
void rollup_hour_drop(struct rollup *rollup, uint64_t number);
/* Frees what an hour owns. */
void rollup_hour_done(struct rollup_hour *hour);

/* Adds a group of another rollup under a key. 0, or negative as rollup_put. */
int rollup_group_add(struct rollup *rollup, uint64_t hour, const struct span_text key[ROLLUP_KEY_COUNT],
                     const struct rollup_group *from);
/* Forgets the numbers of keys: some of them are no longer in the store. */
void rollup_keys_forget(struct rollup *rollup);

/* After the store has deleted what was folded away. */
void rollup_forget_removed(struct rollup_hour *hour);

/* A sketch as it lies in the table, which is not how a span's lies in its column. 0 or -1. */
int rollup_sketch_write(struct span_buffer *out, const struct rollup_sketch *sketch);
/* Adds what was written so. 0; -1: damaged; -2: no memory. */
int rollup_sketch_read(struct rollup_sketch *to, const uint8_t *data, size_t bytes);
int rollup_sketch_join(struct rollup_sketch *to, const struct rollup_sketch *from);
int rollup_sketch_add(struct rollup_sketch *sketch, unsigned bucket, uint64_t times);
/* Calls for the memory that adding to it will touch. */
static inline void rollup_sketch_call(const struct rollup_sketch *sketch)
{
    if (sketch->n == 0)
        return;
    __builtin_prefetch(&sketch->count[0], 1);
    __builtin_prefetch(&sketch->count[8 < sketch->n ? 8 : 0], 1);
    __builtin_prefetch(&sketch->count[16 < sketch->n ? 16 : 0], 1);
}
