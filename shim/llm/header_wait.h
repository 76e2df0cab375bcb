/* A waiting time as response headers spell it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A year: nobody means more. */
#define HEADER_WAIT_NS_MAX (UINT64_C(31536000) * 1000000000)

/* "6ms", "1m30s", "0s", "1.5" (seconds), RFC 3339, an HTTP date, seconds or milliseconds since 1970
 * (relative to wall_ns) as a time to wait; what lies in the past is 0. False: none of these, or
 * more than HEADER_WAIT_NS_MAX. */
bool response_header_wait(const char *text, size_t bytes, uint64_t wall_ns, uint64_t *ret_ns);

/* value * unit, rounded. False: below 0, or more than max_ns. */
bool header_ns(double value, double unit, uint64_t max_ns, uint64_t *ret_ns);
