/*
 * A frame: what travels over the socket and lies in spool files. FORMAT.md, section "Frames".
 *
 * header (fixed size, little endian): magic, version, header bytes, kind, flags, process identity,
 * sequence number, payload bytes, counters of loss, checksum of payload, checksum of header.
 */
#pragma once

#include "column.h"

enum span_frame_kind {
    SPAN_FRAME_PROCESS =
        1, /* payload: struct span_process as tag-length-value; sent first on a connection, first in a file */
    SPAN_FRAME_SPANS = 2, /* payload: one block; has a sequence number from 1, acknowledged */
    SPAN_FRAME_ACK = 3,   /* collector to shim, no payload: everything up to `sequence` is stored */
    SPAN_FRAME_LOSS = 4,  /* no payload, own sequence number: only the loss counters changed; acknowledged */
};

/* Bits of `flags` (0-7 may be ignored by who does not know them). */
enum {
    /* SPANS or LOSS: the process ends here in good order; every frame it ever numbered has at most
     * this sequence number, and the counters of loss are its last word. One that goes on after all
     * says so again later. */
    SPAN_FRAME_FINAL = 1,
};

/*
 * What a process counts of its own losses, and of what may become one, since it began; cumulative,
 * so that a lost or repeated frame falsifies nothing. In this order in frames, in journals and (as
 * lost_NAME) in the store.
 *   tape_records, tape_bytes: found the tape full
 *   spans: were finished and could not be kept
 *   exchanges: requests that could not be followed at all (table full, no memory, no thread)
 *   journals: times that the journal stepped aside, wholly or for calls in flight, or that no mark
 *     (mark.h) could be left where the collector looks
 *   peers: times that a collector was sent nothing, because it could be anybody's
 *     (shim/outbox/peer.h)
 *   sessions: sessions with a model over a socket, which are seen and not followed
 */
#define SPAN_LOSSES(X)                                                                                                 \
    X(tape_records)                                                                                                    \
    X(tape_bytes)                                                                                                      \
    X(spans)                                                                                                           \
    X(exchanges)                                                                                                       \
    X(journals)                                                                                                        \
    X(peers)                                                                                                           \
    X(sessions)
struct span_loss {
#define X(ident) uint64_t ident;
    SPAN_LOSSES(X)
#undef X
};
enum { SPAN_LOSS_N = sizeof(struct span_loss) / 8, SPAN_LOSS_BYTES = 8 * SPAN_LOSS_N };
/* As they stand in frames and journals: u64 each, little endian. */
void span_loss_write(uint8_t to[SPAN_LOSS_BYTES], const struct span_loss *loss);
void span_loss_read(struct span_loss *ret_loss, const uint8_t data[SPAN_LOSS_BYTES]);

struct span_frame {
    uint16_t kind;
    uint16_t flags;
    uint8_t identity[16];
    uint64_t sequence;
    struct span_loss loss;
    const uint8_t *payload; /* points into the input */
    size_t payload_bytes;
};

enum {
    SPAN_FRAME_NEED_MORE = 0, /* the input ends before the frame does */
    SPAN_FRAME_BAD = -1,      /* not a frame, or damaged */
    SPAN_FRAME_TOO_NEW = -2,  /* an incompatible version or an unknown required flag */
    SPAN_FRAME_HEADER_BYTES = 112,
    SPAN_FRAME_HEADER_BYTES_MAX = 1024, /* of a later version */
    SPAN_FRAME_VERSION = 1,
};

/* Appends a frame. Returns 0 or -1 (buffer failed). */
int span_frame_write(struct span_buffer *out, const struct span_frame *frame);

/* Reads one frame at the start of data: its whole length in bytes, or one of the codes above.
 * Frames of an unknown kind are returned like others: the caller skips them. */
long span_frame_read(struct span_frame *ret_frame, const uint8_t *data, size_t bytes);

/* The first multiple of 8 from which the magic of a frame stands in data, or `bytes` when there is
 * none. */
size_t span_frame_seek(const uint8_t *data, size_t bytes);

/* How many bytes the frame at the start of data will have, 0 when the header is not complete yet,
 * or an error code. */
long span_frame_bytes(const uint8_t *data, size_t bytes);

int span_process_write(struct span_buffer *out, const struct span_process *process);
int span_process_read(struct span_process *ret_process, const uint8_t *payload, size_t bytes);
