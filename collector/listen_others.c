/*
 * Journals of other users' dead programs, for a collector of root that takes everybody's (pprofd --any-user, and
 * record, whose programs may give up their rights). Called by listen_spool.
 *
 * Where a user's journals lie follows from the number of the user (span/paths.h); which users have any is seen from the
 * names below three well-known directories. Must never follow a link there: two of them can be written by anybody.
 */
#include "listen_inner.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../span/paths.h"

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

/* Where the user keeps a collector, the journals are that one's. */
static bool has_collector(uid_t user)
{
    struct span_path_base base = {.uid = user};
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1], path[sizeof runtime + 16];
    struct stat st;

    for (unsigned i = 0; i < SPAN_PATH_RUNTIMES; i++)
        if (span_path_runtime(runtime, sizeof runtime, &base, i) == 0 &&
            span_path_socket(path, sizeof path, runtime) == 0 && lstat(path, &st) == 0)
            return true;
    return false;
}

static long take(struct listener *listener, const char *above, const char *name, uid_t user, bool below)
{
    char path[SPAN_PATH_RUNTIME_BYTES_MAX + 1], journals[SPAN_PATH_RUNTIME_BYTES_MAX + 16];
    struct stat st;
    int bytes = snprintf(path, sizeof path, "%s/%s", above, name);

    if (bytes < 0 || (size_t)bytes >= sizeof path || lstat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid != user)
        return 0;
    if (!below)
        return listen_journals(listener, path, user, false);
    if (span_path_journals(journals, sizeof journals, path) != 0)
        return 0;
    return listen_journals(listener, journals, user, false);
}

long listen_journals_of_others(struct listener *listener)
{
    /* `below`: a runtime directory, with the journals below it. */
    static const struct {
        const char *path, *prefix;
        bool below;
    } places[] = {{"/dev/shm", "libpprof-", false}, {"/tmp", "libpprof-", true}, {"/run/user", "", true}};
    long files = 0;

    for (size_t i = 0; i < sizeof places / sizeof *places && files >= 0; i++) {
        DIR *directory = opendir(places[i].path);
        struct dirent *entry;

        while (directory != NULL && files >= 0 && (entry = readdir(directory)) != NULL) {
            uid_t user = user_of(entry->d_name, places[i].prefix);
            long more = user == 0 || has_collector(user)
                            ? 0
                            : take(listener, places[i].path, entry->d_name, user, places[i].below);

            files = more < 0 ? more : files + more;
        }
        if (directory != NULL)
            (void)closedir(directory);
    }
    return files;
}
