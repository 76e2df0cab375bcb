/* A waiting time as response headers spell it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "6ms", "1m30s", "0s", "1.5" (seconds), RFC 3339, an HTTP date, seconds or milliseconds since 1970 (relative to
 * wall_ns) as a time to wait; what lies in the past is 0. False: none of these. */
bool response_header_wait(const char *text, size_t bytes, uint64_t wall_ns, uint64_t *ret_ns);

/* value * unit, rounded, bounded. */
uint64_t header_ns(double value, double unit);
