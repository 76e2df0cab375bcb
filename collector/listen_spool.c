/*
 * Taking in spool files: those that were closed (*.frames) and those whose writer died (*.part without a lock). A file
 * is deleted only after the transaction with its frames is committed; the store ignores what it had already.
 *
 * Called by listen_turn now and then and by `pprofd --once`. A file that is damaged in the middle is set aside as
 * *.damaged with everything before the damage taken in.
 */
#include "listen_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

enum { SPOOL_READ_BYTES = SPAN_FRAME_HEADER_BYTES + SPAN_FRAME_PAYLOAD_MAX + 65536 };

static bool ends_with(const char *name, const char *end)
{
    size_t bytes = strlen(name);

    return bytes > strlen(end) && strcmp(name + bytes - strlen(end), end) == 0;
}

/* All whole frames of the file; one that was closed has no others. 0, LISTEN_END when it is damaged, or negative
 * store_status. */
static int take_file(struct listener *listener, int fd, bool closed, uint8_t *buffer)
{
    struct listen_sender sender = {0};
    size_t have = 0;

    for (;;) {
        ssize_t got = read(fd, buffer + have, SPOOL_READ_BYTES - have);
        size_t used;
        int status;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return listen_because(STORE_FAILED, "a spool file cannot be read: %s", strerror(errno));
        if (got == 0 && closed && have != 0)
            return listen_because(LISTEN_END, "a spool file ends within a frame");
        if (got == 0)
            return 0; /* half a frame at the end is what a dying writer leaves */
        have += (size_t)got;
        status = listen_take(listener, &sender, buffer, have, &used);
        if (status != 0)
            return status;
        memmove(buffer, buffer + used, have - used);
        have -= used;
        if (have == SPOOL_READ_BYTES)
            return listen_because(LISTEN_END, "a frame is too long");
    }
}

/* Opens a file that may be taken; -1 when it is not ours to take (now). */
static int open_file(struct listener *listener, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || flock(fd, LOCK_EX | LOCK_NB) != 0 ||
        (st.st_uid != geteuid() && st.st_uid != 0 && !listener->config.any_user)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void set_aside(int directory, const char *name)
{
    char aside[NAME_MAX + 16];

    (void)snprintf(aside, sizeof aside, "%s.damaged", name);
    (void)renameat(directory, name, directory, aside);
}

/* 1 when the file was taken, 0 when left, negative store_status. */
static int take_in(struct listener *listener, int directory, const char *name, uint8_t *buffer)
{
    int fd = open_file(listener, directory, name);
    int status;
    int damaged;

    if (fd < 0)
        return 0;
    status = take_file(listener, fd, ends_with(name, ".frames"), buffer);
    damaged = status == LISTEN_END;
    if (damaged)
        status = 0;
    if (status == 0)
        status = listen_commit(listener);
    else if (listener->open)
        listen_rollback(listener);
    if (status == 0 && damaged) {
        listener->stats.damaged++;
        set_aside(directory, name);
    } else if (status == 0) {
        listener->stats.files++;
        (void)unlinkat(directory, name, 0);
    }
    (void)close(fd); /* and with it the lock: only now may another collector look */
    return status == 0 ? 1 : status;
}

static long take_journals(struct listener *listener)
{
    long files = 0;

    if (listener->config.spool_dir != NULL)
        files = listen_journals(listener, listener->config.spool_dir, true);
    for (const char *const *path = listener->config.journal_dirs; path != NULL && *path != NULL && files >= 0; path++) {
        long more = listen_journals(listener, *path, false);

        files = more < 0 ? more : files + more;
    }
    return files;
}

static long take_spool(struct listener *listener)
{
    DIR *directory = listener->config.spool_dir == NULL ? NULL : opendir(listener->config.spool_dir);
    uint8_t *buffer;
    struct dirent *entry;
    long files = 0;
    int status = 0;

    if (directory == NULL)
        return 0; /* nothing was ever spooled */
    buffer = malloc(SPOOL_READ_BYTES);
    if (buffer == NULL)
        status = listen_because(STORE_FAILED, "no memory");
    while (status >= 0 && (entry = readdir(directory)) != NULL) {
        if (!ends_with(entry->d_name, ".frames") && !ends_with(entry->d_name, ".part"))
            continue;
        status = take_in(listener, dirfd(directory), entry->d_name, buffer);
        files += status > 0;
    }
    free(buffer);
    (void)closedir(directory);
    return status < 0 ? status : files;
}

long listen_spool(struct listener *listener)
{
    /* A file that fails takes its whole transaction back: no connection's frames may be in it. */
    int status = listen_flush(listener);
    long files, journals;

    listener->spool_ns = listen_now_ns();
    listener->look_soon = false;
    if (status != 0)
        return status;
    /* Journals last: what they say of loss is newer. */
    files = take_spool(listener);
    journals = files < 0 ? files : take_journals(listener);
    return journals < 0 ? journals : files + journals;
}
