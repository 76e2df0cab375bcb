/* The trie behind json_rules: built by json_rules.c, walked by json_scan.c. Besides those,
 * json_canon.c alone includes this. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "json_table.h"

struct json_node {
    const char *key;
    uint8_t key_bytes;
    uint8_t flags;         /* enum json_rule_flags */
    uint16_t rule;         /* 0: no rule ends here */
    uint16_t child, next;  /* first key below, next key beside; 0: none */
    uint16_t any, element; /* below "*" and "[]" */
    uint64_t filter;       /* json_key_bit of each key below; most keys of a document are refused by it */
};

extern struct json_node json_nodes[];

static inline uint64_t json_key_bit(const char *key, size_t bytes)
{
    return UINT64_C(1) << ((bytes * 5 + (unsigned char)key[0] + (size_t)(unsigned char)key[bytes - 1] * 2) & 63);
}

/* The node below an object's node for a key, or 0. *ret_any: it was matched by "*". */
static inline uint16_t json_node_child(uint16_t node, const char *key, size_t bytes, bool *ret_any)
{
    const struct json_node *parent = &json_nodes[node];
    if (bytes && (parent->filter & json_key_bit(key, bytes))) {
        for (uint16_t child = parent->child; child; child = json_nodes[child].next) {
            const struct json_node *const node_of = &json_nodes[child];
            if (node_of->key_bytes == bytes && node_of->key[0] == key[0] && !__builtin_memcmp(node_of->key, key, bytes))
                return child;
        }
    }
    *ret_any = parent->any != 0;
    return parent->any;
}

/* A root under which every value is reported, strings in pieces, each with its key; built once. */
uint16_t json_rules_everything(void);
