/*
 * Which shared libraries a program will load at its start: DT_NEEDED followed through the usual
 * directories, without running the loader (a program may name any loader it likes). Called by
 * doctor. Best effort: what is not found is left out.
 */
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files_named.h"

static const char *const usual_directories[] = {
#if defined(__x86_64__)
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
#elif defined(__aarch64__)
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
#endif
    "/usr/local/lib",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
};

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Tries `directory/name`. Writes the path and returns true when the file is there. */
static bool try_directory(char out[PATH_MAX], const char *directory, size_t bytes, const char *name)
{
    int written = snprintf(out, PATH_MAX, "%.*s/%s", (int)bytes, directory, name);
    return bytes > 0 && written > 0 && written < PATH_MAX && access(out, R_OK) == 0;
}

/* Each directory of "a:b:c"; $ORIGIN is the directory of the file that says so. */
static bool try_path(char out[PATH_MAX], const char *path, const char *origin_file, const char *name)
{
    size_t origin_bytes = (size_t)(base_name(origin_file) - origin_file);
    while (path != NULL && *path != '\0') {
        size_t bytes = strcspn(path, ":");
        size_t marker = strncmp(path, "$ORIGIN", 7) == 0 ? 7 : strncmp(path, "${ORIGIN}", 9) == 0 ? 9 : 0;
        char directory[PATH_MAX];
        int written = marker > 0 ? snprintf(directory, sizeof(directory), "%.*s%.*s", (int)origin_bytes, origin_file,
                                            (int)(bytes - marker), path + marker)
                                 : snprintf(directory, sizeof(directory), "%.*s", (int)bytes, path);
        if (written > 0 && written < PATH_MAX && try_directory(out, directory, strlen(directory), name))
            return true;
        path += bytes + (path[bytes] == ':');
    }
    return false;
}

struct configured {
    struct libraries *libraries;
    const char *name;
    char *out;
};

/* The directories that one file names. */
static bool try_configuration(const char *path, void *context)
{
    struct configured *configured = context;
    char line[PATH_MAX];
    bool found = false;
    errno = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = line[0] == '/' && try_directory(configured->out, line, strcspn(line, " \t\r\n"), configured->name);
    configured->libraries->no_memory |= errno == ENOMEM;
    if (file != NULL)
        (void)fclose(file);
    return found;
}

/* The directories that ld.so.conf.d names. */
static bool try_configured(struct libraries *libraries, char out[PATH_MAX], const char *name)
{
    struct configured configured = {libraries, name, out};
    const int status = files_named("/etc/ld.so.conf.d/*.conf", try_configuration, &configured);
    libraries->no_memory |= status < 0;
    return status > 0;
}

static bool find_library(struct libraries *libraries, char out[PATH_MAX], const char *name, const char *user_file,
                         const char *runpath)
{
    if (strchr(name, '/') != NULL) {
        (void)snprintf(out, PATH_MAX, "%s", name);
        return access(out, R_OK) == 0;
    }
    if (try_path(out, runpath, user_file, name) || try_path(out, getenv("LD_LIBRARY_PATH"), user_file, name) ||
        try_configured(libraries, out, name))
        return true;
    for (size_t i = 0; i < sizeof(usual_directories) / sizeof(usual_directories[0]); i++)
        if (try_directory(out, usual_directories[i], strlen(usual_directories[i]), name))
            return true;
    return false;
}

static void add_needed_of(struct libraries *libraries, const char *path)
{
    struct elf_facts facts;
    if (elf_read(&facts, path) < 0) {
        libraries->no_memory |= errno == ENOMEM;
        return;
    }
    for (size_t i = 0; i < facts.n_needed && libraries->n < PROGRAM_NEEDED_MAX; i++) {
        char found[PATH_MAX];
        bool known = false;
        for (size_t k = 0; k < libraries->n && !known; k++)
            known = strcmp(base_name(libraries->path[k]), base_name(facts.needed[i])) == 0;
        if (known || !find_library(libraries, found, facts.needed[i], path, facts.runpath))
            continue;
        libraries->path[libraries->n] = strdup(found);
        if (libraries->path[libraries->n] != NULL)
            libraries->n++;
        else
            libraries->no_memory = true;
    }
    elf_done(&facts);
}

int libraries_collect(struct libraries *libraries, const char *path)
{
    libraries->n = 0;
    libraries->no_memory = false;
    add_needed_of(libraries, path);
    for (size_t i = 0; i < libraries->n; i++)
        add_needed_of(libraries, libraries->path[i]);
    if (!libraries->no_memory)
        return 0;
    libraries_done(libraries);
    return -1;
}

void libraries_done(struct libraries *libraries)
{
    for (size_t i = 0; i < libraries->n; i++)
        free(libraries->path[i]);
    libraries->n = 0;
}

const char *libraries_find(const struct libraries *libraries, const char *name_start)
{
    for (size_t i = 0; i < libraries->n; i++)
        if (strncmp(base_name(libraries->path[i]), name_start, strlen(name_start)) == 0)
            return libraries->path[i];
    return NULL;
}
