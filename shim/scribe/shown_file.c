/*
 * See shown_file.h. Called on the scribe's thread: once when it begins, and after calls that
 * changed the table. Must never wait, follow a link, or keep a descriptor. Two processes may write
 * at once: a count is lost then, no more.
 */
#include "shown_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "span/place.h"

static const char name[] = "seen";

/* The file, if it is ours alone and whole; -1: none. */
static int open_file(const char *key_path, int flags)
{
    char directory[SPAN_PLACE_BYTES];
    const char *slash = strrchr(key_path, '/');
    struct stat st;
    if (slash == NULL || (size_t)(slash - key_path) >= sizeof(directory))
        return -1;
    memcpy(directory, key_path, (size_t)(slash - key_path));
    directory[slash - key_path] = '\0';
    int in = span_place_open(directory, geteuid(), false);
    if (in < 0)
        return -1;
    int fd = openat(in, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    (void)close(in);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

void shown_file_load(struct shown *shown, const char *key_path)
{
    int fd = key_path[0] != '\0' ? open_file(key_path, O_RDONLY) : -1;
    if (fd < 0)
        return;
    ssize_t got = pread(fd, shown->slot, sizeof(shown->slot), 0);
    size_t torn = got > 0 ? (size_t)got % sizeof(*shown->slot) : 0;
    if (torn != 0)
        memset((uint8_t *)shown->slot + (size_t)got - torn, 0, torn);
    (void)close(fd);
}

void shown_file_save(struct shown *shown, const char *key_path)
{
    if (shown->n_dirty == 0 || key_path[0] == '\0') {
        shown->n_dirty = 0;
        return;
    }
    int fd = open_file(key_path, O_WRONLY | O_CREAT);
    for (unsigned i = 0; fd >= 0 && i < shown->n_dirty; i++) {
        const struct shown_slot *slot = &shown->slot[shown->dirty[i]];
        if (pwrite(fd, slot, sizeof(*slot), (off_t)shown->dirty[i] * (off_t)sizeof(*slot)) != (ssize_t)sizeof(*slot))
            break;
    }
    if (fd >= 0)
        (void)close(fd);
    shown->n_dirty = 0;
}
