/*
 * glob(3) for the patterns that doctor and record look with. Not glibc's: where memory ends within
 * it, it frees the same names twice and the process dies (posix/glob.c: prefix_array, then
 * globfree; glibc 2.36). Any thread.
 */
#include "files_named.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct search {
    char path[PATH_MAX];
    files_named_visit *visit;
    void *context;
};

/* Appends "/name"; 0: too long for a path that could exist. */
static size_t append(struct search *search, size_t bytes, const char *name, size_t name_bytes)
{
    const size_t room = sizeof(search->path) - bytes;
    const int written = snprintf(search->path + bytes, room, "/%.*s", (int)name_bytes, name);
    return written < 0 || (size_t)written >= room ? 0 : bytes + (size_t)written;
}

/* What is below the first `bytes` of the path. Recursion ends with the pattern: one step a `/`. */
static int descend(struct search *search, size_t bytes, const char *pattern)
{
    char wanted[NAME_MAX + 1];
    while (*pattern == '/')
        pattern++;
    search->path[bytes] = '\0';
    if (*pattern == '\0')
        return access(search->path, F_OK) == 0 && search->visit(search->path, search->context);
    const size_t wanted_bytes = strcspn(pattern, "/");
    if (wanted_bytes >= sizeof(wanted))
        return 0;
    memcpy(wanted, pattern, wanted_bytes);
    wanted[wanted_bytes] = '\0';
    if (strpbrk(wanted, "*?[") == NULL) {
        const size_t longer = append(search, bytes, wanted, wanted_bytes);
        return longer == 0 ? 0 : descend(search, longer, pattern + wanted_bytes);
    }
    struct dirent **names = NULL;
    int status = 0, count = scandir(bytes == 0 ? "/" : search->path, &names, NULL, alphasort);
    if (count < 0)
        return errno == ENOMEM ? -1 : 0;
    for (int i = 0; i < count; i++) {
        const size_t longer = status == 0 && fnmatch(wanted, names[i]->d_name, FNM_PERIOD) == 0
                                  ? append(search, bytes, names[i]->d_name, strlen(names[i]->d_name))
                                  : 0;
        if (longer != 0)
            status = descend(search, longer, pattern + wanted_bytes);
        free(names[i]);
    }
    free(names);
    if (status < 0)
        errno = ENOMEM;
    return status;
}

int files_named(const char *pattern, files_named_visit *visit, void *context)
{
    struct search search = {.visit = visit, .context = context};
    return descend(&search, 0, pattern);
}
