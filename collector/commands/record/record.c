/*
 * pprofctl record: runs a program under libpprof.so with a collector of its own in this process,
 * then says what it saw.
 *
 * The program comes first: whatever goes wrong with recording once it runs is said at the end and
 * does not touch it. Before it runs, everything that can be wrong is tried, so that nothing has
 * happened yet when record refuses.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../../base/places.h"
#include "../../listen/listen.h"
#include "../../program/program.h"
#include "../command.h"
#include "../open_store.h"
#include "launch.h"
#include "record_place.h"
#include "summary.h"

enum {
    LINGER_MS = 1000, /* for the last calls of programs that CMD started and that still run */
    LINGER_TURN_MS = 20,
};

struct record {
    const char *path;
    struct record_place place;
    struct places places;
    struct store *store;
    struct listener *listener;
    uint64_t since_ns;
    struct loss loss_before;
    int64_t processes_before; /* the store's highest number of a process */
    struct launch launch;
    struct runs_left left; /* of earlier runs */
    bool store_failed;     /* the last turn could not store; its sentence is in listen_why() */
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* Whether the program may be run. Returns 0, or the exit code after having said why not. */
static int preflight(const char *command, bool anyway)
{
    static struct program program;
    program_inspect(&program, command);
    switch (program.verdict) {
    case PROGRAM_LOADABLE:
        return 0;
    case PROGRAM_NOT_FOUND:
        complain("%s: %s.", command, program.why);
        return EXIT_NOT_FOUND;
    case PROGRAM_NOT_EXECUTABLE:
    case PROGRAM_FOREIGN:
        complain("%s: %s.", command, program.why);
        return EXIT_NOT_EXECUTABLE;
    default:
        if (anyway)
            return 0;
        complain("%s cannot be profiled: %s; --anyway runs it, and profiles what it starts.", command, program.why);
        return EXIT_RECORD;
    }
}

/* Opens everything that the run needs. Returns 0, or -1 after having said what is wrong. */
static int prepare(struct record *record)
{
    if (place_find_library(&record->place) < 0)
        return -1;
    record->store = open_store(record->path, STORE_WRITE);
    if (record->store == NULL)
        return -1;
    runs_take_in(record->store, record->path, false, &record->left);
    int status = store_newest_process(record->store, &record->processes_before);
    if (status == STORE_OK)
        status = store_loss(record->store, record->processes_before, &record->loss_before.known);
    if (status != STORE_OK) {
        complain_store(record->path, status);
        return -1;
    }
    if (place_make(&record->place, record->path) < 0)
        return -1;
    places_find(&record->places);
    /* Where we are root, programs may give up their rights and still be ours: the socket's name is
     * what lets them in.
     */
    struct listen_config config = {.socket_path = record->place.socket,
                                   .spool_dir = record->place.run.path,
                                   .spool_said = true,
                                   .journal_dirs = record->places.journals,
                                   .store = record->store,
                                   .any_user = geteuid() == 0};
    if (listen_open(&config, &record->listener) < 0) {
        complain("no collector could be started: %s", listen_why());
        return -1;
    }
    return 0;
}

static void undo(struct record *record)
{
    (void)listen_close(record->listener);
    (void)place_leave(&record->place);
    store_close(record->store);
}

static void turn(struct record *record, int timeout_ms)
{
    record->store_failed = listen_turn(record->listener, timeout_ms) < 0;
}

/* Milliseconds until the first of both wants to be called; -1: never. */
static int wait_ms(const struct record *record)
{
    int listener = listen_wait_ms(record->listener), launch = launch_wait_ms(&record->launch);
    return launch < 0 || (listener >= 0 && listener < launch) ? listener : launch;
}

static void in_child(void *context)
{
    place_set_environment(context);
}

/* Serves the program's signals and its spans until it has ended. */
static void serve(struct record *record)
{
    while (!record->launch.ended) {
        struct pollfd fds[] = {{.fd = record->launch.signal_fd, .events = POLLIN},
                               {.fd = listen_fd(record->listener), .events = POLLIN}};
        if (poll(fds, 2, wait_ms(record)) < 0 && errno != EINTR)
            return;
        launch_turn(&record->launch);
        turn(record, 0);
    }
}

static uint64_t connected(const struct record *record)
{
    struct listen_stats stats = {0};
    listen_get_stats(record->listener, &stats);
    return stats.connected;
}

/* Whether programs hold a connection, or a journal, whose lock outlives a killed one's last turn
 * for a moment. */
static bool some_are_there(const struct record *record)
{
    struct waiting waiting;
    if (connected(record) > 0)
        return true;
    run_look(&record->place.run, &waiting);
    return waiting.living > 0;
}

/* Takes what is still on its way. Programs that CMD left running hold it up only shortly. */
static void linger(struct record *record)
{
    uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + LINGER_MS * UINT64_C(1000000);
    turn(record, 0);
    while (some_are_there(record) && clock_ns(CLOCK_MONOTONIC) < end_ns)
        turn(record, LINGER_TURN_MS);
    record->store_failed = listen_spool_last(record->listener) < 0 || record->store_failed;
}

static uint64_t more_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Programs that CMD left behind: those that were started with our folder, and those that still hold
 * a connection or a journal and hid what they were started with. */
static uint64_t still_running(const struct record *record, const struct listen_stats *stats, uint64_t journals)
{
    return more_of(run_users(&record->place.run), more_of(stats->connected, journals));
}

/* The losses of this run. A store that had to be begun anew meanwhile holds nothing from before
 * it. */
static int losses(struct record *record, struct loss *ret_loss)
{
    bool anew = store_times_away(record->store) > 0;
    *ret_loss = (struct loss){0};
    int status = store_loss(record->store, anew ? 0 : record->processes_before, &ret_loss->known);
    if (!anew)
        loss_subtract(ret_loss, &record->loss_before);
    return status;
}

/* `kept`: of this run, by now. */
static void summarise(struct record *record, const struct listen_stats *stats, const struct waiting *kept)
{
    struct summary summary = {.path = record->path,
                              .since_process_ns = record->since_ns,
                              .still_running = still_running(record, stats, kept->living),
                              .folder = record->place.run.path,
                              .left = record->left};
    int status = losses(record, &summary.loss);
    summary.loss.waiting = record->left.waiting + waiting_sum(kept);
    summary.loss.living = record->left.living + kept->living;
    if (status != STORE_OK) {
        complain_store(record->path, status);
        return;
    }
    if (store_times_away(record->store) > 0)
        complain("%s was moved or removed while it was being written; what came later is in a new one.", record->path);
    (void)summary_print(&summary, record->store);
}

/* The prompts of what was recorded; without them it is as good. */
static void learn(const struct record *record)
{
    bool more = !record->store_failed;
    while (more)
        if (store_learn(record->store, &more) != STORE_OK) {
            complain("prompts could not be learned in %s: %s", record->path, store_why());
            return;
        }
}

/* Ends the recording; the program has ended before. */
static void finish(struct record *record, bool quiet)
{
    struct listen_stats stats = {0};
    struct waiting kept;
    linger(record);
    listen_get_stats(record->listener, &stats);
    if (listen_close(record->listener) < 0)
        record->store_failed = true;
    record->listener = NULL;
    if (record->store_failed)
        complain("calls could not be stored in %s: %s", record->path, listen_why());
    run_look(&record->place.run, &kept);
    struct stat st;
    bool there = stat(record->path, &st) == 0 && S_ISREG(st.st_mode);
    if (waiting_sum(&kept) > 0 || (record->store_failed && kept.living > 0))
        complain("what could not be taken in is kept in %s; the next `pprofctl record -o %s -- CMD`%s takes it in, "
                 "or `pprofd --once --store %s --spool %s`.",
                 record->place.run.path, record->path, there ? ", or a report of that file," : "", record->path,
                 record->place.run.path);
    learn(record);
    if (!quiet)
        summarise(record, &stats, &kept);
    (void)place_leave(&record->place);
    store_close(record->store);
}

static int run(struct record *record, char *const argv[], bool quiet)
{
    record->since_ns = clock_ns(CLOCK_REALTIME);
    int error = launch_start(&record->launch, argv, in_child, &record->place);
    if (error != 0) {
        complain("%s: it cannot be executed: %s.", argv[0], strerror(error));
        undo(record);
        return error == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
    }
    serve(record);
    finish(record, quiet);
    return launch_finish(&record->launch);
}

int command_record(const struct arguments *arguments)
{
    static struct record record;
    const char *path = arguments_value(arguments, "output");
    bool anyway = arguments_value(arguments, "anyway") != NULL;
    if (arguments->n_operands == 0) {
        complain("record needs a program to run: pprofctl record -- CMD.");
        return EXIT_USAGE;
    }
    launch_guard();
    if (!launch_has_descriptors()) {
        complain("record itself needs %d open files, and the limit leaves fewer (`ulimit -Hn` says it): raise it, or "
                 "run the program without record.",
                 LAUNCH_DESCRIPTORS);
        return EXIT_RECORD;
    }
    int refused = preflight(arguments->operand[0], anyway);
    if (refused != 0)
        return refused;
    record.path = path != NULL ? path : DEFAULT_STORE;
    record.place.preview = arguments_value(arguments, "no-preview") == NULL;
    if (prepare(&record) < 0) {
        undo(&record);
        return EXIT_RECORD;
    }
    return run(&record, arguments->operand, arguments_value(arguments, "quiet") != NULL);
}
