/*
 * Finding and making directories of our own, see place.h. Called by the scribe inside the
 * application and by the collector's programs. Must never follow a link that somebody planted in a
 * directory that others can write.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    NAMES_BYTES = 4096, /* of names at a time */
    /* getdents64(2), struct linux_dirent64 */
    ENTRY_AT_BYTES = 16,
    ENTRY_AT_NAME = 19,
};

/* The last part of the path is what was opened, or a link that somebody made who may. Where
 * everybody writes, not every kernel is told to refuse the links of others
 * (fs.protected_symlinks). */
static bool leads_there(const char *path, uint64_t uid, const struct stat *opened)
{
    struct stat st;

    if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    if (S_ISLNK(st.st_mode))
        return st.st_uid == uid || st.st_uid == 0;
    return st.st_dev == opened->st_dev && st.st_ino == opened->st_ino;
}

int span_place_open(const char *path, uint64_t uid, bool sticky)
{
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0) {
        int error = errno;

        (void)close(fd);
        return -error;
    }
    bool others_write = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !(sticky && (st.st_mode & S_ISVTX) != 0);
    bool foreign = st.st_uid != uid && st.st_uid != 0;
    if (others_write || foreign || !leads_there(path, uid, &st)) {
        (void)close(fd);
        return -EPERM;
    }
    return fd;
}

int span_place_each(int directory, bool (*visit)(void *context, int directory, const char *name), void *context)
{
    _Alignas(uint64_t) char names[NAMES_BYTES];
    long got;

    while ((got = syscall(SYS_getdents64, directory, names, sizeof(names))) != 0) {
        if (got < 0)
            return -errno;
        for (long at = 0; at < got;) {
            uint16_t bytes;

            if (!visit(context, directory, names + at + ENTRY_AT_NAME))
                return 0;
            memcpy(&bytes, names + at + ENTRY_AT_BYTES, sizeof(bytes));
            at += bytes;
        }
    }
    return 0;
}

struct count {
    const char *part;
    long n, most;
};

static bool count_one(void *context, int directory, const char *name)
{
    struct count *count = context;

    (void)directory;
    count->n += strstr(name, count->part) != NULL;
    return count->n <= count->most;
}

long span_place_count(int directory, const char *part, long most)
{
    struct count count = {.part = part, .most = most};
    int status = span_place_each(directory, count_one, &count);

    return status < 0 ? status : count.n;
}

/* Where the part begins that is ours to make: the home directory's .local, or the directory that
 * $XDG_STATE_HOME names, which the XDG Base Directory Specification wants made. */
static const char *ours(const char *path)
{
    const char *from = strstr(path, "/.local/state/");

    if (from != NULL)
        return from;
    from = strstr(path, "/libpprof/");
    while (from != NULL && from > path && *--from != '/')
        continue;
    return from;
}

/* What we make in there shuts nobody out of what is his: it is our own, the system's, or
 * everybody's. */
static bool is_for_us(const struct stat *directory)
{
    const mode_t everybodys = S_ISVTX | S_IWOTH;

    return directory->st_uid == geteuid() || directory->st_uid == 0 || (directory->st_mode & everybodys) == everybodys;
}

/* Cuts the last part off. What is left; "/" or "." where that is nothing. */
static const char *cut_last(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash == NULL)
        return ".";
    *slash = '\0';
    return slash == path ? "/" : path;
}

int span_place_make_one(const char *path, unsigned mode)
{
    char above[PATH_MAX];
    struct stat st;

    if (strlen(path) >= sizeof(above))
        return -ENAMETOOLONG;
    memcpy(above, path, strlen(path) + 1);
    if (fstatat(AT_FDCWD, cut_last(above), &st, 0) != 0)
        return -errno;
    if (!is_for_us(&st))
        return fstatat(AT_FDCWD, path, &st, 0) == 0 ? -EEXIST : -EPERM;
    return mkdir(path, mode) == 0 ? 0 : -errno;
}

/* Whether the nearest directory on the way to `state` that exists is somebody else's. */
static bool is_somebody_elses(char state[PATH_MAX])
{
    struct stat st;
    const char *here = state;

    while (fstatat(AT_FDCWD, here, &st, 0) != 0 && here[1] != '\0')
        here = cut_last(state);
    return here[1] != '\0' && !is_for_us(&st);
}

bool span_place_leave_foreign(struct span_path_base *base)
{
    char state[PATH_MAX];
    bool left = false;

    if (span_path_state(state, sizeof(state), base->state_home, NULL) == 0 && is_somebody_elses(state)) {
        base->state_home = NULL;
        left = true;
    }
    if (span_path_state(state, sizeof(state), NULL, base->home) == 0 && is_somebody_elses(state)) {
        base->home = NULL;
        left = true;
    }
    return left;
}

void span_place_make(const char *path)
{
    char part[SPAN_PLACE_BYTES];
    size_t bytes = strlen(path);
    const char *from = ours(path);
    struct stat st;

    /* Also a mkdir of what is there waits for whoever makes something beside it just then. */
    if (bytes >= sizeof(part) || fstatat(AT_FDCWD, path, &st, 0) == 0)
        return;
    memcpy(part, path, bytes + 1);
    for (const char *slash = from == NULL ? NULL : strchr(from + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        part[slash - path] = '\0';
        (void)span_place_make_one(part, 0700);
        part[slash - path] = '/';
    }
    (void)span_place_make_one(part, 0700);
}

/* It exists, is the user's own, is no link in a directory that others write, and nobody else writes
 * in it. */
static bool is_own(const char *path, uint64_t uid)
{
    struct stat st;

    return fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (S_ISDIR(st.st_mode) || (S_ISLNK(st.st_mode) && st.st_uid == uid)) && fstatat(AT_FDCWD, path, &st, 0) == 0 &&
           S_ISDIR(st.st_mode) && st.st_uid == uid && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Whether span_place_make would succeed: the nearest parent that exists can be written. */
static bool can_be_made(const char *path)
{
    char part[SPAN_PLACE_BYTES];
    size_t bytes = strlen(path);
    const char *from = ours(path);
    struct stat st;

    if (bytes >= sizeof(part) || fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return false;
    memcpy(part, path, bytes + 1);
    for (;;) {
        char *slash = strrchr(part, '/');
        const char *parent = slash == NULL ? "." : slash == part ? "/" : part;

        if (slash != NULL)
            *slash = '\0';
        if (fstatat(AT_FDCWD, parent, &st, 0) == 0)
            return S_ISDIR(st.st_mode) && is_for_us(&st) && faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0;
        if (parent != part || from == NULL || slash <= part + (from - path))
            return false;
    }
}

bool span_place_usable(const char *path)
{
    struct stat st;

    if (fstatat(AT_FDCWD, path, &st, 0) == 0)
        return S_ISDIR(st.st_mode) && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0;
    return can_be_made(path);
}

int span_place_runtime(char *out, size_t cap, const struct span_path_base *base, bool make)
{
    for (unsigned i = 0; i < SPAN_PATH_RUNTIMES; i++) {
        bool of_system = i == 0 || (i == 1 && base->uid != 0);

        if (span_path_runtime(out, cap, base, i) != 0)
            continue;
        if (is_own(out, base->uid))
            return 0;
        if (of_system)
            continue;
        if (make)
            span_place_make(out);
        if (make ? is_own(out, base->uid) : can_be_made(out))
            return 0;
    }
    if (cap > 0)
        out[0] = '\0';
    return -1;
}
