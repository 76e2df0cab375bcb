/*
 * Framing of JSON lines, see ndjson.h. A line end never occurs inside JSON text (it is escaped
 * there), so lines are what stands between them.
 *
 * Runs on the scribe's thread inside exchange_response_body.
 */
#include "ndjson.h"

#include <string.h>

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

void ndjson_init(struct ndjson *ndjson, const struct ndjson_handler *handler, void *context)
{
    *ndjson = (struct ndjson){.handler = handler, .context = context};
}

void ndjson_push(struct ndjson *ndjson, const char *bytes, size_t count)
{
    const char *p = bytes;
    const char *const end = bytes + count;
    while (p < end) {
        if (!ndjson->open) {
            p = skip_blanks(p, end);
            if (p == end)
                return;
            ndjson->open = true;
            ndjson->lines++;
            ndjson->handler->begin(ndjson->context);
        }
        const char *const lf = memchr(p, '\n', (size_t)(end - p));
        ndjson->handler->data(ndjson->context, p, (size_t)((lf != NULL ? lf : end) - p));
        if (lf == NULL)
            return;
        ndjson->open = false;
        ndjson->handler->end(ndjson->context);
        p = lf + 1;
    }
}

bool ndjson_end(struct ndjson *ndjson)
{
    const bool complete = !ndjson->open;
    if (ndjson->open)
        ndjson->handler->end(ndjson->context);
    ndjson->open = false;
    return complete;
}
