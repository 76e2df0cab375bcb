/*
 * pprofd, the collector daemon: receives spans on a socket, takes in the spool, keeps the store, merges it when idle.
 *
 * One thread. SIGTERM and SIGINT end it cleanly (everything read is committed and acknowledged). It prints one line
 * when it is ready and one sentence when something is wrong, both on stderr.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/display_safe.h"
#include "base/places.h"
#include "base/reach.h"
#include "listen/listen.h"
#include "listen/runs.h"
#include "store/store.h"

enum {
    MERGE_EVERY_MS = 10000, /* between looks for something to merge */
    EXIT_USAGE = 2,
    SAY_BYTES = 3 * PATH_MAX, /* the longest sentence names three paths */
};

struct options {
    char socket[4096], store[4096], spool[4096]; /* "": none */
    bool once, any_user, spool_said, store_said, socket_said;
    struct places places;
};

static const char help[] =
    "pprofd: collects what programs under libpprof.so say about their calls of language models.\n"
    "\n"
    "usage: pprofd [OPTION...]\n"
    "\n"
    "  --socket PATH   where programs send to     (default: pprofd.sock in $XDG_RUNTIME_DIR, else /run/user/UID,\n"
    "                  root: /run/pprofd, else ~/.local/state/libpprof/run, else /tmp/libpprof-UID: the first of\n"
    "                  them that is this user's alone; programs look in the same places)\n"
    "  --store FILE    where everything is kept   (default: $XDG_STATE_HOME/libpprof/pprof.db, else\n"
    "                  ~/.local/state/libpprof/pprof.db, without HOME /var/lib/pprofd/pprof.db)\n"
    "  --spool DIR     what programs left there while nobody listened is taken in; off: nothing\n"
    "                  (default: $XDG_STATE_HOME/libpprof/spool, else ~/.local/state/libpprof/spool)\n"
    "  --once          take in the spool, merge, and exit; no socket\n"
    "  --any-user      also accept programs of other users (default: this user and root), on a socket that they reach\n"
    "                  (default: /run/pprofd/pprofd.sock); a DIR of --spool becomes one that all may drop files into\n"
    "  --foreground    stay in the foreground: always so, accepted for the sake of service files\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM or SIGINT end it; nothing that was acknowledged is lost, however it ends.\n"
    "See also: pprofctl help\n";

/* One sentence; paths and what others named in it are made harmless for a terminal. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    char sentence[SAY_BYTES];
    char safe[SAY_BYTES];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(sentence, sizeof sentence, format, values);
    va_end(values);
    display_safe(safe, sizeof safe, (struct span_text){sentence, (uint32_t)strlen(sentence)});
    (void)fprintf(stderr, "%s\n", safe);
}

static int complain(const char *sentence)
{
    say("pprofd: %s", sentence);
    return EXIT_FAILURE;
}

static int set_path(char *to, size_t room, const char *value, const char *option)
{
    int bytes = snprintf(to, room, "%s", value);

    if (bytes > 0 && (size_t)bytes < room)
        return 0;
    say("pprofd: %s needs a path of 1 to %zu bytes", option, room - 1);
    return -1;
}

/* The environment is looked at here alone. */
static void defaults(struct options *options)
{
    const char *home = getenv("HOME");
    const char *state = getenv("XDG_STATE_HOME");

    memset(options, 0, sizeof *options);
    (void)span_path_store(options->store, sizeof options->store, state, home);
    (void)span_path_spool(options->spool, sizeof options->spool, state, home);
}

/* 0: go on; otherwise the process is to end with *ret_code. */
static int parse(int argc, char **argv, struct options *options, int *ret_code)
{
    static const struct option known[] = {
        {"socket", required_argument, NULL, 's'},
        {"store", required_argument, NULL, 'f'},
        {"spool", required_argument, NULL, 'p'},
        {"once", no_argument, NULL, 'o'},
        {"any-user", no_argument, NULL, 'u'},
        {"foreground", no_argument, NULL, 'g'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int failed = 0;
    int c;

    *ret_code = EXIT_USAGE;
    opterr = 0; /* what getopt prints is as it was given */
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (c) {
        case 's':
            failed |= set_path(options->socket, sizeof options->socket, optarg, "--socket");
            options->socket_said = true;
            break;
        case 'f':
            failed |= set_path(options->store, sizeof options->store, optarg, "--store");
            options->store_said = true;
            break;
        case 'p':
            failed |= set_path(options->spool, sizeof options->spool, optarg, "--spool");
            options->spool_said = strcmp(optarg, "off") != 0;
            break;
        case 'o':
            options->once = true;
            break;
        case 'u':
            options->any_user = true;
            break;
        case 'g':
            break;
        case 'h':
        case 'v':
            (void)fputs(c == 'h' ? help : "pprofd " PPROF_BUILD "\n", stdout);
            *ret_code = fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
            return -1;
        default:
            say("pprofd: %s is no option, or lacks its value; try `pprofd --help`", argv[optind - 1]);
            return -1;
        }
    }
    if (failed)
        return -1;
    if (optind < argc) {
        say("pprofd: unexpected argument %s; the store is named by --store FILE", argv[optind]);
        return -1;
    }
    if (strcmp(options->spool, "off") == 0)
        options->spool[0] = '\0';
    return 0;
}

/* The store's directory and its parents, for the owner alone. */
static void make_directories(const char *file)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s", file);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700); /* what cannot be made will be said when the file is opened */
        *slash = '/';
    }
}

/* The default socket is looked up after the options: nothing is made where it is not wanted. */
static int find_places(struct options *options)
{
    struct span_path_base base = places_base();
    char runtime[SPAN_PATH_RUNTIME_BYTES_MAX + 1];

    if (options->any_user)
        base.runtime_dir = NULL; /* a session's own directory is closed to others */
    places_find(&options->places);
    if (options->once || options->socket[0] != '\0')
        return 0;
    if (span_place_runtime(runtime, sizeof runtime, &base, true) != 0)
        return complain("no directory of this user's own was found for the socket: set XDG_RUNTIME_DIR or HOME to one "
                        "that only this user can write, or name a socket by --socket PATH");
    return span_path_socket(options->socket, sizeof options->socket, runtime);
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
    say("pprofd: the store %s cannot be used: %s%s", path, store_why(),
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

/* Merges for as long as there is something and nobody is waiting. */
static void merge_some(struct store *store, int fd)
{
    bool more = true;

    while (more) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};

        if (store_merge_step(store, &more) != STORE_OK) {
            say("pprofd: merging failed, it will be tried again: %s", store_why());
            return;
        }
        if (fd >= 0 && poll(&waiting, 1, 0) != 0)
            return;
    }
}

/* What a turn that failed, or a store that was found gone, asks for. */
static void look_after_store(const struct store *store, const struct options *options, int status, uint64_t *times_away)
{
    if (status == STORE_MISSING)
        make_directories(options->store);
    if (store_times_away(store) == *times_away)
        return;
    *times_away = store_times_away(store);
    say("pprofd: %s was moved, removed or replaced while it was in use; what comes now is in the one that is "
        "there now",
        options->store);
}

/* Said again only when there are more. Returns how many there are. */
static uint64_t say_newer(const struct listener *listener, uint64_t said)
{
    struct listen_stats stats;

    listen_get_stats(listener, &stats);
    if (stats.newer > said)
        say("pprofd: %llu %s left where %s, as a later version of libpprof wrote %s: upgrade pprofd",
            (unsigned long long)stats.newer, stats.newer == 1 ? "file is" : "files are",
            stats.newer == 1 ? "it is" : "they are", stats.newer == 1 ? "it" : "them");
    return stats.newer;
}

/* Whoever reads the store looks at the journals of these programs too. 0, or store_status: to be tried again. */
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

static int serve(struct store *store, struct listener *listener, int signals, const struct options *options)
{
    uint64_t times_away = store_times_away(store);
    struct pollfd fds[2] = {{.fd = listen_fd(listener), .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    struct runs_left left; /* what cannot be taken in is tried again */
    uint64_t newer = 0;    /* files of a later version that were spoken of */
    bool said = false;     /* a failing store is reported once, until it works again */
    bool noted = note_collector(store, options) == 0;
    int idle_ms = 0;

    for (;;) {
        int wait_ms = listen_wait_ms(listener);
        int status;
        int n;

        if (wait_ms < 0 || wait_ms > MERGE_EVERY_MS)
            wait_ms = MERGE_EVERY_MS;
        n = poll(fds, 2, wait_ms);
        if (n < 0 && errno != EINTR)
            return complain(strerror(errno));
        if (fds[1].revents != 0)
            return EXIT_SUCCESS;
        status = listen_turn(listener, 0);
        noted &= store_times_away(store) == times_away;
        look_after_store(store, options, status, &times_away);
        if (status != 0 && status != STORE_MOVED) {
            if (!said)
                say("pprofd: the store cannot be written, senders keep their spans meanwhile: %s", listen_why());
            said = true;
        } else if (n > 0) {
            said = false;
        }
        noted = noted || note_collector(store, options) == 0;
        newer = say_newer(listener, newer);
        idle_ms = n > 0 ? idle_ms : idle_ms + wait_ms;
        if (idle_ms >= MERGE_EVERY_MS) {
            idle_ms = 0;
            if (listen_flush(listener) == 0) {
                runs_take_in(store, options->store, true, &left);
                merge_some(store, fds[0].fd);
            }
        }
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
        return complain(listen_why());
    if (note_collector(store, options) != 0) {
        (void)listen_close(listener);
        return complain(store_why());
    }
    files = listen_spool(listener);
    (void)say_newer(listener, 0);
    listen_get_stats(listener, &stats);
    (void)listen_close(listener);
    if (files < 0)
        return complain(listen_why());
    runs_take_in(store, options->store, true, &left);
    merge_some(store, -1);
    say("pprofd once store=%s files=%llu journals=%llu frames=%llu spans=%llu repeats=%llu "
        "damaged=%llu",
        options->store, (unsigned long long)stats.files, (unsigned long long)stats.journals,
        (unsigned long long)stats.frames, (unsigned long long)stats.spans, (unsigned long long)stats.repeats,
        (unsigned long long)stats.damaged);
    return EXIT_SUCCESS;
}

/* A spool that was named becomes a box that all may drop files into, and only their owners may take out. */
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
        say("pprofd: other users cannot reach the socket, because %s is closed to them; open it (chmod o+x) or "
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
    struct runs_left left;
    struct listener *listener;
    int signals = open_signals();
    int code;

    if (signals < 0)
        return complain("signals cannot be received");
    raise_descriptors();
    if (options->any_user && options->spool_said)
        open_spool(options);
    if (listen_open(&config, &listener) != 0) {
        (void)close(signals);
        return complain(listen_why());
    }
    say("pprofd ready version=%s pid=%ld socket=%s store=%s spool=%s", PPROF_VERSION, (long)getpid(), options->socket,
        options->store, options->spool[0] == '\0' ? "off" : options->spool);
    if (options->any_user)
        say_closed(options);
    runs_take_in(store, options->store, true, &left);
    code = serve(store, listener, signals, options);
    if (listen_close(listener) != 0) {
        say("pprofd: the last spans could not be stored, their senders keep them: %s", listen_why());
        code = EXIT_FAILURE;
    }
    (void)close(signals);
    return code;
}

int main(int argc, char **argv)
{
    struct options options;
    struct store *store;
    int code;

    display_begin();
    defaults(&options);
    if (parse(argc, argv, &options, &code) != 0)
        return code;
    if (find_places(&options) != 0)
        return EXIT_FAILURE;
    store = open_store(&options);
    if (store == NULL)
        return EXIT_FAILURE;
    code = options.once ? run_once(store, &options) : run(store, &options);
    store_close(store);
    return code;
}
