/*
 * The connection to the collector: a unix stream socket that never blocks, never raises SIGPIPE,
 * and believes nothing it reads. Scribe thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/base/own_fd.h"

enum { WIRE_INPUT_BYTES = 4096 }; /* an acknowledgement is SPAN_FRAME_HEADER_BYTES long */

struct wire {
    struct own_fd own;
    uint64_t refused; /* times that a collector was found that is not to be trusted; again only after one that is */
    bool distrusted;  /* since the last one that was trusted */
    bool outside;     /* one was not in our namespace of processes: it does not see the marks here (mark.h) */
    size_t input_bytes;
    uint8_t input[WIRE_INPUT_BYTES];
};

/* Returns 0 or a negative errno (-EPERM: somebody listens who is not to be trusted, peer.h). The
 * wire must be closed.
 */
int wire_connect(struct wire *wire, const char *path);
/* The same at the abstract names that belong to the path (span/paths.h), for a process that sees
 * other directories than the collector. Who is not to be trusted there is as good as nobody. */
int wire_connect_by_name(struct wire *wire, const char *path);
bool wire_connected(const struct wire *wire);
/* Bytes that the kernel took, 0 when it takes none now; a negative errno when the connection is
 * gone (it is closed then). */
long wire_send(struct wire *wire, const uint8_t *data, size_t bytes);
/* Reads what has come. *ret_acked grows to the highest sequence acknowledged. Returns 0, or a
 * negative errno when the peer is gone or sends what is no frame (the wire is closed then;
 * *ret_acked still counts). */
int wire_receive(struct wire *wire, uint64_t *ret_acked);
void wire_close(struct wire *wire);
