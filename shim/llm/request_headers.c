/* Header lines and the request's headers, see request_headers.h. Called by exchange.c on the
 * scribe's thread. */
#include "request_headers.h"

#include "exchange_span.h"

#include "span/alias.h"

#include <string.h>
#include <strings.h>

bool header_split(const char *line, size_t bytes, struct header *ret)
{
    const char *const colon = memchr(line, ':', bytes);
    if (colon == NULL || colon == line)
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

static void take(const struct request_headers *to, const struct header *header)
{
    static const char *const keys[] = {"authorization", "x-api-key", "api-key", "x-goog-api-key"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char alias[SPAN_ALIAS_BYTES];
        if (!header_is(header, keys[i]))
            continue;
        if (!to->config->has_hash_key)
            return;
        span_key_alias(to->config->hash_key, header->value, header->value_bytes, alias);
        if (alias[0] && (i > 0 || !span_has(to->span, SPAN_key_alias)))
            span_set_text(to->span, SPAN_key_alias, alias, strlen(alias));
        return;
    }
    if (header_is(header, "traceparent"))
        exchange_span_traceparent(to->span, header->value, header->value_bytes);
    else
        prompt_header(to->prompt, header->name, header->name_bytes, header->value, header->value_bytes);
}

void request_headers_take(const struct request_headers *to, const char *headers, size_t bytes)
{
    const char *const end = headers + bytes;
    while (headers < end) {
        const char *const lf = memchr(headers, '\n', (size_t)(end - headers));
        const char *const stop = lf != NULL ? lf : end;
        struct header header;
        if (headers < stop && *headers == EXCHANGE_BESIDE) {
            secret_echo_beside(to->echo, headers + 1, (size_t)(stop - headers - 1));
        } else if (header_split(headers, (size_t)(stop - headers), &header)) {
            secret_echo_header(to->echo, header.name, header.name_bytes, header.value, header.value_bytes);
            take(to, &header);
        }
        headers = lf != NULL ? lf + 1 : end;
    }
}
