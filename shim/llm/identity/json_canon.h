/*
 * A hash of a JSON value that does not depend on white space, escapes or the order of keys: the sum
 * over all leaves of a hash of (path, value), array positions being part of the path. Incremental
 * over raw JSON bytes, bounded, no allocation.
 *
 * Serves the prompt's fingerprint (tools, response format). Not cryptographic by itself: its sums
 * go into a keyed hash. Also here: the plain incremental hash of decoded text that both use.
 */
#pragma once

#include "shim/llm/json/json_scan.h"

/* 128 bits over text, independent of its cutting. */
struct text_hash {
    uint64_t a, b;
    uint64_t bytes;
    uint64_t word; /* bytes not yet mixed in */
};

void text_hash_init(struct text_hash *hash, uint64_t seed);
void text_hash_push(struct text_hash *hash, const void *text, size_t bytes);
void text_hash_end(const struct text_hash *hash, uint64_t ret_digest[2]);

struct json_canon_level {
    uint64_t path;
    uint32_t index; /* of the next element */
    bool array;
    uint8_t tools; /* enum of json_canon.c: a list of tools, a tool */
};

struct json_canon {
    struct json_scan scan;
    struct text_hash text; /* string under way */
    uint64_t sum[2];
    uint64_t leaves; /* 0: nothing was seen */
    uint32_t depth;
    json_handler *name; /* NULL, or gets the names of tools (pieces of texts) when the value is a list of them */
    void *name_context;
    struct json_canon_level level[JSON_PATH_DEPTH + 2]; /* what lies deeper counts for nothing */
};

/* Without `name`; set it after this. */
void json_canon_init(struct json_canon *canon);
void json_canon_push(struct json_canon *canon, const char *json, size_t bytes);
/* Between two pushes: zeroes what no longer matters. */
void json_canon_tidy(struct json_canon *canon);
void json_canon_end(struct json_canon *canon); /* completes a bare number */
