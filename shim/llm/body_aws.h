/*
 * A body framed as an AWS event stream: messages become events of the body; the chunks of InvokeModel are unwrapped,
 * the parts of SageMaker put together. Part of body.c's work.
 */
#pragma once

#include "shim/llm/framing/base64.h"
#include "shim/llm/framing/eventstream.h"
#include "shim/llm/json/json_scan.h"
#include "shim/llm/framing/ndjson.h"
#include "shim/llm/framing/sse.h"

struct body;

struct body_aws {
    struct eventstream stream;
    struct json_scan envelope; /* {"bytes": base64} around the model's own event */
    struct base64 base64;
    struct body *body;
    bool enveloped;
    bool part;     /* the message under way is a piece of the container's own stream */
    uint8_t parts; /* how that stream is framed: BODY_UNDECIDED, BODY_SSE or BODY_LINES */
    union {
        struct sse sse;
        struct ndjson lines;
    } inner;
};

void body_aws_init(struct body_aws *aws, struct body *body);
/* True: every message, and the stream within them, was complete. */
bool body_aws_end(struct body_aws *aws);
