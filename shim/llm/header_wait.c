/*
 * Waiting times of response headers, see header_wait.h.
 *
 * Called by response_limits.c on the scribe's thread. Must not depend on locale or time zone.
 */
#include "header_wait.h"

#include "shim/llm/json/json_scan.h"

#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool header_ns(double value, double unit, uint64_t max_ns, uint64_t *ret_ns)
{
    const double ns = value * unit + 0.5;
    if (!(value >= 0 && ns <= (double)max_ns))
        return false;
    *ret_ns = (uint64_t)ns;
    return true;
}

/* A date as a time to wait. */
static bool wait_until(double date_ns, uint64_t wall_ns, uint64_t *ret_ns)
{
    const double wait = date_ns - (double)wall_ns;
    return header_ns(wait > 0 ? wait : 0, 1, HEADER_WAIT_NS_MAX, ret_ns);
}

static bool two_digits(const char *p, unsigned *ret)
{
    if (!is_digit(p[0]) || !is_digit(p[1]))
        return false;
    *ret = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
    return true;
}

/* "Z" or "+01:00" after the seconds and their fraction, as seconds to add to come to UTC. */
static bool parse_offset(const char *p, const char *end, int64_t *ret_seconds)
{
    unsigned hours, minutes;
    if (p < end && *p == '.')
        for (p++; p < end && is_digit(*p);)
            p++;
    *ret_seconds = 0;
    if (end - p == 1)
        return (*p | 0x20) == 'z';
    if (end - p != 6 || (*p != '+' && *p != '-') || p[3] != ':' || !two_digits(p + 1, &hours) ||
        !two_digits(p + 4, &minutes))
        return false;
    *ret_seconds = ((int64_t)hours * 3600 + (int64_t)minutes * 60) * (*p == '+' ? -1 : 1);
    return true;
}

/* "2025-01-31T12:00:00Z", fractions passed over, as seconds since 1970. */
static bool parse_rfc3339(const char *p, size_t bytes, uint64_t *ret_seconds)
{
    unsigned century, year, month, day, hour, minute, second;
    int64_t offset;
    if (bytes < 20 || p[4] != '-' || p[7] != '-' || p[13] != ':' || p[16] != ':' ||
        !parse_offset(p + 19, p + bytes, &offset))
        return false;
    if (!two_digits(p, &century) || !two_digits(p + 2, &year) || !two_digits(p + 5, &month) ||
        !two_digits(p + 8, &day) || !two_digits(p + 11, &hour) || !two_digits(p + 14, &minute) ||
        !two_digits(p + 17, &second) || !month || month > 12)
        return false;
    year += century * 100;
    /* Days from civil: years begin in March, so that the leap day is the last. */
    const unsigned y = year - (month <= 2), from_march = (month + 9) % 12;
    const int64_t days = (int64_t)365 * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1;
    const int64_t epoch_days = 719468;
    const int64_t seconds = ((days - epoch_days) * 24 + hour) * 3600 + (int64_t)minute * 60 + second + offset;
    *ret_seconds = seconds < 0 ? 0 : (uint64_t)seconds;
    return true;
}

/* "1h2m3.5s", "250ms". */
static bool parse_spans_of_time(const char *p, size_t bytes, uint64_t *ret_ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"d", 86400e9}, {"h", 3600e9}, {"m", 60e9}, {"s", 1e9}};
    const char *const end = p + bytes;
    double sum = 0;
    while (p < end) {
        const char *const from = p;
        double number;
        bool whole;
        uint64_t integer;
        while (p < end && (is_digit(*p) || *p == '.'))
            p++;
        if (!json_number_parse(from, (size_t)(p - from), &number, &whole, &integer))
            return false;
        size_t unit = 0;
        const size_t count = sizeof(units) / sizeof(units[0]);
        for (; unit < count; unit++) {
            const size_t length = strlen(units[unit].unit);
            if ((size_t)(end - p) >= length && !memcmp(p, units[unit].unit, length))
                break;
        }
        if (unit == count)
            return false;
        sum += number * units[unit].ns;
        p += strlen(units[unit].unit);
    }
    return bytes > 0 && header_ns(sum, 1, HEADER_WAIT_NS_MAX, ret_ns);
}

/* "Fri, 31 Jan 2025 12:00:00 GMT" (Retry-After may be a date) as RFC 3339, and then as that. */
static bool parse_http_date(const char *p, size_t bytes, uint64_t *ret_seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[] = "0000-00-00T00:00:00Z";
    if (bytes != 29 || p[3] != ',' || memcmp(p + 25, " GMT", 4) != 0)
        return false;
    const char *const month = memmem(months, sizeof(months) - 1, p + 8, 3);
    if (month == NULL || (month - months) % 3)
        return false;
    const unsigned number = (unsigned)(month - months) / 3 + 1;
    memcpy(text, p + 12, 4);
    text[5] = (char)('0' + number / 10);
    text[6] = (char)('0' + number % 10);
    memcpy(text + 8, p + 5, 2);
    memcpy(text + 11, p + 17, 8);
    return parse_rfc3339(text, sizeof(text) - 1, ret_seconds);
}

bool response_header_wait(const char *text, size_t bytes, uint64_t wall_ns, uint64_t *ret_ns)
{
    double number;
    bool whole;
    uint64_t integer, seconds;
    if (json_number_parse(text, bytes, &number, &whole, &integer)) {
        /* Beyond a few years it is a date: seconds or milliseconds since 1970. */
        const double date_ns = number > 1e12 ? number * 1e6 : number > 1e9 ? number * 1e9 : 0;
        return date_ns > 0 ? wait_until(date_ns, wall_ns, ret_ns) : header_ns(number, 1e9, HEADER_WAIT_NS_MAX, ret_ns);
    }
    if (parse_rfc3339(text, bytes, &seconds) || parse_http_date(text, bytes, &seconds)) {
        if (seconds > HEADER_WAIT_NS_MAX / 1000000000 + wall_ns / 1000000000)
            return false;
        const uint64_t date_ns = seconds * UINT64_C(1000000000);
        *ret_ns = date_ns > wall_ns ? date_ns - wall_ns : 0;
        return true;
    }
    return parse_spans_of_time(text, bytes, ret_ns);
}
