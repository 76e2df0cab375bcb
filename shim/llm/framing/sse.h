/*
 * Server-sent events: bytes in any cutting -> data of events, handed on as it comes.
 *
 * Scribe's thread; no allocation, no buffering of data. LF, CR LF and CR end lines, cut anywhere;
 * one BOM at the start is passed over; comments are counted; a last event without its blank line is
 * completed by sse_end. The data of an event goes to `data` in pieces (several data: lines are
 * joined by LF); whether it was "[DONE]" or blank is found out on the way, without keeping more
 * than a few bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SSE_NAME_MAX = 64, SSE_HELD_MAX = 8 };

struct sse_handler {
    /* An event begins: it has data that is neither blank nor [DONE]. `name` is "" if no event: line
     * came before the data. */
    void (*begin)(void *context, const char *name, size_t name_bytes);
    void (*data)(void *context, const char *data, size_t bytes);
    void (*end)(void *context);
    void (*done)(void *context); /* an event whose data is [DONE] */
};

struct sse {
    const struct sse_handler *handler;
    void *context;
    uint64_t events, comments; /* events begun ([DONE] not among them) */
    uint8_t line;              /* what kind of line we are in */
    uint8_t bom;               /* bytes of a BOM seen */
    bool after_cr;             /* a CR was the last byte: an LF belongs to it */
    bool value;                /* after the colon (and the one blank that may follow it) */
    bool open;                 /* begin() was called */
    bool has_data;             /* a data: line was seen in this event */
    bool over;                 /* [DONE] was: what comes after it is not read */
    uint8_t field_bytes, name_bytes, held_bytes;
    char field[8]; /* name of the field under way */
    char name[SSE_NAME_MAX];
    char held[SSE_HELD_MAX]; /* beginning of data that may yet be [DONE] or blank */
};

void sse_init(struct sse *sse, const struct sse_handler *handler, void *context);
void sse_push(struct sse *sse, const char *bytes, size_t count);
/* The stream is over. True: the last event had its blank line (or there was nothing pending). */
bool sse_end(struct sse *sse);
