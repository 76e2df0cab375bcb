/*
 * From a CURL*, a CURLM* or a form to what libpprof knows about it.
 *
 * A lock-free table: fixed buckets, nodes that are never unlinked and recycled in place, memory
 * from anonymous mappings that are never unmapped. A handle's record belongs to whoever may use the
 * handle, one thread at a time, as libcurl demands; only finding, taking and giving back are safe
 * against everybody.
 */
#pragma once

#include "shadow.h"

#include <stdatomic.h>

enum { HANDLES_BUCKETS = 8192 };

/* What is recorded. libcurl frees handles of its own without a call that is seen, and the address
 * is soon another thing's: a record of another kind says nothing about it. */
enum handle_kind { HANDLE_EASY, HANDLE_MULTI, HANDLE_FORM };

/* Of an easy handle: the transfer under way (transfer.c), and what the application set. */
struct easy {
    uint64_t transfer;  /* its number; 0: none is being recorded */
    uint64_t lost;      /* bytes that the tape did not take since its last record */
    uint64_t queued_ns; /* when it was added to its multi handle */
    uint64_t before_us; /* from the beginning of the call to libcurl's own */
    bool performing;    /* inside curl_easy_perform; libcurl's own multi calls on this handle are then not the
                           application's */
    bool pending;       /* in a multi handle that was not driven since */
    bool armed;         /* our callbacks are in place */
    bool armed_read;    /* those of the request's body, too */
    bool armed_prereq;  /* libcurl says when it makes a request (7.80) */
    bool headers_noted; /* the request's headers are on the tape */
    bool input_seen;    /* libcurl began to read the default input */
    bool cannot_seek;   /* and that is a pipe */
    bool headers_open;  /* with CURLOPT_HEADER: what the write callback gets are headers */
    bool body_seen;
    bool refused;                          /* the application's callback did not take a piece of the answer */
    unsigned char set;                     /* with which callbacks (callbacks.c) */
    uint64_t header_ns;                    /* when the block of headers began that is being delivered; 0: none yet */
    unsigned paused;                       /* CURLPAUSE_* */
    size_t replayed_header, replayed_body; /* bytes that libcurl will deliver again because the application paused */
    curl_read_callback read_function;      /* fixed for each request of this transfer, as in libcurl */
    void *read_data;
    struct handle *multi, *multi_next, *multi_previous; /* the multi handle that it is in, and its neighbours there */
    struct shadow shadow;
};

/* Of a multi handle: what the application added, in that order. */
struct multi {
    struct handle *first, *last;
    struct handle *pending; /* from here on they wait to be begun; NULL: none */
    curl_push_callback push_function;
    void *push_data;
    bool driving; /* inside one of the calls that drive it */
};

/* Of a form: its text parts (hook_mime.c). */
struct form {
    struct keep parts;
};

struct handle {
    _Atomic(const void *) key; /* NULL: free */
    enum handle_kind kind;
    /* Of a multi handle that was driven and got nothing since: its key. Of an easy handle inside
     * curl_easy_perform: the multi handle that libcurl drives for it. Else what no handle is: the
     * record itself, or NULL before any of this (hook_multi.h). */
    _Atomic(const void *) quiet;
    struct handle *next;  /* in the bucket; fixed once published */
    const void *released; /* the CURL* that it was of; NULL: none */
    struct library *library;
    union { /* by kind; handles.c makes and frees them */
        struct easy easy;
        struct multi multi;
        struct form form;
    };
};

extern _Atomic(struct handle *) handles_buckets[HANDLES_BUCKETS];

static inline _Atomic(struct handle *) *handles_bucket(const void *key)
{
    uint64_t hash = ((uint64_t)(uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u;
    return &handles_buckets[hash >> 32 & (HANDLES_BUCKETS - 1)];
}

/* Whatever was recorded of this address, NULL when nothing is. */
static inline struct handle *handles_find_any(const void *key)
{
    struct handle *handle = atomic_load_explicit(handles_bucket(key), memory_order_acquire);
    while (handle != NULL && atomic_load_explicit(&handle->key, memory_order_acquire) != key)
        handle = handle->next;
    return key == NULL ? NULL : handle;
}

/* NULL when unknown, or of another kind. Here because every hook and callback begins with it. */
static inline struct handle *handles_find(const void *key, enum handle_kind kind)
{
    struct handle *handle = handles_find_any(key);
    return handle != NULL && handle->kind == kind ? handle : NULL;
}

/* The record of a handle that was released, if its place was not taken since: its callbacks are
 * still in its shadow. */
const struct handle *handles_find_released(const void *key);
/* The record of something new, cleared, a shadow initialised. NULL when there is no memory, or its
 * library is not followed: then a call is counted as lost. A stale record of the same address, of
 * whatever kind, gives up what it owns and is taken over. */
struct handle *handles_insert(const void *key, enum handle_kind kind, struct library *library);
/* Wipes and gives back, with all that it owns, and leaves every list; what an easy handle knew of
 * callbacks stays until the place is taken (handles_find_released). */
void handles_release(struct handle *handle);

/* The list of a multi handle's easy handles. Who joins is pending, until it was begun or has left;
 * NULL is in none. */
void handles_join(struct handle *easy, struct handle *multi);
void handles_leave(struct handle *easy);
/* Calls that drive `multi` are nothing to us, until the record is set loud: something is added,
 * curl_easy_perform returns, the record is given back. */
void handles_set_quiet(struct handle *record, const void *multi);
void handles_set_loud(struct handle *record);
/* How many records exist, free ones included. */
size_t handles_capacity(void);
