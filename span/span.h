/*
 * What one span is: the facts about one call of a language model, each of them optional.
 *
 * Pure data and pure functions: no I/O, no globals, no threads. The list of facts is fields.def.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "span_limits.h"

enum span_type { SPAN_U64, SPAN_BOOL, SPAN_ID64, SPAN_STR, SPAN_LIST, SPAN_BLOB };
enum span_unit { SPAN_NONE, SPAN_NS, SPAN_BYTES, SPAN_TOKENS, SPAN_COUNT, SPAN_NANOUSD };

/* The number of a field on the wire: SPAN_F_input_tokens and so on. */
enum span_field_number {
#define FIELD(number, ident, type, unit, name, meaning) SPAN_F_##ident = number,
#include "fields.def"
#undef FIELD
    SPAN_FIELD_NUMBER_END = 256
};

/* The index of a field in struct span and in span_fields[]: dense, in the order of fields.def. */
enum span_field {
#define FIELD(number, ident, type, unit, name, meaning) SPAN_##ident,
#include "fields.def"
#undef FIELD
    SPAN_FIELD_COUNT
};

enum { SPAN_IDENT_BYTES = 32, SPAN_NAME_BYTES = 48 };

/* One row of fields.def. `name` is "" for internal fields. The texts lie in it: pointers to them
 * would be work for the loader in every process that starts. */
struct span_field_info {
    uint8_t number;
    uint8_t type; /* enum span_type */
    uint8_t unit; /* enum span_unit */
    char ident[SPAN_IDENT_BYTES];
    char name[SPAN_NAME_BYTES];
};
extern const struct span_field_info span_fields[SPAN_FIELD_COUNT];

/* A text that lies in the arena of its span (or of a block); never NUL-terminated by promise. */
struct span_text {
    const char *data;
    uint32_t bytes;
};

union span_value {
    uint64_t u64;          /* U64, ID64; BOOL as 0 or 1 */
    struct span_text text; /* STR, LIST, BLOB */
};

/*
 * A span under construction or read back. Texts that the setters store are copied into `arena`.
 * Owner: whoever declares it; no function keeps a pointer to it.
 */
struct span {
    uint64_t present[(SPAN_FIELD_COUNT + 63) / 64];
    union span_value value[SPAN_FIELD_COUNT];
    uint32_t arena_used;
    char arena[SPAN_ARENA_BYTES];
};

/* Makes a span that says nothing. Does not clear the arena's bytes. */
void span_init(struct span *span);
/* Makes all bytes of a span zero again that were zero when it was made; its arena is, past what the
 * texts that it has take. */
void span_wipe(struct span *span);

static inline bool span_has(const struct span *span, enum span_field field)
{
    return (span->present[field >> 6] >> (field & 63)) & 1;
}

/* Times travel and rest in whole microseconds: no clock of a call is better than that. */
static inline uint64_t span_whole_microseconds(uint64_t ns)
{
    const uint64_t below = ns / 1000 * 1000;
    return ns - below >= 500 && below <= UINT64_MAX - 1000 ? below + 1000 : below;
}

/* Sets a U64, ID64 or BOOL field; a later call replaces the value. */
void span_set_u64(struct span *span, enum span_field field, uint64_t value);

/*
 * Sets a STR, LIST or BLOB field by copying `bytes` bytes. Longer text is cut to SPAN_TEXT_MAX at a
 * UTF-8 boundary (a BLOB that does not fit is not set). When the arena is full the field stays
 * absent. Replacing a text does not give back arena space unless it was the last one set.
 */
void span_set_text(struct span *span, enum span_field field, const char *data, size_t bytes);

/* Appends one item to a LIST field, creating it if need be. Items may be empty. */
void span_list_add(struct span *span, enum span_field field, const char *data, size_t bytes);

void span_clear(struct span *span, enum span_field field);

/* Deep copy: texts of `to` point into its own arena. */
void span_copy(struct span *to, const struct span *from);

/* The field with this wire number or exported name (or identifier), or SPAN_FIELD_COUNT. */
enum span_field span_field_by_number(unsigned number);
/* A number that an earlier version used for what is said otherwise now: what lies under it can be
 * dropped. */
bool span_field_retired(unsigned number);
enum span_field span_field_by_name(const char *name, size_t bytes);

/*
 * What is true of all spans of one process; travels once per connection, see frame.h. Texts are
 * NUL-terminated, "" where unknown; numbers are 0 where unknown (pid and start are always known).
 */
struct span_process {
    uint8_t identity[16]; /* random, new in each process and each forked child */
    uint64_t start_ns;    /* wall clock when the shim woke up */
    uint64_t pid;
    uint64_t uid;
    bool has_uid;
    char executable[128]; /* base name */
    char host[128];
    char service[128];
    char team[128];
    char container[80];
    char version[32]; /* of the shim */
    char labels[512]; /* user-defined, "k=v,k=v" */
};

/* Ids of a span, derived from the process identity and the sequence number unless the application
 * sent a traceparent. `trace` is 16 bytes, `id` 8 bytes, big endian as exported. */
void span_derive_ids(const uint8_t identity[16], const struct span *span, uint8_t trace[16], uint8_t id[8]);
