/*
 * Descriptors that are checked before each use. Called by scribe.c, wire.c and journal.c on the
 * scribe's thread, by spool.c also on the spooler's. Must never touch a descriptor that the
 * application opened.
 */
#include "own_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void own_fd_separate(bool keep_stderr)
{
    const unsigned first = keep_stderr ? STDERR_FILENO + 1 : 0;
    if (syscall(SYS_close_range, first, UINT_MAX, CLOSE_RANGE_UNSHARE) == 0 && keep_stderr) {
        (void)close(STDIN_FILENO);
        (void)close(STDOUT_FILENO);
    }
}

static int move_up(int fd)
{
    /* RLIMIT_NOFILE may forbid the high numbers; any number but the three standard ones will do. */
    static const int lowest[] = {OWN_FD_LOWEST, 32, 3};
    for (unsigned i = 0; i < sizeof(lowest) / sizeof(lowest[0]); i++) {
        if (fd >= lowest[i])
            return fd;
        int moved = fcntl(fd, F_DUPFD_CLOEXEC, lowest[i]);
        if (moved >= 0) {
            (void)close(fd);
            return moved;
        }
    }
    (void)close(fd);
    return -EMFILE;
}

int own_fd_adopt(struct own_fd *ret_own, int fd)
{
    int moved = move_up(fd);
    if (moved < 0)
        return moved;
    struct stat st;
    if (fstat(moved, &st) != 0) {
        int error = errno;
        (void)close(moved);
        return -error;
    }
    *ret_own = (struct own_fd){.fd = moved, .device = st.st_dev, .inode = st.st_ino};
    return 0;
}

bool own_fd_valid(const struct own_fd *own)
{
    struct stat st;
    return own->fd >= 0 && fstat(own->fd, &st) == 0 && st.st_dev == own->device && st.st_ino == own->inode;
}

void own_fd_close(struct own_fd *own)
{
    if (own_fd_valid(own))
        (void)close(own->fd);
    *own = OWN_FD_NONE;
}
