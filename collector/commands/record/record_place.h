/* What record needs around a run: libpprof.so, a socket whose name nobody can guess, a folder for
 * what programs leave, the program's environment. One thread. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "../../listen/runs.h"

enum { PLACE_SOCKET_MAX = 108 }; /* sun_path */

struct record_place {
    char socket[PLACE_SOCKET_MAX]; /* a name that was never used before */
    struct run run;                /* for what a program could not hand over before it, or we, ended */
    char library[PATH_MAX];        /* what goes into LD_PRELOAD */
    char link[PLACE_SOCKET_MAX];   /* to it, "" where none is needed */
    bool preview;                  /* the beginning of the instructions may leave the program */
};

/* Finds libpprof.so: $LIBPPROF_SO, else beside this program. Returns 0, or -1 after having said
 * where it was looked for. */
int place_find_library(struct record_place *place);
/* Chooses the socket's name and makes the folder, for a recording into `store_path`. Where we are
 * root both can be used by every user who knows their names: programs may give up their rights.
 * Returns 0, or -1 after having said why not.
 */
int place_make(struct record_place *place, const char *store_path);
/* Gives it up, as run_leave. */
bool place_leave(struct record_place *place);
/* Changes the environment for the program; called in the child, between fork and exec. */
void place_set_environment(const struct record_place *place);
