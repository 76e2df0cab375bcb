/*
 * Taking in spool files: those that were closed (*.frames) and those whose writer died (*.part
 * without a lock, and *.fresh.new that is old). A file is deleted only after the transaction with
 * its frames is committed; the store ignores what it had already, and what the file tells of a loss
 * is counted once.
 *
 * Called by listen_turn now and then and by `pprofd --once`. A file that is damaged is set aside as
 * *.damaged with everything whole taken in, before the damage and after it, and counted as a loss.
 * One of a later version is left whole where it lies.
 */
#include "listen_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../store/store.h"
#include "journal_state.h"
#include "waiting.h"

enum { SPOOL_READ_BYTES = SPAN_FRAME_HEADER_BYTES + SPAN_FRAME_PAYLOAD_MAX + 65536 };

static bool ends_with(const char *name, const char *end)
{
    size_t bytes = strlen(name);

    return bytes > strlen(end) && strcmp(name + bytes - strlen(end), end) == 0;
}

/* How far it is from data[0], which begins nothing, to where the next frame may begin. */
static size_t to_next_frame(const uint8_t *data, size_t bytes)
{
    const uint8_t first = 0x89; /* of a frame's magic */

    for (size_t at = 1; at < bytes; at++) {
        const uint8_t *begin = memchr(data + at, first, bytes - at);

        if (begin == NULL)
            return bytes;
        at = (size_t)(begin - data);
        if (span_frame_bytes(begin, bytes - at) >= 0)
            return at; /* a whole header with the right sum, or the start of what may be one at the end */
    }
    return bytes;
}

/* All whole frames of the file, those after damage too; one that was closed has no half ones. 0,
 * LISTEN_NEWER, or negative store_status; *ret_damaged. */
static int take_file(struct listener *listener, int fd, bool closed, uint8_t *buffer, bool *ret_damaged)
{
    struct listen_sender sender = {.in_file = true};
    size_t have = 0, left = LISTEN_SPOOL_FILE_BYTES_MAX;
    bool any = false; /* frame that was whole */

    for (;;) {
        ssize_t got = read(fd, buffer + have, left < SPOOL_READ_BYTES - have ? left : SPOOL_READ_BYTES - have);
        size_t used, at = 0;
        int status;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return listen_because(STORE_FAILED, "a spool file cannot be read: %s", strerror(errno));
        if (got == 0) {
            /* Half a frame is what a dying writer leaves, under the other name. None has either
             * name before its first frames are in it: one without was cut, as by a loss of power,
             * and its process may be known to nobody. */
            *ret_damaged |= left == 0 || !any || (closed && have != 0);
            return 0;
        }
        have += (size_t)got;
        left -= (size_t)got;
        while ((status = listen_take(listener, &sender, buffer + at, have - at, &used)) == LISTEN_END) {
            *ret_damaged = true;
            at += used;
            at += to_next_frame(buffer + at, have - at);
        }
        if (status != 0)
            return status;
        at += used;
        any |= used > 0;
        memmove(buffer, buffer + at, have - at);
        have -= at;
    }
}

/* Seen before anything is read on, and counted: the file would be read again at each look. */
static bool begins_newer(struct listener *listener, int fd)
{
    bool newer = waiting_spool_is_newer(fd);

    listener->newer += newer;
    return newer;
}

/* Opens a file that may be taken; -1 when it is not ours to take (now). A writer has a record lock
 * on it for as long as it writes a frame; collectors keep each other off by flock. */
static int open_file(struct listener *listener, int directory, const char *name)
{
    struct flock reading = {.l_type = F_RDLCK, .l_whence = SEEK_SET}; /* of this description, not of this process */
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st, named;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || flock(fd, LOCK_EX | LOCK_NB) != 0 ||
        (st.st_uid != geteuid() && st.st_uid != 0 && !listener->config.any_user) ||
        fcntl(fd, F_OFD_SETLK, &reading) != 0 || fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) != 0 ||
        named.st_ino != st.st_ino || begins_newer(listener, fd) ||
        !listen_share_file(listener, st.st_uid, (uint64_t)st.st_size)) {
        /* Its writer may have closed and so renamed it meanwhile: it will be found under the new
         * name. */
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* A loss of power, or a kill, leaves a file under the name that it has until its first frames are
 * in it. */
static bool is_unborn(int directory, const char *name)
{
    struct stat st;

    return ends_with(name, ".fresh.new") && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           time(NULL) - st.st_mtime > LISTEN_UNBORN_S;
}

/* 1 when the file was taken, 0 when left, negative store_status. One that was never given its name
 * says of its process that it called something, and no more where nothing is whole in it. */
static int take_in(struct listener *listener, int directory, const char *name, uint8_t *buffer)
{
    const bool unborn = ends_with(name, ".new");
    int fd = open_file(listener, directory, name);
    bool damaged = false;
    struct stat st;
    int status;

    if (fd < 0)
        return 0;
    status = take_file(listener, fd, ends_with(name, ".frames"), buffer, &damaged);
    if (status == LISTEN_NEWER) { /* what it sent before that waits with it */
        listener->newer++;
        if (listener->open)
            listen_undo(listener);
        (void)close(fd);
        return 0;
    }
    if (status == 0 && damaged && fstat(fd, &st) == 0)
        status = listen_note_file(listener, unborn ? STORE_LOSS_program_unheard : STORE_LOSS_spool_damaged, &st);
    if (status == 0)
        status = listen_commit(listener);
    else if (listener->open)
        listen_rollback(listener);
    if (status == 0 && damaged) {
        listener->stats.damaged++;
        listen_set_aside(directory, name);
    } else if (status == 0) {
        listener->stats.files++;
        (void)unlinkat(directory, name, 0);
    }
    (void)close(fd); /* and with it the lock: only now may another collector look */
    return status == 0 ? 1 : status;
}

/* "<identity in hex>-<lost>.refused" or ".unread". */
static bool read_refused(const char *name, uint8_t ret_identity[16], uint64_t *ret_lost, int *ret_kind)
{
    char *end;

    if (strspn(name, "0123456789abcdef") != 32)
        return false;
    for (size_t i = 0; i < 16; i++) {
        char byte[] = {name[2 * i], name[2 * i + 1], '\0'};

        ret_identity[i] = (uint8_t)strtoul(byte, NULL, 16);
    }
    if (name[32] != '-' || name[33] < '1' || name[33] > '9')
        return false;
    *ret_lost = strtoull(name + 33, &end, 10);
    *ret_kind = strcmp(end, ".unread") == 0 ? STORE_LOSS_program_unread : STORE_LOSS_spool_refused;
    return *ret_kind == STORE_LOSS_program_unread || strcmp(end, ".refused") == 0;
}

/* An empty file: its writer's spool took no more, or its calls were never read, and the name says
 * how many calls were lost. As take_in. */
static int take_refused(struct listener *listener, int directory, const char *name)
{
    uint8_t identity[16];
    uint64_t lost;
    struct stat st;
    int status, kind;

    if (!read_refused(name, identity, &lost, &kind) || fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0 && !listener->config.any_user))
        return 0;
    status = listen_note_file(listener, kind, &st);
    if (status == 0)
        status = store_take_lost(listener->config.store, identity, lost);
    if (status == 0)
        status = listen_commit(listener);
    else if (listener->open)
        listen_rollback(listener);
    if (status != 0)
        return status;
    (void)unlinkat(directory, name, 0);
    return 1;
}

static long take_journals(struct listener *listener)
{
    struct journal_reader reader = {.spool = listener->config.spool_dir, .said = listener->config.spool_said};
    long files = 0;

    if (reader.spool != NULL) {
        reader.in_spool = true;
        files = listen_journals(listener, reader.spool, geteuid(), &reader);
        reader.in_spool = false;
    }
    for (const char *const *path = listener->config.journal_dirs; path != NULL && *path != NULL && files >= 0; path++) {
        long more = listen_journals(listener, *path, geteuid(), &reader);

        files = more < 0 ? more : files + more;
    }
    if (files >= 0 && listener->config.journal_dirs != NULL && listener->config.any_user && geteuid() == 0) {
        long more = listen_journals_of_others(listener, &reader);

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
        if (ends_with(entry->d_name, ".refused") || ends_with(entry->d_name, ".unread"))
            status = take_refused(listener, dirfd(directory), entry->d_name);
        else if (ends_with(entry->d_name, ".frames") || ends_with(entry->d_name, ".part") ||
                 is_unborn(dirfd(directory), entry->d_name))
            status = take_in(listener, dirfd(directory), entry->d_name, buffer);
        else
            continue;
        files += status > 0;
    }
    free(buffer);
    (void)closedir(directory);
    return status < 0 ? status : files;
}

long listen_spool(struct listener *listener)
{
    int status;
    long files, journals;

    /* A file that fails takes its whole transaction back: no connection's frames may be in it. */
    (void)listen_note_refused(listener);
    status = listen_flush(listener);
    listener->spool_ns = listen_now_ns();
    listener->look_soon = false;
    listener->newer = 0;
    if (status != 0)
        return status;
    /* Journals last: what they say of loss is newer. */
    files = take_spool(listener);
    journals = files < 0 ? files : take_journals(listener);
    if (journals >= 0)
        listener->stats.newer = listener->newer;
    return journals < 0 ? journals : files + journals;
}

long listen_spool_last(struct listener *listener)
{
    listener->last_look = true;
    return listen_spool(listener);
}
