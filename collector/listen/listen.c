/*
 * The connections: an epoll loop over a unix socket, group commit, acknowledgements. See listen.h.
 *
 * Called by pprofd's and record's single thread. Must never block on a sender, nor hold more than
 * LISTEN_BUFFERS_MAX for them.
 */
#include "listen_inner.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../store/store.h"

enum { BUFFER_BYTES_FIRST = 16384, BUFFER_BYTES_MAX = SPAN_FRAME_HEADER_BYTES + SPAN_FRAME_PAYLOAD_MAX, EVENTS = 64 };

static _Thread_local char why[512];

const char *listen_why(void)
{
    return why;
}

int listen_because(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return status;
}

uint64_t listen_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int watch_socket(const struct listener *listener, int fd, bool watched)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    return fd < 0 ? 0 : epoll_ctl(listener->epoll, watched ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, fd, &event);
}

static void set_accepting(struct listener *listener, bool accepting)
{
    if (listener->fd < 0 || listener->accepting == accepting)
        return;
    if (watch_socket(listener, listener->fd, accepting) == 0) {
        (void)watch_socket(listener, listener->named, accepting);
        listener->accepting = accepting;
    }
}

/* The name may have been taken when it was last tried. */
static void have_name(struct listener *listener)
{
    if (listener->fd < 0 || listener->named >= 0)
        return;
    listen_named_open(listener);
    if (listener->accepting)
        (void)watch_socket(listener, listener->named, true);
}

void listen_watch(struct listener *listener, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN | (connection->writing ? EPOLLOUT : 0u), .data.ptr = connection};
    int how = !connection->parked ? connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD : EPOLL_CTL_DEL;

    /* Not watched at all while parked: epoll tells of a peer that hung up whether it is asked to or
     * not. */
    if (connection->parked && !connection->watched)
        return;
    if (epoll_ctl(listener->epoll, how, connection->fd, &event) == 0)
        connection->watched = !connection->parked;
}

static void drop(struct listener *listener, struct connection *connection)
{
    if (connection->closing)
        return;
    connection->closing = true;
    (void)close(connection->fd);
    (void)listen_share_buffer(listener, connection, connection->capacity, 0);
    listen_share_leave(listener, connection);
    free(connection->data);
    connection->data = NULL;
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    connection->next = listener->closed;
    listener->closed = connection;
    listener->stats.connected--;
    listener->look_soon = true;
    set_accepting(listener, true);
}

static void free_closed(struct listener *listener)
{
    while (listener->closed != NULL) {
        struct connection *connection = listener->closed;

        listener->closed = connection->next;
        free(connection);
    }
}

static bool is_known(const struct listener *listener, int fd, struct ucred *ret_peer)
{
    socklen_t bytes = sizeof(*ret_peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &bytes) != 0)
        return false;
    return listener->config.any_user || ret_peer->uid == geteuid() || ret_peer->uid == 0;
}

static int add_connection(struct listener *listener, int fd, const struct ucred *peer)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL)
        return -1;
    connection->fd = fd;
    connection->sender.has_uid = true;
    connection->sender.uid = peer->uid;
    if (listen_share_join(listener, connection, peer->uid, (uint32_t)peer->pid) != 0) {
        free(connection);
        return -1;
    }
    listen_watch(listener, connection);
    if (!connection->watched && !connection->parked) {
        listen_share_leave(listener, connection);
        free(connection);
        return -1;
    }
    connection->next = listener->connections;
    connection->link = &listener->connections;
    if (connection->next != NULL)
        connection->next->link = &connection->next;
    listener->connections = connection;
    listener->stats.connections++;
    listener->stats.connected++;
    return 0;
}

static void accept_some(struct listener *listener, int socket)
{
    for (int i = 0; i < EVENTS; i++) {
        int fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct ucred peer;
        bool known;

        if (fd < 0) {
            /* Out of descriptors: the queue would keep epoll awake for nothing until some
             * connection ends. */
            if ((errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) &&
                listener->stats.connected > 0)
                set_accepting(listener, false);
            return;
        }
        known = is_known(listener, fd, &peer);
        if (!known || listener->stats.connected >= LISTEN_CONNECTIONS_MAX || add_connection(listener, fd, &peer) != 0) {
            /* At the name anybody can knock, and as often as it likes: that is nobody's loss. */
            listener->stats.refused += known || socket != listener->named;
            (void)close(fd);
        }
    }
}

/* Sends what can be sent without waiting; arms EPOLLOUT for the rest. */
static void send_ack(struct listener *listener, struct connection *connection)
{
    bool writing = false;

    for (;;) {
        ssize_t sent;

        if (connection->ack_sent == connection->ack_bytes) {
            struct span_frame frame = {.kind = SPAN_FRAME_ACK, .sequence = connection->ack_sequence};
            struct span_buffer out;

            if (connection->ack_sequence == 0)
                break;
            memcpy(frame.identity, connection->sender.identity, sizeof(frame.identity));
            span_buffer_init(&out, sizeof(connection->ack));
            if (span_frame_write(&out, &frame) != 0) {
                span_buffer_done(&out);
                drop(listener, connection);
                return;
            }
            memcpy(connection->ack, out.data, out.bytes);
            connection->ack_bytes = out.bytes;
            connection->ack_sent = 0;
            connection->ack_sequence = 0;
            span_buffer_done(&out);
        }
        sent = send(connection->fd, connection->ack + connection->ack_sent,
                    connection->ack_bytes - connection->ack_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            drop(listener, connection);
            return;
        }
        if (sent < 0) {
            writing = true;
            break;
        }
        connection->ack_sent += (size_t)sent;
    }
    if (connection->writing != writing) {
        connection->writing = writing;
        listen_watch(listener, connection);
    }
}

static void acknowledge_all(struct listener *listener)
{
    struct connection *next;

    for (struct connection *connection = listener->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->sender.taken == 0)
            continue;
        connection->ack_sequence = connection->sender.taken;
        connection->sender.taken = 0;
        send_ack(listener, connection);
    }
}

/* The store failed: senders must send the frames of the lost transaction again, and do so when they
 * reconnect. Until the pause is over nothing wakes the loop. */
static int store_failed(struct listener *listener, int status)
{
    if (listener->open)
        listen_rollback(listener);
    while (listener->connections != NULL)
        drop(listener, listener->connections);
    if (status == STORE_MOVED)
        return status; /* the next transaction finds or makes the file again: senders may come at once */
    set_accepting(listener, false);
    listener->pause_ns = listen_now_ns() + LISTEN_PAUSE_MS * 1000000ull;
    return status;
}

int listen_flush(struct listener *listener)
{
    int status = listen_commit(listener);

    if (status != 0)
        return store_failed(listener, status);
    acknowledge_all(listener);
    return 0;
}

/* Room for the frame that is arriving, and not more than a frame may need. */
static int make_room(struct listener *listener, struct connection *connection)
{
    size_t capacity = connection->capacity == 0 ? BUFFER_BYTES_FIRST : connection->capacity * 2;
    uint8_t *data;

    if (connection->bytes < connection->capacity)
        return 0;
    if (capacity > BUFFER_BYTES_MAX)
        capacity = BUFFER_BYTES_MAX;
    if (capacity == connection->capacity || !listen_share_buffer(listener, connection, connection->capacity, capacity))
        return -1;
    data = realloc(connection->data, capacity);
    if (data == NULL) {
        (void)listen_share_buffer(listener, connection, capacity, connection->capacity);
        return -1;
    }
    connection->data = data;
    connection->capacity = capacity;
    return 0;
}

static void shrink(struct listener *listener, struct connection *connection)
{
    if (connection->bytes > 0)
        return;
    free(connection->data);
    connection->data = NULL;
    (void)listen_share_buffer(listener, connection, connection->capacity, 0);
    connection->capacity = 0;
}

static size_t at_once(const struct connection *connection)
{
    size_t room = connection->capacity - connection->bytes;

    return room < LISTEN_READ_BYTES ? room : LISTEN_READ_BYTES;
}

/* Reads once. 0, or negative store_status; a connection that ended or misbehaved is dropped. */
static int read_some(struct listener *listener, struct connection *connection)
{
    uint64_t begin_ns = listen_now_ns();
    struct listen_cost cost = {.work = store_work(listener->config.store), .spans = listener->batch_spans};
    ssize_t got;
    size_t used;
    int status;

    if (make_room(listener, connection) != 0) {
        listener->stats.refused++;
        drop(listener, connection);
        return 0;
    }
    got = recv(connection->fd, connection->data + connection->bytes, at_once(connection), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0) {
        drop(listener, connection); /* half a frame at the end is the sender's to send again */
        return 0;
    }
    connection->bytes += (size_t)got;
    status = listen_take(listener, &connection->sender, connection->data, connection->bytes, &used);
    if (status == LISTEN_AGAIN || status == LISTEN_NEWER) {
        drop(listener, connection);
        return 0;
    }
    if (status == LISTEN_END) {
        listener->stats.damaged++;
        (void)listen_note(listener, STORE_LOSS_stream_damaged);
        /* What came before the damage is stored with the batch; it is not acknowledged, and will be
         * found a repeat. */
        drop(listener, connection);
        return 0;
    }
    if (status != 0)
        return store_failed(listener, status);
    memmove(connection->data, connection->data + used, connection->bytes - used);
    connection->bytes -= used;
    if (used > 0 || connection->frame_ns == 0)
        connection->frame_ns = connection->bytes > 0 ? begin_ns : 0;
    shrink(listener, connection);
    cost = (struct listen_cost){.ns = listen_now_ns() - begin_ns,
                                .bytes = (size_t)got,
                                .work = store_work(listener->config.store) - cost.work,
                                .spans = listener->batch_spans - cost.spans};
    listen_share_spent(listener, connection, cost);
    return 0;
}

/* Half a frame that stays half is dropped: its buffer is somebody else's. */
static void drop_stale(struct listener *listener, uint64_t now_ns)
{
    struct connection *next;

    for (struct connection *connection = listener->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->frame_ns != 0 && now_ns - connection->frame_ns > LISTEN_HALF_FRAME_MS * 1000000ull) {
            listener->stats.refused++;
            drop(listener, connection);
        }
    }
}

static int handle(struct listener *listener, const struct epoll_event *events, int n)
{
    int status = 0;

    for (int i = 0; i < n && status == 0; i++) {
        struct connection *connection = events[i].data.ptr;

        if (connection == NULL) {
            accept_some(listener, listener->fd);
            if (listener->named >= 0)
                accept_some(listener, listener->named);
            continue;
        }
        if (!connection->closing && (events[i].events & EPOLLOUT))
            send_ack(listener, connection);
        if (!connection->closing && !connection->parked && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            status = read_some(listener, connection);
    }
    free_closed(listener);
    return status;
}

static int ms_until(uint64_t now_ns, uint64_t then_ns)
{
    return then_ns <= now_ns ? 0 : (int)((then_ns - now_ns + 999999) / 1000000);
}

static bool looks(const struct listener *listener)
{
    return listener->config.spool_dir != NULL || listener->config.journal_dirs != NULL;
}

/* When the next look into spool and journals is due. */
static uint64_t look_ns(const struct listener *listener)
{
    return listener->spool_ns + (listener->look_soon ? LISTEN_SPOOL_SOON_MS : LISTEN_SPOOL_MS) * 1000000ull;
}

static int wait_without_parked_ms(const struct listener *listener, uint64_t now_ns)
{
    if (listener->open)
        return ms_until(now_ns, listener->commit_ns + LISTEN_COMMIT_QUIET_MS * 1000000ull);
    if (looks(listener))
        return ms_until(now_ns, look_ns(listener));
    return -1;
}

int listen_wait_ms(const struct listener *listener)
{
    uint64_t now_ns = listen_now_ns();
    int wait_ms;
    int share_ms;

    if (now_ns < listener->pause_ns)
        return ms_until(now_ns, listener->pause_ns);
    wait_ms = wait_without_parked_ms(listener, now_ns);
    if (listener->parked == 0)
        return wait_ms;
    share_ms = ms_until(now_ns, listener->share_ns + LISTEN_SHARE_MS * 1000000ull);
    return wait_ms < 0 || share_ms < wait_ms ? share_ms : wait_ms;
}

/* `quiet`: nothing more is there to be read right now. */
static bool commit_due(const struct listener *listener, bool quiet)
{
    uint64_t now_ns = listen_now_ns();

    if (!listener->open)
        return false;
    if (listener->batch_frames >= LISTEN_COMMIT_FRAMES || now_ns - listener->open_ns >= LISTEN_COMMIT_MS * 1000000ull)
        return true;
    return quiet && now_ns - listener->commit_ns >= LISTEN_COMMIT_QUIET_MS * 1000000ull;
}

int listen_turn(struct listener *listener, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int wait_ms = listen_wait_ms(listener);
    int status = 0;
    int n;

    if (wait_ms < 0 || (timeout_ms >= 0 && timeout_ms < wait_ms))
        wait_ms = timeout_ms;
    if (listen_now_ns() < listener->pause_ns) {
        struct timespec pause = {wait_ms / 1000, wait_ms % 1000 * 1000000L};

        (void)nanosleep(&pause, NULL);
        return 0;
    }
    if (listener->pause_ns != 0) {
        listener->pause_ns = 0;
        set_accepting(listener, true);
    }
    if (listen_share_turn(listener, listen_now_ns()))
        drop_stale(listener, listener->share_ns);
    n = epoll_wait(listener->epoll, events, EVENTS, wait_ms);
    if (n < 0 && errno != EINTR)
        return listen_because(STORE_FAILED, "waiting failed: %s", strerror(errno));
    /* While a transaction is open its time bounds the loop; otherwise input that never ends would
     * bound nothing. */
    while (n > 0 && status == 0) {
        status = handle(listener, events, n);
        if (status != 0 || !listener->open || commit_due(listener, false))
            break;
        n = epoll_wait(listener->epoll, events, EVENTS, 0);
    }
    if (status == 0 && commit_due(listener, n <= 0))
        status = listen_flush(listener);
    if (status == 0 && !listener->open && looks(listener) && listen_now_ns() >= look_ns(listener)) {
        have_name(listener);
        long files = listen_spool(listener);

        status = files < 0 ? (int)files : 0;
    }
    free_closed(listener);
    return status;
}

int listen_open(const struct listen_config *config, struct listener **ret_listener)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (listener == NULL)
        return listen_because(-1, "no memory");
    listener->config = *config;
    listener->fd = -1;
    listener->lock = -1;
    listener->named = -1;
    listener->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener->epoll < 0) {
        (void)listen_because(-1, "epoll: %s", strerror(errno));
    } else if (config->socket_path == NULL || listen_socket_open(listener) == 0) {
        set_accepting(listener, true);
        have_name(listener);
        *ret_listener = listener;
        return 0;
    }
    /* A file that was not bound here is not ours to remove. */
    if (listener->fd >= 0)
        (void)close(listener->fd);
    listener->fd = -1;
    listen_socket_close(listener);
    if (listener->epoll >= 0)
        (void)close(listener->epoll);
    free(listener);
    return -1;
}

bool listen_has_name(const struct listener *listener)
{
    return listener->named >= 0;
}

int listen_fd(const struct listener *listener)
{
    return listener->epoll;
}

void listen_get_stats(const struct listener *listener, struct listen_stats *ret_stats)
{
    *ret_stats = listener->stats;
}

int listen_close(struct listener *listener)
{
    uint64_t until_ns = listen_now_ns() + 1000000000u;
    int status = 0;

    if (listener == NULL)
        return 0;
    /* Whoever has sent by now is taken in, those too that were not accepted yet; who never stops is
     * left after a second. */
    while (status == 0 && listen_now_ns() < until_ns) {
        struct epoll_event events[EVENTS];
        int n;

        listener->share_ns = 0; /* a last share for everybody */
        (void)listen_share_turn(listener, listen_now_ns());
        n = epoll_wait(listener->epoll, events, EVENTS, 0);
        if (n <= 0)
            break;
        status = handle(listener, events, n);
        if (commit_due(listener, false)) /* nothing is open after a failure */
            status = listen_flush(listener);
    }
    (void)listen_note_refused(listener);
    if (status == 0)
        status = listen_flush(listener);
    while (listener->connections != NULL)
        drop(listener, listener->connections);
    free_closed(listener);
    listener->share_ns = 0;
    for (struct listen_party **at = listener->party; at < listener->party + LISTEN_PARTY_SLOTS; at++)
        while (*at != NULL) {
            struct listen_party *party = *at;

            *at = party->next;
            free(party);
        }
    listen_socket_close(listener);
    (void)close(listener->epoll);
    free(listener);
    return status;
}
