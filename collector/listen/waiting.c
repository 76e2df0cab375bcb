/*
 * Counting what waits, see waiting.h. Reads directories and the heads of journals; changes nothing.
 */
#include "waiting.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/places.h"
#include "../store/store.h"

static bool ends_with(const char *name, const char *end)
{
    size_t bytes = strlen(name);

    return bytes > strlen(end) && strcmp(name + bytes - strlen(end), end) == 0;
}

/* One directory while its names come by. */
struct look {
    struct waiting *waiting;
    const struct journal_reader *reader; /* those who may own what lies there */
    size_t n_readers;
    bool run; /* the reader is a recorded run's folder: what cannot be read is counted elsewhere */
};

/* One thing waits for this reader. */
static void note_reader(struct waiting *waiting, const struct journal_reader *reader)
{
    if (!reader->said)
        return;
    waiting->named++;
    (void)snprintf(waiting->spool, sizeof(waiting->spool), "%s", reader->spool);
}

static void count_journal(const struct look *look, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    enum journal_state state = JOURNAL_ANOTHERS;
    const struct journal_reader *reader = NULL;
    bool sends = false;

    if (fd < 0)
        return;
    for (size_t i = 0; i < look->n_readers && state == JOURNAL_ANOTHERS; i++) {
        reader = &look->reader[i];
        state = journal_state(fd, reader);
        sends |= state == JOURNAL_ANOTHERS && journal_may_send(fd, reader);
    }
    /* Whose those are that cannot be read is not known: any store may lack them. */
    bool counts = look->reader->in_spool || !look->run;
    look->waiting->damaged += state == JOURNAL_DAMAGED && counts;
    look->waiting->newer += state == JOURNAL_NEWER && counts;
    look->waiting->living += sends || (state == JOURNAL_LIVES && !reader->guessed);
    look->waiting->journals += state == JOURNAL_DEAD;
    if (state == JOURNAL_DEAD || (state == JOURNAL_DAMAGED && reader->in_spool))
        note_reader(look->waiting, reader);
    (void)close(fd);
}

/* Of the living too: what they called is nowhere yet. */
static void count_mark(const struct look *look, int directory, const char *name)
{
    char text[SPAN_MARK_TEXT_BYTES];
    struct span_mark mark;
    struct stat st;
    bool ours = false;
    bool sends = false;

    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !journal_mark_read(&mark, text, directory, name))
        return;
    for (size_t i = 0; i < look->n_readers && !ours; i++) {
        const struct journal_reader *reader = &look->reader[i];

        ours = journal_mark_is_for(&mark, st.st_mtime, reader) &&
               (!reader->guessed || journal_mark_is_over(&mark, st.st_mtime));
        sends |= !ours && journal_mark_may_send(&mark, st.st_mtime, reader);
        if (ours)
            note_reader(look->waiting, reader);
    }
    look->waiting->marks += ours;
    look->waiting->living += !ours && sends;
}

bool waiting_spool_is_newer(int fd)
{
    uint8_t start[SPAN_FRAME_HEADER_BYTES_MAX];
    ssize_t got = pread(fd, start, sizeof(start), 0);

    return got > 0 && span_frame_bytes(start, (size_t)got) == SPAN_FRAME_TOO_NEW;
}

static void count_spool_file(const struct look *look, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && waiting_spool_is_newer(fd)) {
        look->waiting->newer++;
    } else {
        look->waiting->spool_files++;
        note_reader(look->waiting, look->reader);
    }
    if (fd >= 0)
        (void)close(fd);
}

static bool count_file(void *context, int directory, const char *name)
{
    const struct look *look = context;
    bool in_spool = look->reader->in_spool;

    if (in_spool && (ends_with(name, ".part") || ends_with(name, ".frames") || ends_with(name, ".refused") ||
                     ends_with(name, ".unread") || ends_with(name, ".fresh.new")))
        count_spool_file(look, directory, name);
    else if (ends_with(name, ".live"))
        count_journal(look, directory, name);
    else if (!in_spool && ends_with(name, ".mark"))
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

static void look_into_spool(struct waiting *waiting, const struct journal_reader *reader)
{
    struct journal_reader inside = *reader;
    struct look look = {.waiting = waiting, .reader = &inside, .n_readers = 1};

    inside.in_spool = true;
    if (reader->spool != NULL)
        look_into(&look, open(reader->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static bool is_new(const struct journal_reader *reader, size_t at)
{
    for (size_t i = 0; i < at && reader[at].spool != NULL; i++)
        if (reader[i].spool != NULL && journal_same_directory(reader[at].spool, reader[i].spool))
            return false;
    return true;
}

static void look_at_all(struct look *look, const char *const *journal_dirs)
{
    memset(look->waiting, 0, sizeof(*look->waiting));
    for (size_t i = 0; i < look->n_readers; i++)
        if (is_new(look->reader, i))
            look_into_spool(look->waiting, &look->reader[i]);
    for (; look->n_readers > 0 && journal_dirs != NULL && *journal_dirs != NULL; journal_dirs++)
        look_into(look, places_open(*journal_dirs, geteuid()));
}

void waiting_look(struct waiting *ret_waiting, const struct journal_reader *reader, size_t n_readers,
                  const char *const *journal_dirs)
{
    struct look look = {.waiting = ret_waiting, .reader = reader, .n_readers = n_readers};

    look_at_all(&look, journal_dirs);
}

uint64_t waiting_sum(const struct waiting *waiting)
{
    return waiting->spool_files + waiting->journals + waiting->marks + waiting->newer + waiting->damaged;
}

static bool look_at_others(void *context, const char *path, uid_t user)
{
    look_into(context, places_open(path, user));
    return true;
}

void waiting_of_run(struct waiting *ret_waiting, const char *folder)
{
    struct journal_reader reader = {.spool = folder, .said = true};
    struct look look = {.waiting = ret_waiting, .reader = &reader, .n_readers = 1, .run = true};
    struct places places;

    places_find(&places);
    look_at_all(&look, places.journals);
    if (geteuid() == 0)
        places_of_others(look_at_others, &look);
}

/* The collector of this user's default store. */
static struct journal_reader default_reader(char spool[PATH_MAX])
{
    struct span_path_base base = places_base(NULL);
    bool has_spool = span_path_spool(spool, PATH_MAX, base.state_home, base.home) == 0;

    return (struct journal_reader){.spool = has_spool ? spool : NULL};
}

static bool is_default_store(const char *path)
{
    char store[PATH_MAX];
    struct span_path_base base = places_base(NULL);
    struct stat one, other;

    return span_path_store(store, sizeof(store), base.state_home, base.home) == 0 && stat(path, &one) == 0 &&
           stat(store, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* The collectors of a store. Each reader's texts are its own and lie in one piece of memory,
 * `text`. */
struct collectors {
    struct journal_reader *reader;
    char **text;
    size_t n;
};

static int add_collector(void *context, const struct store_collector *collector)
{
    struct collectors *all = context;
    size_t spool = strlen(collector->spool) + 1;
    size_t socket = strlen(collector->socket) + 1;
    struct journal_reader *reader = realloc(all->reader, (all->n + 1) * sizeof(*reader));
    char **text = realloc(all->text, (all->n + 1) * sizeof(*text));

    all->reader = reader != NULL ? reader : all->reader;
    all->text = text != NULL ? text : all->text;
    if (reader == NULL || text == NULL || (text[all->n] = malloc(spool + socket)) == NULL)
        return store_no_memory();
    memcpy(text[all->n], collector->spool, spool);
    memcpy(text[all->n] + spool, collector->socket, socket);
    reader[all->n] = (struct journal_reader){.spool = spool > 1 ? text[all->n] : NULL,
                                             .said = collector->spool_said,
                                             .socket = socket > 1 ? text[all->n] + spool : NULL,
                                             .socket_said = collector->socket_said};
    all->n++;
    return 0;
}

/* The folder of a recorded run, which runs.h looks after. */
static bool is_of_run(const char *spool)
{
    char mark[PATH_MAX + 8];

    (void)snprintf(mark, sizeof(mark), "%s/run", spool);
    return access(mark, F_OK) == 0;
}

/* A spool that none of the store's collectors is known to read, and whose calls may be for it. */
static int add_guess(struct collectors *all, const char *spool)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->reader[i].spool != NULL && journal_same_directory(spool, all->reader[i].spool))
            return 0;
    if (is_of_run(spool))
        return 0;
    int status = add_collector(all, &(struct store_collector){.spool = spool, .spool_said = true, .socket = ""});
    if (status == 0)
        all->reader[all->n - 1].guessed = true;
    return status;
}

struct guesses {
    struct collectors *all;
    int status;
};

/* A file or mark in a directory of journals. */
static bool guess(void *context, int directory, const char *name)
{
    struct guesses *guesses = context;
    char spool[SPAN_JOURNAL_PATH_BYTES], text[SPAN_MARK_TEXT_BYTES];
    struct span_mark mark;
    struct stat st;

    if (ends_with(name, ".live")) {
        int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && journal_is_owed(fd, spool))
            guesses->status = add_guess(guesses->all, spool);
        if (fd >= 0)
            (void)close(fd);
    } else if (ends_with(name, ".mark") && fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               journal_mark_read(&mark, text, directory, name) && journal_mark_is_owed(&mark, st.st_mtime)) {
        guesses->status = add_guess(guesses->all, mark.spool);
    }
    return guesses->status == 0;
}

static int add_guesses(struct collectors *all, const char *const *journal_dirs)
{
    struct guesses guesses = {.all = all};
    const char *told = getenv("LIBPPROF_SPOOL");
    bool by_default = false; /* has one of them the default spool? */

    for (size_t i = 0; i < all->n; i++)
        by_default |= !all->reader[i].said;
    if (all->n > 0 && told != NULL && told[0] == '/')
        guesses.status = add_guess(all, told);
    for (; by_default && guesses.status == 0 && *journal_dirs != NULL; journal_dirs++) {
        int directory = places_open(*journal_dirs, geteuid());

        if (directory < 0)
            continue;
        (void)span_place_each(directory, guess, &guesses);
        (void)close(directory);
    }
    return guesses.status;
}

int waiting_of_store(struct waiting *ret_waiting, struct store *store, const char *path)
{
    struct collectors all = {0};
    char spool[PATH_MAX];
    struct places places;
    bool by_default = path == NULL || is_default_store(path);
    int status = 0;

    memset(ret_waiting, 0, sizeof(*ret_waiting));
    places_find(&places);
    if (by_default) {
        struct journal_reader reader = default_reader(spool);

        status =
            add_collector(&all, &(struct store_collector){.spool = reader.spool == NULL ? "" : spool, .socket = ""});
    }
    if (status == 0 && store != NULL)
        status = store_collectors(store, add_collector, &all);
    if (status == 0)
        status = add_guesses(&all, places.journals);
    if (status == 0)
        waiting_look(ret_waiting, all.reader, all.n, places.journals);
    ret_waiting->store_said = !by_default;
    for (size_t i = 0; i < all.n; i++)
        free(all.text[i]);
    free(all.text);
    free(all.reader);
    return status;
}
