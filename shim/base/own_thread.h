/* Threads of our own inside the application: detached, all signals blocked, a small stack. */
#pragma once

/* Starts one that runs `run(argument)`. Returns 0 or a negative errno. Any thread; leaves its signal mask as it was. */
int own_thread_start(void *(*run)(void *argument), void *argument);
