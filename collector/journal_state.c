/*
 * Is the writer of a journal dead? See journal_state.h.
 *
 * That the writer is dead is told by its lock: only a page of its address space holds it, so it ends with the process
 * image and not before, over namespaces of pids too. Where the lock is held, one thing still proves death: the same
 * boot and the same namespace of pids as ours, and no such pid. (A child that was forked within the microseconds
 * between the lock and its move into that page can hold it for ever.) A pid that is there proves nothing: it may be
 * another program's since exec, whose lock is gone.
 */
#include "journal_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

enum journal_state journal_state(int fd, struct span_journal_head *ret_head)
{
    uint8_t start[SPAN_JOURNAL_AT_LOSS];
    bool unlocked = flock(fd, LOCK_EX | LOCK_NB) == 0;
    memset(ret_head, 0, sizeof *ret_head); /* one that is being made has no head yet */
    ssize_t got = pread(fd, start, sizeof start, 0);
    int head = span_journal_head_read(ret_head, start, got < 0 ? 0 : (size_t)got);

    if (head != SPAN_JOURNAL_OK)
        return !unlocked ? JOURNAL_LIVES : head == SPAN_JOURNAL_TOO_NEW ? JOURNAL_NEWER : JOURNAL_DAMAGED;
    return unlocked || pid_is_gone(&ret_head->owner) ? JOURNAL_DEAD : JOURNAL_LIVES;
}

static bool is_orphan(int fd, const struct span_journal_head *head)
{
    struct stat st;

    return access(head->spool, F_OK) != 0 && errno == ENOENT && fstat(fd, &st) == 0 &&
           time(NULL) - st.st_mtime > JOURNAL_ORPHAN_S;
}

/* Whatever they are called: with a / at the end, from here, through a link. */
static bool same_directory(const char *a, const char *b)
{
    struct stat one, other;

    return strcmp(a, b) == 0 || (a[0] == '/' && stat(a, &one) == 0 && stat(b, &other) == 0 &&
                                 one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

bool journal_is_for(int fd, const struct span_journal_head *head, const char *spool, bool said, bool in_spool)
{
    bool owed = head->spool_said && head->spool[0] != '\0'; /* to one collector; "off" names none */

    if (in_spool || (spool != NULL && same_directory(head->spool, spool)))
        return true;
    return !said && (!owed || is_orphan(fd, head));
}
