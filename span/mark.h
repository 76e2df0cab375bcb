/*
 * Marks: a link in the directory of journals in memory that stands from a process' first call until
 * its journal does, or a collector knows of the process. One that stays says: this program was
 * killed before anything of its calls was kept. FORMAT.md, section "Marks". What the link leads to
 * is text, and leads nowhere.
 *
 * Here: name and text. Made by the shim (shim/scribe/mark.c), read by the collector. Pure; no
 * allocation; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPAN_MARK_SPOOL_BYTES = 1024, /* with a NUL; as SPAN_JOURNAL_PATH_BYTES */
    SPAN_MARK_TEXT_BYTES = SPAN_MARK_SPOOL_BYTES + 80,
    SPAN_MARK_NAME_BYTES = 16,
    SPAN_MARK_SLOTS = 4096, /* names that there are: so many marks lie in a directory at most */
};

struct span_mark {
    uint64_t pid, pid_namespace; /* the latter: inode of /proc/self/ns/pid; 0: not known */
    bool spool_said;             /* as in a journal's head */
    bool has_identity; /* before this mark the process had told nothing: whoever knows it has heard it since */
    uint8_t identity[16];
    const char *spool; /* "": none */
};

/* The name that a process tries first (0) or second (1): "SLOT.mark". */
void span_mark_name(char out[SPAN_MARK_NAME_BYTES], const struct span_mark *mark, unsigned attempt);

/* The text, with its NUL. False when the spool's path is too long. */
bool span_mark_write(char out[SPAN_MARK_TEXT_BYTES], const struct span_mark *mark);
/* Reads `text`, which ends with a NUL and which ret_mark->spool then points into. False when it is
 * none. */
bool span_mark_read(struct span_mark *ret_mark, const char *text);
