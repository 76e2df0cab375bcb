/*
 * Snapshots of calls in flight for the journal, see snapshots.h. Called by the scribe on its own
 * thread. Must never spend more than its share of a turn.
 */
#include "snapshots.h"

#include "shim/llm/exchange.h"
#include "shim/outbox/outbox.h"

static void append(struct snapshots *snapshots, struct flight *flight)
{
    flight->snapshot_due = true;
    flight->due_next = NULL;
    flight->due_before = snapshots->last;
    if (snapshots->last == NULL)
        snapshots->first = flight;
    else
        snapshots->last->due_next = flight;
    snapshots->last = flight;
}

void snapshots_touch(struct snapshots *snapshots, struct flight *flight)
{
    if (!flight->snapshot_due)
        append(snapshots, flight);
}

void snapshots_forget(struct snapshots *snapshots, struct flight *flight)
{
    if (!flight->snapshot_due)
        return;
    flight->snapshot_due = false;
    if (flight->due_before == NULL)
        snapshots->first = flight->due_next;
    else
        flight->due_before->due_next = flight->due_next;
    if (flight->due_next == NULL)
        snapshots->last = flight->due_before;
    else
        flight->due_next->due_before = flight->due_before;
}

static void take(struct flight *flight, uint64_t now_ns)
{
    struct span span;
    if (!exchange_peek(flight->exchange, now_ns, &span))
        return; /* nothing shows yet that it is a call of a model */
    if (flight->request_bytes > 0)
        span_set_u64(&span, SPAN_request_bytes, flight->request_bytes);
    if (flight->response_bytes > 0)
        span_set_u64(&span, SPAN_response_bytes, flight->response_bytes);
    span_set_u64(&span, SPAN_total_ns, now_ns > flight->begin_ns ? (now_ns - flight->begin_ns) / 1000 * 1000 : 0);
    struct journal_slot slot = {flight->journal_file, flight->journal_slot};
    (void)outbox_flight(now_ns, &slot, flight->number, flight->begin_ns, &span);
    flight->journal_file = slot.file;
    flight->journal_slot = slot.number;
}

void snapshots_turn(struct snapshots *snapshots, uint64_t now_ns)
{
    const uint64_t age_ns = SNAPSHOT_AGE_MS * UINT64_C(1000000);
    for (unsigned n = 0; n < SNAPSHOTS_PER_TURN && snapshots->first != NULL; n++) {
        struct flight *flight = snapshots->first;
        if (flight->snapshot_ns != 0 && now_ns - flight->snapshot_ns < age_ns)
            break; /* those after it were touched later; at worst they wait as long as this one */
        snapshots_forget(snapshots, flight);
        flight->snapshot_ns = now_ns;
        take(flight, now_ns);
    }
}
