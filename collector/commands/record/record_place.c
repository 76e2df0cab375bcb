/*
 * The surroundings of a recorded run. Called by record.c.
 */
#include "record_place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../span/paths.h"
#include "../../program/files_named.h"
#include "../command.h"
#include "record_sockets.h"

#define PREVIEW_CHARACTERS "60"

enum { SOCKET_DIRECTORIES = 3 };

/* The directory above that of this program ("/usr" for /usr/bin/pprofctl). */
static bool find_prefix(char prefix[PATH_MAX])
{
    ssize_t bytes = readlink("/proc/self/exe", prefix, PATH_MAX - 1);
    if (bytes <= 0)
        return false;
    prefix[bytes] = '\0';
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(prefix, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
    return true;
}

static bool take_first(const char *path, void *out)
{
    (void)snprintf(out, PATH_MAX, "%s", path);
    return true;
}

static bool try_pattern(char out[PATH_MAX], const char *prefix, const char *pattern)
{
    char path[PATH_MAX];
    int written = snprintf(path, sizeof(path), "%s%s", prefix, pattern);
    if (written < 0 || (size_t)written >= sizeof(path) || files_named(path, take_first, out) != 1)
        return false;
    return access(out, R_OK) == 0;
}

int place_find_library(struct record_place *place)
{
    const char *said = getenv("LIBPPROF_SO");
    char prefix[PATH_MAX];
    if (said != NULL && said[0] != '\0') {
        if (realpath(said, place->library) != NULL && access(place->library, R_OK) == 0)
            return 0;
        complain("LIBPPROF_SO names %s, which cannot be read; correct it or unset it.", said);
        return -1;
    }
    if (find_prefix(prefix) && (try_pattern(place->library, prefix, "/lib/libpprof.so") ||
                                try_pattern(place->library, prefix, "/lib/*/libpprof.so") ||
                                try_pattern(place->library, prefix, "/lib64/libpprof.so")))
        return 0;
    complain("libpprof.so was not found beside pprofctl; install it or set LIBPPROF_SO to its path.");
    return -1;
}

/* A directory for sockets that can be used by those whose programs may run under us: ours alone,
 * and, where we are root, open to whoever knows a name in it. */
static bool socket_directory(char out[PATH_MAX], unsigned i)
{
    struct span_path_base base = {.runtime_dir = getenv("XDG_RUNTIME_DIR"), .uid = geteuid()};
    bool root = base.uid == 0;
    if (i == 0)
        return span_path_runtime(out, PATH_MAX, &base, 0) == 0 && run_directory(out, false, root);
    if (i == 1 && root)
        (void)snprintf(out, PATH_MAX, "/run/libpprof");
    else if (i == 2)
        (void)snprintf(out, PATH_MAX, "/tmp/libpprof-%lu", (unsigned long)base.uid);
    else
        return false;
    return run_directory(out, true, root);
}

/* The loader ends names in LD_PRELOAD at blanks and colons. */
static int link_library(struct record_place *place)
{
    if (strpbrk(place->library, " :\t\n") == NULL)
        return 0;
    int bytes = snprintf(place->link, sizeof(place->link), "%s.so", place->socket);
    if (bytes < 0 || (size_t)bytes >= sizeof(place->link) || strpbrk(place->link, " :\t\n") != NULL ||
        symlink(place->library, place->link) < 0) {
        place->link[0] = '\0';
        return -1;
    }
    (void)snprintf(place->library, sizeof(place->library), "%s", place->link);
    return 0;
}

int place_make(struct record_place *place, const char *store_path)
{
    char directory[PATH_MAX], name[RUN_NAME_BYTES];
    int status = run_make(&place->run, store_path);
    if (status < 0) {
        complain("no folder for what programs leave could be made: %s; set XDG_STATE_HOME to a directory of yours.",
                 strerror(-status));
        return -1;
    }
    for (unsigned i = 0; i < SOCKET_DIRECTORIES; i++) {
        if (!socket_directory(directory, i) || run_name(name) < 0)
            continue;
        int bytes = snprintf(place->socket, sizeof(place->socket), "%s/" SOCKET_PREFIX "%s", directory, name);
        record_sockets_clear(directory);
        if (bytes > 0 && (size_t)bytes < sizeof(place->socket) && link_library(place) == 0)
            return 0;
    }
    complain("no directory for the socket was found under $XDG_RUNTIME_DIR or /tmp: %s.", strerror(errno));
    place_leave(place);
    return -1;
}

bool place_leave(struct record_place *place)
{
    bool left = run_leave(&place->run);
    /* What a program that still runs starts would complain about a library that is gone. */
    if (!left && place->link[0] != '\0')
        (void)unlink(place->link);
    place->link[0] = '\0';
    return left;
}

void place_set_environment(const struct record_place *place)
{
    const char *before = getenv("LD_PRELOAD");
    size_t bytes = (before != NULL ? strlen(before) : 0) + strlen(place->library) + 2;
    char *value = malloc(bytes);
    if (value == NULL)
        return; /* the program runs unprofiled, which the summary shows */
    if (before != NULL && before[0] != '\0')
        (void)snprintf(value, bytes, "%s:%s", before, place->library);
    else
        (void)snprintf(value, bytes, "%s", place->library);
    (void)setenv("LD_PRELOAD", value, 1);
    (void)setenv("LIBPPROF_SOCKET", place->socket, 1);
    (void)setenv("LIBPPROF_SPOOL", place->run.path, 1);
    if (!place->preview)
        (void)setenv("LIBPPROF_PREVIEW", "0", 1);
    else
        (void)setenv("LIBPPROF_PREVIEW", PREVIEW_CHARACTERS, 0);
    free(value);
}
