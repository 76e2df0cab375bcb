/*
 * One JSON value per line: bytes in any cutting -> lines, handed on as they come. Lines of nothing
 * but blanks are none.
 *
 * Scribe's thread; no allocation, no buffering. The last line may lack its line end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ndjson_handler {
    void (*begin)(void *context);
    void (*data)(void *context, const char *data, size_t bytes);
    void (*end)(void *context);
};

struct ndjson {
    const struct ndjson_handler *handler;
    void *context;
    uint64_t lines;
    bool open;
};

void ndjson_init(struct ndjson *ndjson, const struct ndjson_handler *handler, void *context);
void ndjson_push(struct ndjson *ndjson, const char *bytes, size_t count);
/* The stream is over. True: the last line was ended. */
bool ndjson_end(struct ndjson *ndjson);
