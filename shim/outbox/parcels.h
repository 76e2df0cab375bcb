/*
 * The outbox's queue: frames in the order of their numbers, until they are acknowledged, spooled or
 * lost. Scribe thread only; zeroed memory is an empty queue.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parcel {
    struct parcel *next;
    uint64_t sequence;
    uint64_t spans;
    size_t bytes;
    uint64_t made_ns; /* when it came here */
    size_t sent;      /* on this connection */
    bool goodbye;     /* it says only that this was all */
    bool handed_over; /* it was sent whole once: only the receiver knows whether it is lost, by its number */
    unsigned journal; /* number of the journal in whose ring it lies; 0: none */
    size_t ring_at;
    uint8_t data[];
};

struct parcels {
    struct parcel *first, *last;
    size_t bytes; /* of all frames in it */
};

/* Takes a copy of the frame; NULL without memory. */
struct parcel *parcels_append(struct parcels *queue, uint64_t now_ns, uint64_t sequence, uint64_t spans,
                              const uint8_t *data, size_t bytes);
/* Takes `parcel` out, whose predecessor is `before` (NULL: it is the first), and frees it. */
void parcels_remove(struct parcels *queue, struct parcel *before, struct parcel *parcel);
/* Takes out and frees all with numbers up to `sequence`, but for one half on the wire. */
void parcels_remove_until(struct parcels *queue, uint64_t sequence);
/* Nothing of any of them is on the wire any more. */
void parcels_send_again(struct parcels *queue);
/* The oldest that is not half on the wire, or NULL, and its predecessor. */
struct parcel *parcels_oldest(const struct parcels *queue, struct parcel **ret_before);
/* Whether no frame that lies in the ring of journal number `journal` has a byte in there. */
bool parcels_ring_is_free(const struct parcels *queue, unsigned journal, size_t at, size_t bytes);
/* Whether one of them does not lie there. */
bool parcels_outside(const struct parcels *queue, unsigned journal);
