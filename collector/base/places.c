/*
 * The directories of journals, see places.h. Looks at the environment, makes nothing. Must never
 * follow a link of others: two of the directories above those of other users can be written by
 * anybody.
 */
#include "places.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct span_path_base places_base(bool *ret_foreign)
{
    struct span_path_base base = {.runtime_dir = getenv("XDG_RUNTIME_DIR"),
                                  .state_home = getenv("XDG_STATE_HOME"),
                                  .home = getenv("HOME"),
                                  .uid = geteuid()};
    bool foreign = span_place_leave_foreign(&base);

    if (ret_foreign != NULL)
        *ret_foreign = foreign;
    return base;
}

void places_find(struct places *ret_places)
{
    struct span_path_base base = places_base(NULL);
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1];
    size_t n = 0;

    memset(ret_places, 0, sizeof(*ret_places));
    for (unsigned i = 0; i < SPAN_PATH_RUNTIMES; i++)
        if (span_path_runtime(runtime, sizeof(runtime), &base, i) == 0 &&
            span_path_journals(ret_places->path[n], sizeof(ret_places->path[n]), runtime) == 0) {
            ret_places->journals[n] = ret_places->path[n];
            n++;
        }
    if (span_path_journals_in_memory(ret_places->path[n], sizeof(ret_places->path[n]), base.uid) == 0)
        ret_places->journals[n] = ret_places->path[n];
}

int places_open(const char *path, uid_t user)
{
    struct stat st;

    if (user == geteuid())
        return span_place_open(path, user, false);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_uid != user)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* The user whom a name below such a directory speaks of; 0 when it speaks of none but root. */
static uid_t user_of(const char *name, const char *prefix)
{
    char *end;
    size_t bytes = strlen(prefix);

    if (strncmp(name, prefix, bytes) != 0 || name[bytes] < '1' || name[bytes] > '9')
        return 0;
    errno = 0;
    unsigned long number = strtoul(name + bytes, &end, 10);
    return errno != 0 || *end != '\0' || number >= UINT32_MAX ? 0 : (uid_t)number;
}

/* The user's directory of journals there: the one with this name or, `below`, one in it. */
static bool find_others(char *out, size_t cap, const char *above, const char *name, uid_t user, bool below)
{
    char path[SPAN_PATH_RUNTIME_BYTES_MAX + 1];
    struct stat st;
    int bytes = snprintf(path, sizeof(path), "%s/%s", above, name);

    if (bytes < 0 || (size_t)bytes >= sizeof(path) || lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) ||
        st.st_uid != user)
        return false;
    if (below)
        return span_path_journals(out, cap, path) == 0;
    (void)snprintf(out, cap, "%s", path);
    return true;
}

void places_of_others(bool (*visit)(void *context, const char *path, uid_t user), void *context)
{
    /* `below`: a runtime directory, with the journals below it. */
    static const struct {
        const char *path, *prefix;
        bool below;
    } above[] = {{"/dev/shm", "libpprof-", false}, {"/tmp", "libpprof-", true}, {"/run/user", "", true}};
    char path[SPAN_PATH_RUNTIME_BYTES_MAX + 16];
    bool more = true;

    for (size_t i = 0; i < sizeof(above) / sizeof(*above) && more; i++) {
        DIR *directory = opendir(above[i].path);
        struct dirent *entry;

        while (directory != NULL && more && (entry = readdir(directory)) != NULL) {
            uid_t user = user_of(entry->d_name, above[i].prefix);

            if (user != 0 && find_others(path, sizeof(path), above[i].path, entry->d_name, user, above[i].below))
                more = visit(context, path, user);
        }
        if (directory != NULL)
            (void)closedir(directory);
    }
}
