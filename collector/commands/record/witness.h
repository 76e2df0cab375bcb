/*
 * Which signals came to the whole process group, and which to record alone. One thread.
 *
 * Signals say who sent them but not to whom. A process of ours that sits in the same group and does
 * nothing else gets what goes to the group (kill with a negative number, the terminal), to
 * everybody (kill -1) or to every process of a service one by one; what it did not get was meant
 * for record.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct witness {
    pid_t pid; /* 0: there is none */
    int fd;
    uint32_t question;
};

enum witness_word { WITNESS_NOT_SEEN, WITNESS_SEEN, WITNESS_SILENT };

/* Forks it; all signals must be blocked. Returns 0 or an errno. */
int witness_start(struct witness *witness);
/* Whether it got the signal that record got from `sender` (0: the kernel). What it is asked about
 * it forgets. */
enum witness_word witness_ask(struct witness *witness, int number, pid_t sender);
void witness_end(struct witness *witness);
