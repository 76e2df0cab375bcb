/*
 * What programs left and no collector has taken in yet: spool files, journals of the dead. For who
 * only looks.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal_state.h"

struct waiting {
    uint64_t spool_files;
    uint64_t journals;    /* of processes that have died */
    uint64_t marks;       /* of processes of which nothing else is known (span/mark.h) */
    uint64_t newer;       /* spool files and journals of a later version, which no collector of this one takes in */
    uint64_t damaged;     /* journals of which nothing can be read, not even whose they are */
    uint64_t living;      /* journals of processes that live, or are dying; also of who may send and leaves elsewhere */
    uint64_t named;       /* of those that a collector would take in: the ones that wait for who reads a named spool */
    char spool[PATH_MAX]; /* such a spool */
    bool store_said;      /* they are for a store that is not this user's default one */
};

/* All that a collector would take in, or count as lost. */
uint64_t waiting_sum(const struct waiting *waiting);

/* What is of any of the readers, or of nobody knows whom, each thing once; journal_dirs: NULL at
 * the end. */
void waiting_look(struct waiting *ret_waiting, const struct journal_reader *reader, size_t n_readers,
                  const char *const *journal_dirs);

/* Whether a spool file begins with what a later version wrote; its writer is one program all
 * along. */
bool waiting_spool_is_newer(int fd);

/* What was left of a recorded run, whose programs had `folder` as their spool: there, and wherever
 * a journal or a mark names it; where root recorded, also in other users' directories. */
void waiting_of_run(struct waiting *ret_waiting, const char *folder);
/*
 * What waits for the collectors that the open store `path` has noted and, where it is this user's
 * default store, for that one's. Also what waits in the spool that LIBPPROF_SPOOL names for us,
 * and, where a collector has the default spool, in spools that the dead were told of: which store
 * they meant is not known, and no other may have a collector. Both NULL: of this user's default
 * store. 0 or store_status.
 */
struct store;
int waiting_of_store(struct waiting *ret_waiting, struct store *store, const char *path);
