/* Spool files: names, modes, locks, bounds, full disks, planted links, stolen descriptors. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/base/own_fd.h"
#include "shim/outbox/spool.h"

static const uint8_t identity[16] = {0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xcd};
#define IDENTITY "ab0102030405060708090a0b0c0d0ecd"
static const uint8_t greeting[] = "greeting";
enum { GREETING = sizeof(greeting) - 1 };
static const uint64_t SECOND = 1000000000U;

static char top[64];
static char directory[128];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(top, "/tmp/test_spool_XXXXXX");
    if (mkdtemp(top) == NULL)
        return -1;
    (void)snprintf(directory, sizeof(directory), "%s/spool", top);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void init(struct spool *spool, const char *where, uint64_t bytes_max)
{
    spool_init(spool, where, identity, bytes_max);
    spool->greeting = greeting;
    spool->greeting_bytes = GREETING;
}

static const char *path_of(const char *name)
{
    static char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

static void assert_content(const char *name, const char *wanted)
{
    char text[256] = "";
    int fd = open(path_of(name), O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    assert_int_equal(got, strlen(wanted));
    assert_string_equal(text, wanted);
}

static int append_text(struct spool *spool, uint64_t now_ns, const char *text)
{
    return spool_append(spool, now_ns, (const uint8_t *)text, strlen(text));
}

static void test_life_of_a_file(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, directory, 1000);
    assert_int_equal(append_text(&spool, 1, "one"), 0);
    assert_int_equal(append_text(&spool, 1, "two"), 0);
    assert_content(IDENTITY "-1.part", "greetingonetwo");
    struct stat st;
    assert_int_equal(stat(directory, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(path_of(IDENTITY "-1.part"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(fcntl(spool.own.fd, F_GETFD) & FD_CLOEXEC);
    assert_true(spool.own.fd >= OWN_FD_LOWEST);
    spool_close(&spool);
    assert_content(IDENTITY "-1.frames", "greetingonetwo");
    assert_int_equal(access(path_of(IDENTITY "-1.part"), F_OK), -1);
    assert_int_equal(append_text(&spool, 1, "three"), 0);
    spool_close(&spool);
    spool_close(&spool);
    assert_content(IDENTITY "-2.frames", "greetingthree");
}

static void test_bound_holds_over_all_files(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, directory, 2 * GREETING + 10);
    assert_int_equal(append_text(&spool, 1, "12345"), 0);
    spool_close(&spool);
    assert_int_equal(append_text(&spool, 1, "123456"), -EFBIG);
    assert_int_equal(append_text(&spool, 1, "12345"), 0);
    spool_close(&spool);
    assert_int_equal(spool.total_bytes, 2 * GREETING + 10);
    assert_int_equal(append_text(&spool, 1, "1"), -EFBIG);
}

static void test_no_directory(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, NULL, 1000);
    assert_int_equal(append_text(&spool, 1, "x"), -ENOENT);
    init(&spool, "relative/path", 1000);
    assert_int_equal(append_text(&spool, 1, "x"), -ENOENT);
    init(&spool, "/proc/nowhere/spool", 1000);
    assert_true(append_text(&spool, 1, "x") < 0);
    spool_close(&spool);
}

/* After a failure nothing is tried until the time that was set for it, and at that time it is. */
static void test_tried_again_in_time(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, "/proc/nowhere/spool", 1000);
    assert_true(append_text(&spool, 1, "x") < 0);
    const uint64_t again_ns = spool.retry_ns;
    assert_true(again_ns > 1);
    assert_int_equal(append_text(&spool, again_ns - 1, "x"), -EAGAIN);
    assert_int_equal(spool.retry_ns, again_ns);
    assert_true(append_text(&spool, again_ns, "x") < 0);
    assert_true(spool.retry_ns > again_ns);
    spool_close(&spool);
}

/* A thread that parts with the descriptors of the others keeps standard error alone, and only if
 * asked to. */
static void *part(void *keep)
{
    int *const left = keep;
    own_fd_separate(*left != 0);
    *left = (fcntl(STDIN_FILENO, F_GETFD) >= 0) + 2 * (fcntl(STDOUT_FILENO, F_GETFD) >= 0) +
            4 * (fcntl(STDERR_FILENO, F_GETFD) >= 0) + 8 * (fcntl(STDERR_FILENO + 1, F_GETFD) >= 0);
    return NULL;
}

static void test_separate_descriptors(void **state)
{
    (void)state;
    for (int keep = 0; keep < 2; keep++) {
        int left = keep, fd = open("/dev/null", O_RDONLY);
        pthread_t thread;
        assert_true(fd > STDERR_FILENO);
        assert_int_equal(pthread_create(&thread, NULL, part, &left), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(left, keep ? 4 : 0);
        assert_true(fcntl(fd, F_GETFD) >= 0 && fcntl(STDOUT_FILENO, F_GETFD) >= 0); /* ours stay */
        (void)close(fd);
    }
}

static void test_parents_are_made_where_ours(void **state)
{
    (void)state;
    struct spool spool;
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/.local/state/libpprof/spool", top);
    init(&spool, path, 1000);
    assert_int_equal(append_text(&spool, 1, "x"), 0);
    spool_close(&spool);
    (void)snprintf(path, sizeof(path), "%s/xdg", top);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof(path), "%s/xdg/libpprof/spool", top);
    init(&spool, path, 1000);
    assert_int_equal(append_text(&spool, 1, "x"), 0);
    spool_close(&spool);
    (void)snprintf(path, sizeof(path), "%s/not/ours/spool", top);
    init(&spool, path, 1000);
    assert_int_equal(append_text(&spool, 1, "x"), -ENOENT);
}

static void test_others_may_not_write_there(void **state)
{
    (void)state;
    struct spool spool;
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(chmod(directory, 0777), 0);
    init(&spool, directory, 1000);
    assert_int_equal(append_text(&spool, 1, "x"), -EPERM);
    assert_int_equal(append_text(&spool, 2, "x"), -EAGAIN); /* not asked again at once */
    assert_int_equal(chmod(directory, 01777), 0);
    assert_int_equal(append_text(&spool, 1 + 2 * SECOND, "x"), 0);
    spool_close(&spool);
}

static void test_planted_link_is_not_followed(void **state)
{
    (void)state;
    struct spool spool;
    char victim[128];
    (void)snprintf(victim, sizeof(victim), "%s/victim", top);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(symlink(victim, path_of(IDENTITY "-1.part")), 0);
    init(&spool, directory, 1000);
    assert_int_equal(append_text(&spool, 1, "x"), -EEXIST);
    assert_int_equal(access(victim, F_OK), -1);
    assert_int_equal(append_text(&spool, 1 + 2 * SECOND, "x"), 0);
    spool_close(&spool);
    assert_content(IDENTITY "-2.frames", "greetingx");
}

/* A limit on the file's size stands for the full disk: the kernel writes a part of the frame, then
 * refuses. */
static void test_full_disk_leaves_whole_frames(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, directory, 1000);
    assert_int_equal(append_text(&spool, 1, "one"), 0);
    struct rlimit before, small = {.rlim_cur = GREETING + 8, .rlim_max = RLIM_INFINITY};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int partly = append_text(&spool, 1, "much too long");
    int still = append_text(&spool, 1 + 2 * SECOND, "12345678");
    int fits = append_text(&spool, 1 + 4 * SECOND, "abcde");
    int full = append_text(&spool, 1 + 4 * SECOND, "f");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(partly < 0);
    assert_true(still < 0);
    assert_int_equal(fits, 0);
    assert_true(full < 0);
    assert_content(IDENTITY "-1.part", "greetingoneabcde");
    assert_int_equal(append_text(&spool, 1 + 6 * SECOND, "two"), 0);
    spool_close(&spool);
    assert_content(IDENTITY "-1.frames", "greetingoneabcdetwo");
}

static void test_full_disk_at_first(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, directory, 1000);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int rc = append_text(&spool, 1, "x");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(rc < 0);
    assert_int_equal(access(path_of(IDENTITY "-1.part"), F_OK), -1);
    assert_int_equal(append_text(&spool, 1 + 2 * SECOND, "x"), 0);
    spool_close(&spool);
    assert_content(IDENTITY "-2.frames", "greetingx");
}

/* A daemon closes all descriptors and opens its own in their place. */
static void test_stolen_descriptor(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, directory, 1000);
    assert_int_equal(append_text(&spool, 1, "one"), 0);
    int fd = spool.own.fd;
    char theirs[128];
    (void)snprintf(theirs, sizeof(theirs), "%s/theirs", top);
    int file = open(theirs, O_RDWR | O_CREAT, 0600);
    assert_int_equal(dup2(file, fd), fd);
    assert_int_equal(append_text(&spool, 1, "two"), 0);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0); /* still open, and untouched */
    assert_int_equal(st.st_size, 0);
    (void)close(fd);
    (void)close(file);
    spool_close(&spool);
    assert_content(IDENTITY "-1.part", "greetingone");
    assert_content(IDENTITY "-2.frames", "greetingtwo");
}

static void test_too_many_files(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, directory, 1000);
    assert_int_equal(mkdir(directory, 0700), 0);
    for (int i = 0; i < SPOOL_FILES_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "%d", i);
        int fd = open(path_of(name), O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    assert_int_equal(append_text(&spool, 1, "x"), -EDQUOT);
}

/* What a process that is killed leaves: a .part, whole. */
static void test_killed_writer(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct spool spool;
        init(&spool, directory, 1000);
        if (append_text(&spool, 1, "one") == 0)
            (void)raise(SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_content(IDENTITY "-1.part", "greetingone");
}

/* As a collector does it: claims the file, reads it all, and removes it. Returns what was in it; ""
 * when it was not to be had. */
static const char *collect(const char *name)
{
    static char text[4096];
    struct flock reading = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    text[0] = '\0';
    int fd = open(path_of(name), O_RDONLY);
    struct stat st, named;
    if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &reading) == 0 && fstat(fd, &st) == 0 && stat(path_of(name), &named) == 0 &&
        st.st_ino == named.st_ino) {
        ssize_t got = read(fd, text, sizeof(text) - 1);
        text[got > 0 ? got : 0] = '\0';
        (void)unlink(path_of(name));
    }
    if (fd >= 0)
        (void)close(fd);
    return text;
}

/* A living writer's file is taken in between two frames; the next frame is in another file. */
static void test_taken_from_a_living_writer(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, directory, 1000);
    assert_int_equal(append_text(&spool, 1, "one"), 0);
    assert_string_equal(collect(IDENTITY "-1.part"), "greetingone");
    assert_int_equal(append_text(&spool, 1, "two"), 0);
    /* While a collector reads it, it is not written. */
    struct flock reading = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(path_of(IDENTITY "-2.part"), O_RDONLY);
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &reading), 0);
    assert_int_equal(append_text(&spool, 1, "three"), 0);
    assert_content(IDENTITY "-2.part", "greetingtwo");
    assert_content(IDENTITY "-3.part", "greetingthree");
    spool_close(&spool);
    (void)close(fd);
    assert_content(IDENTITY "-3.frames", "greetingthree");
}

/* Nobody's lock outlives a frame: not a forked child's, nor that of a parent whose child goes
 * on. */
static void test_no_lock_is_inherited(void **state)
{
    (void)state;
    struct spool spool;
    init(&spool, directory, 1000);
    assert_int_equal(append_text(&spool, 1, "one"), 0);
    pid_t child = fork();
    if (child == 0)
        for (;;)
            (void)pause();
    assert_int_equal(append_text(&spool, 1, "two"), 0);
    assert_string_equal(collect(IDENTITY "-1.part"), "greetingonetwo");
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    spool_close(&spool);
}

/* A writer and a collector that looks all the time: each frame is found once. */
static void test_collector_that_never_rests(void **state)
{
    enum { WRITTEN = 20000, IN_A_FILE = 7 };
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct spool spool;
        init(&spool, directory, UINT64_MAX / 2);
        for (unsigned n = 0; n < WRITTEN; n++) {
            char frame[16];
            (void)snprintf(frame, sizeof(frame), "<%u>", n);
            if (append_text(&spool, 1, frame) != 0)
                _exit(1);
            if (n % IN_A_FILE == 0)
                spool_close(&spool);
        }
        spool_close(&spool);
        _exit(0);
    }
    static uint8_t times[WRITTEN];
    memset(times, 0, sizeof(times));
    int status = -1;
    for (unsigned rounds_after = 0; rounds_after < 2;) {
        rounds_after += status != -1 || waitpid(child, &status, WNOHANG) == child;
        DIR *names = opendir(directory);
        for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;) {
            if (strstr(entry->d_name, ".part") == NULL && strstr(entry->d_name, ".frames") == NULL)
                continue;
            for (const char *at = collect(entry->d_name); (at = strchr(at, '<')) != NULL; at++) {
                unsigned n = (unsigned)strtoul(at + 1, NULL, 10);
                assert_true(n < WRITTEN && strchr(at, '>') != NULL); /* no half frames */
                times[n]++;
            }
        }
        if (names != NULL)
            (void)closedir(names);
    }
    assert_int_equal(status, 0);
    for (unsigned n = 0; n < WRITTEN; n++)
        assert_int_equal(times[n], 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_life_of_a_file),
        TEST(test_bound_holds_over_all_files),
        TEST(test_no_directory),
        TEST(test_tried_again_in_time),
        TEST(test_separate_descriptors),
        TEST(test_parents_are_made_where_ours),
        TEST(test_others_may_not_write_there),
        TEST(test_planted_link_is_not_followed),
        TEST(test_full_disk_leaves_whole_frames),
        TEST(test_full_disk_at_first),
        TEST(test_stolen_descriptor),
        TEST(test_too_many_files),
        TEST(test_killed_writer),
        TEST(test_taken_from_a_living_writer),
        TEST(test_no_lock_is_inherited),
        TEST(test_collector_that_never_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
