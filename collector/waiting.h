/*
 * What programs left and no collector has taken in yet: spool files, journals of the dead. For who only looks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal_state.h"

struct waiting {
    uint64_t spool_files;
    uint64_t journals; /* of processes that have died */
    uint64_t marks;    /* of processes of which nothing else is known (span/mark.h) */
    uint64_t newer;    /* spool files and journals of a later version, which no collector of this one takes in */
    uint64_t damaged;  /* files that were set aside */
    uint64_t living;   /* journals of processes that live, or are dying; also of who may send and leaves elsewhere */
};

/* All that a collector would take in. */
uint64_t waiting_sum(const struct waiting *waiting);

/* What is of any of the readers, each thing once; journal_dirs: NULL at the end. */
void waiting_look(struct waiting *ret_waiting, const struct journal_reader *reader, size_t n_readers,
                  const char *const *journal_dirs);

/* Whether a spool file begins with what a later version wrote; its writer is one program all along. */
bool waiting_spool_is_newer(int fd);

/* What was left of a recorded run, whose programs had `folder` as their spool: there, and wherever a journal or a mark
 * names it; where root recorded, also in other users' directories. */
void waiting_of_run(struct waiting *ret_waiting, const char *folder);
/* What waits for the collector of this user's default store. */
void waiting_by_default(struct waiting *ret_waiting);
/* What waits for the collectors that the open store `path` has noted and, where it is this user's default store, for
 * that one's. 0 or store_status. */
struct store;
int waiting_of_store(struct waiting *ret_waiting, struct store *store, const char *path);
