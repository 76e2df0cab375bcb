/* The trie behind json_rules: built by json_rules.c, walked by json_scan.c. Besides those, json_canon.c alone includes this. */
#pragma once

#include "json_scan.h"

struct json_node {
    const char *key;
    uint8_t key_bytes;
    uint8_t flags; /* enum json_rule_flags */
    uint16_t rule; /* 0: no rule ends here */
    uint16_t child, next; /* first key below, next key beside; 0: none */
    uint16_t any, element; /* below "*" and "[]" */
    uint64_t lengths; /* bit n: some key below is n bytes long; most keys of a document are refused by it */
};

extern struct json_node json_nodes[];

/* The node below an object's node for a key, or 0. *ret_any: it was matched by "*". */
static inline uint16_t json_node_child(uint16_t node, const char *key, size_t bytes, bool *ret_any)
{
    const struct json_node *parent = &json_nodes[node];
    if (bytes < 64 && ((parent->lengths >> bytes) & 1)) {
        for (uint16_t child = parent->child; child; child = json_nodes[child].next)
            if (json_nodes[child].key_bytes == bytes && !__builtin_memcmp(json_nodes[child].key, key, bytes))
                return child;
    }
    *ret_any = parent->any != 0;
    return parent->any;
}

/* A root under which every value is reported, strings in pieces, each with its key; built once. */
uint16_t json_rules_everything(void);
