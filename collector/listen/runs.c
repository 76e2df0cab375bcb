/*
 * Folders of recorded runs, see runs.h. Called by record, report, export and pprofd on their one
 * thread.
 *
 * Must never trust what lies in a folder that others can write: files are opened as the spool's
 * are, and a folder that does not belong to this user is no folder of ours.
 */
#include "runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/places.h"
#include "../base/process_variable.h"
#include "../base/reach.h"
#include "../store/store.h"
#include "listen.h"

enum {
    ROOTS = 4,
    NAME_BYTES = 32,
    STAT_START_FIELD = 22, /* proc(5) */
    MARK_BYTES = PATH_MAX + 64,
};

/* ---- where ---- */

/* The i-th place where folders may be; false when this user has none such. */
static bool root_at(int i, char out[PATH_MAX])
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME"), *runtime = getenv("XDG_RUNTIME_DIR");
    int bytes = -1;
    if (i == 0 && state != NULL && state[0] == '/')
        bytes = snprintf(out, PATH_MAX, "%s/libpprof/runs", state);
    else if (i == 0 && home != NULL && home[0] == '/')
        bytes = snprintf(out, PATH_MAX, "%s/.local/state/libpprof/runs", home);
    else if (i == 1 && geteuid() == 0)
        bytes = snprintf(out, PATH_MAX, "/var/lib/libpprof/runs");
    else if (i == 2 && runtime != NULL && runtime[0] == '/')
        bytes = snprintf(out, PATH_MAX, "%s/libpprof/runs", runtime);
    else if (i == 3)
        bytes = snprintf(out, PATH_MAX, "/tmp/libpprof-%lu/runs", (unsigned long)geteuid());
    return bytes > 0 && bytes < PATH_MAX - NAME_BYTES - 16;
}

/* It is this user's, and nobody else writes in it. */
static bool is_own(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
           (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

bool run_directory(const char *path, bool make, bool shared)
{
    char part[PATH_MAX];
    mode_t mode = geteuid() == 0 ? 0711 : 0700;
    if (shared && !others_reach(path, NULL))
        return false;
    (void)snprintf(part, sizeof(part), "%s/", path);
    for (char *slash = strchr(part + 1, '/'); make && slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (span_place_make_one(part, mode) == 0 && chmod(part, mode) < 0)
            return false;
        *slash = '/';
    }
    return is_own(path);
}

static int choose_root(char out[PATH_MAX])
{
    for (int pass = geteuid() == 0 ? 0 : 1; pass < 2; pass++)
        for (int i = 0; i < ROOTS; i++)
            if (root_at(i, out) && run_directory(out, true, pass == 0))
                return 0;
    return -EACCES;
}

/* Which file a store is, whatever its name. The number of a file that was removed is soon another
 * one's: the time of its birth tells them apart, where the file system knows it (0: it does
 * not). */
struct home {
    dev_t device;
    ino_t inode;
    uint64_t born_ns;
};

static bool find_home(const char *path, struct home *ret_home)
{
    struct stat st;
    struct statx more;
    if (stat(path, &st) < 0)
        return false;
    *ret_home = (struct home){.device = st.st_dev, .inode = st.st_ino};
    if (statx(AT_FDCWD, path, 0, STATX_BTIME, &more) == 0 && (more.stx_mask & STATX_BTIME) != 0)
        ret_home->born_ns = (uint64_t)more.stx_btime.tv_sec * 1000000000U + more.stx_btime.tv_nsec;
    return true;
}

static bool same_home(const struct home *a, const struct home *b)
{
    return a->device == b->device && a->inode == b->inode && a->born_ns == b->born_ns;
}

/* ---- one folder ---- */

int run_name(char name[RUN_NAME_BYTES])
{
    uint8_t random[NAME_BYTES / 2];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -EIO;
    for (size_t i = 0; i < sizeof(random); i++)
        (void)snprintf(name + 2 * i, 3, "%02x", random[i]);
    return 0;
}

static int open_mark(const char *folder, int flags)
{
    char path[RUN_PATH_BYTES + 8];
    (void)snprintf(path, sizeof(path), "%s/run", folder);
    return open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
}

/* Makes the folder under a name that nobody looks at, until it is locked. */
static int make_folder(const char *temporary, struct run *run, const char *mark)
{
    bool shared = geteuid() == 0;
    if (mkdir(temporary, 0700) != 0)
        return -errno;
    run->lock = open_mark(temporary, O_RDWR | O_CREAT | O_EXCL);
    if (run->lock >= 0 && flock(run->lock, LOCK_EX | LOCK_NB) == 0 &&
        write(run->lock, mark, strlen(mark)) == (ssize_t)strlen(mark) && (!shared || chmod(temporary, 01777) == 0) &&
        rename(temporary, run->path) == 0)
        return 0;
    int error = errno;
    if (run->lock >= 0) {
        char path[RUN_PATH_BYTES + 8];
        (void)snprintf(path, sizeof(path), "%s/run", temporary);
        (void)unlink(path);
        (void)close(run->lock);
    }
    (void)rmdir(temporary);
    return -error;
}

int run_make(struct run *run, const char *store_path)
{
    char root[PATH_MAX], name[RUN_NAME_BYTES], temporary[RUN_PATH_BYTES], real[PATH_MAX], mark[MARK_BYTES];
    struct home home;
    *run = (struct run){.lock = -1};
    int status = choose_root(root);
    if (status == 0)
        status = run_name(name);
    if (status != 0)
        return status;
    if (realpath(store_path, real) == NULL || !find_home(real, &home))
        return -ENOENT;
    (void)snprintf(mark, sizeof(mark), "%ju %ju %ju %s", (uintmax_t)home.device, (uintmax_t)home.inode,
                   (uintmax_t)home.born_ns, real);
    (void)snprintf(temporary, sizeof(temporary), "%s/.%s", root, name);
    (void)snprintf(run->path, sizeof(run->path), "%s/%.*s", root, NAME_BYTES, name);
    status = make_folder(temporary, run, mark);
    if (status != 0)
        run->path[0] = '\0';
    return status;
}

static FILE *open_of(const char *process, const char *what)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/%.32s/%s", process, what);
    return fopen(path, "re");
}

static bool has_shim(const char *process)
{
    char line[PATH_MAX + 128]; /* proc(5): what is mapped where, and the file's name */
    FILE *maps = open_of(process, "maps");
    bool found = false;
    while (maps != NULL && !found && fgets(line, sizeof(line), maps) != NULL)
        found = strstr(line, "/libpprof.so") != NULL;
    if (maps != NULL)
        (void)fclose(maps);
    return found;
}

/* When it began, in clock ticks since the machine did; false when that cannot be told. */
static bool began_at(const char *process, uint64_t *ret_ticks)
{
    char text[1024] = "";
    FILE *stat = open_of(process, "stat");
    if (stat != NULL) {
        (void)!fread(text, 1, sizeof(text) - 1, stat);
        (void)fclose(stat);
    }
    const char *at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < STAT_START_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (at != NULL)
        *ret_ticks = strtoumax(at, NULL, 10);
    return at != NULL;
}

/* Whether it began after the run did: the folder's mark is as old. */
static bool is_younger(const char *process, const char *folder)
{
    struct timespec booted, now;
    struct stat st;
    uint64_t ticks;
    char path[RUN_PATH_BYTES + 8];
    (void)snprintf(path, sizeof(path), "%s/run", folder);
    if (!began_at(process, &ticks) || stat(path, &st) < 0 || clock_gettime(CLOCK_BOOTTIME, &booted) < 0 ||
        clock_gettime(CLOCK_REALTIME, &now) < 0)
        return false;
    int64_t began = now.tv_sec - booted.tv_sec + (int64_t)(ticks / (uint64_t)sysconf(_SC_CLK_TCK));
    return began >= st.st_mtim.tv_sec - 1;
}

/* Whether the process was started with the folder as its spool, or may have been: it has the shim,
 * began since, and what it was started with can no longer be read. */
static bool uses(const char *process, const char *folder)
{
    char spool[RUN_PATH_BYTES];
    switch (process_variable(process, "LIBPPROF_SPOOL", spool, sizeof(spool))) {
    case PROCESS_VARIABLE_SET:
        return strcmp(spool, folder) == 0;
    case PROCESS_VARIABLE_UNSET:
        return false;
    default:
        return has_shim(process) && is_younger(process, folder);
    }
}

static uint64_t users_of(const char *folder)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    uint64_t n = 0;
    while (processes != NULL && (entry = readdir(processes)) != NULL)
        n += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && uses(entry->d_name, folder);
    if (processes != NULL)
        (void)closedir(processes);
    return n;
}

uint64_t run_users(const struct run *run)
{
    return run->path[0] == '\0' ? 0 : users_of(run->path);
}

/* Whether anything is in it; *ret_aside: only what was set aside as damaged, which the store knows
 * of. */
static bool has_files(const char *folder, bool *ret_aside)
{
    static const char damaged[] = ".damaged";
    DIR *directory = opendir(folder);
    struct dirent *entry;
    size_t files = 0, aside = 0;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        size_t bytes = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "run") == 0)
            continue;
        files++;
        aside += bytes > strlen(damaged) && strcmp(entry->d_name + bytes - strlen(damaged), damaged) == 0;
    }
    if (directory != NULL)
        (void)closedir(directory);
    *ret_aside = files > 0 && files == aside;
    return files > 0;
}

/* Removes it unless something is in it or will be, or is to be found by its name. True when it is
 * gone. The caller holds its lock. */
static bool remove_folder(const char *folder)
{
    char path[RUN_PATH_BYTES + 8];
    struct waiting waiting;
    bool aside;
    waiting_of_run(&waiting, folder);
    if (has_files(folder, &aside) || waiting_sum(&waiting) + waiting.living + users_of(folder) > 0)
        return false;
    (void)snprintf(path, sizeof(path), "%s/run", folder);
    (void)unlink(path);
    return rmdir(folder) == 0;
}

void run_look(const struct run *run, struct waiting *ret_waiting)
{
    waiting_of_run(ret_waiting, run->path);
}

bool run_leave(struct run *run)
{
    if (run->path[0] == '\0')
        return false;
    bool left = !remove_folder(run->path);
    (void)close(run->lock);
    run->path[0] = '\0';
    return left;
}

/* ---- what was left ---- */

struct search {
    struct store *store; /* NULL: only look */
    struct home home;    /* the store's file; inode 0: there is none */
    char path[PATH_MAX]; /* of the same, resolved */
    bool homeless;       /* also of runs whose store is gone */
    struct runs_left *left;
};

enum belongs { TO_US, TO_ANOTHER, TO_NOBODY };

/* Whose calls are in the folder: reads its mark. */
static enum belongs whose(int mark, const struct search *search)
{
    char text[MARK_BYTES];
    char *next;
    struct home home, there;
    ssize_t bytes = mark < 0 ? -1 : pread(mark, text, sizeof(text) - 1, 0);
    if (bytes <= 0)
        return TO_NOBODY;
    text[bytes] = '\0';
    home.device = strtoumax(text, &next, 10);
    home.inode = strtoumax(next, &next, 10);
    home.born_ns = strtoumax(next, &next, 10);
    const char *path = next + (*next == ' ');
    if ((search->home.inode != 0 && same_home(&home, &search->home)) || strcmp(path, search->path) == 0)
        return TO_US;
    if (find_home(path, &there) && same_home(&there, &home))
        return TO_ANOTHER;
    return TO_NOBODY;
}

static bool take_files(const struct search *search, const char *folder)
{
    struct places places;
    places_find(&places);
    struct listen_config config = {.spool_dir = folder,
                                   .spool_said = true,
                                   .journal_dirs = places.journals,
                                   .store = search->store,
                                   .any_user = geteuid() == 0};
    struct listener *listener;
    if (listen_open(&config, &listener) < 0)
        return false;
    bool good = listen_spool(listener) >= 0;
    struct listen_stats stats;
    listen_get_stats(listener, &stats);
    search->left->newer += stats.newer;
    return listen_close(listener) == 0 && good;
}

/* What is found before tells what was there to be taken, what is found after what still is. */
static void look_at(const struct search *search, const char *folder)
{
    int mark = open_mark(folder, O_RDWR);
    struct waiting before = {0}, after = {0};
    enum belongs belongs = whose(mark, search);
    if (mark >= 0 && flock(mark, LOCK_EX | LOCK_NB) != 0) {
        /* Its record lives, or somebody else is at it: will take it all in. */
        if (belongs == TO_US)
            waiting_of_run(&after, folder);
        search->left->living += after.living + waiting_sum(&after);
        (void)close(mark);
        return;
    }
    bool ours = belongs == TO_US || (belongs == TO_NOBODY && search->homeless);
    bool takes = ours && search->store != NULL;
    if (takes)
        waiting_of_run(&before, folder);
    bool took = takes && take_files(search, folder);
    if (ours)
        waiting_of_run(&after, folder);
    search->left->taken += took && waiting_sum(&before) > waiting_sum(&after);
    search->left->living += after.living;
    search->left->newer += takes ? 0 : after.newer; /* who takes in has looked at every frame */
    bool aside;
    (void)has_files(folder, &aside);
    if (ours && (waiting_sum(&after) > 0 || (!took && !aside && after.living == 0 && users_of(folder) == 0))) {
        search->left->waiting++;
        (void)snprintf(search->left->where, sizeof(search->left->where), "%s", folder);
    }
    if (search->store != NULL && (took || belongs == TO_NOBODY))
        (void)remove_folder(folder);
    if (mark >= 0)
        (void)close(mark);
}

/* As realpath, also of a file that is not there, or whose directory is not. */
static bool resolve(const char *path, char out[PATH_MAX])
{
    char above[PATH_MAX];
    size_t bytes = strlen(path);
    if (realpath(path, out) != NULL)
        return true;
    while (bytes > 0 && path[bytes - 1] != '/')
        bytes--;
    /* What is above, and the rest of the name from there on. */
    for (;;) {
        size_t rest = bytes;
        int used = snprintf(above, sizeof(above), "%.*s", (int)bytes, bytes == 0 ? "" : path);
        if (used < 0 || (size_t)used >= sizeof(above))
            return false;
        if (realpath(bytes == 0 ? "." : above, out) != NULL) {
            size_t have = strlen(out);
            used = snprintf(out + have, PATH_MAX - have, "%s%s", have > 1 ? "/" : "", path + rest);
            return used >= 0 && (size_t)used < PATH_MAX - have;
        }
        if (bytes == 0)
            return false;
        while (bytes > 0 && path[bytes - 1] == '/')
            bytes--;
        while (bytes > 0 && path[bytes - 1] != '/')
            bytes--;
    }
}

static void search_all(struct search *search, const char *store_path)
{
    char root[PATH_MAX], folder[RUN_PATH_BYTES];
    *search->left = (struct runs_left){0};
    if (!resolve(store_path, search->path))
        return;
    (void)find_home(search->path, &search->home); /* where there is no file, its name alone tells */
    for (int i = 0; i < ROOTS; i++) {
        DIR *directory = root_at(i, root) && is_own(root) ? opendir(root) : NULL;
        struct dirent *entry;
        while (directory != NULL && (entry = readdir(directory)) != NULL) {
            (void)snprintf(folder, sizeof(folder), "%s/%.*s", root, NAME_BYTES, entry->d_name);
            if (strspn(entry->d_name, "0123456789abcdef") == NAME_BYTES && entry->d_name[NAME_BYTES] == '\0')
                look_at(search, folder);
        }
        if (directory != NULL)
            (void)closedir(directory);
    }
}

void runs_take_in(struct store *store, const char *store_path, bool homeless, struct runs_left *ret_left)
{
    struct search search = {.store = store, .homeless = homeless, .left = ret_left};
    search_all(&search, store_path);
}

void runs_look(const char *store_path, struct runs_left *ret_left)
{
    struct search search = {.left = ret_left};
    search_all(&search, store_path);
}
