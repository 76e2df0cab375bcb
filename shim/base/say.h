/*
 * The one way in which the shim talks: a line per cause, and only where LIBPPROF_LOG asked for it.
 */
#pragma once

/* "stderr", an absolute path, or NULL: nowhere. The text stays the caller's. Constructor only, as
 * config_read() does. */
void shim_say_to(const char *where);

/*
 * One line to where LIBPPROF_LOG asked, the first time only for each message (a string literal: its
 * address is the cause); otherwise nothing. Any thread; preserves errno; no allocation, no lock.
 */
void shim_say_once(const char *message);
/* The same with what it is about, at most a few hundred bytes. */
void shim_say_once_about(const char *message, const char *about);
