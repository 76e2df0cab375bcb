/*
 * The common beginning of record's helper processes. Called in a forked child of record; must keep
 * nothing open that belongs to the program, record or the store, for others wait until that is
 * closed.
 */
#include "companion.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void close_from(int first)
{
    struct rlimit limit;
    if (close_range((unsigned)first, ~0U, 0) == 0)
        return;
    /* An old kernel, or one that forbids it. */
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
    for (int fd = first; fd < end; fd++)
        (void)close(fd);
}

/* Overwrites the command line that /proc shows: fields 48 and 49 of stat, proc(5). */
static void rename_command(const char *name)
{
    char text[2048];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        (void)close(fd);
    if (bytes <= 0)
        return;
    text[bytes] = '\0';
    char *field = strrchr(text, ')');
    for (int i = 2; field != NULL && i < 48; i++)
        field = strchr(field + 1, ' ');
    if (field == NULL)
        return;
    char *next;
    uintptr_t start = (uintptr_t)strtoull(field, &next, 10);
    uintptr_t end = (uintptr_t)strtoull(next, NULL, 10);
    if (start == 0 || end <= start)
        return;
    char *words = (char *)start; /* NOLINT(performance-no-int-to-ptr): the kernel says it as a number */
    memset(words, 0, end - start);
    (void)snprintf(words, end - start, "%s", name);
}

int companion_begin(int fd, const char *name)
{
    (void)dup2(fd, 0);
    close_from(1);
    (void)prctl(PR_SET_NAME, name);
    rename_command(name);
    (void)!chdir("/"); /* keeps no file system busy */
    return 0;
}
