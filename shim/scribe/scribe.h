/*
 * The scribe: one thread per process ("pprof-scribe") that reads the tape, follows each exchange,
 * and hands finished spans to the outbox.
 *
 * Started by the first captured request of a process, never by the constructor; a forked child
 * starts its own. All signals are blocked in it.
 */
#pragma once

#include <stdbool.h>

/*
 * Any application thread. Makes sure that tape, outbox and thread run in this process; the first
 * caller starts the thread, others that come meanwhile return at once and may write to the tape.
 * Never blocks; preserves errno. Cheap once running (one atomic load). Returns 0, or a negative
 * errno: what this request does cannot be recorded; later ones may.
 */
int scribe_ensure(void);

/* Any application thread, after writing to the tape. One atomic load; a system call only when the
 * scribe is in deep sleep. Preserves errno. */
void scribe_wake_if_asleep(void);

bool scribe_running(void);

/*
 * The process is ending (or about to exec): everything on the tape becomes spans, requests in
 * flight included (as not finished), and leaves the process, acknowledged or in the spool. Waits at
 * most `wait_ms` for the collector, and at most 300 ms more for the disk. Any thread, destructors
 * and _exit hooks included. Where no scribe could be started, the spool is told how many calls that
 * cost. No-op in a process that made no call, in a child of vfork, on the scribe itself. The scribe
 * goes on after it, so that a later call serves what came in between. Preserves errno.
 */
void scribe_finish(unsigned wait_ms);
