/*
 * Runs a program for record.
 *
 * What the terminal sends (ctrl-C, ctrl-\, ctrl-Z, hang-up) reaches the program by itself, because it is in the same
 * process group; only what a process sends to us alone is passed on. si_code tells the two apart: it is positive when
 * the kernel speaks. When the program stops we stop with it, and not before: a program may ignore ctrl-Z.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static const int passed_on[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP};

static void take_signals(struct launch *launch)
{
    sigset_t mask;
    struct sigaction usual = {.sa_handler = SIG_DFL};
    (void)sigemptyset(&mask);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        (void)sigaddset(&mask, passed_on[i]);
    (void)sigaddset(&mask, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &mask, &launch->mask_before);
    /* A caller that ignores SIGCHLD would make the kernel forget the exit code. */
    (void)sigaction(SIGCHLD, &usual, &launch->child_before);
    usual.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &usual, &launch->pipe_before);
    launch->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void become_program(const struct launch *launch, char *const argv[], void (*prepare)(void *), void *context,
                           int error_fd)
{
    prepare(context);
    (void)sigaction(SIGCHLD, &launch->child_before, NULL);
    (void)sigaction(SIGPIPE, &launch->pipe_before, NULL);
    (void)sigprocmask(SIG_SETMASK, &launch->mask_before, NULL);
    (void)execvp(argv[0], argv);
    int error = errno;
    (void)!write(error_fd, &error, sizeof(error));
    _exit(127);
}

void launch_keep_descriptors(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= 2)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd > 2)
        (void)close(fd);
}

int launch_start(struct launch *launch, char *const argv[], void (*prepare)(void *context), void *context)
{
    int pipe_fd[2];
    int error = 0;
    *launch = (struct launch){.signal_fd = -1};
    if (pipe2(pipe_fd, O_CLOEXEC) < 0)
        return errno;
    take_signals(launch);
    launch->child = launch->signal_fd < 0 ? -1 : fork();
    if (launch->child < 0) {
        error = errno;
        (void)close(pipe_fd[0]);
        (void)close(pipe_fd[1]);
        return error;
    }
    if (launch->child == 0)
        become_program(launch, argv, prepare, context, pipe_fd[1]);
    (void)close(pipe_fd[1]);
    ssize_t bytes;
    do
        bytes = read(pipe_fd[0], &error, sizeof(error));
    while (bytes < 0 && errno == EINTR);
    (void)close(pipe_fd[0]);
    if (bytes != (ssize_t)sizeof(error))
        return 0; /* exec closed the pipe */
    (void)waitpid(launch->child, &launch->status, 0);
    return error;
}

/* The program stopped itself, or somebody stopped it alone: stop with it, so that the shell above sees it, and go on
 * together. */
static void stop_together(const struct launch *launch)
{
    (void)raise(SIGSTOP);
    (void)kill(launch->child, SIGCONT);
}

static void note_child(struct launch *launch)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(launch->child, &status, WNOHANG | WUNTRACED)) == launch->child) {
        if (WIFSTOPPED(status)) {
            stop_together(launch);
            continue;
        }
        launch->status = status;
        launch->ended = true;
        return;
    }
    if (pid < 0 && errno == ECHILD)
        launch->ended = true;
}

void launch_turn(struct launch *launch)
{
    struct signalfd_siginfo info;
    while (!launch->ended && read(launch->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        int number = (int)info.ssi_signo;
        if (number == SIGCHLD)
            note_child(launch);
        else if (info.ssi_code <= 0)
            (void)kill(launch->child, number);
    }
}

/* Ends this process as the program ended, without a second core file. */
static void die_of(int number)
{
    struct rlimit none = {0, 0};
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t mask;
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)sigaction(number, &usual, NULL);
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, number);
    (void)raise(number);
    (void)sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

int launch_finish(struct launch *launch)
{
    (void)close(launch->signal_fd);
    launch->signal_fd = -1;
    if (WIFEXITED(launch->status))
        return WEXITSTATUS(launch->status);
    die_of(WTERMSIG(launch->status));
    return 128 + WTERMSIG(launch->status);
}
