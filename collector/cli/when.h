/* Points and spans of time as people type them: --since, --until, --last. Pure apart from the time
 * zone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * "90s" "15m" "24h" "7d" "4w" (that long before now), "now", "today", "yesterday", "2026-11-24",
 * "2026-11-24T05:00[:17]" with "Z" or "+01:00" (without: local time; a blank instead of T will do),
 * "@1700000000". Returns 0 or -1.
 */
int when_parse(const char *text, uint64_t now_ns, uint64_t *ret_ns);
/* "7d" and so on as nanoseconds. Returns 0 or -1. */
int when_parse_span(const char *text, uint64_t *ret_ns);

struct arguments;
struct when_period {
    uint64_t since_ns; /* 0: from the beginning */
    uint64_t until_ns; /* UINT64_MAX: to the end */
};
/* Reads --since, --until and --last. Returns 0, or -1 after having said what is wrong. */
int when_period(const struct arguments *arguments, struct when_period *ret_period);
