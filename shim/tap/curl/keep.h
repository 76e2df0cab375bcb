/*
 * A private copy of something that libcurl copied too and does not give back: a body given by
 * CURLOPT_COPYPOSTFIELDS, a bearer token, the part of a URL that matters.
 *
 * Lives in anonymous mappings, never in the application's heap. Small copies lie in slabs, by
 * sizes, so that ten thousand handles cost what they hold; a few larger blocks are recycled, so
 * that a program that makes a handle for every request costs no system call. Wiped when dropped.
 * Any thread, one owner; errno is preserved.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    KEEP_SMALL_BYTES_MIN = 64,
    KEEP_SMALL_BYTES_MAX = 2048,  /* up to here in slabs */
    KEEP_BLOCK_BYTES = 16 * 1024, /* what fits goes into a recycled block, anything larger into a mapping of its own */
    KEEP_BLOCKS_IDLE_MAX = 16,
    /* More than any provider takes in one request; and of all such mappings together: they are
     * memory that the program's container counts as the program's. */
    KEEP_BYTES_MAX = 64 * 1024 * 1024,
    KEEP_TOTAL_BYTES_MAX = 128 * 1024 * 1024,
};

struct keep {
    char *data; /* NULL: nothing kept */
    uint32_t bytes;
    uint32_t room;  /* size of the block or mapping */
    uint32_t place; /* of a block in a slab, else 0 */
};

/* Replaces the copy. Returns 0, or -ENOMEM where there is no memory or a bound is reached (then
 * nothing is kept). */
int keep_set(struct keep *keep, const void *data, size_t bytes);
void keep_drop(struct keep *keep);
