/*
 * A body framed as an AWS event stream: messages become events; the chunks of InvokeModel are
 * unwrapped, the parts of SageMaker put together. Scribe's thread; no allocation.
 */
#pragma once

#include "base64.h"
#include "eventstream.h"
#include "ndjson.h"
#include "shim/llm/json/json_scan.h"
#include "sse.h"

/* What becomes of the stream. */
struct body_aws_handler {
    /* An event: its name, its data in pieces, its end. */
    void (*begin)(void *context, const char *name, size_t name_bytes);
    void (*data)(void *context, const char *data, size_t bytes);
    void (*end)(void *context);
    /* A message that is a piece of the container's own stream: it is only counted. */
    void (*part_begin)(void *context);
    void (*part_end)(void *context);
    /* An event of that stream; its data comes through `data`. */
    void (*inner_begin)(void *context, const char *name, size_t name_bytes);
    void (*inner_end)(void *context);
    void (*done)(void *context);                                        /* its end mark */
    void (*failed)(void *context, const char *name, size_t name_bytes); /* the next event is an error with this name */
};

enum body_aws_parts { PARTS_UNDECIDED, PARTS_SSE, PARTS_LINES };

struct body_aws {
    const struct body_aws_handler *handler;
    void *context;
    struct eventstream stream;
    struct json_scan envelope; /* {"bytes": base64} around the model's own event */
    struct base64 base64;
    bool plain_chunks; /* events named "chunk" hold text, not an event of their own */
    bool enveloped;
    bool part;     /* the message under way is a piece of the container's own stream */
    uint8_t parts; /* how that stream is framed: enum body_aws_parts */
    union {
        struct sse sse;
        struct ndjson lines;
    } inner;
};

void body_aws_init(struct body_aws *aws, const struct body_aws_handler *handler, void *context, bool plain_chunks);
void body_aws_push(struct body_aws *aws, const char *data, size_t bytes);
/* Bytes are missing: no mark tells where the next message begins, so nothing after them is read. */
void body_aws_lost(struct body_aws *aws);
/* True: every message was complete. */
bool body_aws_end(struct body_aws *aws);
