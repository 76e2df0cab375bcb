/* Folders of runs: where they are made, who uses one, what of a run that was killed is found, and
 * how it is told. */
#include "collector_tests.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "collector/listen/runs.h"
#include "span/varint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static char top[64], file[128];
static struct store *store;

static int setup(void **state)
{
    (void)state;
    test_directory(top);
    assert_int_equal(chmod(top, 0711), 0); /* root's runs must be within others' reach */
    assert_int_equal(setenv("XDG_STATE_HOME", top, 1), 0);
    assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
    snprintf(file, sizeof(file), "%s/pprof.db", top);
    return store_open(file, STORE_WRITE, &store);
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    store_close(store);
    snprintf(command, sizeof(command), "rm -r %s", top);
    return system(command);
}

/* The run's mark says when it began: at the end of time, so that no process of the machine whose
 * environment cannot be read may be one of its programs. */
static void begins(const struct run *run, time_t when)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = when}};
    char mark[RUN_PATH_BYTES + 8];
    snprintf(mark, sizeof(mark), "%s/run", run->path);
    assert_int_equal(utimensat(AT_FDCWD, mark, times, 0), 0);
}

static void make_run(struct run *run)
{
    assert_int_equal(run_make(run, file), 0);
    assert_memory_equal(run->path, top, strlen(top));
    begins(run, time(NULL) + 1000000);
}

static void is_killed(struct run *run)
{
    close(run->lock);
}

/* ---- who uses it ---- */

enum { SPOOL_SAID = 1, TITLED = 2, WITH_SHIM = 4, MANY_MAPS = 8 };

/* So much is mapped below that the shim's line comes after a megabyte of others. */
static void map_much(void)
{
    enum { PAGES = 30000 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *const at = mmap(NULL, PAGES * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; at != MAP_FAILED && i < PAGES; i += 2)
        (void)mprotect(at + i * page, page, PROT_NONE);
}

/* Becomes such a program, says so and stays. */
static void live(int kind, int to)
{
    extern char **environ;
    char path[128];
    snprintf(path, sizeof(path), "%s/libpprof.so", top);
    if (kind & WITH_SHIM) {
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        (void)mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    if (kind & MANY_MAPS)
        map_much();
    for (char **at = environ; (kind & TITLED) && *at != NULL; at++)
        memset(*at, 't', strlen(*at));
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (write(to, "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

/* This program again, as what it was started with is what counts. */
static pid_t start(const char *spool, int kind)
{
    int ends[2];
    char byte, words[2][16];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)(spool != NULL ? setenv("LIBPPROF_SPOOL", spool, 1) : unsetenv("LIBPPROF_SPOOL"));
        snprintf(words[0], sizeof(words[0]), "%d", kind);
        snprintf(words[1], sizeof(words[1]), "%d", ends[1]);
        (void)execl("/proc/self/exe", "test_runs", words[0], words[1], top, (char *)NULL);
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    return child;
}

static uint64_t used_by(const struct run *run, const char *spool, int kind)
{
    pid_t child = start(spool, kind);
    const uint64_t users = run_users(run);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return users;
}

static void who_uses_it(void **state)
{
    struct run run;
    (void)state;
    make_run(&run);
    assert_int_equal(run_users(&run), 0);
    assert_int_equal(used_by(&run, run.path, 0), 1);
    assert_int_equal(used_by(&run, run.path, WITH_SHIM), 1);
    assert_int_equal(used_by(&run, "/another", WITH_SHIM), 0);
    assert_int_equal(used_by(&run, NULL, WITH_SHIM), 0);
    /* What they were started with cannot be read any more: those that began after the run may be
     * its, if they have the shim. */
    assert_int_equal(used_by(&run, NULL, TITLED | WITH_SHIM), 0);
    begins(&run, time(NULL) - 1000);
    const uint64_t others = run_users(&run); /* on the same machine */
    assert_true(used_by(&run, NULL, TITLED | WITH_SHIM) > others);
    assert_true(used_by(&run, NULL, TITLED | WITH_SHIM | MANY_MAPS) > others);
    assert_false(run_leave(&run));
}

/* ---- what is found of it ---- */

static void expect_found(const struct runs_left *left, uint64_t waiting, uint64_t taken, uint64_t newer)
{
    assert_int_equal(left->waiting, waiting);
    assert_int_equal(left->taken, taken);
    assert_int_equal(left->newer, newer);
}

/* A record that was killed tells nothing about its run: that waits to be looked at by a writer,
 * even where nothing is in it. */
static void an_empty_folder_waits(void **state)
{
    struct run run;
    struct runs_left left;
    (void)state;
    make_run(&run);
    runs_look(file, &left); /* its record lives */
    expect_found(&left, 0, 0, 0);
    is_killed(&run);
    for (int twice = 0; twice < 2; twice++) {
        runs_look(file, &left);
        expect_found(&left, 1, 0, 0);
        assert_string_equal(left.where, run.path);
    }
    runs_take_in(store, file, false, &left);
    expect_found(&left, 0, 0, 0);
    assert_int_not_equal(access(run.path, F_OK), 0);
}

/* While a program uses it, it is there for that, and there is nothing to be taken in. */
static void a_used_folder_does_not(void **state)
{
    struct run run;
    struct runs_left left;
    (void)state;
    make_run(&run);
    is_killed(&run);
    pid_t child = start(run.path, WITH_SHIM);
    runs_look(file, &left);
    expect_found(&left, 0, 0, 0);
    runs_take_in(store, file, false, &left);
    expect_found(&left, 0, 0, 0);
    assert_int_equal(access(run.path, F_OK), 0);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    runs_take_in(store, file, false, &left);
    assert_int_not_equal(access(run.path, F_OK), 0);
}

/* Frames of `process`, in a version. */
static void leave(const struct run *run, const char *name, unsigned process, uint8_t version)
{
    struct span_buffer frames;
    char path[RUN_PATH_BYTES + 32];
    span_buffer_init(&frames, SPAN_FRAME_PAYLOAD_MAX);
    test_greeting(&frames, process);
    const size_t at = frames.bytes;
    test_frame(&frames, process, 1);
    frames.data[at + 4] = version;
    span_store64(frames.data + at + 104, XXH3_64bits(frames.data + at, 104));
    snprintf(path, sizeof(path), "%s/%s", run->path, name);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, frames.data, frames.bytes), frames.bytes);
    close(fd);
    span_buffer_done(&frames);
}

static void what_was_left_is_taken_in(void **state)
{
    struct run run;
    struct runs_left left;
    (void)state;
    make_run(&run);
    leave(&run, "ours.frames", 0, 1);
    is_killed(&run);
    runs_look(file, &left);
    expect_found(&left, 1, 0, 0);
    runs_take_in(store, file, false, &left);
    expect_found(&left, 0, 1, 0);
    assert_int_not_equal(access(run.path, F_OK), 0);
    test_holds(store, 1, 1);
}

/* It stays, and each look counts it once. */
static void what_a_later_version_left_stays(void **state)
{
    struct run run;
    struct runs_left left;
    (void)state;
    make_run(&run);
    leave(&run, "newer.frames", 0, 2);
    is_killed(&run);
    for (int twice = 0; twice < 2; twice++) {
        runs_take_in(store, file, false, &left);
        expect_found(&left, 1, 0, 1);
        assert_string_equal(left.where, run.path);
    }
}

/* ---- where ---- */

/* A place whose folders and files could not all be named is none: the next one is taken. */
static void the_longest_place(void **state)
{
    /* All but the last byte of the longest name of a file in a folder: a slash, 32 digits, and what
     * else is in it. */
    enum { LONGEST = PATH_MAX - 32 - 16 - 1 };
    static char state_home[PATH_MAX + 1];
    static const char end[] = "/libpprof/runs";
    struct run run;
    (void)state;
    for (size_t longer = 0; longer < 2; longer++) {
        const size_t bytes = LONGEST + longer - strlen(end);
        size_t at = (size_t)snprintf(state_home, sizeof(state_home), "%s", top);
        for (; at < bytes; at++)
            state_home[at] = at % 200 == 0 && at + 1 < bytes ? '/' : 'd';
        state_home[strlen(top)] = '/';
        state_home[at] = '\0';
        assert_int_equal(setenv("XDG_STATE_HOME", state_home, 1), 0);
        assert_int_equal(run_make(&run, file), 0);
        assert_int_equal(strncmp(run.path, state_home, bytes) == 0, longer == 0);
        assert_false(run_leave(&run));
    }
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        snprintf(top, sizeof(top), "%s", argv[3]);
        live(atoi(argv[1]), atoi(argv[2]));
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_uses_it, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_folder_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_used_folder_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_left_is_taken_in, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_later_version_left_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_place, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
