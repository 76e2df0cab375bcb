/*
 * An incremental scanner of multipart/form-data: short text fields come whole, files as their size.
 *
 * For requests whose model stands in a form part (audio, image edits). Scribe's thread; no
 * allocation; keeps at most MULTIPART_VALUE_MAX bytes of a field. The boundary is taken from the
 * body's first line, so no header is needed; any cutting.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MULTIPART_BOUNDARY_MAX = 2 + 70, /* RFC 2046: 70 characters after the two dashes */
    MULTIPART_LINE_MAX = 256,        /* of a header line; the rest is not looked at */
    MULTIPART_VALUE_MAX = 256,       /* models, flags and numbers are far shorter; longer values are cut */
    MULTIPART_NAME_MAX = 64,
};

struct multipart_handler {
    void (*field)(void *context, const char *name, size_t name_bytes, const char *value, size_t value_bytes, bool cut);
    void (*file)(void *context, const char *name, size_t name_bytes, uint64_t bytes); /* may be NULL */
};

struct multipart {
    const struct multipart_handler *handler;
    void *context;
    uint8_t state;
    bool file, bad;
    uint8_t boundary_bytes, matched, name_bytes, tail;
    uint16_t line_bytes, value_bytes;
    uint64_t part_bytes;
    char boundary[2 + MULTIPART_BOUNDARY_MAX]; /* with CR LF before it */
    char name[MULTIPART_NAME_MAX];
    char line[MULTIPART_LINE_MAX];
    char value[MULTIPART_VALUE_MAX];
};

void multipart_init(struct multipart *multipart, const struct multipart_handler *handler, void *context);
void multipart_push(struct multipart *multipart, const char *data, size_t bytes);
bool multipart_complete(const struct multipart *multipart); /* the closing boundary was seen */
