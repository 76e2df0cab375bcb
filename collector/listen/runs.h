/*
 * The folders in which the programs of a recorded run leave what they cannot hand over: one per run
 * of `pprofctl record`, in a place that every later command of this user knows. So what a killed
 * record, or a program that outlives its record, leaves behind is found and taken in. One thread.
 *
 *   RUNS/<128 random bits in hex>/run        names the store that the run was recorded into; locked
 *                                            as long as record lives
 *   RUNS/<128 random bits in hex>/ID.frames  spool files, and whatever else programs put into a
 *                                            spool folder
 *
 * A name is never used again. Where root records, the folder is open to those who know its name, so
 * that programs that give up their rights can still write; files in it belong to who made them.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "waiting.h"

struct store;

enum { RUN_NAME_BYTES = 33, RUN_PATH_BYTES = PATH_MAX + 64 }; /* with their ends */

struct run {
    char path[RUN_PATH_BYTES]; /* "": none */
    int lock;
};

/* 128 random bits in hex. Returns 0 or a negative errno. */
int run_name(char name[RUN_NAME_BYTES]);
/* Whether `path` is a directory of this user's that nobody else writes in and, if `shared`, that
 * others can go through; with `make` it is made if need be, with its parents: for the user alone,
 * root's for all to go through. */
bool run_directory(const char *path, bool make, bool shared);
/* Makes a folder for a recording into `store_path`, which exists. Returns 0, or a negative
 * errno. */
int run_make(struct run *run, const char *store_path);
/* Processes that still run and would write into the folder, as far as can be seen. */
uint64_t run_users(const struct run *run);
/* What programs left in it, or elsewhere for it, and what those that run keep. */
void run_look(const struct run *run, struct waiting *ret_waiting);
/* Gives the folder up: removes it when nothing is left of the run and nobody uses it, and otherwise
 * leaves it to be found. True when it was left. */
bool run_leave(struct run *run);

/* What no living record looks after. */
struct runs_left {
    uint64_t taken;   /* folders whose calls came into the store */
    uint64_t waiting; /* folders with calls of this store that could not be taken in */
    uint64_t living;  /* journals of programs that run on and will give this store more; all of runs under way */
    uint64_t newer;   /* files in them that a later version wrote, which this one cannot take in */
    char where[RUN_PATH_BYTES]; /* one of the folders that wait */
};

/*
 * Takes into the store, which is open for writing as `store_path`, what was left of runs recorded
 * into it, and, if `homeless`, of those whose store is gone. Removes folders that are empty and
 * used by nobody. Never fails: what cannot be taken in stays, and is counted.
 */
void runs_take_in(struct store *store, const char *store_path, bool homeless, struct runs_left *ret_left);
/* The same without a store to write to: only counts what waits for `store_path`. */
void runs_look(const char *store_path, struct runs_left *ret_left);
