/*
 * The journal: a small file in which a living process keeps what nobody else has yet: frames
 * without acknowledgement, finished spans that are in no frame, calls in flight. When the process
 * dies, however, a collector makes frames of it. FORMAT.md, section "Journals"; why it is a file
 * and not a mapping: ARCHITECTURE.md, section 6.
 *
 * Here: where things lie in it, and reading it. Writing is the shim's (shim/outbox/journal.c).
 * Pure: the caller has read the file. Everything is checked: the file may be torn, cut short, or
 * somebody else's idea.
 */
#pragma once

#include "frame.h"
#include "record.h"

enum {
    SPAN_JOURNAL_PATH_BYTES = 1024,     /* of the spool it belongs to, with a NUL */
    SPAN_JOURNAL_GREETING_BYTES = 4096, /* as the shim's PROCESS frame at most */

    /* Where things stand. The head is written once; each number after it is 8 bytes for itself. */
    SPAN_JOURNAL_AT_GREETING = 256,
    SPAN_JOURNAL_AT_SPOOL = SPAN_JOURNAL_AT_GREETING + SPAN_JOURNAL_GREETING_BYTES,
    SPAN_JOURNAL_AT_LOSS = SPAN_JOURNAL_AT_SPOOL + SPAN_JOURNAL_PATH_BYTES, /* struct span_loss */
    SPAN_JOURNAL_AT_ACKED = SPAN_JOURNAL_AT_LOSS + SPAN_LOSS_BYTES,
    SPAN_JOURNAL_AT_ALIVE = SPAN_JOURNAL_AT_ACKED + 8,
    SPAN_JOURNAL_AT_PENDING = 8192, /* head of the pending area: next frame's number, last span's number, checksum */
    SPAN_JOURNAL_PENDING_BYTES = 64 * 1024 - 8192,
    SPAN_JOURNAL_AT_RING = 64 * 1024,
    SPAN_JOURNAL_RING_BYTES = 128 * 1024,
    SPAN_JOURNAL_AT_FLIGHTS = SPAN_JOURNAL_AT_RING + SPAN_JOURNAL_RING_BYTES,
    SPAN_JOURNAL_FLIGHT_BYTES = 1024, /* a page is a whole number of them, so that a write to one is never half done */
    SPAN_JOURNAL_FLIGHTS_FIRST = 64,  /* slots at first; the file grows by as many again and again, up to: */
    SPAN_JOURNAL_FLIGHTS_MAX = 4096,
    SPAN_JOURNAL_BYTES = SPAN_JOURNAL_AT_FLIGHTS + SPAN_JOURNAL_FLIGHTS_FIRST * SPAN_JOURNAL_FLIGHT_BYTES,
    SPAN_JOURNAL_BYTES_MAX = SPAN_JOURNAL_AT_FLIGHTS + SPAN_JOURNAL_FLIGHTS_MAX * SPAN_JOURNAL_FLIGHT_BYTES,
    SPAN_JOURNAL_ENTRY_HEAD = 32, /* before each pending span and each flight */
    SPAN_JOURNAL_RECORD_MAX = SPAN_JOURNAL_FLIGHT_BYTES - SPAN_JOURNAL_ENTRY_HEAD - 16, /* of a flight */
};

/* Who writes it: how a collector of the same pid namespace proves that it is dead, besides the
 * file's lock. */
struct span_journal_owner {
    uint64_t pid;
    uint64_t start_ticks;   /* field 22 of /proc/PID/stat; 0: not known */
    uint64_t pid_namespace; /* inode of /proc/self/ns/pid; 0: not known */
    char boot[40];          /* /proc/sys/kernel/random/boot_id; "": not known */
};

struct span_journal_head {
    uint8_t identity[16];
    struct span_journal_owner owner;
    bool spool_said; /* the spool was named by LIBPPROF_SPOOL: only a collector with the same one takes this journal */
    char spool[SPAN_JOURNAL_PATH_BYTES]; /* "": none */
};

/* Writes the head, SPAN_JOURNAL_AT_LOSS bytes; `greeting` is the PROCESS frame. Returns 0, or -1
 * when it is too long.
 */
int span_journal_head_write(uint8_t to[SPAN_JOURNAL_AT_LOSS], const struct span_journal_head *head,
                            const uint8_t *greeting, size_t greeting_bytes);
enum span_journal_status {
    SPAN_JOURNAL_OK = 0,
    SPAN_JOURNAL_BAD = -1,       /* no journal, or damaged */
    SPAN_JOURNAL_TOO_NEW = -2,   /* it, or a frame in it, is of a later version */
    SPAN_JOURNAL_NO_MEMORY = -3, /* it cannot be told now */
};
/* An enum span_journal_status, but for memory. `bytes` may be no more than the head. */
int span_journal_head_read(struct span_journal_head *ret_head, const uint8_t *file, size_t bytes);

/* The pending area's head (24 bytes): the number that the next frame will have, and the last span's
 * before it. What stood in the area is void with that. */
enum { SPAN_JOURNAL_PENDING_HEAD = 32 };
void span_journal_pending_write(uint8_t to[SPAN_JOURNAL_PENDING_HEAD], uint64_t next_frame, uint64_t last_span);

/* Puts the head of an entry before `bytes` bytes of record, which stand at entry +
 * SPAN_JOURNAL_ENTRY_HEAD. `a` and `b`: flight and next frame (pending), flight and time of its
 * begin (flights; time: CLOCK_MONOTONIC, ns). */
void span_journal_entry_seal(uint8_t *entry, uint64_t a, uint64_t b, size_t bytes);
/* Bytes that a sealed entry takes, a multiple of 8. */
size_t span_journal_entry_bytes(size_t record_bytes);

struct span_journal_found {
    uint64_t frames;  /* unacknowledged ones that were in it */
    uint64_t spans;   /* pending ones */
    uint64_t killed;  /* calls in flight */
    uint64_t damaged; /* entries that are neither empty nor whole, and frames that were whole once */
};

/*
 * Appends to `out` what a dead process left: its PROCESS frame, its unacknowledged frames, then
 * what was pending as the frame whose number was to come, then calls in flight as spans with
 * completeness "killed", then, where something was lost and nothing else tells it, a LOSS frame.
 * The same file gives the same frames with the same numbers, so taking it twice stores nothing
 * twice. An enum span_journal_status.
 */
int span_journal_frames(struct span_buffer *out, const uint8_t *file, size_t bytes,
                        struct span_journal_found *ret_found);
