/*
 * Taking over the journals of the dead (span/journal.h): frames that nobody acknowledged, finished
 * spans in no frame, calls in flight. A journal is removed only after the transaction with its
 * frames is committed; taken twice it gives the same frames, which the store then ignores. And of
 * marks (span/mark.h), which say that there was nothing yet.
 *
 * Called by listen_spool. Must never map a journal, whose end others could cut off, nor touch one
 * whose writer lives.
 */
#include "listen_inner.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/places.h"
#include "../store/store.h"
#include "journal_state.h"

static bool ends_with(const char *name, const char *end)
{
    size_t bytes = strlen(name);

    return bytes > strlen(end) && strcmp(name + bytes - strlen(end), end) == 0;
}

/* Two collectors must not take the same one at once; the writer's lock is of another kind. */
static bool claim(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(fd, F_SETLK, &lock) == 0;
}

/* The journal's bytes, the caller's to free; NULL when it is not to be taken (now). 0, or
 * STORE_FAILED. */
static int read_journal(int fd, uint8_t **ret_file, size_t *ret_bytes)
{
    struct stat st;
    uint8_t *file;

    *ret_file = NULL;
    if (!claim(fd) || fstat(fd, &st) != 0 || st.st_nlink == 0)
        return 0;
    *ret_bytes = st.st_size < SPAN_JOURNAL_BYTES_MAX ? (size_t)st.st_size : SPAN_JOURNAL_BYTES_MAX;
    file = malloc(*ret_bytes);
    if (file == NULL)
        return listen_because(STORE_FAILED, "no memory");
    if (pread(fd, file, *ret_bytes, 0) == (ssize_t)*ret_bytes)
        *ret_file = file;
    else
        free(file);
    return 0;
}

/* Its frames, put into `out`. 0, LISTEN_END, LISTEN_NEWER or STORE_FAILED. */
static int frames_of(struct span_buffer *out, const uint8_t *file, size_t bytes, struct span_journal_found *ret_found)
{
    switch (span_journal_frames(out, file, bytes, ret_found)) {
    case SPAN_JOURNAL_OK:
        return 0;
    case SPAN_JOURNAL_NO_MEMORY:
        return listen_because(STORE_FAILED, "no memory");
    case SPAN_JOURNAL_TOO_NEW:
        return listen_because(LISTEN_NEWER, "a journal is of a later version");
    default:
        return listen_because(LISTEN_END, "a journal is damaged");
    }
}

/* Gives its frames to the store. 0, LISTEN_END, LISTEN_NEWER, or negative store_status. */
static int store_journal(struct listener *listener, const struct stat *st, const uint8_t *file, size_t bytes)
{
    struct listen_sender sender = {0};
    struct span_journal_found found;
    struct span_buffer frames;
    size_t used = 0;
    int status;

    span_buffer_init(&frames, (size_t)2 * SPAN_JOURNAL_BYTES_MAX);
    status = frames_of(&frames, file, bytes, &found);
    if (status == 0)
        status = listen_take(listener, &sender, frames.data, frames.bytes, &used);
    if (status == 0 && used != frames.bytes)
        status = listen_because(LISTEN_END, "a journal is damaged");
    span_buffer_done(&frames);
    if (status == 0 && found.damaged > 0) {
        listener->stats.damaged++;
        status = listen_note_file(listener, STORE_LOSS_mapping_damaged, st);
    }
    if (status == 0)
        status = listen_commit(listener);
    else if (listener->open && status == LISTEN_NEWER)
        listen_undo(listener);
    else if (listener->open)
        listen_rollback(listener);
    if (status == 0) {
        listener->stats.journals++;
        listener->stats.killed += found.killed;
    }
    return status;
}

void listen_set_aside(int directory, const char *name)
{
    static const char end[] = ".damaged";
    char aside[NAME_MAX + 1];

    (void)snprintf(aside, sizeof(aside), "%.*s%s", (int)(NAME_MAX - strlen(end)), name, end);
    if (renameat(directory, name, directory, aside) != 0)
        (void)unlinkat(directory, name, 0);
}

/* Counts it and sets it aside. Returns 0 or negative store_status. */
static int lose(struct listener *listener, int directory, const char *name, const struct stat *st)
{
    int status = listen_note_file(listener, STORE_LOSS_mapping_damaged, st);

    if (status == 0)
        status = listen_commit(listener);
    if (status != 0)
        return status;
    listener->stats.damaged++;
    listen_set_aside(directory, name);
    return 0;
}

/* 1 when the journal was taken over, 0 when left, negative store_status. */
static int take_over(struct listener *listener, int directory, const char *name, const struct journal_reader *reader)
{
    int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    enum journal_state state = JOURNAL_LIVES;
    uint8_t *file = NULL;
    size_t bytes = 0;
    bool damaged;
    int status = 0;

    if (fd < 0)
        return 0;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (st.st_uid == geteuid() || st.st_uid == 0 || listener->config.any_user))
        state = journal_state(fd, reader);
    damaged = state == JOURNAL_DAMAGED;
    if (state == JOURNAL_DEAD)
        status = read_journal(fd, &file, &bytes);
    if (file != NULL) {
        status = store_journal(listener, &st, file, bytes);
        damaged = status == LISTEN_END;
        if (status == 0) {
            (void)unlinkat(directory, name, 0);
            status = 1;
        }
    }
    if (state == JOURNAL_NEWER || status == LISTEN_NEWER) { /* its own version's collector takes it over, from here */
        listener->newer++;
        status = 0;
    }
    if (damaged)
        status = lose(listener, directory, name, &st);
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
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && time(NULL) - st.st_mtime > LISTEN_UNBORN_S &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(directory, name, 0);
    (void)close(fd);
}

/* What its process called came elsewhere, and the mark is there for that only because it may not be
 * taken away, or was not yet. As store_has_process. */
static int is_heard(const struct listener *listener, const struct span_mark *mark)
{
    return mark->has_identity ? store_has_process(listener->config.store, mark->identity) : 0;
}

/* A program was killed before anything of its calls was kept, or, at the last look, has still told
 * nothing. 1 when it is noted, 0 when the mark is left, negative store_status. */
static int take_mark(struct listener *listener, int directory, const char *name, const struct journal_reader *reader)
{
    const struct listen_config *config = &listener->config;
    char text[SPAN_MARK_TEXT_BYTES], mine[32];
    struct span_mark mark;
    struct stat st;
    bool heard;
    int status;

    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISLNK(st.st_mode) ||
        (st.st_uid != geteuid() && st.st_uid != 0 && !config->any_user) ||
        !journal_mark_read(&mark, text, directory, name) || !journal_mark_is_for(&mark, st.st_mtime, reader) ||
        (!listener->last_look && !journal_mark_is_over(&mark, st.st_mtime)))
        return 0;
    /* Two collectors must not count the same one. */
    (void)snprintf(mine, sizeof(mine), "%.3s-%ld.mark", name, (long)getpid());
    if (renameat(directory, name, directory, mine) != 0)
        return 0;
    status = is_heard(listener, &mark);
    heard = status == 1;
    if (status == 0)
        status = listen_note_file(listener, STORE_LOSS_program_unheard, &st);
    if (status == 0)
        status = listen_commit(listener);
    else if (listener->open)
        listen_rollback(listener);
    if (status < 0)
        return status;
    (void)unlinkat(directory, mine, 0);
    return heard ? 0 : 1;
}

long listen_journals(struct listener *listener, const char *path, uid_t user, const struct journal_reader *reader)
{
    int fd = reader->in_spool ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : places_open(path, user);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    long files = 0;
    int status = 0;

    while (directory != NULL && status >= 0 && (entry = readdir(directory)) != NULL) {
        if (ends_with(entry->d_name, ".new") && !ends_with(entry->d_name, ".fresh.new")) /* of the spool's files */
            remove_unborn(dirfd(directory), entry->d_name);
        if (ends_with(entry->d_name, ".live"))
            status = take_over(listener, dirfd(directory), entry->d_name, reader);
        else
            continue;
        files += status > 0;
    }
    /* Marks last: a journal may tell of the same process. */
    if (directory != NULL && !reader->in_spool)
        rewinddir(directory);
    while (directory != NULL && !reader->in_spool && status >= 0 && (entry = readdir(directory)) != NULL) {
        if (!ends_with(entry->d_name, ".mark"))
            continue;
        status = take_mark(listener, dirfd(directory), entry->d_name, reader);
        files += status > 0;
    }
    if (directory != NULL)
        (void)closedir(directory);
    else if (fd >= 0)
        (void)close(fd);
    return status < 0 ? status : files;
}
