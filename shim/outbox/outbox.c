/*
 * Queue of frames between the scribe's spans and the collector. Called by scribe.c on its own
 * thread only. Must never block (outbox_finish: beyond its bound), grow beyond its bounds, or lose
 * a span without counting it.
 *
 * Journey: outbox_add copies the span -> cut() makes a block and a frame of them, a parcel ->
 * parcels wait in the order of their sequence numbers: first those sent and not acknowledged, then
 * at most one half sent, then the rest. A new connection sends all of them again; where there is no
 * connection they go to the spool, and what the spool does not take stays here until the bound is
 * reached.
 */
#include "outbox_inner.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "span/block.h"
#include "shim/base/say.h"
#include "greeting.h"
#include "shim/tape/tape.h"

enum {
    CUT_TEXT_BYTES =
        128 * 1024, /* a block of long texts is cut early, so that a frame stays well below the unacknowledged bound */
    ALIVE_MS = 10,  /* between notes that this process lives */
    FINISH_SLICE_MS = 10,
};

struct outbox box = {.wire.own = {.fd = -1}, .spooler.spool.own = {.fd = -1}, .journal.own = {.fd = -1}};

/* ---- parcels ---- */

static void count_lost_no_memory(uint64_t spans)
{
    box.loss.spans += spans;
    if (spans > 0)
        shim_say_once("finished calls are lost: there is no memory to hand them on");
}

static void say_no_way_out(void)
{
    shim_say_once("finished calls are lost: no collector listens on LIBPPROF_SOCKET, and LIBPPROF_SPOOL takes nothing");
}

/* Another thread may write the spool: the journal holds meanwhile what goes there. */
static bool may_go_aside(void)
{
    return journal_is_open(&box.journal) && !box.finishing;
}

/* Has the oldest frames written to the spool by another thread. False where the caller has to write
 * them. */
static bool spool_aside(uint64_t now_ns, size_t bytes)
{
    return may_go_aside() && (!spooler_idle(&box.spooler) || now_ns < box.spooler.spool.retry_ns ||
                              spooler_begin(&box.spooler, &box.queue, bytes, now_ns));
}

/* Gives the oldest parcel that is not half on the wire to the spool; what that does not take is
 * lost. False when there is none. */
static bool evict_one(uint64_t now_ns)
{
    struct parcel *before;
    if (spooler_oldest(&box.spooler, &box.queue, now_ns))
        return true;
    struct parcel *parcel = parcels_oldest(&box.queue, &before);
    if (parcel == NULL)
        return false;
    if (!parcel->handed_over) {
        box.loss.spans += parcel->spans;
        say_no_way_out();
    }
    parcels_remove(&box.queue, before, parcel);
    return true;
}

/* ---- the journal ---- */

static bool in_journal(const struct parcel *parcel)
{
    return journal_is_open(&box.journal) && parcel->journal == box.journal.n;
}

/* Writes the parcel into the journal's ring; older ones make room by going to the spool, perhaps
 * not at once. */
static bool protect(uint64_t now_ns, struct parcel *parcel)
{
    size_t at;
    while (journal_ring_place(&box.journal, parcel->bytes, &at)) {
        if (parcels_ring_is_free(&box.queue, box.journal.n, at, parcel->bytes)) {
            if (journal_ring_write(&box.journal, at, parcel->data, parcel->bytes)) {
                parcel->journal = box.journal.n;
                parcel->ring_at = at;
                return true;
            }
        } else {
            struct parcel *before;
            if (parcels_oldest(&box.queue, &before) == parcel || spool_aside(now_ns, SPAN_JOURNAL_RING_BYTES / 4) ||
                !spooler_oldest(&box.spooler, &box.queue, now_ns))
                return false;
        }
    }
    return false;
}

/* All that is not in the journal, in the order of their numbers, as far as there is room. */
static void protect_all(uint64_t now_ns)
{
    struct parcel *next;
    for (struct parcel *parcel = box.queue.first; parcel != NULL; parcel = next) {
        next = parcel->next;
        if (!in_journal(parcel) && !protect(now_ns, parcel))
            break;
    }
}

/* Opens a journal where there is none, and writes into it what is here. */
static void have_journal(uint64_t now_ns)
{
    bool fresh;
    if (!journal_ready(&box.journal, now_ns, box.frame_sequence + 1, box.span_sequence, &fresh) || !fresh)
        return;
    protect_all(now_ns);
    for (size_t i = 0; i < box.n_pending; i++) {
        struct journal_slot none = {0};
        if (!journal_add(&box.journal, box.pending[i], 0, &none))
            break;
    }
}

/* ---- frames ---- */

/* Puts a frame into the queue. Its sequence number is used up in any case. */
static void enqueue(uint64_t now_ns, enum span_frame_kind kind, const struct span_buffer *payload, uint64_t spans)
{
    struct span_frame frame = {.kind = (uint16_t)kind,
                               .flags = box.finishing ? SPAN_FRAME_FINAL : 0,
                               .sequence = ++box.frame_sequence,
                               .loss = box.loss};
    memcpy(frame.identity, box.identity, sizeof(frame.identity));
    if (payload != NULL) {
        frame.payload = payload->data;
        frame.payload_bytes = payload->bytes;
    }
    struct span_buffer out;
    span_buffer_init(&out, SPAN_FRAME_HEADER_BYTES + SPAN_FRAME_PAYLOAD_MAX);
    struct parcel *parcel = NULL;
    if (span_frame_write(&out, &frame) == 0 && out.bytes <= OUTBOX_UNACKED_BYTES_MAX) {
        while (box.queue.bytes + out.bytes > OUTBOX_UNACKED_BYTES_MAX && evict_one(now_ns)) {
        }
        if (box.queue.bytes + out.bytes <= OUTBOX_UNACKED_BYTES_MAX)
            parcel = parcels_append(&box.queue, now_ns, frame.sequence, spans, out.data, out.bytes);
    }
    if (parcel == NULL) {
        count_lost_no_memory(spans);
        span_buffer_done(&out);
        journal_restart(&box.journal, box.frame_sequence + 1, box.span_sequence);
        return;
    }
    span_buffer_done(&out);
    if (box.queue.first == parcel)
        box.progress_ns = now_ns;
    box.loss_told = frame.loss;
    box.loss_told_ns = now_ns;
    /* At each moment what was pending is in the journal as pending, as a frame of the same number,
     * or as both. */
    protect_all(now_ns);
    if (!in_journal(parcel) && box.queue.first == parcel && journal_is_open(&box.journal) &&
        !spool_aside(now_ns, parcel->bytes)) /* it is longer than the ring */
        (void)spooler_oldest(&box.spooler, &box.queue, now_ns);
    journal_restart(&box.journal, box.frame_sequence + 1, box.span_sequence);
    box.final_told = box.finishing;
}

/* Makes a frame of the pending spans. */
static void cut(uint64_t now_ns)
{
    if (box.n_pending == 0)
        return;
    struct span_buffer block;
    span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
    if (span_block_encode(&block, (const struct span *const *)box.pending, box.n_pending, SPAN_ZSTD_LEVEL_SHIM) == 0)
        enqueue(now_ns, SPAN_FRAME_SPANS, &block, box.n_pending);
    else
        count_lost_no_memory(box.n_pending);
    span_buffer_done(&block);
    for (size_t i = 0; i < box.n_pending; i++)
        free(box.pending[i]);
    box.n_pending = 0;
    box.pending_text_bytes = 0;
}

static void cut_if_due(uint64_t now_ns)
{
    if (box.n_pending > 0 && now_ns - box.pending_since_ns >= OUTBOX_AGE_MAX_MS * (uint64_t)NS_PER_MS)
        cut(now_ns);
}

/* ---- the way out ---- */

static void merge_loss(const struct span_loss *loss)
{
    uint64_t spans = box.loss.spans;
    box.loss = *loss;
    box.loss.spans = spans;
    box.loss.journals += box.journal.failures + box.wire.outside;
    box.loss.peers = box.wire.refused;
}

static void tell_loss(uint64_t now_ns, bool at_once)
{
    if (outbox_loss_untold() && box.n_pending == 0 &&
        (at_once || now_ns - box.loss_told_ns >= OUTBOX_LOSS_MS * (uint64_t)NS_PER_MS))
        enqueue(now_ns, SPAN_FRAME_LOSS, NULL, 0);
}

static void disconnect(uint64_t now_ns, uint64_t wait_ms)
{
    wire_close(&box.wire);
    box.connect_ns = now_ns + wait_ms * NS_PER_MS;
    box.useful = false;
    parcels_send_again(&box.queue);
}

/* By their paths; then by the names that still lead there where the paths do not. */
static bool connect_to_one(void)
{
    for (unsigned i = 0; i < 2; i++)
        if (wire_connect(&box.wire, box.socket_path[i]) == 0)
            return true;
    for (unsigned i = 0; i < OUTBOX_NAMED_MAX && box.named_socket[i][0] != '\0'; i++)
        if (wire_connect_by_name(&box.wire, box.named_socket[i]) == 0)
            return true;
    return false;
}

static void connect_if_due(uint64_t now_ns)
{
    if (wire_connected(&box.wire) || now_ns < box.connect_ns)
        return;
    if (!connect_to_one()) {
        box.connect_ns =
            now_ns + (now_ns < box.grace_ns ? (uint64_t)OUTBOX_RESTART_RETRY_MS : OUTBOX_RECONNECT_MS) * NS_PER_MS;
        box.connect_wait_ms = box.connect_wait_ms * 2 < OUTBOX_RECONNECT_IDLE_MS_MAX ? box.connect_wait_ms * 2
                                                                                     : OUTBOX_RECONNECT_IDLE_MS_MAX;
        return;
    }
    box.connect_wait_ms = OUTBOX_RECONNECT_MS;
    box.greeting_sent = 0;
    box.progress_ns = now_ns;
    box.spool_over = true; /* whole: the collector that has come takes it in */
}

/* Sends until the kernel takes no more. Returns false when the connection broke. */
static bool send_some(void)
{
    while (box.greeting_sent < box.greeting_bytes) {
        long n = wire_send(&box.wire, box.greeting + box.greeting_sent, box.greeting_bytes - box.greeting_sent);
        if (n <= 0)
            return n == 0;
        box.greeting_sent += (size_t)n;
    }
    for (struct parcel *parcel = box.queue.first; parcel != NULL; parcel = parcel->next) {
        while (parcel->sent < parcel->bytes) {
            long n = wire_send(&box.wire, parcel->data + parcel->sent, parcel->bytes - parcel->sent);
            if (n <= 0)
                return n == 0;
            parcel->sent += (size_t)n;
        }
        parcel->handed_over = true;
    }
    return true;
}

/* Forgets what is acknowledged; only what was sent whole can be, whatever the peer says. */
static bool read_acks(uint64_t now_ns)
{
    uint64_t acked = 0;
    bool alive = wire_receive(&box.wire, &acked) == 0;
    uint64_t stored = 0;
    while (box.queue.first != NULL && box.queue.first->sequence <= acked &&
           box.queue.first->sent == box.queue.first->bytes) {
        stored = box.queue.first->sequence;
        parcels_remove(&box.queue, NULL, box.queue.first);
        box.progress_ns = now_ns;
        box.useful = box.heard = true;
    }
    journal_acked(&box.journal, stored);
    return alive;
}

/* What is in the journal goes to the spool seldom, and then all of it; at the latest when an eighth
 * of the ring is taken, as more comes while it is written. */
static bool spool_is_due(uint64_t now_ns)
{
    const struct parcel *first = box.queue.first;
    return first != NULL && (box.queue.bytes >= SPAN_JOURNAL_RING_BYTES / 8 || !journal_is_open(&box.journal) ||
                             parcels_outside(&box.queue, box.journal.n) ||
                             now_ns - first->made_ns >= OUTBOX_SPOOL_AFTER_MS * (uint64_t)NS_PER_MS);
}

static void exchange_with_collector(uint64_t now_ns)
{
    if (box.queue.first != NULL)
        connect_if_due(now_ns);
    if (box.spool_over)
        box.spool_over = !spooler_close(&box.spooler, may_go_aside());
    if (wire_connected(&box.wire)) {
        bool alive = send_some() && read_acks(now_ns);
        if (!alive && box.useful) {
            box.grace_ns = now_ns + OUTBOX_RESTART_MS * (uint64_t)NS_PER_MS;
            disconnect(now_ns, 0);
        } else if (!alive) {
            disconnect(now_ns, OUTBOX_RECONNECT_MS);
        } else if (box.queue.first != NULL && now_ns - box.progress_ns >= OUTBOX_STALLED_MS * (uint64_t)NS_PER_MS) {
            disconnect(now_ns, OUTBOX_STALLED_MS);
        }
    }
    if (!wire_connected(&box.wire) && now_ns >= box.grace_ns && spool_is_due(now_ns) && !spool_aside(now_ns, SIZE_MAX))
        spooler_all(&box.spooler, &box.queue, now_ns);
}

/* Where memory was short when the process began to record, the greeting is made as soon as there is
 * some. */
static bool started(void)
{
    if (!box.started && box.configured) {
        box.started = greeting_make(&box.process, box.greeting, sizeof(box.greeting), &box.greeting_bytes) == 0;
        box.spooler.spool.greeting = box.journal.greeting = box.greeting;
        box.spooler.spool.greeting_bytes = box.journal.greeting_bytes = box.greeting_bytes;
    }
    return box.started;
}

int outbox_start(const struct outbox_config *config)
{
    own_fd_close(&box.wire.own); /* a parent's, or none */
    own_fd_close(&box.spooler.spool.own);
    own_fd_close(&box.journal.own);
    memset(&box, 0, sizeof(box)); /* nothing is freed: in a forked child the parent's lists may be torn */
    box.wire.own = OWN_FD_NONE;
    box.connect_wait_ms = OUTBOX_RECONNECT_MS;
    memcpy(box.identity, config->process.identity, sizeof(box.identity));
    const char *paths[2] = {config->socket_path, config->socket_path_else};
    for (unsigned i = 0; i < 2; i++)
        if (paths[i] != NULL && strlen(paths[i]) < sizeof(box.socket_path[i]))
            memcpy(box.socket_path[i], paths[i], strlen(paths[i]) + 1);
    for (unsigned i = 0; i < OUTBOX_NAMED_MAX && config->named_sockets[i] != NULL; i++)
        memcpy(box.named_socket[i], config->named_sockets[i],
               strnlen(config->named_sockets[i], sizeof(box.named_socket[i]) - 1));
    spool_init(&box.spooler.spool, config->spool_dir, box.identity, OUTBOX_SPOOL_BYTES_MAX);
    struct span_journal_head head = {.owner = config->owner, .spool_said = config->spool_said};
    memcpy(head.identity, box.identity, sizeof(head.identity));
    memcpy(head.spool, box.spooler.spool.directory, strnlen(box.spooler.spool.directory, sizeof(head.spool) - 1));
    journal_init(&box.journal, &head, config->journal, config->journal_disk_first);
    box.process = config->process;
    box.configured = true;
    return started() ? 0 : -ENOMEM;
}

/* Into the journal; where that is full, after a cut. */
static void journal_pending(uint64_t now_ns, const struct span *span, uint64_t flight, struct journal_slot *slot)
{
    have_journal(now_ns);
    if (!journal_add(&box.journal, span, flight, slot) && journal_is_open(&box.journal) && box.n_pending > 0) {
        cut(now_ns);
        (void)journal_add(&box.journal, span, flight, slot);
    }
    journal_flight_end(&box.journal, slot);
}

void outbox_add(uint64_t now_ns, struct span *span, uint64_t flight, struct journal_slot *slot)
{
    span_set_u64(span, SPAN_seq, ++box.span_sequence);
    struct span *copy = started() ? malloc(sizeof(*copy)) : NULL;
    if (copy == NULL) {
        count_lost_no_memory(1);
        journal_flight_end(&box.journal, slot);
        return;
    }
    span_copy(copy, span);
    journal_pending(now_ns, copy, flight, slot);
    if (box.n_pending == 0)
        box.pending_since_ns = now_ns;
    box.pending[box.n_pending++] = copy;
    box.pending_text_bytes += copy->arena_used;
    if (box.n_pending == SPAN_BLOCK_ROWS_SHIM || box.pending_text_bytes >= CUT_TEXT_BYTES)
        cut(now_ns);
}

bool outbox_flight(uint64_t now_ns, struct journal_slot *slot, uint64_t flight, uint64_t begin_ns,
                   const struct span *so_far)
{
    if (!started())
        return false;
    have_journal(now_ns);
    return journal_flight(&box.journal, slot, flight, begin_ns, so_far);
}

void outbox_flight_end(struct journal_slot *slot)
{
    journal_flight_end(&box.journal, slot);
}

void outbox_alive(uint64_t now_ns)
{
    if (now_ns - box.journal.alive_ns >= ALIVE_MS * (uint64_t)NS_PER_MS)
        journal_alive(&box.journal, now_ns);
}

/* Finished calls that would be lost if nothing came after this. */
static uint64_t lost_by_now(void)
{
    uint64_t spans = box.loss.spans;
    for (const struct parcel *parcel = box.queue.first; parcel != NULL; parcel = parcel->next)
        spans += in_journal(parcel) || parcel->handed_over ? 0 : parcel->spans;
    return spans;
}

/* For the case that no frame will. A mark that says too much, as something has found a way after
 * all, is corrected; the spool must be nobody else's meanwhile. */
static void tell_by_file(const struct span_loss *loss, bool told)
{
    journal_loss(&box.journal, loss);
    if (!spooler_idle(&box.spooler))
        return;
    const uint64_t refused = box.spooler.spool.refused, lost = lost_by_now();
    if (lost < refused)
        spool_say_refused(&box.spooler.spool, lost);
    else if (!journal_is_open(&box.journal) && !told)
        spool_say_refused(&box.spooler.spool, loss->spans);
}

int outbox_turn(uint64_t now_ns, const struct span_loss *loss)
{
    merge_loss(loss);
    if (!started())
        return -1;
    if (box.n_pending > 0 || box.queue.first != NULL)
        have_journal(now_ns); /* again, where one had to be given up */
    spooler_end(&box.spooler, &box.queue);
    protect_all(now_ns);
    cut_if_due(now_ns);
    tell_loss(now_ns, false);
    exchange_with_collector(now_ns);
    tell_by_file(&box.loss, box.loss.spans <= box.loss_told.spans);
    return outbox_next_turn_ms(now_ns);
}

/* The process ends: what is nowhere else stays in the journal, and what is not there either is
 * lost. */
static void leave_journal(void)
{
    struct span_loss loss = box.loss;
    loss.spans = lost_by_now();
    if (loss.spans > box.loss.spans)
        say_no_way_out();
    if (!outbox_is_empty()) {
        tell_by_file(&loss, false);
    } else {
        tell_by_file(&loss, true);
        journal_remove(&box.journal);
    }
}

/* Says that this was all, when no frame says so yet. Who has sent nothing has nothing to say, and
 * asks nobody. */
static void say_goodbye(uint64_t now_ns)
{
    if (box.frame_sequence == 0 || box.final_told)
        return;
    enqueue(now_ns, SPAN_FRAME_LOSS, NULL, 0);
    if (box.queue.last != NULL && box.queue.last->sequence == box.frame_sequence)
        box.queue.last->goodbye = true;
}

/* Nothing else is left, and it is on its way: nobody's exit waits for the acknowledgement of a mere
 * goodbye. */
static bool said_goodbye(void)
{
    return wire_connected(&box.wire) && box.queue.first != NULL && box.queue.first == box.queue.last &&
           box.queue.first->goodbye && box.queue.first->sent == box.queue.first->bytes;
}

/* The last frames; the collector is looked for before they are made, so that they tell whom they
 * met. */
static void make_last_frames(uint64_t now_ns, const struct span_loss *loss)
{
    if (!outbox_is_empty() || (box.frame_sequence > 0 && !box.final_told)) {
        box.connect_ns = 0; /* the last chance */
        connect_if_due(now_ns);
    }
    merge_loss(loss);
    cut(now_ns);
    tell_loss(now_ns, true);
    say_goodbye(now_ns);
    merge_loss(loss); /* the journal may have stepped aside with them */
    tell_loss(now_ns, true);
}

void outbox_finish(unsigned wait_ms, const struct span_loss *loss)
{
    merge_loss(loss);
    if (!started())
        return;
    uint64_t now_ns = tape_now_ns();
    uint64_t deadline_ns = now_ns + (uint64_t)wait_ms * NS_PER_MS;
    box.finishing = true;
    make_last_frames(now_ns, loss);
    exchange_with_collector(now_ns);
    while (box.queue.first != NULL && wire_connected(&box.wire) && !said_goodbye() && now_ns < deadline_ns) {
        bool unsent = box.queue.last->sent < box.queue.last->bytes;
        struct pollfd wait = {.fd = box.wire.own.fd, .events = (short)(unsent ? POLLIN | POLLOUT : POLLIN)};
        int left_ms = outbox_ms_until(now_ns, deadline_ns);
        (void)poll(&wait, 1, left_ms < FINISH_SLICE_MS ? left_ms : FINISH_SLICE_MS);
        now_ns = tape_now_ns();
        exchange_with_collector(now_ns);
    }
    spooler_wait(&box.spooler, &box.queue); /* who waits for us does so no longer than a bound of their own */
    box.spooler.spool.retry_ns = 0;         /* the last chance here too */
    if (said_goodbye()) {
        parcels_remove(&box.queue, NULL, box.queue.first);
    } else if (box.queue.first != NULL) {
        disconnect(now_ns, OUTBOX_RECONNECT_MS);
        spooler_all(&box.spooler, &box.queue, now_ns);
        if (box.queue.first != NULL && box.queue.first == box.queue.last && box.queue.first->goodbye) {
            parcels_remove(&box.queue, NULL,
                           box.queue.first); /* then nobody knows that this was all, and nobody will say so */
        }
    }
    box.grace_ns = 0;
    (void)spooler_close(&box.spooler, false);
    leave_journal();
    box.finishing = false;
}
