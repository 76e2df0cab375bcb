/*
 * What killed records left among the sockets: a socket and the lock of it. See record_sockets.h.
 * Called by record.
 *
 * Must never touch what is somebody else's, or of a record that lives or is just beginning: its
 * lock is there a moment before it is held. What names the library (.so) stays: a program that runs
 * on may yet start others with it.
 */
#include "record_sockets.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../listen/runs.h"

#define SOCKET_LOCK ".lock"

enum { BEGINNING_S = 60 }; /* no record takes as long between making its lock and holding it */

/* The lock of a socket that record made: the prefix, 128 bits in hex, ".lock". */
static bool is_lock(const char *name)
{
    size_t prefix = strlen(SOCKET_PREFIX), hex = RUN_NAME_BYTES - 1;
    return strncmp(name, SOCKET_PREFIX, prefix) == 0 && strspn(name + prefix, "0123456789abcdef") == hex &&
           strcmp(name + prefix + hex, SOCKET_LOCK) == 0;
}

static void clear(int directory, const char *name)
{
    char socket[NAME_MAX + 1];
    struct stat st;
    int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
        time(NULL) - st.st_mtime > BEGINNING_S && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        (void)snprintf(socket, sizeof(socket), "%.*s", (int)(strlen(name) - strlen(SOCKET_LOCK)), name);
        if (fstatat(directory, socket, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
            (void)unlinkat(directory, socket, 0);
        (void)unlinkat(directory, name, 0);
    }
    (void)close(fd);
}

void record_sockets_clear(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL)
        if (is_lock(entry->d_name))
            clear(dirfd(directory), entry->d_name);
    if (directory != NULL)
        (void)closedir(directory);
}
