/*
 * The scribe's thread among the application's: what it hides from, and how it ends where the
 * application's last thread ended before it. The scribe's thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct ending {
    uint64_t looked_ns;
    _Atomic uint32_t place; /* enum own_thread_place */
    bool hidden;
    bool left; /* once already: see ending_alone */
    int code;  /* of the main thread */
};

/* At the thread's beginning: where it is hidden it gets a table of descriptors of its own. */
void ending_prepare(struct ending *ending);

/*
 * Whether no other thread of `process` is left, by a look now and then; `record_ns`: when the tape
 * last held something. A process lives until its last thread ends, and that must not be this one.
 * Where it is hidden, only a thread that ended by the system call leaves it alone: who ends by the
 * C library is followed by exit(). Where /proc does not show the process it is enough, once, that
 * the main thread has ended and that the scribe is `idle`: where others live on, the next call
 * starts it again.
 */
bool ending_alone(struct ending *ending, pid_t process, uint64_t now_ns, uint64_t record_ns, bool idle);

/* To be called last, before the thread returns. */
void ending_leave(const struct ending *ending);
