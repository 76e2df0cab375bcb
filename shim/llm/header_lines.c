/*
 * Which header lines of a request matter (header_lines.h). Called by the scribe, and on the
 * application's thread only where there are too many to hand all of them on. Must never read after
 * a line's end.
 */
#include "header_lines.h"

#include "exchange_ends.h"

#include <string.h>
#include <strings.h>

/* The request headers that facts come from, in lower case: whole names with their colon, or the
 * beginnings of names. Of the others and of the URL's query the exchange only learns what an answer
 * may not say back. */
static const char names[][31] = {
    "accept:",
    "accept-encoding:",
    "anthropic-beta:",
    "anthropic-version:",
    "ai-embedding-model-id:",
    "ai-language-model-",
    "ai-model-id:",
    "api-key:",
    "authorization:",
    "content-encoding:",
    "content-type:",
    "helicone-prompt-",
    "langfuse-prompt",
    "ocp-apim-subscription-key:",
    "traceloop-",
    "traceparent:",
    "x-api-key:",
    "x-goog-api-key:",
    "x-dashscope-sse:",
    "x-litellm-",
    "x-portkey-",
    "x-pprof-",
    "x-tc-action:",
};

bool header_line_matters(const char *line)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if ((line[0] | 0x20) == names[i][0] && strncasecmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The bytes of a line that are handed on; 0 for one that is none. */
static size_t bytes_of(const char *line, bool matters)
{
    size_t bytes = strcspn(line, "\r\n");
    if (line[0] == EXCHANGE_BESIDE)
        return bytes;
    size_t name_bytes = strcspn(line, ":;\r\n");
    if (line[name_bytes] != ':')
        return 0;
    if (name_bytes + 1 + strspn(line + name_bytes + 1, " \t") >= bytes)
        return 0; /* "Name:" takes a header away */
    return !matters && bytes > HEADER_OTHER_BYTES_MAX ? HEADER_OTHER_BYTES_MAX : bytes;
}

size_t header_lines_write(const char *raw, size_t bytes, char *out, size_t room)
{
    const char *const end = raw + bytes;
    size_t used = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        const char *nul;
        for (const char *line = raw; line < end && (nul = memchr(line, '\0', (size_t)(end - line))) != NULL;
             line = nul + 1) {
            const bool matters = header_line_matters(line);
            const size_t take = matters == (pass == 0) ? bytes_of(line, matters) : 0;
            if (take == 0 || take + 1 > room - used)
                continue;
            memcpy(out + used, line, take);
            out[used + take] = '\n';
            used += take + 1;
        }
    }
    return used;
}
