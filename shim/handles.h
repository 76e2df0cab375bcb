/*
 * From a CURL* (or CURLM*) to what libpprof knows about it.
 *
 * A lock-free table: fixed buckets, nodes that are never unlinked and recycled in place, memory from anonymous mappings
 * that are never unmapped. A handle's record belongs to whoever may use the handle, one thread at a time, as libcurl
 * demands; only finding, taking and giving back are safe against everybody.
 */
#pragma once

#include "shadow.h"

#include <stdatomic.h>

enum { HANDLES_BUCKETS = 8192 };

struct handle {
    _Atomic(const void *) key; /* the CURL* or CURLM*; NULL: free */
    struct handle *next;       /* in the bucket; fixed once published */
    struct library *library;

    /* The transfer under way (transfer.c). */
    uint64_t transfer; /* its number; 0: none is being recorded */
    uint64_t lost;     /* bytes that the tape did not take since its last record */
    bool performing;   /* inside curl_easy_perform; libcurl's own multi calls on this handle are then not the
                          application's */
    bool armed;        /* our callbacks are in place */
    bool armed_read, armed_seek, armed_ioctl;
    bool headers_open; /* with CURLOPT_HEADER: what the write callback gets are headers */
    bool body_seen;
    uint64_t header_ns;                    /* when the block of headers began that is being delivered; 0: none yet */
    unsigned paused;                       /* CURLPAUSE_* */
    size_t replayed_header, replayed_body; /* bytes that libcurl will deliver again because the application paused */
    bool reading;                          /* read_function and read_data are fixed for this transfer */
    curl_read_callback read_function;
    void *read_data;

    /* Recorded transfers of a multi handle. An easy handle is in the list of its multi, a multi handle heads it. */
    struct handle *multi, *multi_first, *multi_next, *multi_previous;

    struct shadow shadow;
};

/* NULL when unknown. */
struct handle *handles_find(const void *key);
/* The record of a new handle, cleared, shadow initialised. NULL when there is no memory. A stale record of the same
 * address is taken over. */
struct handle *handles_insert(const void *key, struct library *library);
/* Wipes and gives back. */
void handles_release(struct handle *handle);
/* How many records exist, free ones included. */
size_t handles_capacity(void);
