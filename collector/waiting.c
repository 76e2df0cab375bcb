/*
 * Counting what waits, see waiting.h. Reads directories and the heads of journals; changes nothing.
 */
#include "waiting.h"

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

/* One directory while its names come by. */
struct look {
    struct waiting *waiting;
    struct journal_reader reader;
};

static void count_journal(const struct look *look, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    enum journal_state state;
    /* Whose those are that cannot be read is not known: whoever has the default spool counts them. */
    bool unread = look->reader.in_spool || !look->reader.said;

    if (fd < 0)
        return;
    state = journal_state(fd, &look->reader);
    look->waiting->damaged += state == JOURNAL_DAMAGED && unread;
    look->waiting->newer += state == JOURNAL_NEWER && unread;
    look->waiting->living += state == JOURNAL_LIVES;
    look->waiting->journals += state == JOURNAL_DEAD;
    (void)close(fd);
}

/* Of the living too: what they called is nowhere yet. */
static void count_mark(const struct look *look, int directory, const char *name)
{
    char text[SPAN_MARK_TEXT_BYTES];
    struct span_mark mark;
    struct stat st;

    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && journal_mark_read(&mark, text, directory, name) &&
        journal_mark_is_for(&mark, st.st_mtime, &look->reader))
        look->waiting->marks++;
}

bool waiting_spool_is_newer(int fd)
{
    uint8_t start[SPAN_FRAME_HEADER_BYTES_MAX];
    ssize_t got = pread(fd, start, sizeof start, 0);

    return got > 0 && span_frame_bytes(start, (size_t)got) == SPAN_FRAME_TOO_NEW;
}

static void count_spool_file(const struct look *look, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && waiting_spool_is_newer(fd))
        look->waiting->newer++;
    else
        look->waiting->spool_files++;
    if (fd >= 0)
        (void)close(fd);
}

static bool count_file(void *context, int directory, const char *name)
{
    const struct look *look = context;

    if (look->reader.in_spool && (ends_with(name, ".part") || ends_with(name, ".frames") ||
                                  ends_with(name, ".refused") || ends_with(name, ".unread")))
        count_spool_file(look, directory, name);
    else if (ends_with(name, ".damaged"))
        look->waiting->damaged++;
    else if (ends_with(name, ".live"))
        count_journal(look, directory, name);
    else if (!look->reader.in_spool && ends_with(name, ".mark"))
        count_mark(look, directory, name);
    return true;
}

/* Closes the directory. Takes no memory: what waits must not be overlooked for the want of it. */
static void look_into(struct look *look, int directory)
{
    if (directory < 0)
        return;
    (void)span_place_each(directory, count_file, look);
    (void)close(directory);
}

void waiting_look(struct waiting *ret_waiting, const char *spool, bool spool_said, const char *const *journal_dirs)
{
    struct look look = {.waiting = ret_waiting, .reader = {.spool = spool, .said = spool_said, .in_spool = true}};

    memset(ret_waiting, 0, sizeof *ret_waiting);
    if (spool != NULL)
        look_into(&look, open(spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    look.reader.in_spool = false;
    for (; journal_dirs != NULL && *journal_dirs != NULL; journal_dirs++)
        look_into(&look, places_open(*journal_dirs, geteuid()));
}

uint64_t waiting_sum(const struct waiting *waiting)
{
    return waiting->spool_files + waiting->journals + waiting->marks + waiting->newer;
}

static bool look_at_others(void *context, const char *path, uid_t user)
{
    look_into(context, places_open(path, user));
    return true;
}

void waiting_of_run(struct waiting *ret_waiting, const char *folder)
{
    struct look others = {.waiting = ret_waiting, .reader = {.spool = folder, .said = true}};
    struct places places;

    places_find(&places);
    waiting_look(ret_waiting, folder, true, places.journals);
    if (geteuid() == 0)
        places_of_others(look_at_others, &others);
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
