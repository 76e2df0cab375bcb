/*
 * Where the runtime directory, the socket, the spool and the store lie unless somebody says
 * otherwise: the shim and the collector must agree, and neither includes the other.
 *
 * Pure: the caller reads the environment (the shim by secure_getenv) and passes the values; NULL,
 * "" and relative paths count as unset, as the XDG rules demand. Each function writes a
 * NUL-terminated path and returns 0; -1 when there is no such path or it does not fit in `cap`
 * bytes (`out` is then ""). Which candidate for the runtime directory is the one is found out by
 * place.h, which looks at the file system.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the paths are made of; each text may be NULL. */
struct span_path_base {
    const char *runtime_dir; /* XDG_RUNTIME_DIR */
    const char *state_home;  /* XDG_STATE_HOME */
    const char *home;        /* HOME */
    uint64_t uid;            /* effective */
};

enum {
    SPAN_PATH_RUNTIMES = 5,           /* candidates for the runtime directory */
    SPAN_PATH_RUNTIME_BYTES_MAX = 95, /* so that a socket's path, 107 bytes at most, fits after it */
};

#define SPAN_PATH_SYSTEM_SOCKET "/run/pprofd/pprofd.sock" /* of a collector for the whole host, run by root */

/*
 * Candidate `i` for the runtime directory, the best first: $XDG_RUNTIME_DIR; for root /run/pprofd,
 * for others /run/user/UID; $XDG_STATE_HOME/libpprof/run; $HOME/.local/state/libpprof/run;
 * /tmp/libpprof-UID.
 */
int span_path_runtime(char *out, size_t cap, const struct span_path_base *base, unsigned i);

/* The collector's socket in the runtime directory. A unix socket's path holds 107 bytes: pass
 * sizeof sun_path. */
int span_path_socket(char *out, size_t cap, const char *runtime);

/*
 * The same collector's abstract name (unix(7)), under which it is found where the socket's path
 * leads nowhere: by a program that has changed its root or its mounts. The path itself behind a
 * NUL; with `any_user`, a `*` in the place of its first slash, so that who would be sent away does
 * not come. Returns its bytes, which no NUL ends; 0 for a path that is not absolute or too long.
 */
enum { SPAN_PATH_ABSTRACT_BYTES = 108 }; /* sun_path */
size_t span_path_abstract(char out[SPAN_PATH_ABSTRACT_BYTES], const char *socket, bool any_user);

/* Where journals of living processes lie below it. */
int span_path_journals(char *out, size_t cap, const char *runtime);
/* Where they lie when the runtime directory is on a disk, which may make a writer wait:
 * /dev/shm/libpprof-UID. */
int span_path_journals_in_memory(char *out, size_t cap, uint64_t uid);

/* $XDG_STATE_HOME/libpprof, else $HOME/.local/state/libpprof; -1 when neither is set. */
int span_path_state(char *out, size_t cap, const char *xdg_state_home, const char *home);

/* "spool" in the state directory; -1 where there is none. */
int span_path_spool(char *out, size_t cap, const char *xdg_state_home, const char *home);

/* "pprof.db" in the state directory, else /var/lib/pprofd/pprof.db. */
int span_path_store(char *out, size_t cap, const char *xdg_state_home, const char *home);
