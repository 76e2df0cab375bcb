/*
 * Directories of our own: which of the candidates of paths.h is the runtime directory, and whether
 * a directory is one in which nobody else can play tricks. The one home of that decision, for the
 * shim and the collector alike.
 *
 * Looks at the file system; allocates nothing, reads no environment, keeps no state. Any thread,
 * the scribe's too.
 */
#pragma once

#include <stdbool.h>

#include "paths.h"

enum { SPAN_PLACE_BYTES = 1024 }; /* longest path of a directory of ours, with its NUL */

/*
 * Opens `path` (O_PATH would do for nothing but a look; this is O_RDONLY | O_DIRECTORY | O_CLOEXEC)
 * if it is a directory that belongs to `uid` or root and that nobody else can write (a sticky one
 * may be written by others only where `sticky` says so), and if no link of anybody else leads
 * there. Returns the descriptor, the caller's to close, or a negative errno (-EPERM: not safe).
 */
int span_place_open(const char *path, uint64_t uid, bool sticky);

/* Every name of a newly opened directory, . and .. too, until `visit` says false. 0 or a negative
 * errno. No memory. */
int span_place_each(int directory, bool (*visit)(void *context, int directory, const char *name), void *context);

/*
 * How many names of the directory hold `part` (all, with . and .., for ""); counts no further than
 * `most` + 1. Takes no memory: what a thread holds when the application forks would be lost in the
 * child. `directory` is newly opened, and has been read to there afterwards. Returns a negative
 * errno where it cannot be read.
 */
long span_place_count(int directory, const char *part, long most);

/*
 * Makes the directory with mode 0700, and its parents where they are ours to make: the home
 * directory's .local and what is below it, the directory that holds libpprof/ and what is below
 * that; nothing in somebody else's (span_place_make_one). That it exists already is fine; whether
 * it does after the call is for the caller to see.
 */
void span_place_make(const char *path);

/*
 * Makes one directory, unless the one above it is neither the effective user's nor root's nor one
 * in which everybody may make things: root with another user's HOME (`sudo -E`) would shut that
 * user out of what is his. Returns 0 or a negative errno (-EEXIST: it was there; -EPERM: not in
 * that one).
 */
int span_place_make_one(const char *path, unsigned mode);

/*
 * Takes state_home and home out of `base` where nothing may be made below them for that reason, so
 * that whoever makes something there goes on to the next place. Whether it did.
 */
bool span_place_leave_foreign(struct span_path_base *base);

/* Whether we can write into this directory, or could once span_place_make has made it. */
bool span_place_usable(const char *path);

/*
 * The runtime directory: the first candidate that belongs to base->uid (not root: other users'
 * sockets are no place for ours), is written by nobody else, and exists or (where `make`) can be
 * made; $XDG_RUNTIME_DIR and /run/user/UID are the system's to make, never ours. Without `make` a
 * candidate that does not exist counts when it could be made. Returns 0, or -1 when there is none
 * (`out` is then "").
 */
int span_place_runtime(char *out, size_t cap, const struct span_path_base *base, bool make);
