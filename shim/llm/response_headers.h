/* Facts from response headers: rate limits, waiting times, processing times that servers and proxies state. */
#pragma once

#include "facts.h"

struct span;

/* One header line, name and value already apart, value trimmed. Unknown ones are passed over. */
void response_header_facts(struct span *span, struct facts *facts, const char *name, size_t name_bytes, const char *value,
                           size_t value_bytes, uint64_t wall_ns);

/* "6ms", "1m30s", "0s", "1.5" (seconds), RFC 3339 or epoch milliseconds (relative to wall_ns) as a time to wait. False: none of these. */
bool response_header_wait(const char *text, size_t bytes, uint64_t wall_ns, uint64_t *ret_ns);
