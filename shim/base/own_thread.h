/* Threads of our own inside the application: detached, all signals blocked, a small stack. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum own_thread_place { OWN_THREAD_UNKNOWN, OWN_THREAD_HIDDEN, OWN_THREAD_COUNTED };

/*
 * Starts one that runs `run(argument)`. Returns 0 or a negative errno. Any thread; leaves its
 * signal mask as it was. *ret_place says soon afterwards whether it is hidden (below); it lives as
 * long as the thread.
 */
int own_thread_start(void *(*run)(void *argument), void *argument, _Atomic uint32_t *ret_place);

/* The new thread's: waits until that is known. */
bool own_thread_is_hidden(_Atomic uint32_t *place);

/*
 * Where glibc (since 2.34) counts its threads: the one that finds itself the last one calls exit().
 * NULL: not known. Set once by the constructor.
 */
extern _Atomic unsigned *own_thread_count;

/*
 * Who starts one of our threads takes it out of that count: then the application's last thread ends
 * the process by exit(), on itself and with its descriptors, as without us. Where that is not to be
 * had the process lives until our thread returns, and exit() runs on it. One that is hidden ends by
 * own_thread_end.
 */
void own_thread_end(void);

/* The constructor's, on the main thread: notes the word that the kernel clears when that thread
 * ends. */
void own_thread_note_main(void);
/* False where it is not known. */
bool own_thread_main_has_ended(void);
