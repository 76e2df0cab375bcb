/* What record needs around a run: libpprof.so, a private directory for its socket, the program's environment. One
 * thread. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum { PLACE_SOCKET_MAX = 108 }; /* sun_path */

struct record_place {
    char directory[PLACE_SOCKET_MAX]; /* 0700, ours alone */
    char socket[PLACE_SOCKET_MAX];
    char spool[PLACE_SOCKET_MAX]; /* for what a program could not hand over before it ended */
    char library[PATH_MAX];       /* what goes into LD_PRELOAD */
    bool preview;                 /* the beginning of the instructions may leave the program */
};

/* Finds libpprof.so: $LIBPPROF_SO, else beside this program. Returns 0, or -1 after having said where it was looked
 * for. */
int place_find_library(struct record_place *place);
/* Makes the directory under $XDG_RUNTIME_DIR or /tmp. Returns 0, or -1 after having said why not. */
int place_make(struct record_place *place);
/* Whether programs left something in the spool. */
bool place_has_spool(const struct record_place *place);
/* Removes the directory; `keep_spool` leaves the spool in it. */
void place_remove(struct record_place *place, bool keep_spool);
/* Changes the environment for the program; called in the child, between fork and exec. */
void place_set_environment(const struct record_place *place);
