/*
 * A response body on its way to the dialect: find out how it is framed, cut it into events, scan
 * their JSON, count and time them.
 *
 * Owned by the exchange, scribe's thread. Bytes that arrive here are decoded (content encodings are
 * undone before). Keeps no body.
 */
#pragma once

#include "shim/llm/framing/body_aws.h"
#include "shim/llm/dialects/dialect.h"
#include "shim/llm/framing/ndjson.h"
#include "shim/llm/framing/sse.h"
#include "timing.h"

enum body_framing {
    BODY_UNDECIDED,
    BODY_PLAIN,
    BODY_SSE,
    BODY_LINES,
    BODY_ARRAY,
    BODY_AWS,
    BODY_OPAQUE /* sound, pictures, text: nothing to read */
};

enum { BODY_PREFIX_MAX = 8 }; /* enough to tell "retry:" from text */

struct body {
    struct dialect *dialect;
    struct facts *facts;
    struct timing *timing;
    uint64_t time_ns; /* of the piece under way */
    uint64_t events, content_events;
    uint8_t framing;           /* enum body_framing */
    uint8_t hint;              /* what the content-type says; BODY_UNDECIDED: nothing */
    bool text;                 /* it says plain text, which some say of JSON as well */
    uint8_t prefix_bytes, bom; /* bom: bytes of a byte order mark seen */
    bool in_event;
    bool event_cut;   /* the JSON object of the last event was not complete */
    char event_first; /* first byte of the event's data */
    bool indented;    /* a blank stood before the first other byte, on its line */
    bool complete;    /* after body_end: what came was complete JSON or complete events */
    char prefix[BODY_PREFIX_MAX];
    struct json_scan scan;
    union {
        struct sse sse;
        struct ndjson lines;
        struct body_aws aws;
    } frame;
};

void body_init(struct body *body, struct dialect *dialect, struct facts *facts, struct timing *timing);
void body_content_type(struct body *body, const char *value, size_t bytes);
void body_push(struct body *body, uint64_t time_ns, const char *data, size_t bytes);
/* Bytes are missing here: what was half read is forgotten; events begin anew where their framing
 * allows it. */
void body_lost(struct body *body);
void body_end(struct body *body);
