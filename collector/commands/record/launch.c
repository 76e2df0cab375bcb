/*
 * Runs a program for record: starting it, its stops, its end. Signals: launch_signals.c.
 *
 * When the program stops we stop with it, so that the shell above sees it, and not before: a
 * program may ignore ctrl-Z. As process 1, or where others left us theirs, we take in the children
 * that end.
 */
#include "launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A stop that is taken back at once is not followed: our SIGSTOP would take a SIGCONT that is on
 * its way away. */
enum { STOP_AFTER_MS = 10 };

enum { DESCRIPTORS = 1024 };

static const int timers[LAUNCH_TIMERS] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};

static struct sigaction file_limit_before; /* of SIGXFSZ */
static struct rlimit descriptors_before;   /* the program's */
static bool descriptors_raised;

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void take_signals(struct launch *launch)
{
    sigset_t mask;
    struct sigaction usual = {.sa_handler = SIG_DFL};
    (void)sigfillset(&mask);
    (void)sigprocmask(SIG_BLOCK, &mask, &launch->mask_before);
    /* A caller that ignores SIGCHLD would make the kernel forget the exit code. */
    (void)sigaction(SIGCHLD, &usual, &launch->child_before);
    launch->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What exec keeps and fork does not: `perl -e 'alarm 5; exec @ARGV'` is a well-known way to limit a
 * program. */
static void take_attributes(struct launch *launch)
{
    const struct itimerval none = {0};
    int number = 0;
    for (size_t i = 0; i < LAUNCH_TIMERS; i++)
        (void)setitimer(timers[i], &none, &launch->timer[i]);
    /* Of the signals, only the one that cannot be passed on. */
    launch->dies_with_parent = prctl(PR_GET_PDEATHSIG, &number) == 0 && number == SIGKILL;
    launch->adopts = prctl(PR_GET_CHILD_SUBREAPER, &number) == 0 && number != 0;
}

static void give_attributes(const struct launch *launch)
{
    for (size_t i = 0; i < LAUNCH_TIMERS; i++)
        (void)setitimer(timers[i], &launch->timer[i], NULL);
    if (launch->dies_with_parent)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (launch->adopts)
        (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

_Noreturn static void become_program(const struct launch *launch, char *const argv[], void (*prepare)(void *),
                                     void *context, int gate)
{
    char go;
    prepare(context);
    if (read(gate, &go, 1) != 1)
        _exit(127); /* record has died */
    (void)sigaction(SIGCHLD, &launch->child_before, NULL);
    (void)sigaction(SIGXFSZ, &file_limit_before, NULL);
    give_attributes(launch);
    if (descriptors_raised)
        (void)setrlimit(RLIMIT_NOFILE, &descriptors_before);
    (void)sigprocmask(SIG_SETMASK, &launch->mask_before, NULL);
    (void)execvp(argv[0], argv);
    int error = errno;
    (void)!send(gate, &error, sizeof(error), MSG_NOSIGNAL);
    _exit(127);
}

/* What we need ourselves is not taken from what the program may have. Beyond its hard limit we get
 * where that is permitted. */
static void raise_descriptors(void)
{
    struct rlimit more;
    if (getrlimit(RLIMIT_NOFILE, &descriptors_before) != 0)
        return;
    more = descriptors_before;
    if (more.rlim_max < DESCRIPTORS)
        more.rlim_max = DESCRIPTORS;
    more.rlim_cur = more.rlim_max;
    descriptors_raised = setrlimit(RLIMIT_NOFILE, &more) == 0;
    if (!descriptors_raised) {
        more.rlim_cur = more.rlim_max = descriptors_before.rlim_max;
        descriptors_raised = setrlimit(RLIMIT_NOFILE, &more) == 0;
    }
}

bool launch_has_descriptors(void)
{
    int fds[LAUNCH_DESCRIPTORS], n = 0;
    while (n < LAUNCH_DESCRIPTORS && (fds[n] = open("/dev/null", O_RDWR | O_CLOEXEC)) >= 0)
        n++;
    const bool enough = n == LAUNCH_DESCRIPTORS || (errno != EMFILE && errno != ENFILE);
    while (n > 0)
        (void)close(fds[--n]);
    return enough;
}

void launch_guard(void)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGXFSZ, &ignore, &file_limit_before);
    raise_descriptors();
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= 2)
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd > 2)
        (void)close(fd);
}

/* Somebody may wait until everybody has closed a pipe or a connection that was handed to the
 * program: we must not be the one who keeps it open. All that we opened ourselves closes on exec.
 * Plain files stay, because closing one gives up the locks that a caller took on it. */
static void drop_inherited(void)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        struct stat st;
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] == '.' || fd == STDERR_FILENO || (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ||
            fstat(fd, &st) < 0 || S_ISREG(st.st_mode))
            continue;
        if (fd > STDERR_FILENO)
            (void)close(fd);
        else if (null >= 0)
            (void)dup3(null, fd, O_CLOEXEC);
    }
    if (directory != NULL)
        (void)closedir(directory);
    if (null >= 0)
        (void)close(null);
}

/* Lets the program go, and serves its signals until it has begun. Returns 0 or the errno of
 * exec. */
static int open_gate(struct launch *launch, int gate)
{
    int error = 0;
    launch_pass_on(launch, true);
    if (send(gate, "g", 1, MSG_NOSIGNAL) != 1)
        return errno;
    for (;;) {
        struct pollfd fds[] = {{.fd = gate, .events = POLLIN}, {.fd = launch->signal_fd, .events = POLLIN}};
        (void)poll(fds, 2, launch_wait_ms(launch));
        if (fds[0].revents != 0)
            break;
        launch_turn(launch);
    }
    if (recv(gate, &error, sizeof(error), 0) != (ssize_t)sizeof(error))
        return 0; /* exec closed it */
    if (!launch->ended)
        (void)waitpid(launch->child, &launch->status, 0);
    launch->ended = true;
    return error;
}

static void end_helpers(struct launch *launch)
{
    witness_end(&launch->witness);
    keeper_end(&launch->keeper);
}

int launch_start(struct launch *launch, char *const argv[], void (*prepare)(void *context), void *context)
{
    int gate[2];
    *launch = (struct launch){.signal_fd = -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) < 0)
        return errno;
    take_signals(launch);
    take_attributes(launch);
    (void)witness_start(&launch->witness); /* without the helpers it runs as well, less exactly */
    launch->child = launch->signal_fd < 0 ? -1 : fork();
    int error = launch->child < 0 ? errno : 0;
    if (launch->child == 0)
        become_program(launch, argv, prepare, context, gate[1]);
    (void)close(gate[1]);
    if (error == 0) {
        (void)keeper_start(&launch->keeper, launch->child, launch->witness.pid);
        error = open_gate(launch, gate[0]);
    }
    (void)close(gate[0]);
    if (error != 0)
        end_helpers(launch);
    else
        drop_inherited();
    return error;
}

static void note_children(struct launch *launch)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED | WCONTINUED)) > 0) {
        if (pid == launch->witness.pid && !WIFSTOPPED(status) && !WIFCONTINUED(status))
            launch->witness.pid = 0; /* killed; it goes on less exactly */
        if (pid == launch->keeper.pid && !WIFSTOPPED(status) && !WIFCONTINUED(status))
            launch->keeper.pid = 0;
        if (pid != launch->child)
            continue; /* perhaps one that was left to us; that it has ended had to be taken notice of */
        if (WIFSTOPPED(status)) {
            launch->stopped_by = WSTOPSIG(status);
            launch->stopped_ns = now_ns();
        } else if (WIFCONTINUED(status)) {
            launch->stopped_by = 0;
        } else {
            launch->status = status;
            launch->ended = true;
        }
    }
    if (pid < 0 && errno == ECHILD)
        launch->ended = true;
}

static void stop_if_due(struct launch *launch)
{
    sigset_t pending;
    int number = launch->stopped_by;
    if (launch->ended || number == 0 || launch_wait_ms(launch) > 0)
        return;
    /* With a SIGCONT on its way it is to be passed on first. */
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGCONT) == 1)
        return;
    launch->stopped_by = 0;
    keeper_stop_with_program(&launch->keeper, number);
}

int launch_wait_ms(const struct launch *launch)
{
    if (launch->ended || launch->stopped_by == 0)
        return -1;
    uint64_t end_ns = launch->stopped_ns + STOP_AFTER_MS * UINT64_C(1000000), now = now_ns();
    return now >= end_ns ? 0 : (int)((end_ns - now + 999999) / 1000000);
}

void launch_turn(struct launch *launch)
{
    launch_pass_on(launch, false);
    if (!launch->ended)
        note_children(launch);
    stop_if_due(launch);
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
    end_helpers(launch);
    (void)close(launch->signal_fd);
    launch->signal_fd = -1;
    if (WIFEXITED(launch->status))
        return WEXITSTATUS(launch->status);
    die_of(WTERMSIG(launch->status));
    return 128 + WTERMSIG(launch->status);
}
