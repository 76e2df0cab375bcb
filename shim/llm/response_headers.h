/* Facts from response headers: limits, waiting times, times that servers and proxies state, counts
 * that stand in, service tier. */
#pragma once

#include "shim/llm/facts/facts.h"
#include "header_wait.h"
#include "response_limits.h"

enum header_time { HEADER_PROCESSING, HEADER_QUEUE, HEADER_TIMES };

/* Of one response. All zero bytes at first. */
struct response_headers {
    struct response_limits limits;
    uint64_t time_ns[HEADER_TIMES];
    uint8_t time_rank[HEADER_TIMES]; /* 0: none stated; else the lower the better */
    bool has_cost;
    uint64_t cost_nanousd;
    uint8_t tier_bytes;
    char tier[32];
};

/* The status of "HTTP/1.1 200 OK", 0 where there is none. */
uint64_t response_status_of_line(const char *line, size_t bytes);

/* A new response begins: what the headers of an earlier one (100, a redirect, before
 * authentication) said is forgotten.
 */
void response_headers_init(struct response_headers *headers, struct facts *facts);

/* One header line, name and value already apart, value trimmed. Unknown ones are passed over. */
void response_headers_line(struct response_headers *headers, struct facts *facts, const char *name, size_t name_bytes,
                           const char *value, size_t value_bytes, uint64_t wall_ns);

/* The body has been read. Its own statements of times, tier and cost stand; headers fill what it
 * left out. */
void response_headers_finish(const struct response_headers *headers, struct facts *facts, struct span *span);
