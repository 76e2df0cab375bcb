/*
 * Making and removing the socket, and the abstract name beside it. That goes with its process; it
 * has no mode, so who comes there is let in by who it is. Called by listen_open, listen_close and
 * now and then between them; must never take a socket away from somebody who still answers on it,
 * nor delete anything that is not a socket.
 */
#include "listen_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../span/paths.h"

enum { BACKLOG = 4096 };

/* A directory that bears our name was made by us: for the user alone, unless others are to come
 * in. */
static bool is_ours(const char *directory)
{
    const char *slash = strrchr(directory, '/');
    const char *name = slash == NULL ? directory : slash + 1;
    struct stat st;

    return (strcmp(name, "pprofd") == 0 || strncmp(name, "libpprof", strlen("libpprof")) == 0) &&
           lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/* Others go through a directory that is made for them, and cannot write in it. */
static int make_directory(const char *path, bool any_user)
{
    char directory[108];
    struct stat st;
    char *slash;
    bool made;

    (void)snprintf(directory, sizeof(directory), "%s", path);
    slash = strrchr(directory, '/');
    if (slash == NULL || slash == directory)
        return 0;
    *slash = '\0';
    made = mkdir(directory, 0700) == 0;
    if (!made && errno != EEXIST)
        return listen_because(-1, "the socket's directory %s cannot be made: %s", directory, strerror(errno));
    if (any_user && (made || is_ours(directory)) && stat(directory, &st) == 0 &&
        chmod(directory, (st.st_mode & 07777) | S_IXGRP | S_IXOTH) != 0)
        return listen_because(-1, "the socket's directory %s cannot be opened to other users: %s", directory,
                              strerror(errno));
    return 0;
}

/* Held as long as the socket is ours, so that two collectors cannot both find the same old socket
 * file deserted. */
static int take_lock(struct listener *listener)
{
    char path[sizeof(listener->socket_path) + 8];

    (void)snprintf(path, sizeof(path), "%s.lock", listener->socket_path);
    listener->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (listener->lock < 0)
        return listen_because(-1, "%s cannot be opened: %s", path, strerror(errno));
    if (flock(listener->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    (void)close(listener->lock);
    listener->lock = -1;
    return listen_because(-1, "the socket %s is in use by another collector; stop that one or name another socket",
                          listener->socket_path);
}

static int remove_stale(const char *path, const struct sockaddr_un *address)
{
    struct stat st;
    int fd;
    int connected;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : listen_because(-1, "the socket %s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return listen_because(-1, "%s exists and is not a socket; name another path", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return listen_because(-1, "no socket: %s", strerror(errno));
    connected = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    if (connected != 0 && errno != ECONNREFUSED)
        connected = 0; /* full queue, no permission: somebody may be there */
    (void)close(fd);
    if (connected == 0)
        return listen_because(-1, "the socket %s is in use by another program; stop it or name another socket", path);
    return unlink(path) == 0 ? 0 : listen_because(-1, "the old socket %s cannot be removed: %s", path, strerror(errno));
}

int listen_socket_open(struct listener *listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = listener->config.socket_path;

    if (strlen(path) == 0 || strlen(path) >= sizeof(address.sun_path))
        return listen_because(-1, "the socket's path must have 1 to %zu bytes: %s", sizeof(address.sun_path) - 1, path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    memcpy(listener->socket_path, path, strlen(path) + 1);
    if (make_directory(path, listener->config.any_user) != 0 || take_lock(listener) != 0 ||
        remove_stale(path, &address) != 0)
        return -1;
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode that the socket has before bind is the mode of its file: it is never open to others,
     * not for a moment.
     */
    if (listener->fd < 0 || fchmod(listener->fd, listener->config.any_user ? 0666 : 0600) != 0 ||
        bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        (listener->config.any_user && chmod(path, 0666) != 0) || /* what the umask took away */
        listen(listener->fd, BACKLOG) != 0)
        return listen_because(-1, "the socket %s cannot be made: %s", path, strerror(errno));
    return 0;
}

/* Programs take it from the path that they were told, which is never relative. */
static size_t name_of(char out[SPAN_PATH_ABSTRACT_BYTES], const struct listener *listener)
{
    char path[PATH_MAX];
    bool relative = listener->socket_path[0] != '/';

    if (relative && realpath(listener->socket_path, path) == NULL)
        return 0;
    return span_path_abstract(out, relative ? path : listener->socket_path, listener->config.any_user);
}

void listen_named_open(struct listener *listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t bytes = name_of(address.sun_path, listener);

    if (bytes == 0 || listener->named >= 0)
        return;
    listener->named = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->named >= 0 &&
        bind(listener->named, (const struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes)) == 0 &&
        listen(listener->named, BACKLOG) == 0)
        return;
    if (listener->named >= 0)
        (void)close(listener->named);
    listener->named = -1;
}

void listen_socket_close(struct listener *listener)
{
    char path[sizeof(listener->socket_path) + 8];

    if (listener->named >= 0)
        (void)close(listener->named);

    if (listener->fd >= 0) {
        (void)unlink(listener->socket_path);
        (void)close(listener->fd);
    }
    if (listener->lock >= 0) {
        (void)snprintf(path, sizeof(path), "%s.lock", listener->socket_path);
        (void)unlink(path);
        (void)close(listener->lock);
    }
}
