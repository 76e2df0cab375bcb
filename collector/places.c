/*
 * The directories of journals, see places.h. Looks at the environment, makes nothing.
 */
#include "places.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct span_path_base places_base(void)
{
    return (struct span_path_base){.runtime_dir = getenv("XDG_RUNTIME_DIR"),
                                   .state_home = getenv("XDG_STATE_HOME"),
                                   .home = getenv("HOME"),
                                   .uid = geteuid()};
}

void places_find(struct places *ret_places)
{
    struct span_path_base base = places_base();
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1];
    size_t n = 0;

    memset(ret_places, 0, sizeof *ret_places);
    for (unsigned i = 0; i < SPAN_PATH_RUNTIMES; i++)
        if (span_path_runtime(runtime, sizeof runtime, &base, i) == 0 &&
            span_path_journals(ret_places->path[n], sizeof ret_places->path[n], runtime) == 0) {
            ret_places->journals[n] = ret_places->path[n];
            n++;
        }
    if (span_path_journals_in_memory(ret_places->path[n], sizeof ret_places->path[n], base.uid) == 0)
        ret_places->journals[n] = ret_places->path[n];
}
