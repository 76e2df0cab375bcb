/* Signals that record gets: those that came to it alone are the program's too, those of its group
 * it has already. */
#include "collector_tests.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "collector/commands/record/launch.h"

enum { LIST_MAX = 256 };

/* ---- the program ---- */

struct program {
    pid_t pid;
    int ask, answer;
};

/* With all signals blocked. Asked, it tells which have come, each as often as it did, and a 0. */
_Noreturn static void live(int ask, int answer)
{
    static const struct timespec none;
    sigset_t all;
    char byte;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sigfillset(&all);
    while (read(ask, &byte, 1) == 1) {
        int number;
        while ((number = sigtimedwait(&all, NULL, &none)) > 0)
            (void)!write(answer, &number, sizeof(number));
        number = 0;
        (void)!write(answer, &number, sizeof(number));
    }
    _exit(0);
}

static struct program start(bool own_group)
{
    int ask[2], answer[2];
    if (pipe(ask) != 0 || pipe(answer) != 0)
        _exit(2);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ask[1]);
        live(ask[0], answer[1]);
    }
    if (own_group)
        (void)setpgid(pid, pid);
    return (struct program){pid, ask[1], answer[0]};
}

/* How often each signal came since the last time. */
static void heard(const struct program *program, unsigned count[LIST_MAX])
{
    int number = 0;
    memset(count, 0, LIST_MAX * sizeof(count[0]));
    if (write(program->ask, "?", 1) != 1)
        _exit(3);
    while (read(program->answer, &number, sizeof(number)) == sizeof(number) && number != 0)
        count[number]++;
}

/* ---- record ---- */

static struct program program;
static struct launch launch;

/* Runs `what` as record would be: in a group of its own, with a program and a witness. 0, or the
 * line of `what` that was not as it should be. */
static int as_record(int (*what)(void), bool own_group)
{
    int status;
    const pid_t record = fork();
    if (record == 0) {
        sigset_t all;
        (void)setpgid(0, 0);
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, NULL);
        program = start(own_group);
        launch = (struct launch){.child = program.pid, .signal_fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK)};
        if (launch.signal_fd < 0 || witness_start(&launch.witness) != 0)
            _exit(4);
        const int line = what();
        witness_end(&launch.witness);
        (void)kill(program.pid, SIGKILL);
        _exit(line == 0 ? 0 : 100 + line % 100);
    }
    assert_int_equal(waitpid(record, &status, 0), record);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not %s\n", __FILE__, __LINE__, #condition);                                        \
            return __LINE__;                                                                                           \
        }                                                                                                              \
    } while (0)

/* Sent by somebody else, as the witness does not count what record sends. */
static bool by_another(pid_t to, int number)
{
    int status = 0;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(kill(to, number) != 0);
    return waitpid(pid, &status, 0) == pid && status == 0;
}

static bool to_group(int number)
{
    return by_another(-getpgrp(), number);
}

/* What the kernel says of record itself, what stops and goes on, and what nobody can block. */
static bool is_special(int number)
{
    switch (number) {
    case SIGCHLD:
    case SIGPIPE:
    case SIGXFSZ:
    case SIGCONT:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGKILL:
        return true;
    default:
        return number > SIGSYS && number < SIGRTMIN;
    }
}

/* Each kind to record alone: all are the program's too. */
static int alone(void)
{
    unsigned count[LIST_MAX];
    for (int number = 1; number <= SIGRTMAX; number++)
        if (!is_special(number))
            MUST(kill(getpid(), number) == 0);
    launch_pass_on(&launch, false);
    heard(&program, count);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (!is_special(number))
            MUST(count[number] == 1);
    return 0;
}

/* To the group: the program has it already. */
static int to_the_group(void)
{
    unsigned count[LIST_MAX];
    MUST(to_group(SIGRTMIN));
    MUST(to_group(SIGTERM));
    MUST(kill(getpid(), SIGRTMIN + 1) == 0);
    launch_pass_on(&launch, false);
    heard(&program, count);
    MUST(count[SIGRTMIN] == 1 && count[SIGTERM] == 1 && count[SIGRTMIN + 1] == 1);
    return 0;
}

/* Before the program has begun: what waits in it has come to it, and nothing else has, whatever
 * waits there besides. */
static int at_the_gate(void)
{
    const int waiting[] = {SIGHUP, SIGUSR1, SIGTERM, SIGRTMIN, SIGRTMAX};
    unsigned count[LIST_MAX];
    for (size_t i = 0; i < sizeof(waiting) / sizeof(waiting[0]); i++) {
        MUST(kill(program.pid, waiting[i]) == 0);
        for (int to_record = 1; to_record <= SIGRTMAX; to_record++)
            if (!is_special(to_record))
                MUST(kill(getpid(), to_record) == 0);
        launch_pass_on(&launch, true);
        heard(&program, count);
        for (int to_record = 1; to_record <= SIGRTMAX; to_record++)
            if (!is_special(to_record))
                MUST(count[to_record] == 1);
    }
    return 0;
}

/* A program that stopped in a group of its own did not get the SIGCONT of record's. */
static int stopped_elsewhere(void)
{
    int status;
    MUST(kill(program.pid, SIGSTOP) == 0);
    MUST(waitpid(program.pid, &status, WUNTRACED) == program.pid && WIFSTOPPED(status));
    MUST(to_group(SIGCONT));
    launch_pass_on(&launch, false);
    MUST(waitpid(program.pid, &status, WCONTINUED | WNOHANG) == program.pid && WIFCONTINUED(status));
    return 0;
}

/* One that is not stopped got it: it is not sent again. */
static int not_stopped(void)
{
    unsigned count[LIST_MAX];
    MUST(to_group(SIGCONT));
    heard(&program, count);
    MUST(count[SIGCONT] == 1);
    launch_pass_on(&launch, false);
    heard(&program, count);
    MUST(count[SIGCONT] == 0);
    MUST(kill(getpid(), SIGCONT) == 0);
    launch_pass_on(&launch, false);
    heard(&program, count);
    MUST(count[SIGCONT] == 1);
    return 0;
}

/* A stop to record alone is passed on; one that came to the group stopped the program by itself. */
static int stops(void)
{
    unsigned count[LIST_MAX];
    MUST(kill(getpid(), SIGTSTP) == 0);
    launch_pass_on(&launch, false);
    heard(&program, count);
    MUST(count[SIGTSTP] == 1);
    MUST(to_group(SIGTSTP));
    heard(&program, count);
    MUST(count[SIGTSTP] == 1);
    launch_pass_on(&launch, false);
    heard(&program, count);
    MUST(count[SIGTSTP] == 0);
    return 0;
}

/* What the kernel, or record by its own doing, says of record is not the program's. */
static int about_record(void)
{
    unsigned count[LIST_MAX];
    MUST(kill(getpid(), SIGPIPE) == 0);
    MUST(kill(getpid(), SIGXFSZ) == 0);
    launch_pass_on(&launch, false);
    heard(&program, count);
    MUST(count[SIGPIPE] == 0 && count[SIGXFSZ] == 0);
    return 0;
}

/* The letter of proc(5). */
static char state_of(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    const int fd = open(path, O_RDONLY);
    (void)!read(fd, text, sizeof(text) - 1);
    close(fd);
    const char *const end = strrchr(text, ')');
    return end != NULL ? end[2] : '\0';
}

/* Continues the program once record, its parent, has stopped; 0 if it did. */
static int continue_when_stopped(pid_t record)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    for (int i = 0; i < 2000; i++) {
        if (state_of(record) == 'T')
            return kill(program.pid, SIGCONT) != 0;
        (void)nanosleep(&pause, NULL);
    }
    return 1;
}

/* Stopped with its program, record goes on when somebody continues that. */
static int stopped_with_it(void)
{
    const pid_t record = getpid();
    int status;
    MUST(kill(program.pid, SIGSTOP) == 0);
    MUST(waitpid(program.pid, &status, WUNTRACED) == program.pid && WIFSTOPPED(status));
    MUST(keeper_start(&launch.keeper, program.pid, launch.witness.pid) == 0);
    const pid_t other = fork();
    if (other == 0)
        _exit(continue_when_stopped(record));
    keeper_stop_with_program(&launch.keeper, SIGSTOP);
    MUST(waitpid(other, &status, 0) == other && status == 0);
    MUST(waitpid(program.pid, &status, WCONTINUED) == program.pid && WIFCONTINUED(status));
    const pid_t keeper = launch.keeper.pid;
    keeper_end(&launch.keeper);
    MUST(kill(keeper, 0) != 0 && errno == ESRCH);
    MUST(launch.keeper.pid == 0);
    return 0;
}

#define SCENE(what, own_group)                                                                                         \
    static void test_##what(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        assert_int_equal(as_record(what, own_group), 0);                                                               \
    }
SCENE(alone, false)
SCENE(to_the_group, false)
SCENE(at_the_gate, false)
SCENE(stopped_elsewhere, true)
SCENE(not_stopped, false)
SCENE(stops, false)
SCENE(about_record, false)
SCENE(stopped_with_it, false)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),        cmocka_unit_test(test_to_the_group),
        cmocka_unit_test(test_at_the_gate),  cmocka_unit_test(test_stopped_elsewhere),
        cmocka_unit_test(test_not_stopped),  cmocka_unit_test(test_stops),
        cmocka_unit_test(test_about_record), cmocka_unit_test(test_stopped_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
