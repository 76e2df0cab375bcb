/*
 * Which of the signals that record gets are the program's too. Called by launch.c; all signals are
 * blocked and read from a descriptor, so none is missed and none hurts.
 *
 * The program is in our process group: what goes to the group (the terminal's keys, hang-up and
 * size, kill with a negative number) it has got by itself, and must not get again. What goes to our
 * process id alone is meant for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch.h"

/* The value of a line of /proc/PID/status, or NULL. `text` holds it. */
static const char *status_of(pid_t pid, const char *line, char *text, size_t text_bytes)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = fd < 0 ? -1 : read(fd, text, text_bytes - 1);
    if (fd >= 0)
        (void)close(fd);
    text[bytes < 0 ? 0 : bytes] = '\0';
    const char *found = strstr(text, line);
    return found == NULL ? NULL : found + strlen(line);
}

static bool is_stopped(pid_t pid)
{
    char text[4096];
    const char *state = status_of(pid, "\nState:\t", text, sizeof(text));
    return state != NULL && *state == 'T';
}

/* Whether the signal waits in a program that has all signals blocked. */
static bool waits_in(pid_t pid, int number)
{
    char text[4096];
    const char *pending = status_of(pid, "\nShdPnd:\t", text, sizeof(text));
    return pending != NULL && (strtoull(pending, NULL, 16) >> (number - 1) & 1) != 0;
}

static bool is_stop(int number)
{
    return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

/* Whether one of these waits to be read by us: all that came to the group until now has come to us
 * too (witness.c tells why). */
static bool pending_here(const int *number, size_t n)
{
    sigset_t set;
    (void)setpgid(0, getpgrp());
    if (sigpending(&set) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (sigismember(&set, number[i]) == 1)
            return true;
    return false;
}

static bool stop_pending(void)
{
    static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};
    return pending_here(stops, sizeof(stops) / sizeof(*stops));
}

static bool came_to_group(struct launch *launch, const struct signalfd_siginfo *info)
{
    switch (witness_ask(&launch->witness, (int)info->ssi_signo, (pid_t)info->ssi_pid)) {
    case WITNESS_SEEN:
        return true;
    case WITNESS_NOT_SEEN:
        return false;
    default:
        return info->ssi_code > 0; /* the best guess: the terminal speaks to groups, other programs to one */
    }
}

static void send(const struct launch *launch, const struct signalfd_siginfo *info)
{
    int number = (int)info->ssi_signo;
    if (info->ssi_code >= 0 || info->ssi_code == SI_TKILL) {
        (void)kill(launch->child, number);
        return;
    }
    siginfo_t queued = {.si_signo = number, .si_code = info->ssi_code};
    queued.si_pid = (pid_t)info->ssi_pid;
    queued.si_uid = info->ssi_uid;
    queued.si_value.sival_ptr = (void *)(uintptr_t)info->ssi_ptr; /* NOLINT(performance-no-int-to-ptr): not ours */
    if (syscall(SYS_rt_sigqueueinfo, launch->child, number, &queued) < 0)
        (void)kill(launch->child, number);
}

/* Passed on late, it must not undo a stop that has come since: the program has that one from its
 * group already. The kernel forgets a SIGCONT after which a stop comes, in the witness too, whose
 * word is therefore worth nothing then.
 */
static void pass_on_continue(struct launch *launch, const struct signalfd_siginfo *info, bool group)
{
    /* A program that got SIGCONT is not stopped, so a stopped one did not, unless it was stopped
     * again since. */
    if ((group && !is_stopped(launch->child)) || stop_pending())
        return;
    send(launch, info);
    launch->stop_again = stop_pending(); /* before or after: nobody knows */
}

/* What the kernel says of our own doing: a child, a reader who went away, a limit on files or on
 * time, which the program has for itself as well. */
static bool is_about_us(const struct signalfd_siginfo *info)
{
    switch (info->ssi_signo) {
    case SIGCHLD:
    case SIGXCPU:
        return info->ssi_code > 0;
    case SIGPIPE:
    case SIGXFSZ:
        return info->ssi_code > 0 || (pid_t)info->ssi_pid == getpid();
    default:
        return false;
    }
}

static void pass_on(struct launch *launch, const struct signalfd_siginfo *info, bool gated)
{
    static const int go_on[] = {SIGCONT};
    int number = (int)info->ssi_signo;
    if (is_about_us(info))
        return;
    bool group = came_to_group(launch, info);
    if (gated)
        group = waits_in(launch->child, number); /* before it was there, a group's signal could not reach it */
    if (number == SIGCONT && launch->keeper.pid != 0 && (pid_t)info->ssi_pid == launch->keeper.pid)
        return; /* for us */
    if (number == SIGCONT) {
        pass_on_continue(launch, info, group);
        return;
    }
    if (is_stop(number)) {
        if (pending_here(go_on, 1))
            return; /* taken back before we got to it; the kernel does the same with signals that wait */
        group = group && !launch->stop_again;
        launch->stop_again = false;
    }
    if (!group)
        send(launch, info);
}

void launch_pass_on(struct launch *launch, bool gated)
{
    struct signalfd_siginfo info;
    while (!launch->ended && read(launch->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        pass_on(launch, &info, gated);
}
