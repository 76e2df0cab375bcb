/*
 * Counting what waits, see waiting.h. Reads directories and the heads of journals; changes nothing.
 */
#include "waiting.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal_state.h"
#include "places.h"

static bool ends_with(const char *name, const char *end)
{
    size_t bytes = strlen(name);

    return bytes > strlen(end) && strcmp(name + bytes - strlen(end), end) == 0;
}

static void count_journal(struct waiting *waiting, int directory, const char *name, const char *spool, bool said,
                          bool in_spool)
{
    struct span_journal_head head;
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    enum journal_state state;

    if (fd < 0)
        return;
    state = journal_state(fd, &head);
    if (state == JOURNAL_DAMAGED)
        waiting->damaged++;
    else if (journal_is_for(fd, &head, spool, said, in_spool)) {
        waiting->living += state == JOURNAL_LIVES;
        waiting->journals += state == JOURNAL_DEAD;
    }
    (void)close(fd);
}

static void look_into(struct waiting *waiting, const char *path, const char *spool, bool said, bool in_spool)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (in_spool && (ends_with(entry->d_name, ".part") || ends_with(entry->d_name, ".frames") ||
                         ends_with(entry->d_name, ".refused")))
            waiting->spool_files++;
        else if (ends_with(entry->d_name, ".damaged"))
            waiting->damaged++;
        else if (ends_with(entry->d_name, ".live"))
            count_journal(waiting, dirfd(directory), entry->d_name, spool, said, in_spool);
    }
    if (directory != NULL)
        (void)closedir(directory);
}

void waiting_look(struct waiting *ret_waiting, const char *spool, bool spool_said, const char *const *journal_dirs)
{
    memset(ret_waiting, 0, sizeof *ret_waiting);
    if (spool != NULL)
        look_into(ret_waiting, spool, spool, spool_said, true);
    for (; journal_dirs != NULL && *journal_dirs != NULL; journal_dirs++)
        look_into(ret_waiting, *journal_dirs, spool, spool_said, false);
}

void waiting_by_default(struct waiting *ret_waiting)
{
    char spool[PATH_MAX];
    struct places places;
    struct span_path_base base = places_base();
    bool has_spool = span_path_spool(spool, sizeof spool, base.state_home, base.home) == 0;

    places_find(&places);
    waiting_look(ret_waiting, has_spool ? spool : NULL, false, places.journals);
}

bool waiting_is_default_store(const char *path)
{
    char store[PATH_MAX];
    struct span_path_base base = places_base();
    struct stat one, other;

    return span_path_store(store, sizeof store, base.state_home, base.home) == 0 && stat(path, &one) == 0 &&
           stat(store, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}
