/* Rate limits and waiting times from response headers: gathered from all spellings, put into the
 * span at the end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span;

enum limit_kind { LIMIT_REQUESTS, LIMIT_TOKENS, LIMIT_INPUT_TOKENS, LIMIT_OUTPUT_TOKENS, LIMIT_KINDS };

/* From the shortest to the longest. A service that states none means its own window (OpenAI: a
 * minute for tokens). */
enum limit_window {
    WINDOW_UNSTATED,
    WINDOW_SECOND,
    WINDOW_10_SECONDS,
    WINDOW_MINUTE,
    WINDOW_HOUR,
    WINDOW_DAY,
    WINDOW_MONTH,
    WINDOW_BESIDE, /* a second budget of the same service: usage-based, of the project */
    LIMIT_WINDOWS
};

enum limit_part { PART_LIMIT = 1, PART_REMAINING = 2, PART_RESET = 4, PART_UNLIMITED = 8 };

struct limit_stated {
    uint8_t parts;   /* enum limit_part */
    uint8_t relayed; /* the same, of what a relay handed on under a prefix */
    uint64_t limit, remaining, reset_ns;
};

struct response_limits {
    struct limit_stated stated[LIMIT_KINDS][LIMIT_WINDOWS];
    uint64_t retry_ns;
    uint8_t retry_rank; /* 0: none; the exacter the higher */
};

/* One header line, the prefix of a relay already taken off its name. False: it states no limit. */
bool response_limits_header(struct response_limits *limits, const char *name, size_t name_bytes, const char *value,
                            size_t value_bytes, uint64_t wall_ns, bool relayed);

/*
 * Of several windows of one kind the tightest goes into the span, with its own limit, rest and
 * reset: the one of which the fewest are left; where no rest is stated, the one of the smallest
 * limit; the shorter one if equal.
 */
void response_limits_finish(const struct response_limits *limits, struct span *span);
