/*
 * Who may listen, see peer.h. Called by wire.c after connect and before the first byte. Must never
 * trust a path: a directory in /tmp may have been made by anybody after the right one was removed.
 */
#include "peer.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Users without a number in our user namespace, of whom we may be one. */
enum { PEER_UNMAPPED = 65534 };

static bool is_known(uid_t owner, uid_t peer, uid_t us)
{
    return owner == 0 || owner == us || owner == peer;
}

/* Nobody but its owner can exchange what is in it. */
static bool is_closed(const struct stat *st)
{
    return (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* A directory on the way, which may be a link where only root can have put it (/var/run). `above`
 * is the one before, found to be in order. */
static bool step(const char *path, const struct stat *above, uid_t peer, uid_t us, struct stat *ret_st)
{
    if (fstatat(AT_FDCWD, path, ret_st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    bool ours = ret_st->st_uid == 0 || ret_st->st_uid == us;
    if (above != NULL && !is_closed(above) && !ours)
        return false; /* under /tmp: where it is not ours, anybody could be its owner */
    if (S_ISLNK(ret_st->st_mode) && (ret_st->st_uid != 0 || above == NULL || !is_closed(above) || above->st_uid != 0 ||
                                     fstatat(AT_FDCWD, path, ret_st, 0) != 0))
        return false;
    if (!S_ISDIR(ret_st->st_mode) || !is_known(ret_st->st_uid, peer, us))
        return false;
    return is_closed(ret_st) || (ret_st->st_mode & S_ISVTX) != 0;
}

bool peer_trusted_by_name(uid_t peer, uid_t us, bool any_user)
{
    return peer != PEER_UNMAPPED && (peer == us || (peer == 0 && any_user));
}

bool peer_trusted(uid_t peer, uid_t us, const char *socket_path)
{
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat above, here;
    size_t bytes = strlen(socket_path);
    if (peer == us || peer == 0)
        return true;
    if (bytes >= sizeof(path) || socket_path[0] != '/' || !step("/", NULL, peer, us, &above))
        return false;
    memcpy(path, socket_path, bytes + 1);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!step(path, &above, peer, us, &here))
            return false;
        above = here;
        *slash = '/';
    }
    return is_closed(&above); /* the socket's own directory */
}
