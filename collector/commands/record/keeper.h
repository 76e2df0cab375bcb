/*
 * Keeps record and its program stopped and running together while record itself cannot act, because
 * it is stopped. One thread.
 *
 * A process cannot refuse SIGSTOP nor see that it was stopped: somebody else has to. The keeper is
 * a process of ours in a session of its own, where no signal of the terminal or the group finds it.
 * It looks every 50 ms at record, and at the program only while record is stopped.
 */
#pragma once

#include <stdatomic.h>
#include <sys/types.h>

struct keeper_shared;

struct keeper {
    pid_t pid; /* 0: there is none */
    int fd;    /* it ends when this is closed */
    struct keeper_shared *shared;
};

/* Forks it; all signals must be blocked. `witness`: of witness.h, 0 when there is none. Returns 0
 * or an errno. */
int keeper_start(struct keeper *keeper, pid_t program, pid_t witness);
/* Stops this process by `number` because the program is stopped; returns when it runs again. */
void keeper_stop_with_program(struct keeper *keeper, int number);
void keeper_end(struct keeper *keeper);
