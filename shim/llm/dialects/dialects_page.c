/*
 * Writes docs/dialects.md to standard output, from the tables that libpprof.so reads: apis.def,
 * endpoints.def, providers.def and the dialects' own pages. A program of the build, not part of the
 * library; run by scripts/bless and by the test that compares its output with the file.
 */
#include "dialect.h"
#include "shim/llm/recognise/endpoint_flags.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *operation;
} apis[] = {
#define API(name, operation) {name, operation},
#include "shim/llm/recognise/apis.def"
#undef API
};

static const struct {
    const char *before, *last, *tail, *provider, *api;
    unsigned flags;
} endpoints[] = {
#define ENDPOINT(before, last, provider, api, hint, flags) {before, last, "", provider, api, flags},
#define TAIL(before, last, tail, provider, api, hint, flags)                                                           \
    {before, last, tail == '@' ? "/@" : "/*", provider, api, flags},
#include "shim/llm/recognise/endpoints.def"
#undef ENDPOINT
#undef TAIL
};

static const struct {
    const char *name, *host;
} providers[] = {
#define PROVIDER(name, host) {name, host},
#define PLATFORM PROVIDER
#include "shim/llm/recognise/providers.def"
#undef PROVIDER
#undef PLATFORM
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void write_endpoint(size_t i, bool first)
{
    const unsigned flags = endpoints[i].flags;
    printf("%s`%s%s/%s%s`", first ? "" : ", ", endpoints[i].before[0] ? "/" : "", endpoints[i].before,
           endpoints[i].last, endpoints[i].tail);
    if (endpoints[i].provider[0])
        printf(" (%s only)", endpoints[i].provider);
    if (flags & GET)
        printf(" (GET)");
    else if (flags & ANY)
        printf(" (GET, POST)");
}

static void write_apis(void)
{
    printf("## API shapes\n\n"
           "An API is recognised by the end of the request's path, whatever host it goes to: `*` is any one segment, "
           "`@` the model's name. Requests are by "
           "POST where nothing else is said. Where a path could be anybody's, the answer must have the shape, or there "
           "is no span. Paths with Google's "
           "`:verb` are told in the pages below.\n\n"
           "| `pprof.api` | `gen_ai.operation.name` | read by | ends of paths |\n| --- | --- | --- | --- |\n");
    for (size_t a = 0; a < COUNT(apis); a++) {
        const struct dialect *const dialect = dialect_by_api(apis[a].name);
        bool first = true;
        printf("| `%s` | `%s` | %s | ", apis[a].name, apis[a].operation, dialect != NULL ? dialect->name : "");
        for (size_t i = 0; i < COUNT(endpoints); i++)
            if (!strcmp(endpoints[i].api, apis[a].name)) {
                write_endpoint(i, first);
                first = false;
            }
        printf("%s |\n", first ? "see below" : "");
    }
}

static bool named_before(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (!strcmp(providers[k].name, providers[i].name))
            return true;
    return false;
}

static void write_providers(void)
{
    printf("\n## Providers\n\n"
           "`gen_ai.provider.name` follows the host (a leading dot: any name below it). On other hosts it is absent, "
           "but for shapes that one service "
           "alone speaks. `LIBPPROF_ENDPOINTS` adds hosts.\n\n| provider | hosts |\n| --- | --- |\n");
    for (size_t i = 0; i < COUNT(providers); i++) {
        if (named_before(i))
            continue;
        printf("| `%s` | ", providers[i].name);
        for (size_t k = i; k < COUNT(providers); k++)
            if (!strcmp(providers[k].name, providers[i].name))
                printf("%s`%s`", k == i ? "" : ", ", providers[k].host);
        printf(" |\n");
    }
}

int main(void)
{
    printf(
        "# How each API is read\n\n"
        "Made by `scripts/bless` from the tables in `shim/llm/`; edit those. For every API: how a call is "
        "recognised, where each fact is read, what is "
        "odd about it, and where that is documented. What the fields mean: [fields.md](fields.md).\n\n"
        "In all of them an error object is an error if something in it says so: a name, a status or a message, a "
        "code that is no success's, or members that nobody knows and no known one beside them; `{}` and "
        "`{\"code\": 0, \"message\": \"\"}` are none. Times of more than a week, waits of more than a year and counts "
        "above 2^40 are mistakes and left out.\n\n");
    write_apis();
    write_providers();
    for (struct dialect *const *dialect = dialects; *dialect; dialect++)
        printf("\n## %s\n\nReads: %s.\n\n%s", (*dialect)->name, (*dialect)->apis, (*dialect)->docs);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
