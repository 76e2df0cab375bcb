/*
 * A request body on its way to the dialect: JSON, a multipart form, or either of them compressed.
 * What it is, its first bytes tell.
 *
 * Owned by the exchange, scribe's thread. Memory is taken only for compressed bodies, and given
 * back at their end: a call may wait for minutes after it.
 */
#pragma once

#include "shim/llm/dialects/dialect.h"
#include "shim/llm/framing/multipart.h"

struct decode;

struct request {
    struct dialect *dialect;
    struct facts *facts;
    struct decode *decode;
    uint8_t kind; /* of the decoded body: undecided, JSON or a form */
    uint8_t head_bytes;
    bool decided;     /* compressed or not */
    bool torn;        /* compressed, and not all of it came, or it was damaged */
    uint8_t encoding; /* enum decode_kind */
    uint8_t head[4];
    struct json_scan scan;
    struct multipart form;
};

void request_init(struct request *request, struct dialect *dialect, struct facts *facts);
void request_push(struct request *request, const uint8_t *data, size_t bytes);
/* Zeroes what no longer matters. */
void request_tidy(struct request *request);
/* Bytes are missing here, or the body comes again from its beginning: what was half read is
 * forgotten. */
void request_reset(struct request *request);
/* True: it was read to its end. Frees what was taken. */
bool request_end(struct request *request);
