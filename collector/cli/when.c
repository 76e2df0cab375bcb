/*
 * Points and spans of time as people type them. Called by report and export.
 */
#include "when.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arguments.h"

#define SECOND UINT64_C(1000000000)

int when_parse_span(const char *text, uint64_t *ret_ns)
{
    static const struct {
        char letter;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    if (!isdigit((unsigned char)text[0]))
        return -1;
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    if (number > 100000000 || end[0] == '\0' || end[1] != '\0')
        return -1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (units[i].letter == end[0]) {
            uint64_t seconds = number * units[i].seconds;
            if (seconds > UINT64_MAX / SECOND)
                return -1;
            *ret_ns = seconds * SECOND;
            return 0;
        }
    return -1;
}

/* Exactly `digits` digits; moves *text past them. Returns -1 when they are not there. */
static int take_digits(const char **text, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (!isdigit((unsigned char)(*text)[0]))
            return -1;
        value = value * 10 + *(*text)++ - '0';
    }
    return value;
}

/* ":MM" and the like: a separator and two digits below `end`. Returns the value or -1. */
static int take_part(const char **text, char separator, int begin, int end)
{
    if (**text != separator)
        return -1;
    (*text)++;
    int value = take_digits(text, 2);
    return value < begin || value >= end ? -1 : value;
}

/* What stands after the clock: "", "Z" or "+01:00". Sets *ret_utc_offset in seconds, or
 * *ret_local. */
static int take_zone(const char *text, bool *ret_local, long *ret_utc_offset)
{
    *ret_local = *text == '\0';
    *ret_utc_offset = 0;
    if (*text == '\0' || strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
        return 0;
    long sign = *text == '+' ? 1 : -1;
    int hours = take_part(&text, sign > 0 ? '+' : '-', 0, 15);
    if (hours < 0)
        return -1;
    int minutes = *text == '\0' ? 0 : take_part(&text, ':', 0, 60);
    if (minutes < 0 || *text != '\0')
        return -1;
    *ret_utc_offset = sign * (hours * 3600L + minutes * 60L);
    return 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

static int from_parts(struct tm *parts, bool local, long utc_offset, uint64_t *ret_ns)
{
    parts->tm_isdst = -1;
    time_t seconds = local ? mktime(parts) : timegm(parts) - utc_offset;
    if (seconds < 0)
        return -1;
    /* What no number of nanoseconds can say is after everything, and still before the end of a
     * period that has none. */
    *ret_ns = (uint64_t)seconds > UINT64_MAX / SECOND ? UINT64_MAX - 1 : (uint64_t)seconds * SECOND;
    return 0;
}

static int parse_date(const char *text, uint64_t *ret_ns)
{
    struct tm parts = {0};
    int year = take_digits(&text, 4);
    int month = year < 1970 ? -1 : take_part(&text, '-', 1, 13);
    int day = month < 0 ? -1 : take_part(&text, '-', 1, days_in_month(year, month) + 1);
    if (day < 0)
        return -1;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    parts.tm_mday = day;
    if (*text == 'T' || *text == 't' || *text == ' ') {
        parts.tm_hour = take_part(&text, *text, 0, 24);
        parts.tm_min = parts.tm_hour < 0 ? -1 : take_part(&text, ':', 0, 60);
        if (parts.tm_min < 0)
            return -1;
        if (*text == ':')
            parts.tm_sec = take_part(&text, ':', 0, 60);
        if (parts.tm_sec < 0)
            return -1;
    }
    bool local;
    long utc_offset;
    if (take_zone(text, &local, &utc_offset) < 0)
        return -1;
    return from_parts(&parts, local, utc_offset, ret_ns);
}

/* Midnight of the day `days_back` days before now, local time. */
static int midnight(uint64_t now_ns, int days_back, uint64_t *ret_ns)
{
    time_t now = (time_t)(now_ns / SECOND);
    struct tm parts;
    if (localtime_r(&now, &parts) == NULL)
        return -1;
    parts.tm_hour = parts.tm_min = parts.tm_sec = 0;
    parts.tm_mday -= days_back;
    return from_parts(&parts, true, 0, ret_ns);
}

int when_parse(const char *text, uint64_t now_ns, uint64_t *ret_ns)
{
    uint64_t span;
    if (strcmp(text, "now") == 0) {
        *ret_ns = now_ns;
        return 0;
    }
    if (strcmp(text, "today") == 0)
        return midnight(now_ns, 0, ret_ns);
    if (strcmp(text, "yesterday") == 0)
        return midnight(now_ns, 1, ret_ns);
    if (text[0] == '@' && isdigit((unsigned char)text[1])) {
        char *end = NULL;
        unsigned long long seconds = strtoull(text + 1, &end, 10);
        if (*end != '\0' || seconds > UINT64_MAX / SECOND)
            return -1;
        *ret_ns = seconds * SECOND;
        return 0;
    }
    if (when_parse_span(text, &span) == 0) {
        *ret_ns = span > now_ns ? 0 : now_ns - span;
        return 0;
    }
    return parse_date(text, ret_ns);
}

static uint64_t now_wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

int when_period(const struct arguments *arguments, struct when_period *ret_period)
{
    struct when_period period = {0, UINT64_MAX};
    uint64_t now = now_wall_ns(), span;
    const char *since = arguments_value(arguments, "since");
    const char *until = arguments_value(arguments, "until");
    const char *last = arguments_value(arguments, "last");
    if (since != NULL && last != NULL) {
        complain("--since and --last say the same thing; give one of them.");
        return -1;
    }
    if (since != NULL && when_parse(since, now, &period.since_ns) < 0) {
        complain("--since needs a time like 2026-11-24, 2026-11-24T05:00 or 7d, not \"%s\".", since);
        return -1;
    }
    if (until != NULL && when_parse(until, now, &period.until_ns) < 0) {
        complain("--until needs a time like 2026-11-24, 2026-11-24T05:00 or 1h, not \"%s\".", until);
        return -1;
    }
    if (last != NULL) {
        if (when_parse_span(last, &span) < 0) {
            complain("--last needs a span like 90s, 15m, 24h, 7d or 4w, not \"%s\".", last);
            return -1;
        }
        period.since_ns = span > now ? 0 : now - span;
    }
    if (period.since_ns >= period.until_ns) {
        complain("the period ends before it begins; --until must be later than --since.");
        return -1;
    }
    *ret_period = period;
    return 0;
}
