/* How an exchange begins and ends: what a tap says of it, in words that no transport owns. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* A line of the headers that begins with this byte is none: it holds "userinfo@?query#fragment"
     * of the URL or a credential from an option, so that echoes of it can be told. */
    EXCHANGE_BESIDE = 1,
};

struct exchange_start {
    uint64_t time_ns; /* monotonic */
    uint64_t wall_ns;
    const char *method; /* may be "" */
    size_t method_bytes;
    const char *url; /* "scheme://host[:port]/path", no user info, no query */
    size_t url_bytes;
    const char *headers; /* "Name: value\n" lines, and lines that begin with EXCHANGE_BESIDE */
    size_t headers_bytes;
    bool decoded; /* content encodings are undone before response_body is called */
};

/* How the transport ended. */
enum exchange_how {
    EXCHANGE_UNSEEN,    /* nobody knows: it is under way, its end was lost, or did not come for hours */
    EXCHANGE_ENDED,     /* in order */
    EXCHANGE_FAILED,    /* the connection, the protocol, a time that was up */
    EXCHANGE_CANCELLED, /* the application would not have more */
};

/* All times in nanoseconds since the start; UINT64_MAX: not known. */
struct exchange_end {
    uint64_t time_ns; /* monotonic, when the end was seen */
    enum exchange_how how;
    const char *error;       /* the transport's name for why, static ("CURLE_OPERATION_TIMEDOUT"), or NULL */
    uint64_t transport_code; /* its number for that */
    uint64_t status;         /* 0 or UINT64_MAX: not known, then the status line counts */
    uint64_t queue_ns, dns_ns, connect_ns, tls_ns, send_ns, wait_ns, total_ns; /* phases, already differences */
    uint64_t num_connects, redirects, http_version10;                          /* http_version10: 10, 11, 20, 30 */
    uint64_t request_bytes, response_bytes;
    bool no_response;    /* the transport says that the server never answered: headers that came were a proxy's, of its
                            tunnel */
    uint64_t lost_bytes; /* of the end itself */
};

/* Initialisers of an end of which the transport measured nothing. */
#define EXCHANGE_END_UNKNOWN                                                                                           \
    .transport_code = UINT64_MAX, .queue_ns = UINT64_MAX, .dns_ns = UINT64_MAX, .connect_ns = UINT64_MAX,              \
    .tls_ns = UINT64_MAX, .send_ns = UINT64_MAX, .wait_ns = UINT64_MAX, .total_ns = UINT64_MAX,                        \
    .num_connects = UINT64_MAX, .redirects = UINT64_MAX, .request_bytes = UINT64_MAX, .response_bytes = UINT64_MAX
