/*
 * Taking over the journals of the dead (span/journal.h): frames that nobody acknowledged, finished spans in no frame,
 * calls in flight. A journal is removed only after the transaction with its frames is committed; taken twice it gives
 * the same frames, which the store then ignores.
 *
 * That the writer is dead is told by its lock: only a page of its address space holds it, so it ends with the process
 * image and not before, over namespaces of pids too. Where the lock is held, one thing still proves death: the same
 * boot and the same namespace of pids as ours, and no such pid. (A child that was forked within the microseconds
 * between the lock and its move into that page can hold it for ever.) A pid that is there proves nothing: it may be
 * another program's since exec, whose lock is gone.
 *
 * Called by listen_spool. Must never map a journal, whose end others could cut off, nor touch one whose writer lives.
 */
#include "listen_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../span/journal.h"
#include "../span/place.h"
#include "store.h"

enum { UNBORN_S = 60 }; /* a journal without its final name is that of a process which died while making it */

static bool ends_with(const char *name, const char *end)
{
    size_t bytes = strlen(name);

    return bytes > strlen(end) && strcmp(name + bytes - strlen(end), end) == 0;
}

static bool same_boot(const char *boot)
{
    char text[40] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    (void)!read(fd, text, 36);
    (void)close(fd);
    return text[0] != '\0' && strcmp(text, boot) == 0;
}

/* The writer's pid is one of ours, and nobody has it. */
static bool pid_is_gone(const struct span_journal_owner *owner)
{
    struct stat st;

    return owner->pid > 1 && owner->pid <= INT32_MAX && owner->pid_namespace != 0 &&
           stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == owner->pid_namespace && same_boot(owner->boot) &&
           kill((pid_t)owner->pid, 0) != 0 && errno == ESRCH;
}

/* Two collectors must not take the same one at once; the writer's lock is of another kind. */
static bool claim(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_SETLK, &lock) == 0;
}

/* The journal's bytes, the caller's to free, and its head; NULL when it is not to be taken (now). */
static uint8_t *read_journal(int fd, struct span_journal_head *ret_head, size_t *ret_bytes, bool *ret_damaged)
{
    uint8_t start[SPAN_JOURNAL_AT_LOSS];
    struct stat st;
    uint8_t *file;

    bool unlocked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    bool whole = pread(fd, start, sizeof start, 0) == (ssize_t)sizeof start &&
                 span_journal_head_read(ret_head, start, sizeof start) == 0;

    *ret_damaged = unlocked && !whole;
    if (!whole || (!unlocked && !pid_is_gone(&ret_head->owner)) || !claim(fd) || fstat(fd, &st) != 0 ||
        st.st_nlink == 0)
        return NULL;
    *ret_bytes = st.st_size < SPAN_JOURNAL_BYTES_MAX ? (size_t)st.st_size : SPAN_JOURNAL_BYTES_MAX;
    file = malloc(*ret_bytes);
    if (file != NULL && pread(fd, file, *ret_bytes, 0) == (ssize_t)*ret_bytes)
        return file;
    free(file);
    return NULL;
}

/* Journals in the spool's own directory belong to it; those elsewhere say to which spool. Who has the default spool
 * looks after those too whose spool is gone, as that of a recorded run. */
static bool is_ours(const struct listener *listener, const struct span_journal_head *head, bool in_spool)
{
    const char *spool = listener->config.spool_dir;

    if (in_spool || (spool != NULL && strcmp(head->spool, spool) == 0))
        return true;
    return !listener->config.spool_said && (!head->spool_said || (access(head->spool, F_OK) != 0 && errno == ENOENT));
}

/* Gives its frames to the store. 0, LISTEN_END, or negative store_status. */
static int store_journal(struct listener *listener, const uint8_t *file, size_t bytes)
{
    struct listen_sender sender = {0};
    struct span_journal_found found;
    struct span_buffer frames;
    size_t used = 0;
    int status;

    span_buffer_init(&frames, (size_t)2 * SPAN_JOURNAL_BYTES_MAX);
    status = span_journal_frames(&frames, file, bytes, &found) == 0
                 ? listen_take(listener, &sender, frames.data, frames.bytes, &used)
                 : listen_because(LISTEN_END, "a journal is damaged");
    if (status == 0 && used != frames.bytes)
        status = listen_because(LISTEN_END, "a journal is damaged");
    span_buffer_done(&frames);
    if (status == 0 && found.damaged > 0) {
        listener->stats.damaged++;
        status = listen_note(listener, STORE_LOSS_mapping_damaged);
    }
    if (status == 0)
        status = listen_commit(listener);
    else if (listener->open)
        listen_rollback(listener);
    if (status == 0) {
        listener->stats.journals++;
        listener->stats.killed += found.killed;
    }
    return status;
}

/* Returns 0 or negative store_status. */
static int set_aside(struct listener *listener, int directory, const char *name)
{
    char aside[NAME_MAX + 16];
    int status = listen_note(listener, STORE_LOSS_mapping_damaged);

    if (status == 0)
        status = listen_commit(listener);
    if (status != 0)
        return status;
    listener->stats.damaged++;
    (void)snprintf(aside, sizeof aside, "%s.damaged", name);
    (void)renameat(directory, name, directory, aside);
    return 0;
}

/* 1 when the journal was taken over, 0 when left, negative store_status. */
static int take_over(struct listener *listener, int directory, const char *name, bool in_spool)
{
    int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct span_journal_head head;
    struct stat st;
    uint8_t *file = NULL;
    size_t bytes = 0;
    bool damaged = false;
    int status = 0;

    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (st.st_uid == geteuid() || st.st_uid == 0 || listener->config.any_user))
        file = read_journal(fd, &head, &bytes, &damaged);
    if (file != NULL && is_ours(listener, &head, in_spool)) {
        status = store_journal(listener, file, bytes);
        if (status == 0) {
            (void)unlinkat(directory, name, 0);
            status = 1;
        }
        damaged = status == LISTEN_END;
    }
    if (damaged)
        status = set_aside(listener, directory, name);
    free(file);
    (void)close(fd); /* and with it both locks */
    return status;
}

/* A process died between making its journal and naming it: nothing is in there. */
static void remove_unborn(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > UNBORN_S &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(directory, name, 0);
    (void)close(fd);
}

long listen_journals(struct listener *listener, const char *path, bool in_spool)
{
    /* Runtime directories are guessed: one that somebody else made is none of ours. */
    int fd = in_spool ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : span_place_open(path, geteuid(), false);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    long files = 0;
    int status = 0;

    while (directory != NULL && status >= 0 && (entry = readdir(directory)) != NULL) {
        if (ends_with(entry->d_name, ".new"))
            remove_unborn(dirfd(directory), entry->d_name);
        if (!ends_with(entry->d_name, ".live"))
            continue;
        status = take_over(listener, dirfd(directory), entry->d_name, in_spool);
        files += status > 0;
    }
    if (directory != NULL)
        (void)closedir(directory);
    else if (fd >= 0)
        (void)close(fd);
    return status < 0 ? status : files;
}
