/*
 * Spool files: frames that no collector takes now, kept on disk for the next one.
 *
 * <directory>/<identity in hex>-<n>.part from its first frame on, renamed to .frames when closed.
 * It holds whole frames at every moment in which nobody has a record lock on it: a collector may
 * take it in whether its writer lives or not, and the writer then begins another one. First frame:
 * PROCESS. One thread at a time: the scribe's or the spooler's; a mark alone may be left by who
 * ends the process (last_word.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/base/own_fd.h"

enum {
    SPOOL_PATH_MAX = 1024,
    SPOOL_FILES_MAX =
        10000, /* in the directory, of all processes together: short programs must not fill a disk's inodes */
    SPOOL_RETRY_MS = 1000, /* after a failure, so that a full disk is not asked for every frame */
};

struct spool {
    char directory[SPOOL_PATH_MAX]; /* "": there is no spool */
    char file[SPOOL_PATH_MAX];      /* the open one */
    char identity[33];
    struct own_fd own;
    unsigned n; /* files made so far */
    uint64_t file_bytes;
    uint64_t total_bytes; /* of all files of this process, held against bytes_max */
    uint64_t bytes_max;
    uint64_t retry_ns;       /* not before */
    bool unread;             /* its mark is that of calls that nobody read from the tape (last_word.h) */
    uint64_t refused;        /* lost calls that its mark tells of; 0: there is none */
    const uint8_t *greeting; /* the PROCESS frame; belongs to the outbox */
    size_t greeting_bytes;
};

/* `directory` may be NULL: then every append fails. */
void spool_init(struct spool *spool, const char *directory, const uint8_t identity[16], uint64_t bytes_max);

/* Appends one whole frame or nothing. Returns 0 or a negative errno. */
int spool_append(struct spool *spool, uint64_t now_ns, const uint8_t *frame, size_t bytes);

/* Renames the open file, if there is one, so that collectors take it; a later append begins a new
 * file. */
void spool_close(struct spool *spool);

/* Leaves an empty file whose name tells the collector that `lost` calls of this process found no
 * way out by now: <identity in hex>-<lost>.refused, or .unread. It takes no room and obeys any
 * limit on the length of files. It takes the place of an earlier one; 0: there is none any more. */
void spool_say_refused(struct spool *spool, uint64_t lost);

/* Takes that mark away, where no collector has read it yet. */
void spool_unsay_refused(struct spool *spool);
