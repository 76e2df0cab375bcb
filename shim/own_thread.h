/* Threads of our own inside the application: detached, all signals blocked, a small stack. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

/* Starts one that runs `run(argument)`. Returns 0 or a negative errno. Any thread; leaves its signal mask as it was. */
int own_thread_start(void *(*run)(void *argument), void *argument);

/*
 * Where glibc (since 2.34) counts its threads: the one that finds itself the last one calls exit(). NULL: not known.
 * Set once by the constructor.
 */
extern _Atomic unsigned *own_thread_count;

/*
 * Takes the calling thread, one of ours, out of that count: then the application's last thread ends the process by
 * exit(), on itself and with its descriptors, as without us. False where that is not to be had: then the process lives
 * until this thread returns, and exit() runs on it. What is hidden must be shown before it returns.
 */
bool own_thread_hide(void);
void own_thread_show(void);
