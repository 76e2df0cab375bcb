/*
 * Where the socket, the spool and the store lie unless somebody says otherwise: the shim and the collector must agree,
 * and neither includes the other.
 *
 * Pure: the caller reads the environment (the shim by secure_getenv) and passes the values; NULL, "" and relative paths
 * count as unset, as the XDG rules demand. Each function writes a NUL-terminated path and returns 0; -1 when there is
 * no such path or it does not fit in `cap` bytes (`out` is then "").
 */
#pragma once

#include <stddef.h>

/* $XDG_RUNTIME_DIR/pprofd.sock, else /run/pprofd/pprofd.sock. A unix socket's path holds 107 bytes: pass sizeof
 * sun_path. */
int span_path_socket(char *out, size_t cap, const char *xdg_runtime_dir);

/* $XDG_STATE_HOME/libpprof/spool, else $HOME/.local/state/libpprof/spool; -1 when neither is set. */
int span_path_spool(char *out, size_t cap, const char *xdg_state_home, const char *home);

/* $XDG_STATE_HOME/libpprof/pprof.db, else $HOME/.local/state/libpprof/pprof.db, else /var/lib/pprofd/pprof.db. */
int span_path_store(char *out, size_t cap, const char *xdg_state_home, const char *home);
