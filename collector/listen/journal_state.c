/*
 * Is who left a journal or a mark dead? See journal_state.h.
 *
 * That the writer is dead is told by its lock: only a page of its address space holds it, so it
 * ends with the process image and not before, over namespaces of pids too. Where the lock is held,
 * one thing still proves death: the same boot and the same namespace of pids as ours, and no such
 * pid. (A child that was forked within the microseconds between the lock and its move into that
 * page can hold it for ever.) A pid that is there proves nothing: it may be another program's since
 * exec, whose lock is gone.
 */
#include "journal_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/process_variable.h"

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

static bool in_our_namespace(uint64_t pid_namespace)
{
    struct stat st;

    return pid_namespace != 0 && stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == pid_namespace;
}

/* Nobody has this number, of our namespace of processes. */
static bool is_gone(uint64_t pid)
{
    return pid > 1 && pid <= INT32_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

/* The writer's pid is one of ours, and nobody has it. */
static bool pid_is_gone(const struct span_journal_owner *owner)
{
    return in_our_namespace(owner->pid_namespace) && same_boot(owner->boot) && is_gone(owner->pid);
}

/* The same, or this boot never knew it. */
static bool is_of_no_process(const struct span_journal_owner *owner)
{
    return pid_is_gone(owner) || (owner->boot[0] != '\0' && !same_boot(owner->boot));
}

bool journal_mark_is_over(const struct span_mark *mark, time_t made)
{
    if (in_our_namespace(mark->pid_namespace))
        return is_gone(mark->pid);
    return time(NULL) - made > JOURNAL_ORPHAN_S;
}

static bool is_orphan(const char *spool, time_t written)
{
    return access(spool, F_OK) != 0 && errno == ENOENT && time(NULL) - written > JOURNAL_ORPHAN_S;
}

/* Whatever they are called: with a / at the end, from here, through a link. */
bool journal_same_directory(const char *a, const char *b)
{
    struct stat one, other;

    return strcmp(a, b) == 0 || (a[0] == '/' && stat(a, &one) == 0 && stat(b, &other) == 0 &&
                                 one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

/* `its`, `its_said`: the spool that a program had. */
static bool is_for(const char *its, bool its_said, time_t written, const struct journal_reader *reader)
{
    bool owed = its_said && its[0] != '\0'; /* to one collector; "off" names none */

    if (reader->spool != NULL && journal_same_directory(its, reader->spool))
        return true;
    return !reader->said && (!owed || is_orphan(its, written));
}

/* By the environment that it was started with: a program may have set another since, but a service
 * has its own. */
static bool may_send(uint64_t pid, bool ours, bool owed, const struct journal_reader *reader)
{
    char number[24];
    char socket[256];

    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)pid);
    switch (ours ? process_variable(number, "LIBPPROF_SOCKET", socket, sizeof(socket)) : PROCESS_VARIABLE_UNREADABLE) {
    case PROCESS_VARIABLE_SET:
        if (socket[0] != '\0')
            return journal_same_directory(socket, reader->socket); /* one file, too */
        return !reader->socket_said;
    case PROCESS_VARIABLE_UNSET:
        return !reader->socket_said;
    default:
        return !owed;
    }
}

static int read_head(int fd, struct span_journal_head *ret_head)
{
    uint8_t start[SPAN_JOURNAL_AT_LOSS];
    ssize_t got = pread(fd, start, sizeof(start), 0);

    return span_journal_head_read(ret_head, start, got < 0 ? 0 : (size_t)got);
}

enum journal_state journal_state(int fd, const struct journal_reader *reader)
{
    struct span_journal_head head;
    struct stat st;

    if (!reader->in_spool && read_head(fd, &head) == SPAN_JOURNAL_OK &&
        (fstat(fd, &st) != 0 || !is_for(head.spool, head.spool_said, st.st_mtime, reader)))
        return JOURNAL_ANOTHERS;
    bool unlocked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    int status = read_head(fd, &head); /* again: it may have been in the making */
    if (status != SPAN_JOURNAL_OK)
        return !unlocked ? JOURNAL_LIVES : status == SPAN_JOURNAL_TOO_NEW ? JOURNAL_NEWER : JOURNAL_DAMAGED;
    return unlocked || pid_is_gone(&head.owner) ? JOURNAL_DEAD : JOURNAL_LIVES;
}

bool journal_may_send(int fd, const struct journal_reader *reader)
{
    struct span_journal_head head;

    return reader->socket != NULL && read_head(fd, &head) == SPAN_JOURNAL_OK && !pid_is_gone(&head.owner) &&
           may_send(head.owner.pid, in_our_namespace(head.owner.pid_namespace),
                    head.spool_said && head.spool[0] != '\0', reader);
}

bool journal_mark_may_send(const struct span_mark *mark, time_t made, const struct journal_reader *reader)
{
    return reader->socket != NULL && !journal_mark_is_over(mark, made) &&
           may_send(mark->pid, in_our_namespace(mark->pid_namespace), mark->spool_said && mark->spool[0] != '\0',
                    reader);
}

bool journal_is_owed(int fd, char ret_spool[SPAN_JOURNAL_PATH_BYTES])
{
    struct span_journal_head head;

    if (read_head(fd, &head) != SPAN_JOURNAL_OK || !head.spool_said || head.spool[0] == '\0' ||
        !is_of_no_process(&head.owner))
        return false;
    memcpy(ret_spool, head.spool, sizeof(head.spool));
    return true;
}

bool journal_mark_is_owed(const struct span_mark *mark, time_t made)
{
    return mark->spool_said && mark->spool[0] != '\0' && journal_mark_is_over(mark, made);
}

bool journal_mark_is_for(const struct span_mark *mark, time_t made, const struct journal_reader *reader)
{
    return is_for(mark->spool, mark->spool_said, made, reader);
}

bool journal_mark_read(struct span_mark *ret_mark, char *text, int directory, const char *name)
{
    ssize_t bytes = readlinkat(directory, name, text, SPAN_MARK_TEXT_BYTES - 1);

    if (bytes <= 0)
        return false;
    text[bytes] = '\0';
    return span_mark_read(ret_mark, text);
}
