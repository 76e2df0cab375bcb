/* Feeds one exchange from texts, for the tests of dialects, quality, prompts and times. */
#pragma once

#include "shim/llm/desk.h"
#include "shim/llm/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exchange_text {
    const char *method; /* NULL: POST */
    const char *url;
    const char *headers; /* of the request, "Name: value\n"; NULL: none */
    const char *request;
    const char *response_headers; /* lines with \n; NULL: status 200 alone */
    const char *response;
    size_t response_bytes; /* 0: strlen */
    size_t step;           /* bytes per piece; 0: whole */
    const char *error;     /* of the transport, which then failed */
    bool removed;          /* by the application, before its end */
    uint64_t later_ns;     /* than calls where this is 0, by the wall clock */
};

static inline struct exchange *exchange_run_open(const struct exchange_config *config, const struct exchange_text *text)
{
    const char *const headers = text->headers != NULL ? text->headers : "";
    const char *const method = text->method != NULL ? text->method : "POST";
    const struct exchange_start start = {.time_ns = 1000,
                                         .wall_ns = UINT64_C(1750000000000000000) + text->later_ns,
                                         .method = method,
                                         .method_bytes = strlen(method),
                                         .url = text->url,
                                         .url_bytes = strlen(text->url),
                                         .headers = headers,
                                         .headers_bytes = strlen(headers)};
    bool no_memory;
    struct exchange *const exchange = exchange_open(config, &start, &no_memory);
    if (exchange == NULL)
        return NULL;
    if (text->request != NULL)
        exchange_request_body(exchange, 1500, (const uint8_t *)text->request, strlen(text->request));
    for (const char *line = text->response_headers != NULL ? text->response_headers : "HTTP/1.1 200 OK\n"; *line;) {
        const char *const end = strchr(line, '\n');
        exchange_response_header(exchange, 1800, line, (size_t)(end + 1 - line));
        line = end + 1;
    }
    return exchange;
}

static inline bool exchange_run_close(struct exchange *exchange, const struct exchange_text *text, uint64_t time_ns,
                                      struct span *ret_span)
{
    const struct exchange_end end = {.time_ns = time_ns,
                                     EXCHANGE_END_UNKNOWN,
                                     .how = text->removed         ? EXCHANGE_CANCELLED
                                            : text->error != NULL ? EXCHANGE_FAILED
                                                                  : EXCHANGE_ENDED,
                                     .error = text->error};
    const bool made = exchange_close(exchange, &end, ret_span);
    if (!desk_idle_is_empty())
        abort(); /* something of the exchange was left behind */
    return made;
}

static inline bool exchange_run(const struct exchange_config *config, const struct exchange_text *text,
                                struct span *ret_span)
{
    struct exchange *const exchange = exchange_run_open(config, text);
    if (exchange == NULL)
        return false;
    const size_t bytes = text->response_bytes ? text->response_bytes : strlen(text->response);
    const size_t step = text->step ? text->step : bytes ? bytes : 1;
    struct span so_far; /* a look in between changes nothing: every expectation holds with it */
    for (size_t at = 0; at < bytes; at += step) {
        exchange_response_body(exchange, 2000 + at, (const uint8_t *)text->response + at,
                               step < bytes - at ? step : bytes - at);
        if (at % 7 == 0)
            (void)exchange_peek(exchange, 2001 + at, &so_far);
    }
    return exchange_run_close(exchange, text, 9000000, ret_span);
}

/* The field as text: a number in decimal, a text as it is (list items joined by "," ), "-" if
 * absent. Static memory. */
static inline const char *exchange_field(const struct span *span, enum span_field field)
{
    static char text[SPAN_TEXT_MAX + 1];
    if (!span_has(span, field))
        return "-";
    if (span_fields[field].type == SPAN_STR || span_fields[field].type == SPAN_LIST) {
        const struct span_text value = span->value[field].text;
        memcpy(text, value.data, value.bytes);
        text[value.bytes] = '\0';
        for (char *p = text; *p; p++)
            *p = *p == '\x1f' ? ',' : *p;
    } else {
        snprintf(text, sizeof(text), "%llu", (unsigned long long)span->value[field].u64);
    }
    return text;
}

/* The name of a text field of the span that holds `planted`, NULL: none. */
static inline const char *exchange_field_with(const struct span *span, const char *planted)
{
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const enum span_type type = span_fields[f].type;
        if (!span_has(span, (enum span_field)f) || (type != SPAN_STR && type != SPAN_LIST))
            continue;
        const struct span_text text = span->value[f].text;
        if (text.bytes && memmem(text.data, text.bytes, planted, strlen(planted)) != NULL)
            return span_fields[f].name;
    }
    return NULL;
}

/* No text of the span holds `planted`. For tests that include cmocka after this. */
#define no_text_holds(span, planted, where)                                                                            \
    do {                                                                                                               \
        const char *const field_ = exchange_field_with(span, planted);                                                 \
        if (field_)                                                                                                    \
            fail_msg("%s planted as %s stands in %s", planted, where, field_);                                         \
    } while (0)
