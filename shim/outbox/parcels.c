/*
 * The queue of frames, see parcels.h. Called by the outbox on the scribe's thread.
 */
#include "parcels.h"

#include <stdlib.h>
#include <string.h>

struct parcel *parcels_append(struct parcels *queue, uint64_t now_ns, uint64_t sequence, uint64_t spans,
                              const uint8_t *data, size_t bytes)
{
    struct parcel *parcel = malloc(sizeof(*parcel) + bytes);
    if (parcel == NULL)
        return NULL;
    *parcel = (struct parcel){.made_ns = now_ns, .sequence = sequence, .spans = spans, .bytes = bytes};
    memcpy(parcel->data, data, bytes);
    if (queue->first == NULL)
        queue->first = parcel;
    else
        queue->last->next = parcel;
    queue->last = parcel;
    queue->bytes += bytes;
    return parcel;
}

void parcels_remove(struct parcels *queue, struct parcel *before, struct parcel *parcel)
{
    if (before == NULL)
        queue->first = parcel->next;
    else
        before->next = parcel->next;
    if (queue->last == parcel)
        queue->last = before;
    queue->bytes -= parcel->bytes;
    free(parcel);
}

struct parcel *parcels_oldest(const struct parcels *queue, struct parcel **ret_before)
{
    struct parcel *parcel = queue->first;
    *ret_before = NULL;
    if (parcel != NULL && parcel->sent > 0 && parcel->sent < parcel->bytes) {
        *ret_before = parcel;
        parcel = parcel->next;
    }
    return parcel;
}

void parcels_remove_until(struct parcels *queue, uint64_t sequence)
{
    struct parcel *before;
    for (struct parcel *parcel; (parcel = parcels_oldest(queue, &before)) != NULL && parcel->sequence <= sequence;)
        parcels_remove(queue, before, parcel);
}

void parcels_send_again(struct parcels *queue)
{
    for (struct parcel *parcel = queue->first; parcel != NULL; parcel = parcel->next)
        parcel->sent = 0;
}

bool parcels_ring_is_free(const struct parcels *queue, unsigned journal, size_t at, size_t bytes)
{
    for (const struct parcel *parcel = queue->first; parcel != NULL; parcel = parcel->next)
        if (parcel->journal == journal && at < parcel->ring_at + parcel->bytes && parcel->ring_at < at + bytes)
            return false;
    return true;
}

bool parcels_outside(const struct parcels *queue, unsigned journal)
{
    for (const struct parcel *parcel = queue->first; parcel != NULL; parcel = parcel->next)
        if (parcel->journal != journal)
            return true;
    return false;
}
