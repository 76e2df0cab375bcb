/*
 * The mark, see mark.h. mark_set runs on the application's threads: it must never wait for a disk,
 * lock, allocate or change errno. mark_turn runs on the scribe's.
 *
 * Whoever moves the stage to BUSY owns path and text until it moves on. A thread with a call writes
 * it on the tape and then looks at the stage; the scribe that would have none moves the stage and
 * then looks at the tape: one of the two sees the other.
 */
#include "mark.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "span/paths.h"
#include "shim/base/config.h"
#include "shim/base/process_info.h"

enum stage { NONE, BUSY, STANDS, FAILED, KNOWN };

static bool move(struct mark *mark, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong(&mark->stage, &from, to);
}

/* The directory's path, with its end still to come. Returns its length, 0 when there is none. */
static size_t directory(char path[MARK_PATH_BYTES])
{
    if (span_path_journals_in_memory(path, MARK_PATH_BYTES - SPAN_MARK_NAME_BYTES - 1, geteuid()) != 0)
        return 0;
    return strlen(path);
}

static int make_link(const char *text, const char *path)
{
    return syscall(SYS_symlinkat, text, AT_FDCWD, path) == 0 ? 0 : errno;
}

/* A directory in which no other user could write, nor lead us elsewhere: it lies in one that is
 * sticky. */
static bool is_ours(const char *path)
{
    struct stat st;
    return fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Where it exists already, another process has the slot, or had it and died. In somebody else's
 * directory no collector would believe it. */
static bool make(struct mark *mark)
{
    struct stat st = {0};
    const size_t bytes = directory(mark->path);
    if (bytes == 0 || (!is_ours(mark->path) && (mkdir(mark->path, 0700) != 0 || !is_ours(mark->path))))
        return false;
    /* What a namespace of processes is called; where /proc does not say, the number of this process
     * proves nothing. */
    (void)fstatat(AT_FDCWD, "/proc/thread-self/ns/pid", &st, 0);
    struct span_mark about = {.pid = (uint64_t)getpid(),
                              .pid_namespace = st.st_ino,
                              .spool_said = shim_config.spool_said,
                              .has_identity = !atomic_load(&mark->known),
                              .spool = shim_config.spool == NULL ? "" : shim_config.spool};
    memcpy(about.identity, mark->identity, sizeof(about.identity));
    if (!span_mark_write(mark->text, &about))
        return false;
    int error = EEXIST;
    for (unsigned i = 0; i < 2 && error == EEXIST; i++) {
        mark->path[bytes] = '/';
        span_mark_name(mark->path + bytes + 1, &about, i);
        error = make_link(mark->text, mark->path);
    }
    return error == 0;
}

static void have(struct mark *mark)
{
    if (!mark->has_identity) {
        process_info_identity(mark->identity);
        mark->has_identity = true;
    }
    const bool made = make(mark);
    if (!made)
        (void)atomic_fetch_add(&mark->failures, 1);
    atomic_store(&mark->stage, made ? STANDS : FAILED);
}

void mark_set(struct mark *mark)
{
    if (atomic_load(&mark->stage) == NONE && move(mark, NONE, BUSY)) {
        int saved_errno = errno;
        have(mark);
        errno = saved_errno;
    }
}

/* Where the process has become another user's since, it may not: then the identity tells that it
 * was heard. The slot is ours as long as the text is: a collector may have taken the mark for that
 * of a dead process. */
static void remove_link(const char *path, const char *text)
{
    char found[SPAN_MARK_TEXT_BYTES];
    const size_t bytes = strlen(text);
    if (readlink(path, found, sizeof(found)) == (ssize_t)bytes && memcmp(found, text, bytes) == 0)
        (void)unlinkat(AT_FDCWD, path, 0);
}

/* Without a mark, unless a call came in: then the one that stands is good for it. */
static void unset(struct mark *mark, bool (*unread)(void))
{
    char path[MARK_PATH_BYTES];
    char text[SPAN_MARK_TEXT_BYTES];
    if (!move(mark, STANDS, BUSY)) {
        (void)(move(mark, KNOWN, NONE) || move(mark, FAILED, NONE));
        return;
    }
    memcpy(path, mark->path, sizeof(path));
    memcpy(text, mark->text, sizeof(text));
    atomic_store(&mark->stage, NONE);
    if (!unread() || !move(mark, NONE, STANDS))
        remove_link(path, text);
}

void mark_turn(struct mark *mark, enum mark_need need, bool (*unread)(void))
{
    switch (need) {
    case MARK_NEEDED:
        if (move(mark, KNOWN, BUSY))
            have(mark);
        break;
    case MARK_NOTHING:
        unset(mark, unread);
        break;
    case MARK_KNOWN:
        atomic_store(&mark->known, true);
        if (move(mark, STANDS, BUSY)) {
            remove_link(mark->path, mark->text);
            atomic_store(&mark->stage, KNOWN);
        } else {
            (void)(move(mark, NONE, KNOWN) || move(mark, FAILED, KNOWN));
        }
        break;
    }
}
