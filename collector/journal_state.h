/* Whether the writer of a journal lives, and whose journal it is. Any program of ours. */
#pragma once

#include <stdbool.h>

#include "../span/journal.h"

enum journal_state {
    JOURNAL_LIVES,
    JOURNAL_DEAD,
    JOURNAL_NEWER,   /* nobody writes it, and it is one of a later version, whose collector takes it over */
    JOURNAL_DAMAGED, /* nobody writes it, and it is none */
};

/* Takes the lock of the file (flock) where it can be had; it goes with the descriptor. *ret_head is
 * empty where the file has none, as while its writer makes it. */
enum journal_state journal_state(int fd, struct span_journal_head *ret_head);

/*
 * Whether the journal (open as fd) is for a collector with this spool (NULL: none), named (`said`) or the default one.
 * Journals in the spool's own directory (`in_spool`) belong to it; those elsewhere say to which spool. Who has the
 * default spool looks after those too whose spool is gone, as that of a recorded run, after JOURNAL_ORPHAN_S seconds
 * without a word.
 */
enum { JOURNAL_ORPHAN_S = 600 };
bool journal_is_for(int fd, const struct span_journal_head *head, const char *spool, bool said, bool in_spool);
