/*
 * See say.h. Called on any thread, also between fork and exec; never allocates, never locks, never
 * keeps a descriptor open.
 */
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CAUSES_MAX = 64, MESSAGE_BYTES_MAX = 512, ABOUT_BYTES_MAX = 512 };

static const char *target; /* "stderr" or a path; NULL: silent */
static _Atomic(const char *) said[CAUSES_MAX];

void shim_say_to(const char *where)
{
    target = where;
}

/* True for the first caller with this message; when the table is full nothing more is said. */
static bool first_time(const char *message)
{
    for (size_t i = 0; i < CAUSES_MAX; i++) {
        const char *other = NULL;
        if (atomic_compare_exchange_strong(&said[i], &other, message))
            return true;
        if (other == message)
            return false;
    }
    return false;
}

static struct iovec text(const char *bytes, size_t max)
{
    return (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = strnlen(bytes, max)};
}

void shim_say_once_about(const char *message, const char *about)
{
    if (target == NULL || !first_time(message))
        return;
    int saved_errno = errno;
    int fd = STDERR_FILENO;
    if (strcmp(target, "stderr") != 0)
        fd = openat(AT_FDCWD, target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW,
                    0600);
    if (fd >= 0) {
        struct iovec line[] = {
            text("libpprof: ", MESSAGE_BYTES_MAX),
            text(message, MESSAGE_BYTES_MAX),
            text(about == NULL ? "" : ": ", MESSAGE_BYTES_MAX),
            text(about == NULL ? "" : about, ABOUT_BYTES_MAX),
            text("\n", MESSAGE_BYTES_MAX),
        };
        (void)!writev(fd, line, sizeof(line) / sizeof(*line));
        if (fd != STDERR_FILENO)
            (void)close(fd);
    }
    errno = saved_errno;
}

void shim_say_once(const char *message)
{
    shim_say_once_about(message, NULL);
}
