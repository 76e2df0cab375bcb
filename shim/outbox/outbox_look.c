/*
 * What there is to know of the outbox: when it wants to be called again, whether anything is left
 * in it, whether somebody knows of this process. Called on the scribe's thread. Must never change
 * anything that is on its way.
 */
#include "outbox_inner.h"

#include <string.h>

enum {
    RETRY_SEND_MS = 5, /* the socket takes no more now */
    WAIT_ACK_MS = 50,
    SPOOLER_LOOK_MS = 10,
};

bool outbox_loss_untold(void)
{
    return memcmp(&box.loss, &box.loss_told, sizeof(box.loss)) != 0;
}

int outbox_ms_until(uint64_t now_ns, uint64_t then_ns)
{
    return then_ns <= now_ns ? 0 : (int)((then_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

int outbox_next_turn_ms(uint64_t now_ns)
{
    int wait = -1;
    if (box.queue.first != NULL && wire_connected(&box.wire)) {
        wait = box.queue.last->sent < box.queue.last->bytes ? RETRY_SEND_MS : WAIT_ACK_MS;
    } else if (box.queue.first != NULL) {
        wait = now_ns < box.grace_ns ? OUTBOX_RESTART_RETRY_MS : (int)box.connect_wait_ms;
        int due = outbox_ms_until(now_ns, box.queue.first->made_ns + OUTBOX_SPOOL_AFTER_MS * (uint64_t)NS_PER_MS);
        wait = due == 0 || wait < due ? wait : due;
        wait = spooler_idle(&box.spooler) || wait < SPOOLER_LOOK_MS ? wait : SPOOLER_LOOK_MS;
    } else if (outbox_loss_untold()) {
        wait = outbox_ms_until(now_ns, box.loss_told_ns + OUTBOX_LOSS_MS * (uint64_t)NS_PER_MS);
    }
    if (box.n_pending > 0) {
        int age = outbox_ms_until(now_ns, box.pending_since_ns + OUTBOX_AGE_MAX_MS * (uint64_t)NS_PER_MS);
        wait = wait < 0 || age < wait ? age : wait;
    }
    return wait;
}

bool outbox_is_known(void)
{
    box.heard |= spooler_idle(&box.spooler) && (box.spooler.spool.total_bytes > 0 || box.spooler.spool.refused > 0);
    return box.heard || journal_is_open(&box.journal);
}

bool outbox_is_empty(void)
{
    return box.n_pending == 0 && box.queue.first == NULL && !outbox_loss_untold();
}

uint64_t outbox_lost_spans(void)
{
    return box.loss.spans;
}
