/* What listen.c, listen_socket.c, listen_take.c and listen_spool.c share. */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include "../../span/frame.h"
#include "listen.h"

/* One sender: a connection or a spool file. */
struct listen_sender {
    uint8_t identity[16];
    bool greeted; /* its PROCESS frame came */
    bool in_file; /* of the spool: where that frame may be damaged, others say whose they are */
    bool has_uid; /* a connection's, as the kernel says */
    uint32_t uid;
    uint64_t away;  /* store_times_away when it came: a store that was begun anew knows nobody */
    uint64_t taken; /* highest sequence number given to the store and not acknowledged yet; 0: none */
};

/* What the connections of one process, or of one user, take together. Owner: the listener;
 * listen_share.c. */
struct listen_party {
    uint64_t key; /* the user, or the user and the process */
    bool foreign; /* another user: everything of it is bounded */
    bool whole_user;
    unsigned connections;
    size_t buffer_bytes;
    bool active;                            /* was read from in the share of time at hand */
    uint64_t busy_ns;                       /* in it, and what was too much before */
    uint64_t work;                          /* of the next commit, in bytes (store_work) */
    int64_t bytes;                          /* that a foreign user may still send */
    struct listen_party *next, *next_owing; /* next_owing: whose work is not 0 */
};

struct connection {
    int fd;
    struct listen_sender sender;
    struct listen_party *process, *user;
    uint64_t frame_ns; /* when the first byte of an unfinished frame came; 0: there is none */
    bool parked;       /* not read from until the next share of time */
    bool watched;      /* by epoll */
    uint8_t *data;
    size_t bytes, capacity;
    uint8_t ack[SPAN_FRAME_HEADER_BYTES];
    size_t ack_sent, ack_bytes;
    uint64_t ack_sequence; /* committed, to be told once `ack` is out */
    bool writing;          /* EPOLLOUT is armed */
    bool closing;
    struct connection *next, **link;
};

enum { LISTEN_PARTY_SLOTS = 4096 };

struct listener {
    struct listen_config config;
    char socket_path[108];
    int fd, epoll, lock;
    int named; /* listens at the abstract name of the socket's path; -1: that is taken, or there is none */
    bool accepting;
    struct connection *connections;
    struct connection *closed; /* freed at the end of the turn: events may still point to them */
    size_t buffer_bytes;
    struct listen_party *party[LISTEN_PARTY_SLOTS];
    unsigned parked;                     /* connections */
    unsigned busy_processes, busy_users; /* that were read from in the share of time at hand */
    uint64_t share_ns;                   /* when the share of time at hand began */
    struct listen_party *owing;          /* that have given the next commit work */
    uint64_t work;                       /* of all processes */
    bool open;                           /* a transaction is */
    uint64_t open_ns, commit_ns, pause_ns, spool_ns;
    bool last_look; /* nobody will look for marks later */
    uint64_t newer; /* files of a later version found in the look at hand */
    bool look_soon; /* a connection ended: its process may have died and left a journal */
    uint64_t batch_frames, batch_spans, batch_repeats;
    uint64_t refused_told; /* connections, in the store */
    struct listen_stats stats;
};

/* A file without its final name is that of a process which died while making it, when it is so
 * old. */
enum { LISTEN_UNBORN_S = 60 };

enum {
    LISTEN_END = -100,   /* the sender said something impossible: drop it */
    LISTEN_AGAIN = -101, /* it must introduce itself again: drop it, it is not to blame */
    LISTEN_NEWER = -102, /* it is of a later version: leave it to that version's collector */
};

uint64_t listen_now_ns(void);
int listen_because(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* listen_socket.c: makes the socket; 0 or -1. */
int listen_socket_open(struct listener *listener);
void listen_socket_close(struct listener *listener);
/* listen_socket.c: also listens at the abstract name, where it does not and nobody else does. */
void listen_named_open(struct listener *listener);

/* listen_share.c: makes the connection a member of its process and user. 0, or -1 when these have
 * enough. */
int listen_share_join(struct listener *listener, struct connection *connection, uint32_t uid, uint32_t pid);
void listen_share_leave(struct listener *listener, struct connection *connection);
/* Counts more (or less) memory for unfinished frames; false, and nothing counted, when that is too
 * much. */
bool listen_share_buffer(struct listener *listener, struct connection *connection, size_t before, size_t after);
/* What was done for a connection, and what is still to be done because of it. */
struct listen_cost {
    uint64_t ns;
    size_t bytes;   /* read */
    uint64_t work;  /* of the next commit, in bytes */
    uint64_t spans; /* to be merged once */
};
/* Counts it; the connection is parked when its process or user has had its share. */
void listen_share_spent(struct listener *listener, struct connection *connection, struct listen_cost cost);
/* A commit took so long (or nothing was committed: 0): who gave it work pays for it, each in
 * proportion. */
void listen_share_committed(struct listener *listener, uint64_t ns);
/* Whether a file of another user's may be taken in now, which uses up what that user may send; else
 * it waits its turn where it lies. Where nobody else is served meanwhile (no socket) it may. */
bool listen_share_file(struct listener *listener, uint32_t uid, uint64_t bytes);
/* Begins a new share of time when one is over: parked connections are read from again. True when it
 * did. */
bool listen_share_turn(struct listener *listener, uint64_t now_ns);

/* listen.c: what epoll is to tell of a connection. */
void listen_watch(struct listener *listener, struct connection *connection);

/* listen_take.c: gives every whole frame at the start of data to the store. 0, LISTEN_END,
 * LISTEN_AGAIN, LISTEN_NEWER, or negative store_status; in *ret_used how far it came. */
int listen_take(struct listener *listener, struct listen_sender *sender, const uint8_t *data, size_t bytes,
                size_t *ret_used);
/* listen_take.c: counts one event of an enum store_loss_kind in the transaction of the moment. */
int listen_note(struct listener *listener, int kind);
/* listen_take.c: the same for an event that a file tells, at most once for each file: it may be
 * found again after the commit, where its collector was killed. 0 or negative store_status. */
int listen_note_file(struct listener *listener, int kind, const struct stat *st);
/* listen_take.c: begins a transaction where connections were refused since: its commit notes them,
 * once. 0 or negative store_status. */
int listen_note_refused(struct listener *listener);
int listen_commit(struct listener *listener);
/* Takes back what is open. */
void listen_undo(struct listener *listener);
/* The same after a failure, which it counts. */
void listen_rollback(struct listener *listener);

struct journal_reader;
/* listen_journal.c: takes over the journals of the dead in a directory, which is `user`'s or, where
 * the reader says so, the spool. No transaction may be open. Number of files, or negative
 * store_status. */
long listen_journals(struct listener *listener, const char *path, uid_t user, const struct journal_reader *reader);
/* listen_others.c: the same in the directories of all users but root; where the user keeps a
 * collector, of those alone that name our spool. Root alone may call it. */
long listen_journals_of_others(struct listener *listener, const struct journal_reader *reader);
/* listen_journal.c: what is damaged and was counted gets a name under which nobody looks for it
 * again, cut where it would be too long; where it can get none it is removed, or it would count at
 * every look. */
void listen_set_aside(int directory, const char *name);
