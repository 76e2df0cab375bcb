/*
 * An incremental JSON scanner: bytes are pushed in any cutting, values at known paths come back by
 * callback.
 *
 * Called by the exchange (scribe's thread) for request bodies, plain answers and the events of
 * streams. It allocates nothing, keeps at most JSON_CAPTURE_MAX bytes of a value, and never reads
 * outside of what it was given. What no rule names is skipped by counting brackets, so neither
 * depth nor length of the input matters. It is a reader of facts, not a validator: garbage is
 * passed over (json_check.h validates).
 *
 * Paths: "choices[].delta.content", "usage.prompt_tokens", "[]" (element), "*" (any key), "" (the
 * document itself). Where a key has an edge of its own, "*" beside it is not tried. A rule on an
 * object or array gets its begin and end. With duplicate keys each value is reported: the last wins
 * by overwriting.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json_table.h"

enum {
    JSON_CAPTURE_MAX = 512, /* longest text kept of a value that is not asked for in pieces */
    JSON_INDEX_MAX = 6,     /* array indices reported for a value */
};

enum json_type {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_RAW_BYTES, /* for rules with JSON_RAW: a piece of the value's own bytes, whatever its type */
};

/* Valid during the callback only. */
struct json_value {
    uint16_t rule;
    uint8_t type;     /* enum json_type */
    bool first, last; /* both true unless pieces are asked for; the last piece may be empty */
    bool cut;         /* the text was longer than JSON_CAPTURE_MAX */
    bool has_u64;     /* a number, or a string that spells one, that is a whole number >= 0 (12, 12.0, 1.2e1, "12") */
    bool has_number;  /* `number` is set */
    uint8_t indexes;  /* how many of `index` are set: arrays on the path, outermost first */
    uint32_t index[JSON_INDEX_MAX];
    const char *text; /* STRING: decoded; NUMBER: as spelled; RAW_BYTES: a piece; never NUL-terminated */
    size_t bytes;
    const char *key; /* the key of the innermost "*" on the path, decoded; NULL if there is none */
    size_t key_bytes;
    uint64_t u64;
    double number;
};

typedef void json_handler(void *context, const struct json_value *value);

/* Called when a document is complete, after its last value. */
typedef void json_document_handler(void *context);

struct json_frame {
    uint16_t node;
    bool array;
    uint32_t index;
};

/* Owner: whoever declares it; no pointers to resources, so it may be dropped at any point. */
struct json_scan {
    json_handler *handler;
    json_document_handler *document; /* may be set after json_scan_init; NULL: nobody wants to know */
    void *context;
    uint16_t root;
    uint8_t state;
    uint8_t depth;    /* matched levels */
    bool elements;    /* a top-level array is transparent: its elements are documents */
    bool in_array;    /* within such an array */
    bool key_string;  /* the string under way is a key */
    bool skip_string; /* within a string of a skipped value */
    bool in_skipped_array;
    bool escape; /* a backslash was the last byte */
    bool piece_first;
    bool cut;
    uint8_t hex_left;
    uint16_t hex;
    uint16_t high; /* pending high surrogate */
    uint16_t node; /* of the value under way; 0: none matches */
    uint64_t skip_depth;
    uint64_t documents; /* completed so far */
    struct json_frame frame[JSON_PATH_DEPTH];
    uint16_t text_bytes, key_bytes, any_bytes;
    char text[JSON_CAPTURE_MAX];
    char key[JSON_KEY_MAX];
    char any[JSON_KEY_MAX];
};

/* `rules` must be compiled. `elements`: a top-level array is passed through, each of its elements
 * is a document of its own. */
void json_scan_init(struct json_scan *scan, const struct json_rules *rules, json_handler *handler, void *context,
                    bool elements);

/* Forget a half-read document (framing starts afresh); cheap. */
void json_scan_reset(struct json_scan *scan);

/* Between two documents, or before the first. */
bool json_scan_at_rest(const struct json_scan *scan);

/* Zeroes what no longer matters: texts, keys and levels of values that are over. */
void json_scan_tidy(struct json_scan *scan);

/* Takes everything. Several documents may follow one another with or without white space
 * between. */
void json_scan_push(struct json_scan *scan, const char *data, size_t bytes);

/* The input is over: completes a number or literal at the top level. True: the last document was
 * complete. */
bool json_scan_end(struct json_scan *scan);

/* Documents completed since init or reset. */
static inline uint64_t json_scan_documents(const struct json_scan *scan)
{
    return scan->documents;
}

/* "12", "12.0", "1e3" as a whole number; locale-independent. False: not a number (*ret_number is
 * then untouched). */
bool json_number_parse(const char *text, size_t bytes, double *ret_number, bool *ret_whole, uint64_t *ret_u64);

/* Is this string value the same as a literal? */
bool json_text_is(const struct json_value *value, const char *literal);
