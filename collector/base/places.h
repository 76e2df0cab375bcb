/* Where processes of this user, and of others, may have put what waits for a collector. Any program
 * of ours. */
#pragma once

#include <sys/types.h>

#include "../../span/place.h"

enum { PLACES_JOURNALS = SPAN_PATH_RUNTIMES + 1 };

struct places {
    char path[PLACES_JOURNALS][SPAN_PATH_RUNTIME_BYTES_MAX + 16];
    const char *journals[PLACES_JOURNALS + 1]; /* NULL at the end; point into path */
};

/* Reads the environment. The object must stay where it is. */
void places_find(struct places *ret_places);
/* This user's base of default paths, from the environment; a home in which nothing may be made as
 * it is another user's is left out, and *ret_foreign (if not NULL) says so. */
struct span_path_base places_base(bool *ret_foreign);

/* Opens a directory of journals. They are guessed: one that somebody else made is none of ours.
 * With another user's nothing else is believed than that it is that user's. A descriptor, the
 * caller's to close, or negative. */
int places_open(const char *path, uid_t user);
/*
 * Calls visit for each directory of journals of users but root, until it returns false. Where they
 * lie follows from the number of the user (span/paths.h); which users have any is seen from the
 * names below three well-known directories.
 */
void places_of_others(bool (*visit)(void *context, const char *path, uid_t user), void *context);
