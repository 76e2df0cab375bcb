/* What listen.c, listen_socket.c, listen_take.c and listen_spool.c share. */
#pragma once

#include <sys/types.h>

#include "../span/frame.h"
#include "listen.h"

/* One sender: a connection or a spool file. */
struct listen_sender {
    uint8_t identity[16];
    bool greeted;   /* its PROCESS frame came */
    bool in_file;   /* where that frame may be damaged: others say whose they are */
    uint64_t away;  /* store_times_away when it came: a store that was begun anew knows nobody */
    uint64_t taken; /* highest sequence number given to the store and not acknowledged yet; 0: none */
};

struct connection {
    int fd;
    struct listen_sender sender;
    uint8_t *data;
    size_t bytes, capacity;
    uint8_t ack[SPAN_FRAME_HEADER_BYTES];
    size_t ack_sent, ack_bytes;
    uint64_t ack_sequence; /* committed, to be told once `ack` is out */
    bool writing;          /* EPOLLOUT is armed */
    bool closing;
    struct connection *next, **link;
};

struct listener {
    struct listen_config config;
    char socket_path[108];
    int fd, epoll, lock;
    bool accepting;
    struct connection *connections;
    struct connection *closed; /* freed at the end of the turn: events may still point to them */
    size_t buffer_bytes;
    bool open; /* a transaction is */
    uint64_t open_ns, commit_ns, pause_ns, spool_ns;
    bool look_soon; /* a connection ended: its process may have died and left a journal */
    uint64_t batch_frames, batch_spans, batch_repeats;
    struct listen_stats stats;
};

enum {
    LISTEN_END = -100,   /* the sender said something impossible: drop it */
    LISTEN_AGAIN = -101, /* it must introduce itself again: drop it, it is not to blame */
};

uint64_t listen_now_ns(void);
int listen_because(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* listen_socket.c: makes the socket; 0 or -1. */
int listen_socket_open(struct listener *listener);
void listen_socket_close(struct listener *listener);

/* listen_take.c: gives every whole frame at the start of data to the store. 0, LISTEN_END, or negative store_status; in
 * *ret_used how far it came. */
int listen_take(struct listener *listener, struct listen_sender *sender, const uint8_t *data, size_t bytes,
                size_t *ret_used);
/* listen_take.c: counts one event of an enum store_loss_kind in the transaction of the moment. */
int listen_note(struct listener *listener, int kind);
int listen_commit(struct listener *listener);
/* After a failure: takes back what is open. */
void listen_rollback(struct listener *listener);

/* listen_journal.c: takes over the journals of the dead in a directory, which is `user`'s or, `in_spool`, the spool. No
 * transaction may be open. Number of files, or negative store_status. */
long listen_journals(struct listener *listener, const char *path, uid_t user, bool in_spool);
/* listen_others.c: the same in the directories of all users but root who keep no collector. Root alone may call it. */
long listen_journals_of_others(struct listener *listener);
