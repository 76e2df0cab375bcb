/*
 * The tape: a bounded ring of anonymous memory between the application's threads and the scribe.
 *
 * Any application thread writes; only the scribe reads. Writing never locks, allocates or waits: a
 * record that does not fit is dropped and counted. What the scribe has read is wiped at once. The
 * memory is MADV_WIPEONFORK: a forked child finds it empty and dead and begins anew (tape_alive()
 * is false there until tape_start()).
 *
 * One exception to "no system call": a piece of at least TAPE_SPILL_BYTES (a huge request body
 * handed over at once) goes into a mapping of its own, which the scribe unmaps; all spills together
 * are bounded by TAPE_SPILL_TOTAL_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tape_kind {
    TAPE_BEGIN = 1,       /* payload: struct tape_begin, then url, then headers */
    TAPE_REQUEST_HEADERS, /* raw lines (header_lines.h), where the tap is told when they are sent */
    TAPE_REQUEST_BODY,    /* a piece of the request body, in order */
    TAPE_REQUEST_REWIND,  /* the body starts again (redirect, authentication) */
    TAPE_RESPONSE_HEADER, /* one line as it was delivered, status lines and the blank line included */
    TAPE_RESPONSE_BODY,   /* a piece of the response body, noted once, before the application sees it */
    TAPE_PAUSE,           /* the application paused the transfer */
    TAPE_RESUME,
    TAPE_END, /* payload: struct tape_end */
};

enum {
    TAPE_RING_BYTES =
        4 * 1024 * 1024, /* about 3 ms of memory bandwidth of parsing; the scribe looks every 2 ms while busy */
    TAPE_SPILL_BYTES = 256 * 1024,
    TAPE_SPILL_TOTAL_MAX = 128 * 1024 * 1024,
    TAPE_ENDS_MAX = 16384, /* open transfers whose ends have room kept: as many as the scribe follows (flights.h) */
};

/* Which tap wrote: it alone knows what its ends say (scribe/taps.h). */
enum tape_source { TAPE_LIBCURL = 1 };

/* Payload of TAPE_BEGIN, followed by method_bytes, url_bytes, then headers_bytes of raw lines
 * (header_lines.h). */
struct tape_begin {
    uint64_t wall_ns; /* CLOCK_REALTIME at the same moment as the record's monotonic time */
    uint16_t source;
    uint16_t method_bytes;  /* "POST"; 0 when the tap cannot tell */
    uint32_t url_bytes;     /* without user info, query and fragment */
    uint32_t headers_bytes; /* headers, and lines of EXCHANGE_BESIDE; 0: they come later */
    uint32_t flags;         /* TAPE_BEGIN_* */
    uint64_t request_bytes; /* declared length of the body, UINT64_MAX unknown */
};
enum {
    TAPE_BEGIN_DECODED = 1, /* the library decodes the content encoding */
};

/* Payload of TAPE_END. Times are microseconds since the transfer's start as the library counts
 * them, which is before_us after TAPE_BEGIN; TAPE_UNKNOWN where it does not say. */
#define TAPE_UNKNOWN UINT64_MAX
struct tape_end {
    uint64_t code; /* the library's; TAPE_UNKNOWN when the application never asked for the result */
    uint64_t status;
    uint64_t queue_us, namelookup_us, connect_us, appconnect_us, pretransfer_us, posttransfer_us, starttransfer_us,
        total_us;
    uint64_t num_connects, redirects, redirect_us, http_version; /* http_version: the library's number */
    uint64_t request_bytes, response_bytes;                      /* headers and bodies */
    uint64_t before_us;
    uint32_t how;    /* enum tape_how */
    uint32_t queued; /* not 0: before_us is how long the application let it wait in a multi handle */
};
enum tape_how {
    TAPE_DONE,      /* the library reported the end */
    TAPE_REMOVED,   /* the application removed the handle before the end */
    TAPE_ABANDONED, /* cleanup, reset or a new transfer while one was under way */
    TAPE_REFUSED,   /* the library reported the end, after the application's callback had refused a piece */
};

/* A record as the reader sees it. `payload` stays valid until tape_read() is called again.
 * `lost_bytes` is what this transfer lost between its previous record and this one. */
struct tape_record {
    enum tape_kind kind;
    uint64_t transfer; /* number of the transfer in this process, from 1 */
    uint64_t time_ns;  /* CLOCK_MONOTONIC */
    uint64_t lost_bytes;
    const uint8_t *payload;
    size_t bytes;
};

/* Counters since the process began (a forked child begins anew); written by any thread, read by the
 * scribe. */
struct tape_loss {
    uint64_t records;
    uint64_t bytes;
    uint64_t calls; /* transfers whose beginning was lost: nothing of them is known */
    uint64_t ends;  /* at least so many transfers that were followed lost their end */
};

/* Maps the ring and brings it to life. Any thread, several at once too, without waiting; harmless
 * when it lives. Returns 0, or a negative errno: then there is no tape. Called by the first
 * captured request. */
int tape_start(void);
bool tape_alive(void);

/*
 * Any application thread. Appends a record of one or two pieces (b may be NULL). `lost` is the
 * transfer's own counter of lost bytes: increased (by 1 for a record without payload) when the
 * record did not fit, taken over into the record and zeroed when it did. Returns false when it was
 * dropped. A TAPE_BEGIN that is accepted keeps room for its TAPE_END, so that ends fit whatever
 * else floods the tape, up to TAPE_ENDS_MAX open transfers. Cost: one compare-and-swap, one memcpy.
 */
bool tape_write(enum tape_kind kind, uint64_t transfer, uint64_t time_ns, const void *a, size_t a_bytes, const void *b,
                size_t b_bytes, uint64_t *lost);

/* The same for what comes between beginning and end, in one piece; it comes for every chunk of an
 * answer. */
void tape_piece(enum tape_kind kind, uint64_t transfer, uint64_t time_ns, const void *data, size_t bytes,
                uint64_t *lost);

/* A piece of a transfer could not even be looked at: counted as one that did not fit. Any
 * application thread. */
void tape_piece_lost(size_t bytes, uint64_t *lost);

/* The beginning of a transfer that is a call did not fit: counts the call, once. Any application
 * thread. */
void tape_call_lost(void);

/* Scribe only. The next record, or false when there is none yet. Wipes the previous one; its room
 * is free for writers a few records later, or when none is left to be read. */
bool tape_read(struct tape_record *ret_record);
size_t tape_backlog_bytes(void);
bool tape_is_unread(void); /* any thread */
struct tape_loss tape_losses(void);

/* How many calls nobody hears of if the process ends now: their beginnings lie unread, or were
 * dropped. Any thread. */
uint64_t tape_unheard_calls(void);

/* CLOCK_MONOTONIC in nanoseconds, through the vDSO. */
uint64_t tape_now_ns(void);
