/*
 * Does a text parse as JSON? Incremental, on decoded pieces of any cutting, a few bytes of state,
 * no allocation.
 *
 * Used for answers where JSON was asked for and for arguments of tool calls. Strict (RFC 8259) up
 * to JSON_CHECK_DEPTH levels; below that brackets are only counted, so that it errs towards
 * "parses".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_CHECK_DEPTH = 64 };

struct json_check {
    uint64_t objects; /* bit per level: 1 object, 0 array */
    uint32_t depth;
    uint8_t state;
    uint8_t detail; /* position in a literal, hex digits left */
    bool key;       /* the string under way is a key */
    bool bad, begun;
};

void json_check_init(struct json_check *check); /* all zero bytes are the same */
void json_check_push(struct json_check *check, const char *text, size_t bytes);

/* One complete value and nothing else but white space. Nothing at all is not valid; ask `begun`. */
bool json_check_valid(const struct json_check *check);
