/*
 * One HTTP exchange on its way to becoming a span: what was asked, what came back, when.
 *
 * Runs on the scribe's thread only (and in tests and fuzzers); an exchange is owned by who opened
 * it. It is fed piece by piece, in any cutting, keeps no body, and uses at most EXCHANGE_BYTES_MAX
 * of memory whatever passes through it; while many are under way, those that wait take what is
 * known of them, a kilobyte or less (desk.h). It knows nothing of libcurl or of the tape: the
 * record kinds of any tap map to these calls.
 *
 *   exchange_open -> request_headers, request_body* -> response_header* -> response_body*
 *   -> exchange_close -> span
 *
 * Response pieces may begin before the request's body is complete. Prompt text dies here: it is
 * hashed, measured and forgotten (a preview of the instructions is kept only if the configuration
 * asks for it).
 */
#pragma once

#include "exchange_ends.h"
#include "shim/llm/identity/exchange_config.h"
#include "span/span.h"

enum {
    EXCHANGE_BYTES_MAX = 64 * 1024,
};

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
 * What a span would say if the process died now: who was asked what and what came back so far,
 * without a preview. Changes nothing. False: nothing shows yet that it is an inference call.
 */
bool exchange_peek(struct exchange *exchange, uint64_t time_ns, struct span *ret_span);

/* Ends and frees it. True: *ret_span (initialised here) holds the facts; false: it turned out to be
 * no inference call.
 */
bool exchange_close(struct exchange *exchange, const struct exchange_end *end, struct span *ret_span);
