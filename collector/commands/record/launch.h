/*
 * Runs a program as if nobody stood between it and whoever called us: same terminal, same process
 * group, signals and exit code passed on. For record; one thread. At most one program at a time.
 *
 * We are the program's parent. Two helpers stand beside us: the witness, by which we know which
 * signals the program got already with its group, and the keeper, which acts when we are stopped.
 * The program has no child but its own.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

#include "keeper.h"
#include "witness.h"

enum {
    LAUNCH_TIMERS = 3,
    LAUNCH_DESCRIPTORS = 13, /* that record cannot do without (tests/e2e/cli/test_record.py) */
};

struct launch {
    int signal_fd; /* readable when launch_turn has something to do */
    pid_t child;
    bool ended;
    int status;          /* as waitpid gives it */
    int stopped_by;      /* the program is, by this signal, and we are to stop too; 0: no */
    uint64_t stopped_ns; /* when we saw it */
    bool stop_again;     /* a SIGCONT of ours may have undone the stop that we read next */
    struct witness witness;
    struct keeper keeper;
    /* What the program must find as we did, though a fork takes it away or we changed it. */
    sigset_t mask_before;
    struct sigaction child_before; /* of SIGCHLD */
    struct itimerval timer[LAUNCH_TIMERS];
    bool dies_with_parent, adopts;
};

/*
 * To be called before any file is opened. Keeps the numbers 0 to 2 from becoming descriptors of
 * ours when we were started without them, and a limit on the length of files from ending us:
 * writing fails then. Raises our own limit on descriptors. The program finds all as we did.
 */
void launch_guard(void);
/* Whether there are as many to be had as record needs: else any step could fail, in words about
 * something else. */
bool launch_has_descriptors(void);
/*
 * Starts argv (looked up in PATH) in the environment that `prepare` leaves in the child, between
 * fork and exec. Returns 0, or the errno of exec when the program could not be started. From then
 * on nothing but standard error is open here of what we were started with, except plain files.
 */
int launch_start(struct launch *launch, char *const argv[], void (*prepare)(void *context), void *context);
/* Passes pending signals on, stops and goes on with the program, and notes its end. */
void launch_turn(struct launch *launch);
/* Milliseconds until launch_turn wants to be called even without input; -1: never. */
int launch_wait_ms(const struct launch *launch);
/* The exit code to end with; when a signal ended the program, ends this process by the same signal
 * and returns 128 + its number only if that failed. */
int launch_finish(struct launch *launch);

/* launch_signals.c: reads what has come and passes on what came to us alone. `gated`: the program
 * has not begun, and its signals wait in it. */
void launch_pass_on(struct launch *launch, bool gated);
