/*
 * Runs a program as if nobody stood between it and whoever called us: same terminal, same process group, signals and
 * exit code passed on. For record; one thread. At most one program at a time.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct launch {
    int signal_fd; /* readable when launch_turn has something to do */
    pid_t child;
    bool ended;
    int status; /* as waitpid gives it */
    sigset_t mask_before;
    struct sigaction child_before, pipe_before; /* what the program must inherit */
};

/*
 * Keeps the numbers 0 to 2 from becoming descriptors of ours when we were started without them: to be called before any
 * file is opened. The program finds them as closed as we did, for they close on exec.
 */
void launch_keep_descriptors(void);
/*
 * Starts argv (looked up in PATH) in the environment that `prepare` leaves in the child, between fork and exec. Returns
 * 0, or the errno of exec when the program could not be started.
 */
int launch_start(struct launch *launch, char *const argv[], void (*prepare)(void *context), void *context);
/* Passes pending signals on and notes the end of the program. */
void launch_turn(struct launch *launch);
/* The exit code to end with; when a signal ended the program, ends this process by the same signal and returns 128 +
 * its number only if that failed. */
int launch_finish(struct launch *launch);
