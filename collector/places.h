/* Where processes of this user may have put what waits for a collector. Any program of ours, at its start. */
#pragma once

#include "../span/place.h"

enum { PLACES_JOURNALS = SPAN_PATH_RUNTIMES + 1 };

struct places {
    char path[PLACES_JOURNALS][SPAN_PATH_RUNTIME_BYTES_MAX + 16];
    const char *journals[PLACES_JOURNALS + 1]; /* NULL at the end; point into path */
};

/* Reads the environment. The object must stay where it is. */
void places_find(struct places *ret_places);
/* This user's base of default paths, from the environment. */
struct span_path_base places_base(void);
