/*
 * The witness process and its questioning. See witness.h; called by launch_signals.c.
 *
 * Order: kill() to a group and to everybody holds the kernel's lock of the task list for reading
 * while it goes from process to process. setpgid takes it for writing: once that has returned,
 * everybody has got the signal that we got. Where a service manager goes from process to process by
 * itself, a second look a little later sees it.
 */
#include "witness.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "companion.h"

enum {
    SEEN_MAX = 256,   /* signals not asked about yet; the oldest are forgotten */
    ANSWER_MS = 2000, /* beyond that it is as good as dead */
    SECOND_LOOK_MS = 3,
};

struct question {
    uint32_t number; /* of the question */
    int signal;
    pid_t sender;
};

struct answer {
    uint32_t number;
    bool seen;
};

struct sight {
    int signal;
    pid_t sender;
};

/* ---- in the witness ---- */

static void look(int signals, struct sight *sight, size_t *n, pid_t parent)
{
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if ((pid_t)info.ssi_pid == parent)
            continue; /* record woke it */
        if (*n == SEEN_MAX) {
            memmove(sight, sight + 1, (SEEN_MAX - 1) * sizeof(*sight));
            (*n)--;
        }
        sight[(*n)++] = (struct sight){.signal = (int)info.ssi_signo, .sender = (pid_t)info.ssi_pid};
    }
}

/* Several ordinary signals of a kind may have come to record as one, so all of them are answered;
 * real-time signals are queued, there and here. */
static bool recall(struct sight *sight, size_t *n, const struct question *question)
{
    bool seen = false;
    for (size_t i = 0; i < *n;) {
        if (sight[i].signal != question->signal || sight[i].sender != question->sender) {
            i++;
            continue;
        }
        memmove(sight + i, sight + i + 1, (*n - i - 1) * sizeof(*sight));
        (*n)--;
        seen = true;
        if (question->signal >= SIGRTMIN)
            break;
    }
    return seen;
}

_Noreturn static void witness(int fd, pid_t parent)
{
    static struct sight sight[SEEN_MAX];
    size_t n = 0;
    sigset_t all;
    fd = companion_begin(fd, "(signals)");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also while stopped */
    (void)sigfillset(&all);
    int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0 || getppid() != parent)
        _exit(0);
    for (;;) {
        struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        (void)poll(fds, 2, -1);
        look(signals, sight, &n, parent);
        if (fds[0].revents == 0)
            continue;
        struct question question;
        if (recv(fd, &question, sizeof(question), 0) != (ssize_t)sizeof(question))
            _exit(0);
        struct answer answer = {.number = question.number};
        answer.seen = recall(sight, &n, &question);
        (void)!send(fd, &answer, sizeof(answer), MSG_NOSIGNAL);
    }
}

/* ---- in record ---- */

int witness_start(struct witness *witness_out)
{
    int fds[2];
    pid_t parent = getpid();
    *witness_out = (struct witness){.fd = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0)
        witness(fds[1], parent);
    int error = errno;
    (void)close(fds[1]);
    if (pid < 0) {
        (void)close(fds[0]);
        return error;
    }
    *witness_out = (struct witness){.pid = pid, .fd = fds[0]};
    return 0;
}

static int ms_since(const struct timespec *then)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int)((now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000);
}

static enum witness_word ask_once(struct witness *witness, int number, pid_t sender)
{
    struct question question = {.number = ++witness->question, .signal = number, .sender = sender};
    struct timespec began;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    (void)setpgid(0, getpgrp()); /* see above; changes nothing */
    if (number == SIGCONT)
        (void)kill(witness->pid, SIGCONT); /* it may have been stopped with the group, and record been woken alone */
    if (send(witness->fd, &question, sizeof(question), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return WITNESS_SILENT;
    for (int waited_ms = 0; waited_ms < ANSWER_MS; waited_ms = ms_since(&began)) {
        struct pollfd fds = {.fd = witness->fd, .events = POLLIN};
        struct answer answer;
        if (poll(&fds, 1, ANSWER_MS - waited_ms) <= 0)
            continue;
        if (recv(witness->fd, &answer, sizeof(answer), MSG_DONTWAIT) != (ssize_t)sizeof(answer))
            return WITNESS_SILENT;
        if (answer.number == question.number)
            return answer.seen ? WITNESS_SEEN : WITNESS_NOT_SEEN;
    }
    return WITNESS_SILENT;
}

enum witness_word witness_ask(struct witness *witness, int number, pid_t sender)
{
    if (witness->pid == 0)
        return WITNESS_SILENT;
    enum witness_word word = ask_once(witness, number, sender);
    if (word != WITNESS_NOT_SEEN)
        return word;
    struct timespec pause = {.tv_nsec = SECOND_LOOK_MS * 1000000L};
    (void)nanosleep(&pause, NULL);
    return ask_once(witness, number, sender);
}

void witness_end(struct witness *witness)
{
    if (witness->pid == 0)
        return;
    (void)close(witness->fd);
    (void)kill(witness->pid, SIGKILL);
    (void)waitpid(witness->pid, NULL, 0);
    *witness = (struct witness){.fd = -1};
}
