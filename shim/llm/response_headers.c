/*
 * Response headers as rows of two tables: limits (number or waiting time, straight into the span) and times that the server states.
 *
 * Called by the exchange on the scribe's thread, for the headers of the last response only. Must not depend on locale or time zone.
 */
#include "response_headers.h"

#include "../../span/span.h"

#include <string.h>
#include <strings.h>

/* Hugging Face states about 2^63 where there is no limit (Azure -1, which is no number here). */
#define UNLIMITED (UINT64_C(1) << 60)

enum kind { LIMIT_NUMBER, LIMIT_WAIT, RETRY_SECONDS, RETRY_MS };

struct limit_header {
    const char *name;
    enum span_field field;
    enum kind kind;
};

#define LIMITS(kind_name, field)                                                                                                  \
    {"x-ratelimit-limit-" kind_name, SPAN_limit_##field, LIMIT_NUMBER},                                                           \
        {"x-ratelimit-remaining-" kind_name, SPAN_limit_##field##_remaining, LIMIT_NUMBER},                                       \
        {"x-ratelimit-reset-" kind_name, SPAN_limit_##field##_reset_ns, LIMIT_WAIT}
#define ANTHROPIC_LIMITS(kind_name, field)                                                                                        \
    {"anthropic-ratelimit-" kind_name "-limit", SPAN_limit_##field, LIMIT_NUMBER},                                                \
        {"anthropic-ratelimit-" kind_name "-remaining", SPAN_limit_##field##_remaining, LIMIT_NUMBER},                            \
        {"anthropic-ratelimit-" kind_name "-reset", SPAN_limit_##field##_reset_ns, LIMIT_WAIT}

static const struct limit_header limit_headers[] = {
    LIMITS("requests", requests),
    LIMITS("tokens", tokens),
    LIMITS("requests-day", requests),
    LIMITS("tokens-minute", tokens),
    LIMITS("req-minute", requests),
    LIMITS("requests-minute", requests),
    LIMITS("minute", requests),
    ANTHROPIC_LIMITS("requests", requests),
    ANTHROPIC_LIMITS("tokens", tokens),
    ANTHROPIC_LIMITS("input-tokens", input_tokens),
    ANTHROPIC_LIMITS("output-tokens", output_tokens),
    {"x-ratelimit-limit", SPAN_limit_requests, LIMIT_NUMBER},
    {"x-ratelimit-remaining", SPAN_limit_requests_remaining, LIMIT_NUMBER},
    {"x-ratelimit-reset", SPAN_limit_requests_reset_ns, LIMIT_WAIT},
    {"ratelimit-limit", SPAN_limit_requests, LIMIT_NUMBER},
    {"ratelimit-remaining", SPAN_limit_requests_remaining, LIMIT_NUMBER},
    {"ratelimit-reset", SPAN_limit_requests_reset_ns, LIMIT_WAIT},
    {"retry-after", SPAN_retry_after_ns, RETRY_SECONDS},
    {"retry-after-ms", SPAN_retry_after_ns, RETRY_MS},
};

/* Milliseconds all of them. Later rows do not replace what an earlier row stated: the more exact ones stand first. */
static const struct {
    const char *name;
    enum facts_number fact;
} time_headers[] = {
    {"openai-processing-ms", FACT_SERVER_PROCESSING_NS},
    {"x-amzn-bedrock-invocation-latency", FACT_SERVER_PROCESSING_NS},
    {"x-metrics-e2e-ms", FACT_SERVER_PROCESSING_NS},
    {"x-total-time", FACT_SERVER_PROCESSING_NS},
    {"x-litellm-response-duration-ms", FACT_SERVER_PROCESSING_NS},
    {"x-envoy-upstream-service-time", FACT_SERVER_PROCESSING_NS},
    {"x-kong-upstream-latency", FACT_SERVER_PROCESSING_NS},
    {"ms-azureml-model-time", FACT_SERVER_PROCESSING_NS},
    {"x-queue-time", FACT_SERVER_QUEUE_NS},
    {"x-inference-time", FACT_SERVER_DECODE_NS},
};

/* Counts that stand in where the body states none: Bedrock's older families, TGI, Google's embeddings. */
static const struct {
    const char *name;
    enum facts_number fact;
} count_headers[] = {
    {"x-amzn-bedrock-input-token-count", FACT_INPUT},
    {"x-amzn-bedrock-output-token-count", FACT_OUTPUT},
    {"x-amzn-bedrock-cache-read-input-token-count", FACT_CACHE_READ},
    {"x-amzn-bedrock-cache-write-input-token-count", FACT_CACHE_CREATION},
    {"x-prompt-tokens", FACT_INPUT},
    {"x-generated-tokens", FACT_OUTPUT},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static uint64_t to_ns(double value, double unit)
{
    const double ns = value * unit + 0.5;
    return ns < 0 ? 0 : ns < 9e18 ? (uint64_t)ns : UINT64_MAX / 2;
}

static bool two_digits(const char *p, unsigned *ret)
{
    if (!is_digit(p[0]) || !is_digit(p[1]))
        return false;
    *ret = (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
    return true;
}

/* "2025-01-31T12:00:00Z", fractions passed over, as seconds since 1970. */
static bool parse_rfc3339(const char *p, size_t bytes, uint64_t *ret_seconds)
{
    unsigned century, year, month, day, hour, minute, second;
    if (bytes < 20 || p[4] != '-' || p[7] != '-' || p[13] != ':' || p[16] != ':' || (p[bytes - 1] | 0x20) != 'z')
        return false;
    if (!two_digits(p, &century) || !two_digits(p + 2, &year) || !two_digits(p + 5, &month) || !two_digits(p + 8, &day) ||
        !two_digits(p + 11, &hour) || !two_digits(p + 14, &minute) || !two_digits(p + 17, &second) || !month || month > 12)
        return false;
    year += century * 100;
    /* Days from civil: years begin in March, so that the leap day is the last. */
    const unsigned y = year - (month <= 2), from_march = (month + 9) % 12;
    const uint64_t days = (uint64_t)365 * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1;
    const uint64_t epoch_days = 719468;
    if (days < epoch_days)
        return false;
    *ret_seconds = ((days - epoch_days) * 24 + hour) * 3600 + minute * 60 + second;
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
    *ret_ns = to_ns(sum, 1);
    return bytes > 0;
}

/* "Fri, 31 Jan 2025 12:00:00 GMT" (Retry-After may be a date) as RFC 3339, and then as that. */
static bool parse_http_date(const char *p, size_t bytes, uint64_t *ret_seconds)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[] = "0000-00-00T00:00:00Z";
    if (bytes != 29 || p[3] != ',' || memcmp(p + 25, " GMT", 4) != 0)
        return false;
    const char *const month = memmem(months, sizeof(months) - 1, p + 8, 3);
    if (!month || (month - months) % 3)
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
        *ret_ns = date_ns == 0 ? to_ns(number, 1e9) : date_ns > (double)wall_ns ? to_ns(date_ns - (double)wall_ns, 1) : 0;
        return number >= 0;
    }
    if (parse_rfc3339(text, bytes, &seconds) || parse_http_date(text, bytes, &seconds)) {
        const uint64_t date_ns = seconds * UINT64_C(1000000000);
        *ret_ns = date_ns > wall_ns ? date_ns - wall_ns : 0;
        return true;
    }
    return parse_spans_of_time(text, bytes, ret_ns);
}

static void put_limit(struct span *span, const struct limit_header *header, const char *value, size_t bytes, uint64_t wall_ns)
{
    double number;
    bool whole;
    uint64_t integer;
    switch (header->kind) {
    case LIMIT_NUMBER:
        if (json_number_parse(value, bytes, &number, &whole, &integer) && whole && integer < UNLIMITED)
            span_set_u64(span, header->field, integer);
        break;
    case RETRY_MS:
        if (json_number_parse(value, bytes, &number, &whole, &integer) && number >= 0)
            span_set_u64(span, header->field, to_ns(number, 1e6));
        break;
    case RETRY_SECONDS:
        if (span_has(span, header->field))
            break; /* retry-after-ms is more exact */
        /* fall through */
    case LIMIT_WAIT:
        if (response_header_wait(value, bytes, wall_ns, &integer))
            span_set_u64(span, header->field, integer);
        break;
    }
}

/* "name;dur=MS" among other metrics: the time of Google's and Anthropic's front ends. (Most other metrics are of caches.) */
static void server_timing(struct facts *facts, const char *value, size_t bytes)
{
    static const char *const metrics[] = {"gfet4t7", "x-originResponse"};
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        const char *at = memmem(value, bytes, metrics[i], strlen(metrics[i]));
        if (!at)
            continue;
        at += strlen(metrics[i]);
        while (at < value + bytes && (*at == ';' || *at == ' '))
            at++;
        const size_t left = (size_t)(value + bytes - at);
        if (left < 5 || memcmp(at, "dur=", 4) != 0)
            continue;
        size_t digits = 4;
        while (digits < left && (is_digit(at[digits]) || at[digits] == '.'))
            digits++;
        struct json_value number = {0};
        number.has_number = json_number_parse(at + 4, digits - 4, &number.number, &number.has_u64, &number.u64);
        if (!facts_has_number(facts, FACT_SERVER_PROCESSING_NS))
            facts_set_time(facts, FACT_SERVER_PROCESSING_NS, &number, 1e6);
    }
}

void response_header_facts(struct span *span, struct facts *facts, const char *name, size_t name_bytes, const char *value,
                           size_t value_bytes, uint64_t wall_ns)
{
    for (size_t i = 0; i < sizeof(limit_headers) / sizeof(limit_headers[0]); i++)
        if (strlen(limit_headers[i].name) == name_bytes && !strncasecmp(limit_headers[i].name, name, name_bytes)) {
            put_limit(span, &limit_headers[i], value, value_bytes, wall_ns);
            return;
        }
    for (size_t i = 0; i < sizeof(count_headers) / sizeof(count_headers[0]); i++) {
        struct json_value count = {.type = JSON_NUMBER, .text = value, .bytes = value_bytes};
        if (strlen(count_headers[i].name) != name_bytes || strncasecmp(count_headers[i].name, name, name_bytes) != 0)
            continue;
        count.has_number = json_number_parse(value, value_bytes, &count.number, &count.has_u64, &count.u64);
        facts_fallback(facts, count_headers[i].fact, &count);
        return;
    }
    if (name_bytes == 16 && !strncasecmp(name, "x-amzn-errortype", 16)) {
        const char *const colon = memchr(value, ':', value_bytes);
        facts_set_text(facts, FACT_ERROR_TYPE, value, colon ? (size_t)(colon - value) : value_bytes);
        return;
    }
    if (name_bytes == 13 && !strncasecmp(name, "server-timing", 13)) {
        server_timing(facts, value, value_bytes);
        return;
    }
    if (name_bytes == 21 && !strncasecmp(name, "x-gemini-service-tier", 21)) {
        facts_set_text(facts, FACT_SERVICE_TIER, value, value_bytes);
        return;
    }
    for (size_t i = 0; i < sizeof(time_headers) / sizeof(time_headers[0]); i++) {
        if (strlen(time_headers[i].name) != name_bytes || strncasecmp(time_headers[i].name, name, name_bytes) != 0)
            continue;
        double number;
        bool whole;
        uint64_t integer;
        const bool weak = i >= 3 && facts_has_number(facts, time_headers[i].fact);
        if (!weak && json_number_parse(value, value_bytes, &number, &whole, &integer) && number >= 0)
            facts_set_number(facts, time_headers[i].fact, to_ns(number, 1e6));
        return;
    }
}
