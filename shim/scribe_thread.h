/*
 * Starting the scribe's thread: detached, all signals blocked, with a small stack. Any application thread; must not
 * change its signal mask for longer than the start takes.
 */
#pragma once

/* Returns 0 or a negative errno. */
int scribe_thread_start(void *(*run)(void *), void *argument);
