/*
 * The surroundings of a recorded run. Called by record.c.
 */
#include "record_place.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"

#define PREVIEW_CHARACTERS "60"

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

static bool try_pattern(char out[PATH_MAX], const char *prefix, const char *pattern)
{
    char path[PATH_MAX];
    glob_t files;
    int written = snprintf(path, sizeof(path), "%s%s", prefix, pattern);
    if (written < 0 || (size_t)written >= sizeof(path) || glob(path, 0, NULL, &files) != 0)
        return false;
    (void)snprintf(out, PATH_MAX, "%s", files.gl_pathv[0]);
    globfree(&files);
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

static bool make_under(struct record_place *place, const char *parent)
{
    if (parent == NULL || parent[0] != '/')
        return false;
    int written = snprintf(place->directory, sizeof(place->directory), "%s/pprof-XXXXXX", parent);
    /* Room for "/socket" after it. */
    if (written < 0 || (size_t)written + 8 > sizeof(place->directory) || mkdtemp(place->directory) == NULL) {
        place->directory[0] = '\0';
        return false;
    }
    return true;
}

/* The loader ends names in LD_PRELOAD at blanks and colons. */
static int link_library(struct record_place *place)
{
    char name[PLACE_SOCKET_MAX + 16];
    if (strpbrk(place->library, " :\t\n") == NULL)
        return 0;
    (void)snprintf(name, sizeof(name), "%s/libpprof.so", place->directory);
    if (symlink(place->library, name) < 0)
        return -1;
    (void)snprintf(place->library, sizeof(place->library), "%s", name);
    return 0;
}

int place_make(struct record_place *place)
{
    if (!make_under(place, getenv("XDG_RUNTIME_DIR")) && !make_under(place, "/tmp")) {
        complain("no directory for the socket could be made under $XDG_RUNTIME_DIR or /tmp: %s.", strerror(errno));
        return -1;
    }
    (void)snprintf(place->socket, sizeof(place->socket), "%.*s/socket", PLACE_SOCKET_MAX - 8, place->directory);
    (void)snprintf(place->spool, sizeof(place->spool), "%.*s/spool", PLACE_SOCKET_MAX - 8, place->directory);
    if (mkdir(place->spool, 0700) == 0 && link_library(place) == 0)
        return 0;
    complain("%s: %s.", place->directory, strerror(errno));
    place_remove(place, false);
    return -1;
}

/* Removes a directory with the files in it, which are all ours. */
static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL)
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory != NULL)
        (void)closedir(directory);
    (void)rmdir(path);
}

bool place_has_spool(const struct record_place *place)
{
    DIR *directory = opendir(place->spool);
    struct dirent *entry;
    bool has = false;
    while (directory != NULL && !has && (entry = readdir(directory)) != NULL)
        has = entry->d_name[0] != '.';
    if (directory != NULL)
        (void)closedir(directory);
    return has;
}

void place_remove(struct record_place *place, bool keep_spool)
{
    if (place->directory[0] == '\0')
        return;
    if (!keep_spool)
        remove_directory(place->spool);
    remove_directory(place->directory);
    place->directory[0] = '\0';
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
    (void)setenv("LIBPPROF_SPOOL", place->spool, 1);
    if (!place->preview)
        (void)setenv("LIBPPROF_PREVIEW", "0", 1);
    else
        (void)setenv("LIBPPROF_PREVIEW", PREVIEW_CHARACTERS, 0);
    free(value);
}
