/*
 * Header lines, and what the request's say: whose key it was, which trace, which prompt; and what
 * an answer must not echo.
 *
 * Scribe's thread; pure but for what it is told to fill. Keys are hashed and forgotten.
 */
#pragma once

#include "exchange_ends.h"
#include "shim/llm/identity/exchange_config.h"
#include "shim/llm/identity/prompt.h"
#include "shim/llm/privacy/secret.h"

struct header {
    const char *name, *value;
    size_t name_bytes, value_bytes;
};

/* "Name: value" with any line end. False: no header line. */
bool header_split(const char *line, size_t bytes, struct header *ret);
bool header_is(const struct header *header, const char *name);

/* Where it goes. */
struct request_headers {
    const struct exchange_config *config;
    struct span *span;
    struct prompt *prompt;
    struct secret_echo *echo;
};

/* "Name: value\n" lines, and those that begin with EXCHANGE_BESIDE. */
void request_headers_take(const struct request_headers *to, const char *headers, size_t bytes);
