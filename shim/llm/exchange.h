/*
 * One HTTP exchange on its way to becoming a span: what was asked, what came back, when.
 *
 * Runs on the scribe's thread only (and in tests and fuzzers); an exchange is owned by who opened it. It is fed piece
 * by piece, in any cutting, keeps no body, and uses at most EXCHANGE_BYTES_MAX of memory whatever passes through it;
 * while many are under way, those that wait take what is known of them, a kilobyte or less (desk.h). It
 * knows nothing of libcurl or of the tape: the record kinds of any tap map to these calls.
 *
 *   exchange_open -> request_headers, request_body* -> response_header* -> response_body* -> exchange_close -> span
 *
 * Response pieces may begin before the request's body is complete. Prompt text dies here: it is hashed, measured and
 * forgotten (a preview of the instructions is kept only if the configuration asks for it).
 */
#pragma once

#include "shim/llm/identity/exchange_config.h"
#include "span/span.h"

enum {
    EXCHANGE_BYTES_MAX = 64 * 1024,
    EXCHANGE_BESIDE =
        1, /* a line of the headers that begins with this byte is none: it holds "userinfo@?query#fragment"
              of the URL or a credential from an option, so that echoes of it can be told */
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

struct exchange;

/* NULL when it is not an inference call (no span) or no memory (then *ret_no_memory is true). */
struct exchange *exchange_open(const struct exchange_config *config, const struct exchange_start *start,
                               bool *ret_no_memory);

/* Headers that were not known at the start, in the same form. */
void exchange_request_headers(struct exchange *exchange, const char *headers, size_t bytes);
void exchange_request_body(struct exchange *exchange, uint64_t time_ns, const uint8_t *data, size_t bytes);
/* The request body is sent again from its beginning: forget what was seen of it. */
void exchange_request_rewind(struct exchange *exchange);
void exchange_response_header(struct exchange *exchange, uint64_t time_ns, const char *line, size_t bytes);
void exchange_response_body(struct exchange *exchange, uint64_t time_ns, const uint8_t *data, size_t bytes);
void exchange_pause(struct exchange *exchange, uint64_t time_ns);
void exchange_resume(struct exchange *exchange, uint64_t time_ns);
/* Bytes that the tape lost: facts may be missing, and framing starts afresh where it can. */
void exchange_lost(struct exchange *exchange, uint64_t bytes);

/*
 * What a span would say if the process died now: who was asked what and what came back so far, without a preview.
 * Changes nothing. False: nothing shows yet that it is an inference call.
 */
bool exchange_peek(struct exchange *exchange, uint64_t time_ns, struct span *ret_span);

/* Ends and frees it. True: *ret_span (initialised here) holds the facts; false: it turned out to be no inference call.
 */
bool exchange_close(struct exchange *exchange, const struct exchange_end *end, struct span *ret_span);
