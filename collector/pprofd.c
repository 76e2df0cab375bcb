/*
 * pprofd, the collector daemon: receives spans on a socket, takes in the spool, keeps the store,
 * merges it and learns prompts.
 *
 * One thread, and at times another that mines prompts (store_learner.c). SIGTERM and SIGINT end it
 * cleanly (everything read is committed and acknowledged). It prints one line when it is ready and
 * one sentence when something is wrong, both on stderr.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/display_safe.h"
#include "base/places.h"
#include "base/reach.h"
#include "cli/arguments.h"
#include "cli/usage.h"
#include "listen/listen.h"
#include "listen/runs.h"
#include "store/prompts/store_learner.h"
#include "store/store.h"

enum {
    MERGE_EVERY_MS = 10000, /* between looks for something to merge */
    MERGE_PART = 10,        /* of the time, while somebody calls: one in so many */
    LEARN_EVERY_MS = 60000, /* between looks for prompts to be learned */
    LEARN_MOST_MS = 5000,   /* at the end, a lesson more or less */
};

struct options {
    char socket[4096], store[4096], spool[4096]; /* "": none */
    bool foreign; /* a home that the environment names is left alone: it is another user's */
    bool once, any_user, spool_said, store_said, socket_said;
    struct places places;
};

/* All that can be typed; its help and its manual page come from here. */
static const struct option known[] = {
    {0, "socket", "PATH", "FILE",
     "where programs send to (default: pprofd.sock in $XDG_RUNTIME_DIR, else /run/user/UID, root: /run/pprofd, else "
     "~/.local/state/libpprof/run, else /tmp/libpprof-UID: the first of them that is this user's alone; programs look "
     "in the same places)"},
    {0, "store", "FILE", "FILE",
     "where everything is kept (default: $XDG_STATE_HOME/libpprof/pprof.db, else ~/.local/state/libpprof/pprof.db, "
     "without HOME /var/lib/pprofd/pprof.db)"},
    {0, "spool", "DIR", "FILE",
     "what programs left there while nobody listened is taken in; off: nothing (default: "
     "$XDG_STATE_HOME/libpprof/spool, "
     "else ~/.local/state/libpprof/spool)"},
    {0, "once", NULL, NULL, "take in the spool, merge, and exit; no socket"},
    {0, "any-user", NULL, NULL,
     "also accept programs of other users (default: this user and root), on a socket that they reach (default: "
     "/run/pprofd/pprofd.sock); a DIR of --spool becomes one that all may drop files into"},
    {0, "foreground", NULL, NULL, "stay in the foreground: always so, accepted for the sake of service files"},
    {0, "version", NULL, NULL, "say which version this is"},
};

static const struct command daemon_command = {
    .usage = "[OPTIONS]",
    .example = "pprofd                          # for this user's programs\n"
               "pprofd --any-user               # as root: one for all users\n"
               "pprofd --once --store pprof.db  # take in what was left while none ran, and end\n",
    .text = "Collects what programs under libpprof.so say about their calls of language models.\n\n"
            "SIGTERM or SIGINT end it; nothing that was acknowledged is lost, however it ends. See also: pprofctl help",
    .exit_status = "0: ended as it was asked to, 1: it could not do its part, 2: wrong options.",
    .options = known,
    .n_options = sizeof(known) / sizeof(known[0]),
};

static int failed_by(const char *why)
{
    complain("%s", why);
    return EXIT_FAILURE;
}

static int set_path(char *to, size_t room, const char *value, const char *option)
{
    int bytes = snprintf(to, room, "%s", value);

    if (bytes > 0 && (size_t)bytes < room)
        return 0;
    complain("--%s needs a path of 1 to %zu bytes", option, room - 1);
    return -1;
}

/* The environment is looked at here alone. */
static void defaults(struct options *options)
{
    memset(options, 0, sizeof(*options));
    struct span_path_base base = places_base(&options->foreign);

    (void)span_path_store(options->store, sizeof(options->store), base.state_home, base.home);
    (void)span_path_spool(options->spool, sizeof(options->spool), base.state_home, base.home);
}

/* The value of an option that names a path: 0, also where it was not given. */
static int take_path(const struct arguments *arguments, const char *option, char *to, size_t room, bool *ret_said)
{
    const char *value = arguments_value(arguments, option);

    *ret_said = value != NULL;
    return value == NULL ? 0 : set_path(to, room, value, option);
}

static bool is_given(const struct arguments *arguments, const char *option)
{
    return arguments_value(arguments, option) != NULL;
}

/* 0: go on; otherwise the process is to end with *ret_code. */
static int parse(int argc, char **argv, struct options *options, int *ret_code)
{
    struct arguments arguments;
    int parsed = arguments_parse(&arguments, &daemon_command, argv + 1, argc > 0 ? (size_t)argc - 1 : 0);
    int failed = 0;

    *ret_code = EXIT_USAGE;
    if (parsed < 0)
        return -1;
    if (parsed > 0 || is_given(&arguments, "version")) {
        if (parsed > 0)
            usage_print(&daemon_command);
        else
            (void)puts("pprofd " PPROF_BUILD);
        *ret_code = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        return -1;
    }
    failed |= take_path(&arguments, "socket", options->socket, sizeof(options->socket), &options->socket_said);
    failed |= take_path(&arguments, "store", options->store, sizeof(options->store), &options->store_said);
    failed |= take_path(&arguments, "spool", options->spool, sizeof(options->spool), &options->spool_said);
    if (failed)
        return -1;
    options->once = is_given(&arguments, "once");
    options->any_user = is_given(&arguments, "any-user");
    if (strcmp(options->spool, "off") == 0) {
        options->spool[0] = '\0';
        options->spool_said = false;
    }
    return 0;
}

/* The store's directory and its parents, for the owner alone. */
static void make_directories(const char *file)
{
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s", file);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)span_place_make_one(path, 0700); /* what cannot be made will be said when the file is opened */
        *slash = '/';
    }
}

/* The default socket is looked up after the options: nothing is made where it is not wanted. */
static int find_places(struct options *options)
{
    struct span_path_base base = places_base(NULL);
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1];

    if (options->any_user)
        base.runtime_dir = NULL; /* a session's own directory is closed to others */
    places_find(&options->places);
    if (options->once || options->socket[0] != '\0')
        return 0;
    if (span_place_runtime(runtime, sizeof(runtime), &base, true) != 0)
        return failed_by("no directory of this user's own was found for the socket: set XDG_RUNTIME_DIR or HOME to one "
                         "that only this user can write, or name a socket by --socket PATH");
    return span_path_socket(options->socket, sizeof(options->socket), runtime);
}

/* Where the user named the store its directory is not made: a slip of the pen would be one. */
static struct store *open_store(const struct options *options)
{
    const char *path = options->store;
    struct store *store = NULL;

    if (!options->store_said)
        make_directories(path);
    int status = store_open(path, STORE_WRITE, &store);
    if (status == STORE_OK)
        return store;
    complain("the store %s cannot be used: %s%s", path, store_why(),
             status == STORE_BUSY ? "" : "; --store FILE names another");
    return NULL;
}

static int open_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error like a full disk */
    (void)signal(SIGHUP, SIG_IGN);  /* nothing to reload; the terminal that started it may go */
    (void)signal(SIGUSR1, SIG_IGN); /* nor anything that these would mean */
    (void)signal(SIGUSR2, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Takes steps for as long as there is something and nobody is waiting, be it a signal (fds of
 * serving; NULL: nobody can), and not longer than most_ms (0: as long as it takes). What fails is
 * tried again later, and what is left is done by the next pprofd; the store is whole meanwhile. */
static void take_steps(struct store *store, const struct pollfd *fds, int (*step)(struct store *store, bool *ret_more),
                       uint64_t most_ms, const char *doing)
{
    const uint64_t begun_ms = now_ms();
    bool more = true;

    while (more) {
        struct pollfd waiting[2] = {{.fd = -1}, {.fd = -1}};

        if (step(store, &more) != STORE_OK) {
            complain("%s failed, it will be tried again: %s", doing, store_why());
            return;
        }
        if (fds != NULL)
            memcpy(waiting, fds, sizeof(waiting));
        if (poll(waiting, 2, 0) != 0 || (most_ms > 0 && now_ms() - begun_ms >= most_ms))
            return;
    }
}

static void merge_some(struct store *store, const struct pollfd *fds)
{
    take_steps(store, fds, store_merge_step, 0, "merging");
}

/* The prompts of what came, at the end. */
static void learn_rest(struct store *store)
{
    take_steps(store, NULL, store_learn, LEARN_MOST_MS, "learning prompts");
}

/* What a turn that failed, or a store that was found gone, asks for. */
static void look_after_store(const struct store *store, const struct options *options, int status, uint64_t *times_away)
{
    if (status == STORE_MISSING)
        make_directories(options->store);
    if (store_times_away(store) == *times_away)
        return;
    *times_away = store_times_away(store);
    complain("%s was moved, removed or replaced while it was in use; what comes now is in the one that is "
             "there now",
             options->store);
}

/* Said again only when there are more. Returns how many there are. */
static uint64_t say_newer(const struct listener *listener, uint64_t said)
{
    struct listen_stats stats;

    listen_get_stats(listener, &stats);
    if (stats.newer > said)
        complain("%llu %s left where %s, as a later version of libpprof wrote %s: upgrade pprofd",
                 (unsigned long long)stats.newer, stats.newer == 1 ? "file is" : "files are",
                 stats.newer == 1 ? "it is" : "they are", stats.newer == 1 ? "it" : "them");
    return stats.newer;
}

/* Whoever reads the store looks at the journals of these programs too. 0, or store_status: to be
 * tried again. */
static int note_collector(struct store *store, const struct options *options)
{
    char spool[PATH_MAX];
    char socket[PATH_MAX];
    struct store_collector collector = {.spool = options->spool,
                                        .spool_said = options->spool_said,
                                        .socket = options->once ? "" : options->socket,
                                        .socket_said = options->socket_said};

    if (collector.spool[0] != '\0' && realpath(collector.spool, spool) != NULL)
        collector.spool = spool;
    if (collector.socket[0] != '\0' && realpath(collector.socket, socket) != NULL)
        collector.socket = socket;
    return store_note_collector(store, &collector);
}

struct serving {
    struct store *store;
    struct listener *listener;
    const struct options *options;
    struct pollfd fds[3]; /* the listener, signals, lessons */
    struct store_learner *learner;
    struct runs_left left;       /* what cannot be taken in is tried again */
    uint64_t learn_ms, merge_ms; /* when it is due next */
    bool learning;               /* lessons are due one after the other */
    int idle_ms;
};

static void look_at_lessons(struct serving *serving)
{
    const bool due = store_learner_is_busy(serving->learner) ? serving->fds[2].revents != 0
                                                             : serving->learning || now_ms() >= serving->learn_ms;

    if (!due || listen_flush(serving->listener) != 0)
        return;
    serving->learn_ms = now_ms() + LEARN_EVERY_MS;
    if (store_learner_step(serving->learner, serving->store, &serving->learning) == STORE_OK)
        return;
    serving->learning = false;
    complain("learning prompts failed, it will be tried again: %s", store_why());
}

/* What learns too is not begun beside a lesson. */
static bool may_merge(struct serving *serving)
{
    return !store_learner_is_busy(serving->learner) && listen_flush(serving->listener) == 0;
}

/* All that is due when nobody calls; else now and then a step, so that hours are merged also where
 * somebody always calls. */
static void look_at_merges(struct serving *serving)
{
    const uint64_t begun_ms = now_ms();
    bool more = false;

    if (serving->idle_ms >= MERGE_EVERY_MS && may_merge(serving)) {
        serving->idle_ms = 0;
        runs_take_in(serving->store, serving->options->store, true, &serving->left);
        merge_some(serving->store, serving->fds);
    } else if (begun_ms >= serving->merge_ms && may_merge(serving)) {
        if (store_merge_step(serving->store, &more) != STORE_OK)
            complain("merging failed, it will be tried again: %s", store_why());
    } else {
        return;
    }
    serving->merge_ms = now_ms() + (more ? MERGE_PART * (now_ms() - begun_ms) : MERGE_EVERY_MS);
}

static int serve(struct serving *serving)
{
    struct store *store = serving->store;
    struct listener *listener = serving->listener;
    const struct options *options = serving->options;
    uint64_t times_away = store_times_away(store);
    uint64_t newer = 0; /* files of a later version that were spoken of */
    bool said = false;  /* a failing store is reported once, until it works again */
    bool noted = note_collector(store, options) == 0;

    for (;;) {
        int wait_ms = listen_wait_ms(listener);
        int status;
        int n;

        if (wait_ms < 0 || wait_ms > MERGE_EVERY_MS)
            wait_ms = MERGE_EVERY_MS;
        if (serving->learning && !store_learner_is_busy(serving->learner))
            wait_ms = 0;
        n = poll(serving->fds, 3, wait_ms);
        if (n < 0 && errno != EINTR)
            return failed_by(strerror(errno));
        if (serving->fds[1].revents != 0)
            return EXIT_SUCCESS;
        n -= n > 0 && serving->fds[2].revents != 0;
        status = listen_turn(listener, 0);
        noted &= store_times_away(store) == times_away;
        look_after_store(store, options, status, &times_away);
        if (status != 0 && status != STORE_MOVED) {
            if (!said)
                complain("the store cannot be written, senders keep their spans meanwhile: %s", listen_why());
            said = true;
        } else if (n > 0) {
            said = false;
        }
        noted = noted || note_collector(store, options) == 0;
        newer = say_newer(listener, newer);
        serving->idle_ms += n > 0 ? 0 : wait_ms;
        look_at_merges(serving);
        look_at_lessons(serving);
    }
}

static int run_once(struct store *store, const struct options *options)
{
    struct listen_config config = {.spool_dir = options->spool[0] == '\0' ? NULL : options->spool,
                                   .spool_said = options->spool_said,
                                   .journal_dirs = options->places.journals,
                                   .store = store,
                                   .any_user = options->any_user};
    struct listen_stats stats;
    struct runs_left left;
    struct listener *listener;
    long files;

    if (listen_open(&config, &listener) != 0)
        return failed_by(listen_why());
    if (note_collector(store, options) != 0) {
        (void)listen_close(listener);
        return failed_by(store_why());
    }
    files = listen_spool(listener);
    (void)say_newer(listener, 0);
    listen_get_stats(listener, &stats);
    (void)listen_close(listener);
    if (files < 0)
        return failed_by(listen_why());
    runs_take_in(store, options->store, true, &left);
    learn_rest(store);
    merge_some(store, NULL);
    announce("pprofd once store=%s files=%llu journals=%llu frames=%llu spans=%llu repeats=%llu "
             "damaged=%llu",
             options->store, (unsigned long long)stats.files, (unsigned long long)stats.journals,
             (unsigned long long)stats.frames, (unsigned long long)stats.spans, (unsigned long long)stats.repeats,
             (unsigned long long)stats.damaged);
    return EXIT_SUCCESS;
}

/* A spool that was named becomes a box that all may drop files into, and only their owners may take
 * out. */
static void open_spool(const struct options *options)
{
    struct stat st;

    (void)mkdir(options->spool, 0700);
    if (stat(options->spool, &st) == 0 && st.st_uid == geteuid())
        (void)chmod(options->spool, 01777);
}

static void say_closed(const struct options *options)
{
    char closed[PATH_MAX];

    if (!others_reach(options->socket, closed))
        complain("other users cannot reach the socket, because %s is closed to them; open it (chmod o+x) or "
                 "name another by --socket",
                 closed);
}

static int run(struct store *store, const struct options *options)
{
    struct listen_config config = {.socket_path = options->socket,
                                   .spool_dir = options->spool[0] == '\0' ? NULL : options->spool,
                                   .spool_said = options->spool_said,
                                   .journal_dirs = options->places.journals,
                                   .store = store,
                                   .any_user = options->any_user};
    struct serving serving = {.store = store,
                              .options = options,
                              .learner = store_learner_new(),
                              .learn_ms = now_ms() + LEARN_EVERY_MS,
                              .merge_ms = now_ms() + MERGE_EVERY_MS};
    struct listener *listener;
    int signals = open_signals();
    int code;

    if (signals < 0 || serving.learner == NULL)
        return failed_by("signals cannot be received, or there is no memory");
    raise_descriptors();
    if (options->any_user && options->spool_said)
        open_spool(options);
    if (listen_open(&config, &listener) != 0) {
        (void)store_learner_free(serving.learner, store);
        (void)close(signals);
        return failed_by(listen_why());
    }
    announce("pprofd ready version=%s pid=%ld socket=%s store=%s spool=%s", PPROF_VERSION, (long)getpid(),
             options->socket, options->store, options->spool[0] == '\0' ? "off" : options->spool);
    if (options->any_user)
        say_closed(options);
    if (!listen_has_name(listener))
        complain("another program has the abstract name of the socket %s: until it is free, programs that change their "
                 "root or mounts before they call do not find this collector",
                 options->socket);
    runs_take_in(store, options->store, true, &serving.left);
    serving.listener = listener;
    serving.fds[0] = (struct pollfd){.fd = listen_fd(listener), .events = POLLIN};
    serving.fds[1] = (struct pollfd){.fd = signals, .events = POLLIN};
    serving.fds[2] = (struct pollfd){.fd = store_learner_fd(serving.learner), .events = POLLIN};
    code = serve(&serving);
    if (listen_close(listener) != 0) {
        complain("the last spans could not be stored, their senders keep them: %s", listen_why());
        code = EXIT_FAILURE;
    }
    if (store_learner_free(serving.learner, store) != STORE_OK)
        complain("learning prompts failed, the next pprofd tries it again: %s", store_why());
    learn_rest(store);
    (void)close(signals);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct store *store;
    int code;

    display_begin();
    program_is("pprofd");
    store_memory();
    defaults(&options);
    if (parse(argc, argv, &options, &code) != 0)
        return code;
    if (find_places(&options) != 0)
        return EXIT_FAILURE;
    if (options.foreign && !options.store_said)
        complain("a home directory of another user's is left alone: the store is %s, the spool %s", options.store,
                 options.spool[0] == '\0' ? "off" : options.spool);
    store = open_store(&options);
    if (store == NULL)
        return EXIT_FAILURE;
    code = options.once ? run_once(store, &options) : run(store, &options);
    store_close(store);
    return code;
}
