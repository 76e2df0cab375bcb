/*
 * Writing the journal (span/journal.h): what this process has and nobody else, in a file that
 * outlives it. Scribe thread only; belongs to the outbox.
 *
 * The file is written by pwrite, never through a mapping: whatever others do to it (cut it short,
 * fill the disk), the worst is an error here, and then the journal steps aside. That its writer
 * lives is told by a lock on the file whose description only a page of this process' address space
 * holds: PROT_NONE, not inherited by fork. It ends with exec and with every kind of death, and with
 * nothing else.
 */
#pragma once

#include "span/journal.h"
#include "shim/base/own_fd.h"

enum {
    JOURNAL_PLACES = 3,
    JOURNAL_FILES_MAX = 2048, /* in a directory, of all processes together */
    JOURNAL_FREE_SHARE = 16,  /* at least a sixteenth of the file system stays free */
    JOURNAL_RETRY_MS = 1000,  /* after a failure */
};

struct journal_place {
    const char *directory; /* NULL: none */
    const char *above;     /* of ours too, and made first; NULL: none */
    bool sticky;           /* others may make files in it, as in /tmp */
};

struct journal {
    struct span_journal_head head;
    struct journal_place place[JOURNAL_PLACES];
    const uint8_t *greeting; /* the PROCESS frame; belongs to the outbox */
    size_t greeting_bytes;
    bool wanted;     /* there is a place */
    bool disk_first; /* the places are tried in their order; otherwise those in memory (tmpfs) come first */

    struct own_fd own;
    void *lock; /* the page that holds the lock; NULL: no journal is open */
    char file[SPAN_JOURNAL_PATH_BYTES];
    unsigned n;            /* files made so far; tells flights of an earlier one */
    uint64_t retry_ns;     /* no attempt before */
    uint64_t failures;     /* times that it stepped aside, wholly or for want of slots */
    bool aside;            /* since this file was made, or none could be */
    size_t bytes;          /* of the file */
    size_t pending_used;   /* after the head of the area */
    uint64_t next_frame;   /* as the area's head says */
    size_t ring_at;        /* where the next frame goes */
    struct span_loss loss; /* as written */
    uint64_t acked;        /* as written */
    uint64_t alive_ns;     /* as written */
    unsigned slots;        /* in the file */
    unsigned slot_hint;    /* no free one below */
    uint64_t used[SPAN_JOURNAL_FLIGHTS_MAX / 64];
};

/* A flight's place; zeroed: none yet. */
struct journal_slot {
    unsigned file; /* which of this process' files */
    unsigned number;
};

/* Forgets everything (a forked child inherits a snapshot) and closes the inherited descriptor. */
void journal_init(struct journal *journal, const struct span_journal_head *head,
                  const struct journal_place place[JOURNAL_PLACES], bool disk_first);
/* Whether a journal is open now; opens one if there is none and it is time to. `next_frame`,
 * `last_span`: as for journal_restart. *ret_fresh: it was opened just now and holds nothing yet. */
bool journal_ready(struct journal *journal, uint64_t now_ns, uint64_t next_frame, uint64_t last_span, bool *ret_fresh);
bool journal_is_open(const struct journal *journal);

/* Adds a finished span, which was flight `flight` (0: none), and gives back its slot. False: there
 * is no room (the block must be cut first) or no journal. */
bool journal_add(struct journal *journal, const struct span *span, uint64_t flight, struct journal_slot *slot);
/* What was pending is in a frame now, or lost: the next frame will be `next_frame`. */
void journal_restart(struct journal *journal, uint64_t next_frame, uint64_t last_span);

/* Where a frame of `bytes` bytes would go; false: it is longer than the ring. Who owns the frames
 * looks whether one of them lies there. */
bool journal_ring_place(const struct journal *journal, size_t bytes, size_t *ret_at);
/* Writes it there. */
bool journal_ring_write(struct journal *journal, size_t at, const uint8_t *data, size_t bytes);

/* A call in flight as far as it is known. False: no slot, or no journal. */
bool journal_flight(struct journal *journal, struct journal_slot *slot, uint64_t flight, uint64_t begin_ns,
                    const struct span *so_far);
void journal_flight_end(struct journal *journal, struct journal_slot *slot);

void journal_loss(struct journal *journal, const struct span_loss *loss);
void journal_acked(struct journal *journal, uint64_t sequence);
void journal_alive(struct journal *journal, uint64_t now_ns);

/* Nothing is left in it: removes the file. A later journal_ready makes another one. */
void journal_remove(struct journal *journal);
