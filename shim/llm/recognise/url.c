/* Splitting URLs, see url.h. Called by recognise.c, on the application's thread as well: it must
 * stay free of side effects. */
#include "url.h"

#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool url_view_ends(struct url_view view, const char *literal)
{
    const size_t bytes = strlen(literal);
    if (view.bytes < bytes)
        return false;
    const char *tail = view.data + view.bytes - bytes;
    for (size_t i = 0; i < bytes; i++)
        if (lower(tail[i]) != lower(literal[i]))
            return false;
    return true;
}

bool url_view_is(struct url_view view, const char *literal)
{
    return view.bytes == strlen(literal) && url_view_ends(view, literal);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

size_t url_decode(const char *text, size_t bytes, char *ret_text, size_t room)
{
    size_t out = 0;
    for (size_t i = 0; i < bytes && out < room; out++) {
        const int high = text[i] == '%' && bytes - i > 2 ? hex_digit(text[i + 1]) : -1;
        const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        const bool escape = low >= 0 && (high | low);
        ret_text[out] = escape ? (char)(high * 16 + low) : text[i];
        i += escape ? 3 : 1;
    }
    return out;
}

/* "host", "host:port", "[v6]:port"; user info is gone already. */
static bool split_authority(const char *p, const char *end, struct url *url)
{
    const char *colon = NULL;
    if (p < end && *p == '[') {
        const char *close = memchr(p, ']', (size_t)(end - p));
        if (close == NULL || (close + 1 < end && close[1] != ':'))
            return false;
        url->ipv6 = true;
        url->host = (struct url_view){p + 1, (size_t)(close - p - 1)};
        colon = close + 1 < end ? close + 1 : NULL;
    } else {
        colon = memchr(p, ':', (size_t)(end - p));
        url->host = (struct url_view){p, (size_t)((colon != NULL ? colon : end) - p)};
        if (url->host.bytes && url->host.data[url->host.bytes - 1] == '.')
            url->host.bytes--;
    }
    uint32_t port = 0;
    for (const char *digit = colon != NULL ? colon + 1 : end; digit < end; digit++)
        if (*digit < '0' || *digit > '9' || (port = port * 10 + (uint32_t)(*digit - '0')) > 65535)
            return false;
    url->port_given = port != 0;
    url->port = (uint16_t)port;
    return url->host.bytes != 0;
}

/* The bytes of "scheme" before "://", or 0. */
static size_t scheme_bytes(const char *url, size_t bytes)
{
    for (size_t i = 0; i < bytes && i < 16; i++) {
        if (url[i] == ':')
            return bytes - i >= 3 && url[i + 1] == '/' && url[i + 2] == '/' ? i : 0;
        if (url[i] == '/')
            return 0;
    }
    return 0;
}

bool url_split(const char *url, size_t bytes, struct url *ret_url)
{
    *ret_url = (struct url){0};
    if (!bytes)
        return false;
    const char *p = url, *end = url + bytes;
    ret_url->scheme = (struct url_view){url, scheme_bytes(url, bytes)};
    if (ret_url->scheme.bytes)
        p += ret_url->scheme.bytes + 3;
    const char *stop = p, *user = NULL;
    while (stop < end && *stop != '/' && *stop != '?' && *stop != '#') {
        if (*stop == '@')
            user = stop;
        stop++;
    }
    if (!split_authority(user != NULL ? user + 1 : p, stop, ret_url))
        return false;
    const char *fragment = memchr(stop, '#', (size_t)(end - stop));
    if (fragment != NULL)
        end = fragment;
    const char *mark = memchr(stop, '?', (size_t)(end - stop));
    if (mark != NULL)
        ret_url->query = (struct url_view){mark + 1, (size_t)(end - mark - 1)};
    else
        mark = end;
    ret_url->path = (struct url_view){stop, (size_t)(mark - stop)};
    if (!ret_url->port)
        ret_url->port = url_view_is(ret_url->scheme, "https") ? 443 : url_view_is(ret_url->scheme, "http") ? 80 : 0;
    return true;
}
