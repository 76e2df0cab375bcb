/*
 * Tables of the JSON paths whose values are wanted, as dialects write them; json_rules.c compiles
 * them, json_scan.h says how paths are spelled. The scribe's thread (and tests).
 */
#pragma once

#include <stdint.h>

enum {
    JSON_KEY_MAX = 64,     /* longer keys match nothing but "*" */
    JSON_PATH_DEPTH = 24,  /* levels of a path */
    JSON_PATH_BYTES = 104, /* of a path in a table, its NUL included */
};

enum json_rule_flags {
    JSON_PIECES = 1, /* a string comes in decoded pieces as the bytes come, with `first` and `last`; never cut short */
    JSON_RAW = 2,    /* the value comes as its undecoded bytes, in pieces; rules below it are not tried */
};

/* A row of a dialect's table. `id` is the dialect's own, from 1. The text lies in the table itself:
 * two thousand pointers would be relocated at the start of every program. */
struct json_rule {
    char path[JSON_PATH_BYTES];
    uint16_t id;
    uint16_t flags;
};

/* One a line, wherever tables are written; formatters are kept away from them, scripts/tidy holds
 * it. */
#define RULE(path, id, flags)                                                                                          \
    {                                                                                                                  \
        path, id, flags                                                                                                \
    }

/* A table and, once json_rules_compile was called, its trie (in a static pool: the tables are
 * finitely many). */
struct json_rules {
    const struct json_rule *rule;
    uint16_t count;
    uint16_t root; /* 0: not compiled yet */
};

#define JSON_RULES(table)                                                                                              \
    {                                                                                                                  \
        .rule = (table), .count = (uint16_t)(sizeof(table) / sizeof((table)[0])), .root = 0                            \
    }

/* Builds the trie once; later calls are free. Scribe's thread only (or before threads start). */
void json_rules_compile(struct json_rules *rules);

/* Lays the paths of `common` under: they hold wherever the table has no rule of its own. Both
 * compiled; before json_rules_envelopes, and once. */
void json_rules_under(struct json_rules *rules, const struct json_rules *common);

/* The whole table holds once more below each of `keys` (separated by one blank, at most 8) at the
 * top: services that put a known answer into an envelope. Once, after json_rules_compile. A key
 * below which the table has rules of its own stays as it is. */
void json_rules_envelopes(struct json_rules *rules, const char *keys);
