/*
 * Splits a URL into bounded views. Any thread; no allocation, no errno, never reads outside of what
 * it was given.
 *
 * As lenient as libcurl: the scheme may be missing, slashes may be doubled. It normalises nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url_view {
    const char *data;
    size_t bytes;
};

struct url {
    struct url_view scheme; /* empty: none was given */
    struct url_view host;   /* without brackets, without the dot at the end */
    struct url_view path;   /* from the first slash, may be empty */
    struct url_view query;  /* without the question mark */
    uint16_t port;          /* from the URL, else from the scheme, else 0 */
    bool port_given;
    bool ipv6;
};

/* False: there is no host in it (relative, file:, malformed authority). */
bool url_split(const char *url, size_t bytes, struct url *ret_url);

/* Undoes %XX into `ret_text`, at most `room` bytes; what is no escape stays. Returns the bytes
 * written. */
size_t url_decode(const char *text, size_t bytes, char *ret_text, size_t room);

/* ASCII case is ignored. */
bool url_view_is(struct url_view view, const char *literal);
bool url_view_ends(struct url_view view, const char *literal);
