/*
 * Compiles tables of JSON paths into tries, once per table.
 *
 * Called on the scribe's thread when a dialect is first needed (and by tests). All nodes lie in one
 * static pool, because the tables are known when the program is built; it must never grow at run
 * time. A table that did not fit would match nothing, which unit/fixtures would show: it reads an
 * exchange of every API.
 */
#include "json_rules.h"

#include <string.h>

enum { NODES_MAX = 8192 };

/* Node 0 is "nothing matches". */
struct json_node json_nodes[NODES_MAX];
static uint16_t nodes_used = 1;

static uint16_t node_new(const char *key, size_t bytes)
{
    if (nodes_used == NODES_MAX)
        return 0;
    json_nodes[nodes_used] = (struct json_node){.key = key, .key_bytes = (uint8_t)bytes};
    return nodes_used++;
}

static uint16_t key_below(uint16_t node, const char *key, size_t bytes)
{
    if (!bytes || bytes >= JSON_KEY_MAX)
        return 0;
    for (uint16_t child = json_nodes[node].child; child; child = json_nodes[child].next)
        if (json_nodes[child].key_bytes == bytes && !memcmp(json_nodes[child].key, key, bytes))
            return child;
    const uint16_t child = node_new(key, bytes);
    if (!child)
        return 0;
    /* Keys are looked for in the order of the table: what comes in every event should stand
     * first. */
    uint16_t *link = &json_nodes[node].child;
    while (*link)
        link = &json_nodes[*link].next;
    *link = child;
    json_nodes[node].filter |= json_key_bit(key, bytes);
    return child;
}

static uint16_t special_below(uint16_t *slot)
{
    if (!*slot)
        *slot = node_new("", 0);
    return *slot;
}

/* One step of a path: "name", "*" or "[]"; *path moves after it. */
static uint16_t step(uint16_t node, const char **path)
{
    const char *p = *path;
    if (*p == '.')
        p++;
    if (p[0] == '[' && p[1] == ']') {
        *path = p + 2;
        return special_below(&json_nodes[node].element);
    }
    const size_t bytes = strcspn(p, ".[");
    *path = p + bytes;
    if (bytes == 1 && *p == '*')
        return special_below(&json_nodes[node].any);
    return key_below(node, p, bytes);
}

void json_rules_compile(struct json_rules *rules)
{
    if (rules->root)
        return;
    const uint16_t root = node_new("", 0);
    if (!root)
        return;
    for (unsigned i = 0; i < rules->count; i++) {
        const char *path = rules->rule[i].path;
        uint16_t node = root;
        unsigned depth = 0;
        while (*path && node && depth++ < JSON_PATH_DEPTH)
            node = step(node, &path);
        if (!node || *path)
            continue;
        json_nodes[node].rule = rules->rule[i].id;
        json_nodes[node].flags = (uint8_t)rules->rule[i].flags;
    }
    rules->root = root;
}

/* Adds what `common_at` has and `at` has not, level by level. */
static void lay_under(uint16_t at, uint16_t common_at)
{
    struct json_node *const node = &json_nodes[at];
    const struct json_node *const common = &json_nodes[common_at];
    if (!node->rule) {
        node->rule = common->rule;
        node->flags = common->flags;
    }
    if (node->any && common->any)
        lay_under(node->any, common->any);
    else if (!node->any)
        node->any = common->any;
    if (node->element && common->element)
        lay_under(node->element, common->element);
    else if (!node->element)
        node->element = common->element;
    if (!node->child) { /* shared: nothing is added below a table that is compiled */
        node->child = common->child;
        node->filter = common->filter;
        return;
    }
    for (uint16_t child = common->child; child; child = json_nodes[child].next) {
        const uint16_t own = key_below(at, json_nodes[child].key, json_nodes[child].key_bytes);
        if (own)
            lay_under(own, child);
    }
}

void json_rules_under(struct json_rules *rules, const struct json_rules *common)
{
    if (rules->root && common->root)
        lay_under(rules->root, common->root);
}

void json_rules_envelopes(struct json_rules *rules, const char *keys)
{
    uint16_t below[8];
    unsigned count = 0;
    while (*keys && count < sizeof(below) / sizeof(below[0])) {
        const size_t bytes = strcspn(keys, " ");
        below[count++] = key_below(rules->root, keys, bytes);
        keys += bytes + (keys[bytes] == ' ');
    }
    const struct json_node *const root = &json_nodes[rules->root];
    for (unsigned i = 0; i < count; i++) {
        struct json_node *const node = &json_nodes[below[i]];
        if (!below[i] || node->child || node->any || node->element)
            continue; /* the table has its own opinion of that key */
        node->child = root->child;
        node->any = root->any;
        node->element = root->element;
        node->filter = root->filter;
    }
}

uint16_t json_rules_everything(void)
{
    static uint16_t node;
    if (!node) {
        const uint16_t self = node_new("", 0);
        json_nodes[self].any = json_nodes[self].element = self;
        json_nodes[self].rule = self ? 1 : 0;
        json_nodes[self].flags = JSON_PIECES;
        node = self;
    }
    return node;
}
