/* Who serves a host, see recognise_host.h. recognise_endpoint_find() also runs on the application's
 * thread; the rest on the scribe's or at start. */
#include "recognise_host.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "apis.h"

enum { ENDPOINTS_TEXT_MAX = 8192 };

static const struct {
    bool platform;
    char provider[24], host[56]; /* no pointers: nothing to relocate at start */
} providers[] = {
#define PROVIDER(name, host) {false, name, host},
#define PLATFORM(name, host) {true, name, host},
#include "providers.def"
#undef PROVIDER
#undef PLATFORM
};

/* What most rows are told from a host by, without a look at them: the length of the pattern, and
 * how it is to be read.
 */
enum { SHAPE_BELOW = 0x40, SHAPE_STARS = 0x80, SHAPE_BYTES = 0x3f };
_Static_assert(sizeof(providers[0].host) <= SHAPE_BYTES, "a pattern's length must fit");
static const uint8_t shapes[] = {
#define SHAPE(host)                                                                                                    \
    (uint8_t)((sizeof(host) - 1) |                                                                                     \
              (__builtin_strchr(host, '*') != NULL ? SHAPE_STARS : ((host)[0] == '.' ? SHAPE_BELOW : 0))),
#define PROVIDER(name, host) SHAPE(host)
#define PLATFORM(name, host) SHAPE(host)
#include "providers.def"
#undef PROVIDER
#undef PLATFORM
#undef SHAPE
};

/* Written once by recognise_configure(), before threads start; read-only from then on. */
static char endpoints_text[ENDPOINTS_TEXT_MAX];
static struct recognise_endpoint endpoints[RECOGNISE_ENDPOINTS_MAX];
static unsigned endpoints_count;
static char endpoints_error[200];

/* One star, or two as in "*.x*.y": the part between the stars is looked for in the middle. */
static bool stars_match(struct url_view host, const char *pattern)
{
    const char *const star = strchr(pattern, '*'), *const last = strrchr(pattern, '*');
    const size_t head = (size_t)(star - pattern), tail = strlen(last + 1);
    if (host.bytes < head + tail || strncasecmp(host.data, pattern, head) || !url_view_ends(host, last + 1))
        return false;
    const size_t middle = last > star ? (size_t)(last - star - 1) : 0;
    for (size_t at = head; at + middle + tail <= host.bytes; at++)
        if (!strncasecmp(host.data + at, star + 1, middle))
            return true;
    return false;
}

static bool is_letter_of(char pattern, char c)
{
    return pattern == '*' || pattern == c || (pattern == (c | 0x20) && c >= 'A' && c <= 'Z');
}

/* Of a pattern that is no whole host. Most rows fall at one of their ends. */
static bool pattern_matches(struct url_view host, size_t row)
{
    const size_t bytes = shapes[row] & SHAPE_BYTES;
    const char *const pattern = providers[row].host;
    if (host.bytes <= bytes && shapes[row] & SHAPE_BELOW)
        return false;
    const char first = host.data[shapes[row] & SHAPE_BELOW ? host.bytes - bytes : 0];
    if (!is_letter_of(pattern[0], first) || !is_letter_of(pattern[bytes - 1], host.data[host.bytes - 1]))
        return false;
    return shapes[row] & SHAPE_BELOW ? url_view_ends(host, pattern) : stars_match(host, pattern);
}

/* The row of the host, or sizeof(shapes). No two match the same one, so whole names, which are
 * found fast, come first.
 */
static size_t row_of(struct url_view host)
{
    if (!host.bytes)
        return sizeof(shapes);
    for (const uint8_t *at = shapes; host.bytes <= SHAPE_BYTES; at++) {
        at = memchr(at, (int)host.bytes, (size_t)(shapes + sizeof(shapes) - at));
        if (at == NULL)
            break;
        if (url_view_ends(host, providers[at - shapes].host))
            return (size_t)(at - shapes);
    }
    size_t row = 0;
    while (row < sizeof(shapes) && (!(shapes[row] & ~SHAPE_BYTES) || !pattern_matches(host, row)))
        row++;
    return row;
}

const char *recognise_host_provider(const struct url *url, bool *ret_platform)
{
    const size_t row = row_of(url->host);
    *ret_platform = row < sizeof(shapes) && providers[row].platform;
    if (row < sizeof(shapes))
        return providers[row].provider;
    return url->port == 11434 ? "ollama" : NULL;
}

static bool path_below(struct url_view path, struct url_view base)
{
    return path.bytes >= base.bytes && !memcmp(path.data, base.data, base.bytes) &&
           (path.bytes == base.bytes || path.data[base.bytes] == '/' || path.data[base.bytes] == ':');
}

const struct recognise_endpoint *recognise_endpoint_find(const struct url *url)
{
    const struct recognise_endpoint *found = NULL;
    for (unsigned i = 0; i < endpoints_count; i++) {
        const struct recognise_endpoint *e = &endpoints[i];
        if (e->host.bytes != url->host.bytes || strncasecmp(e->host.data, url->host.data, e->host.bytes))
            continue;
        if (e->port && e->port != url->port)
            continue;
        if (e->path.bytes && (!url->path.bytes || !path_below(url->path, e->path)))
            continue;
        if (found == NULL || e->path.bytes > found->path.bytes)
            found = e;
    }
    return found;
}

static char *trim(char *text)
{
    text += strspn(text, " \t\n");
    size_t bytes = strlen(text);
    while (bytes && strchr(" \t\n", text[bytes - 1]) != NULL)
        text[--bytes] = '\0';
    return text;
}

/* "host[:port][/path]=api[,provider]", NUL-terminated, in endpoints_text; blanks may stand around
 * each part. Returns what is wrong, or NULL. */
static const char *add_endpoint(char *entry)
{
    char *equals = strrchr(entry, '=');
    if (equals == NULL)
        return "has no '='";
    *equals = '\0';
    char *api = equals + 1, *comma = strchr(api, ',');
    if (comma != NULL)
        *comma = '\0';
    entry = trim(entry);
    api = trim(api);
    const char *const provider = comma != NULL ? trim(comma + 1) : NULL;
    struct url url;
    if (strchr(entry, '*') != NULL)
        return "has a '*' (hosts and paths are compared as they stand)";
    if (!url_split(entry, strlen(entry), &url) || url.query.bytes)
        return "does not begin with host[:port][/path]";
    const char *name = recognise_api_name(api, strlen(api));
    if (name == NULL)
        return "names an API that libpprof does not know";
    if (provider != NULL && !provider[0])
        return "has no provider after the comma";
    if (endpoints_count == RECOGNISE_ENDPOINTS_MAX)
        return "is one too many";
    while (url.path.bytes && url.path.data[url.path.bytes - 1] == '/')
        url.path.bytes--;
    const uint16_t port = url.port_given || url.scheme.bytes ? url.port : 0;
    endpoints[endpoints_count++] = (struct recognise_endpoint){url.host, url.path, port, name, provider};
    return NULL;
}

const char *recognise_configure(const char *list)
{
    endpoints_count = 0;
    endpoints_error[0] = '\0';
    if (list == NULL)
        return NULL;
    if (strlen(list) >= sizeof(endpoints_text)) {
        snprintf(endpoints_error, sizeof(endpoints_error), "LIBPPROF_ENDPOINTS is longer than %d bytes and is ignored",
                 ENDPOINTS_TEXT_MAX - 1);
        return endpoints_error;
    }
    memcpy(endpoints_text, list, strlen(list) + 1);
    char *rest = endpoints_text;
    for (char *entry; (entry = strsep(&rest, ";"));) {
        entry = trim(entry);
        char shown[81];
        snprintf(shown, sizeof(shown), "%s", entry);
        const char *wrong = entry[0] ? add_endpoint(entry) : NULL;
        if (wrong != NULL && !endpoints_error[0])
            snprintf(endpoints_error, sizeof(endpoints_error), "LIBPPROF_ENDPOINTS: \"%s\" %s and is ignored", shown,
                     wrong);
    }
    return endpoints_error[0] ? endpoints_error : NULL;
}
