/*
 * Socket calls of the outbox. Called on the scribe's thread.
 * Must never block, write into a descriptor that is not the socket opened here, or trust the peer.
 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "span/frame.h"
#include "span/paths.h"
#include "shim/base/say.h"
#include "peer.h"

enum { READS_PER_TURN_MAX = 16 }; /* a peer that floods us gets no more attention than this */

void wire_close(struct wire *wire)
{
    own_fd_close(&wire->own);
    wire->input_bytes = 0;
}

bool wire_connected(const struct wire *wire)
{
    return wire->own.fd >= 0;
}

/* Connects, and asks the kernel who called listen(); nothing has been sent then. The socket is open
 * after it, whatever it returns. */
static int reach(struct wire *wire, const struct sockaddr_un *address, size_t path_bytes, struct ucred *ret_peer)
{
    socklen_t bytes = sizeof(*ret_peer);
    *ret_peer = (struct ucred){.uid = (uid_t)-1}; /* nobody */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int rc = own_fd_adopt(&wire->own, fd);
    if (rc != 0)
        return rc;
    wire->input_bytes = 0;
    /* A unix socket connects at once; EAGAIN means that the listener's queue is full. */
    if (connect(wire->own.fd, (const struct sockaddr *)address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_bytes)) != 0 ||
        getsockopt(wire->own.fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &bytes) != 0)
        return -errno;
    return 0;
}

static void have_peer(struct wire *wire, const struct ucred *peer)
{
    wire->distrusted = false;
    wire->outside |= peer->pid == 0;
}

static int look_at_peer(struct wire *wire, const struct ucred *peer, const char *path)
{
    if (!peer_trusted(peer->uid, geteuid(), path)) {
        shim_say_once("another user's collector listens where anybody could have put it; it is sent nothing");
        wire->refused += !wire->distrusted;
        wire->distrusted = true;
        return -EPERM;
    }
    have_peer(wire, peer);
    return 0;
}

int wire_connect(struct wire *wire, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t bytes = strlen(path);
    if (bytes == 0 || bytes >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, bytes + 1);
    /* Asking first keeps the usual case of "no collector" from taking a descriptor number, even for
     * a moment. */
    struct stat st;
    if (fstatat(AT_FDCWD, path, &st, 0) != 0)
        return -errno;
    if (!S_ISSOCK(st.st_mode))
        return -ENOTSOCK;
    struct ucred peer;
    int rc = reach(wire, &address, bytes + 1, &peer);
    if (rc == 0)
        rc = look_at_peer(wire, &peer, path);
    if (rc != 0)
        wire_close(wire);
    return rc;
}

int wire_connect_by_name(struct wire *wire, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred peer;
    int rc = -ENAMETOOLONG;
    for (unsigned any_user = 0; any_user < 2; any_user++) {
        size_t bytes = span_path_abstract(address.sun_path, path, any_user != 0);
        if (bytes == 0)
            break;
        rc = reach(wire, &address, bytes, &peer);
        if (rc == 0 && !peer_trusted_by_name(peer.uid, geteuid(), any_user != 0))
            rc = -EPERM;
        if (rc == 0) {
            have_peer(wire, &peer);
            break;
        }
        wire_close(wire);
    }
    return rc;
}

static int drop(struct wire *wire, int error)
{
    wire_close(wire);
    return -error;
}

long wire_send(struct wire *wire, const uint8_t *data, size_t bytes)
{
    if (!own_fd_valid(&wire->own))
        return drop(wire, EBADF);
    ssize_t sent = send(wire->own.fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
        return (long)sent;
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
        return 0;
    return drop(wire, errno);
}

/* Takes whole frames off the input. Returns false when it is garbage. */
static bool parse_input(struct wire *wire, uint64_t *ret_acked)
{
    size_t used = 0;
    bool good = true;
    while (used < wire->input_bytes) {
        struct span_frame frame;
        long bytes = span_frame_read(&frame, wire->input + used, wire->input_bytes - used);
        if (bytes == SPAN_FRAME_NEED_MORE) {
            good = used > 0 || wire->input_bytes < sizeof(wire->input);
            break;
        }
        if (bytes < 0) {
            good = false;
            break;
        }
        if (frame.kind == SPAN_FRAME_ACK && frame.sequence > *ret_acked)
            *ret_acked = frame.sequence;
        used += (size_t)bytes;
    }
    memmove(wire->input, wire->input + used, wire->input_bytes - used);
    wire->input_bytes -= used;
    return good;
}

int wire_receive(struct wire *wire, uint64_t *ret_acked)
{
    for (unsigned i = 0; i < READS_PER_TURN_MAX; i++) {
        if (!own_fd_valid(&wire->own))
            return drop(wire, EBADF);
        ssize_t got =
            recv(wire->own.fd, wire->input + wire->input_bytes, sizeof(wire->input) - wire->input_bytes, MSG_DONTWAIT);
        if (got < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : drop(wire, errno);
        if (got == 0)
            return drop(wire, EPIPE);
        wire->input_bytes += (size_t)got;
        if (!parse_input(wire, ret_acked))
            return drop(wire, EPROTO);
    }
    return 0;
}
