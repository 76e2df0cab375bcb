/* Whether who left a journal or a mark lives, and whose it is. Any program of ours. */
#pragma once

#include <stdbool.h>

#include <time.h>

#include "../../span/journal.h"
#include "../../span/mark.h"

enum journal_state {
    JOURNAL_LIVES,
    JOURNAL_DEAD,
    JOURNAL_NEWER,   /* nobody writes it, and it is one of a later version, whose collector takes it over */
    JOURNAL_DAMAGED, /* nobody writes it, and it is none */
    JOURNAL_ANOTHERS /* it says that it is for another collector than the one that asks */
};

enum { JOURNAL_ORPHAN_S = 600 };

/*
 * A collector that asks: it has this spool (NULL: none), named (`said`) or the default one.
 * Journals in the spool's own directory (`in_spool`) belong to it; those elsewhere say to which
 * spool. Who has the default spool looks after those too whose spool is gone, as that of a recorded
 * run, after JOURNAL_ORPHAN_S seconds without a word.
 */
struct journal_reader {
    const char *spool;
    bool said, in_spool;
    const char *socket; /* on which it listens, named or the default one; NULL: none, or it is not asked for */
    bool socket_said;
    bool guessed; /* no collector of the store's is known to read this spool: only what waits there for good counts */
};

/* Whether they are one directory, whatever they are called. */
bool journal_same_directory(const char *a, const char *b);

/* Whether who has the journal in `fd`, which is another's by its spool, lives and may send to the
 * reader's socket; it may where that cannot be known. Takes no lock. */
bool journal_may_send(int fd, const struct journal_reader *reader);
/* The same for the mark, made then. */
bool journal_mark_may_send(const struct span_mark *mark, time_t made, const struct journal_reader *reader);

/* Whether who had the journal in `fd` is gone, and named a spool, which goes to `ret_spool`: it
 * waits for the collector of that spool. Takes no lock, so where only the lock would tell, as in
 * another namespace of pids, it says false. */
bool journal_is_owed(int fd, char ret_spool[SPAN_JOURNAL_PATH_BYTES]);
/* The same of the mark, made then; its spool is in it. */
bool journal_mark_is_owed(const struct span_mark *mark, time_t made);

/* Takes the lock of the file (flock) where it can be had; it goes with the descriptor. Never that
 * of another's, whose own collector would take it for the writer's at that moment. */
enum journal_state journal_state(int fd, const struct journal_reader *reader);

/* Whether the mark's process has ended; `made` is when the mark was. Where its number is one of
 * another namespace, that is taken for true JOURNAL_ORPHAN_S seconds later: no process is that long
 * without a turn of its own. Of one that goes on by exec under the same number it comes out at its
 * end. */
bool journal_mark_is_over(const struct span_mark *mark, time_t made);

/* Whether the mark, made then, is for it. */
bool journal_mark_is_for(const struct span_mark *mark, time_t made, const struct journal_reader *reader);
/* Reads the mark `name` of `directory`; its text goes to `text`, of SPAN_MARK_TEXT_BYTES. False
 * when it is none. */
bool journal_mark_read(struct span_mark *ret_mark, char *text, int directory, const char *name);
