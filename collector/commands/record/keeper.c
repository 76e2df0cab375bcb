/*
 * The keeper process. See keeper.h; called by launch.c.
 *
 * record stopped, the program not:  somebody stopped record by its process id -> the program is
 *   stopped too
 * both were stopped, the program runs again:  somebody continued the program -> record is continued
 * record runs again:  whoever continued it is answered by record itself, which passes SIGCONT on
 */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "companion.h"

enum { LOOK_MS = 50 };

struct keeper_shared {
    _Atomic bool with_program; /* record stops itself, because the program has stopped */
};

/* ---- in the keeper ---- */

/* The state letter of proc(5), 0 when it cannot be read. */
static char state(int stat)
{
    char text[512];
    ssize_t bytes = pread(stat, text, sizeof(text) - 1, 0);
    if (bytes <= 0)
        return '\0';
    text[bytes] = '\0';
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : '\0';
}

/* How often the process was taken off a processor: as long as it does not change, it is in the same
 * stop. */
static uint64_t switches(int status)
{
    char text[4096];
    ssize_t bytes = pread(status, text, sizeof(text) - 1, 0);
    uint64_t sum = 0;
    text[bytes < 0 ? 0 : bytes] = '\0';
    for (const char *line = text; (line = strstr(line, "voluntary_ctxt_switches:")) != NULL; line++)
        sum += strtoull(line + strlen("voluntary_ctxt_switches:"), NULL, 10);
    return sum;
}

static int open_file(pid_t pid, const char *name)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

struct watch {
    pid_t record, program, witness;
    int record_stat, record_status, program_stat, witness_stat;
    uint64_t switches; /* of record, in the stop that we saw last */
    bool both;         /* in this stop of record's both have been stopped */
    bool stopped;      /* by us: the program */
};

static void look(struct watch *watch, const struct keeper_shared *shared)
{
    if (state(watch->record_stat) != 'T') {
        watch->both = watch->stopped = false;
        return;
    }
    uint64_t now = switches(watch->record_status);
    if (now != watch->switches)
        watch->both = false; /* it ran between two looks */
    watch->switches = now;
    char program = state(watch->program_stat);
    bool program_stopped = program == 'T' || program == 't';
    /* A stop of the group stopped the witness as well, even if the program was continued before we
     * looked. */
    watch->both =
        watch->both || program_stopped || atomic_load(&shared->with_program) || state(watch->witness_stat) == 'T';
    if (program_stopped)
        return;
    if (watch->both || program == 'Z' || program == '\0') {
        (void)kill(watch->record, SIGCONT);
        watch->both = watch->stopped = false;
        return;
    }
    if (state(watch->record_stat) != 'T')
        return; /* it was with the program, and has gone on while we looked */
    (void)kill(watch->program, SIGSTOP);
    watch->both = watch->stopped = true;
    /* Continued meanwhile: record's SIGCONT to the program may have come before our SIGSTOP. */
    if (state(watch->record_stat) != 'T') {
        (void)kill(watch->program, SIGCONT);
        watch->both = watch->stopped = false;
    }
}

_Noreturn static void keep(int fd, struct watch *watch, const struct keeper_shared *shared)
{
    (void)setsid();
    fd = companion_begin(fd, "(keeper)");
    watch->record_stat = open_file(watch->record, "stat");
    watch->record_status = open_file(watch->record, "status");
    watch->program_stat = open_file(watch->program, "stat");
    watch->witness_stat = watch->witness == 0 ? -1 : open_file(watch->witness, "stat");
    for (;;) {
        struct pollfd fds = {.fd = fd, .events = POLLIN};
        if (poll(&fds, 1, LOOK_MS) > 0)
            break; /* record has ended */
        if (watch->record_stat >= 0 && watch->program_stat >= 0)
            look(watch, shared);
    }
    if (watch->stopped)
        (void)kill(watch->program, SIGCONT); /* record was killed; the program is not to suffer from it */
    _exit(0);
}

/* ---- in record ---- */

int keeper_start(struct keeper *keeper, pid_t program, pid_t witness)
{
    int fds[2];
    struct watch watch = {.record = getpid(), .program = program, .witness = witness};
    *keeper = (struct keeper){.fd = -1};
    struct keeper_shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe2(fds, O_CLOEXEC) < 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0)
        keep(fds[0], &watch, shared);
    int error = errno;
    (void)close(fds[0]);
    if (pid < 0) {
        (void)close(fds[1]);
        return error;
    }
    *keeper = (struct keeper){.pid = pid, .fd = fds[1], .shared = shared};
    return 0;
}

void keeper_stop_with_program(struct keeper *keeper, int number)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t set;
    if (keeper->pid == 0)
        return; /* nobody would wake us when the program is continued */
    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    if (number != SIGSTOP)
        (void)sigaction(number, &usual, NULL);
    atomic_store(&keeper->shared->with_program, true);
    (void)kill(getpid(), number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL); /* here it stops, unless it was SIGSTOP */
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    atomic_store(&keeper->shared->with_program, false);
}

void keeper_end(struct keeper *keeper)
{
    if (keeper->pid == 0)
        return;
    (void)close(keeper->fd);
    (void)kill(keeper->pid, SIGKILL); /* should somebody have stopped it */
    (void)waitpid(keeper->pid, NULL, 0);
    *keeper = (struct keeper){.fd = -1};
}
