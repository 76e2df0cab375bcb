/* Header lines and the request's headers, see request_headers.h. Called by exchange.c on the scribe's thread. */
#include "request_headers.h"

#include <string.h>
#include <strings.h>

bool header_split(const char *line, size_t bytes, struct header *ret)
{
    const char *const colon = memchr(line, ':', bytes);
    if (!colon || colon == line)
        return false;
    const char *value = colon + 1, *end = line + bytes;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *ret = (struct header){line, value, (size_t)(colon - line), (size_t)(end - value)};
    return true;
}

bool header_is(const struct header *header, const char *name)
{
    return strlen(name) == header->name_bytes && !strncasecmp(header->name, name, header->name_bytes);
}

static bool hex_u64(const char *p, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 16; i++) {
        const char c = p[i];
        const bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f'))
            return false;
        value = value << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *ret = value;
    return true;
}

/* W3C traceparent: 00-TRACE(32)-PARENT(16)-FLAGS(2). */
static void take_traceparent(struct span *span, const struct header *header)
{
    uint64_t high, low, parent;
    const char *const p = header->value;
    if (header->value_bytes < 55 || p[2] != '-' || p[35] != '-' || p[52] != '-')
        return;
    if (!hex_u64(p + 3, &high) || !hex_u64(p + 19, &low) || !hex_u64(p + 36, &parent) || !(high | low) || !parent)
        return;
    span_set_u64(span, SPAN_trace_hi, high);
    span_set_u64(span, SPAN_trace_lo, low);
    span_set_u64(span, SPAN_parent_id, parent);
}

static void take(const struct request_headers *to, const struct header *header)
{
    static const char *const keys[] = {"authorization", "x-api-key", "api-key", "x-goog-api-key"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char alias[17];
        if (!header_is(header, keys[i]))
            continue;
        prompt_key_alias(to->config, header->value, header->value_bytes, alias);
        if (alias[0] && (i > 0 || !span_has(to->span, SPAN_key_alias)))
            span_set_text(to->span, SPAN_key_alias, alias, strlen(alias));
        return;
    }
    if (header_is(header, "traceparent"))
        take_traceparent(to->span, header);
    else
        prompt_header(to->prompt, header->name, header->name_bytes, header->value, header->value_bytes);
}

void request_headers_take(const struct request_headers *to, const char *headers, size_t bytes)
{
    const char *const end = headers + bytes;
    while (headers < end) {
        const char *const lf = memchr(headers, '\n', (size_t)(end - headers));
        const char *const stop = lf ? lf : end;
        struct header header;
        if (headers < stop && *headers == EXCHANGE_BESIDE) {
            secret_echo_beside(to->echo, headers + 1, (size_t)(stop - headers - 1));
        } else if (header_split(headers, (size_t)(stop - headers), &header)) {
            secret_echo_header(to->echo, header.name, header.name_bytes, header.value, header.value_bytes);
            take(to, &header);
        }
        headers = lf ? lf + 1 : end;
    }
}
