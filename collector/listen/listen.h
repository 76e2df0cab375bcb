/*
 * The receiving side: a unix socket on which processes send frames, and the spool directory in
 * which they left them when nobody listened. Used by pprofd and by `pprofctl record`.
 *
 * One thread. A frame is acknowledged only after the transaction that holds it is committed.
 * Whatever a sender does (damage, half frames, silence, not reading acknowledgements) costs at most
 * its own connection and a bounded buffer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct listener;
struct store;

enum {
    LISTEN_CONNECTIONS_MAX = 16384, /* 10,000 processes on one host, and some */
    /* Of one spool file, more than a program writes into all of its own (OUTBOX_SPOOL_BYTES_MAX).
     * What is longer, a hole of a terabyte say, is damaged: what is whole before this is taken in,
     * and nobody waits for the file's end.
     */
    LISTEN_SPOOL_FILE_BYTES_MAX = 256 * 1024 * 1024,
    LISTEN_BUFFERS_MAX = 256 * 1024 * 1024, /* unfinished frames of all connections together */
    LISTEN_COMMIT_MS = 50,      /* a frame waits at most so long for its transaction's end while others keep coming */
    LISTEN_COMMIT_QUIET_MS = 2, /* when nothing else is there to be read: least time between two commits */
    LISTEN_COMMIT_FRAMES = 1024,
    LISTEN_PAUSE_MS = 1000,      /* after the store failed (disk full, locked) */
    LISTEN_SPOOL_MS = 5000,      /* between looks into the spool directory and for journals */
    LISTEN_SPOOL_SOON_MS = 1000, /* the same after a connection ended: its process may have died */

    /* What one sender may take from the others; beyond it nobody reads from it for a while (its
     * frames wait in the socket, then with it), or it is refused. */
    LISTEN_READ_BYTES = 64 * 1024, /* from one connection before the next one has its turn */
    LISTEN_SHARE_MS = 100,         /* within such a time ... */
    LISTEN_SHARE_BUSY_MS = 50,     /* ... one process, and one other user, keeps the collector busy at most so long */
    LISTEN_MERGE_NS = 2000, /* of that for each span, for its merge to come (tests/bench/bench_ingest.c: merge_ns) */
    LISTEN_PROCESS_CONNECTIONS_MAX = 1024,
    LISTEN_PROCESS_BUFFERS_MAX = 32 * 1024 * 1024, /* of unfinished frames */
    LISTEN_HALF_FRAME_MS = 30000,                  /* for a frame from its first byte to its last */
    /* Users other than the collector's own and root (--any-user). */
    LISTEN_USER_CONNECTIONS_MAX = 4096,
    LISTEN_USER_BUFFERS_MAX = 64 * 1024 * 1024,
    LISTEN_USER_BYTES_PER_S = 1024 * 1024,      /* about 20,000 calls a second, for as long as it likes ... */
    LISTEN_USER_BYTES_BURST = 64 * 1024 * 1024, /* ... and so much at once */
};

struct listen_config {
    const char *socket_path; /* NULL: no socket, spool only */
    const char *spool_dir;   /* NULL: none */
    bool spool_said;         /* it was named, so journals elsewhere are ours only if they say that it is theirs too */
    const char *const *journal_dirs; /* where else journals lie (NULL at the end); NULL: nowhere */
    struct store *store;             /* open for writing; stays the caller's */
    bool any_user;                   /* accept other users than this one and root */
};

struct listen_stats {
    uint64_t frames, spans; /* stored and committed, repeats not counted */
    uint64_t repeats;
    uint64_t refused;  /* connections of other users, or beyond a bound */
    uint64_t rejected; /* frames that could not be stored and whose spans were counted as lost */
    uint64_t damaged;  /* connections and files with something that is not a frame of ours */
    uint64_t too_new;  /* frames of a later version, left with their senders */
    uint64_t newer;    /* files of a later version that lie in the spool or among the journals, as of the last look */
    uint64_t files;    /* of the spool, taken in */
    uint64_t journals; /* of dead processes, taken over */
    uint64_t killed;   /* calls that were in flight there */
    uint64_t connections; /* ever accepted */
    uint64_t connected;   /* now */
    uint64_t commits;
    uint64_t store_failures; /* transactions rolled back; their frames will be sent again */
};

/* One sentence about the last failure of this thread. */
const char *listen_why(void);

/* 0, or -1. The socket gets mode 0600; its directory is made with 0700 when missing. A socket file
 * on which nobody answers is replaced; one on which somebody does is an error. */
int listen_open(const struct listen_config *config, struct listener **ret_listener);

/* Whether programs that see other directories find it too, by its socket's abstract name
 * (span/paths.h). Where another program has that, it is tried again at each look into the spool. */
bool listen_has_name(const struct listener *listener);

/* Becomes readable when listen_turn has something to do; to be polled together with
 * listen_wait_ms. */
int listen_fd(const struct listener *listener);
/* Milliseconds until listen_turn wants to be called even without input; -1: never. */
int listen_wait_ms(const struct listener *listener);

/* Waits up to timeout_ms (-1: for ever), reads, stores, commits, acknowledges. 0, or a negative
 * store_status when the store failed: then senders keep their frames and it is tried again after
 * LISTEN_PAUSE_MS. listen_why() tells. */
int listen_turn(struct listener *listener, int timeout_ms);

/* Commits and acknowledges at once what was read: before a merge, which needs the store without a
 * transaction. */
int listen_flush(struct listener *listener);

/* Takes in what lies in the spool directory now, and the journals of processes that have died.
 * Number of files, or negative store_status. */
long listen_spool(struct listener *listener);
/* The same for the last time: a program that has begun to call and of which nothing is known yet
 * counts as unheard. */
long listen_spool_last(struct listener *listener);

void listen_get_stats(const struct listener *listener, struct listen_stats *ret_stats);

/* Commits and acknowledges what was read, removes the socket. Takes NULL. 0 or negative
 * store_status. */
int listen_close(struct listener *listener);
