/* Which directory is the runtime directory: every way in which a candidate is not to be trusted,
 * and both sides' answers are one. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../span/place.h"

static char top[64];

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
    strcpy(top, "/tmp/test_place_XXXXXX");
    return mkdtemp(top) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *below(const char *name)
{
    static char path[64][128];
    static unsigned n;
    char *one = path[n++ % 64];
    (void)snprintf(one, sizeof(path[0]), "%s/%s", top, name);
    return one;
}

/* A user whom this machine does not know, so that neither /run/pprofd nor /run/user/UID is there;
 * what must belong to him is made his, where this test may do that. */
static const uid_t stranger = 4123456;

static void test_candidates(void **state)
{
    (void)state;
    struct span_path_base base = {.runtime_dir = "/r/", .state_home = "/s", .home = "/h", .uid = 1000};
    static const char *const wanted[] = {"/r", "/run/user/1000", "/s/libpprof/run", "/h/.local/state/libpprof/run",
                                         "/tmp/libpprof-1000"};
    char out[96];
    for (unsigned i = 0; i < SPAN_PATH_RUNTIMES; i++) {
        assert_int_equal(span_path_runtime(out, sizeof(out), &base, i), 0);
        assert_string_equal(out, wanted[i]);
    }
    base.uid = 0;
    assert_int_equal(span_path_runtime(out, sizeof(out), &base, 1), 0);
    assert_string_equal(out, "/run/pprofd");
    base = (struct span_path_base){.runtime_dir = "r", .state_home = "", .uid = UINT64_MAX};
    assert_int_equal(span_path_runtime(out, sizeof(out), &base, 0), -1);
    assert_string_equal(out, "");
    assert_int_equal(span_path_runtime(out, sizeof(out), &base, 2), -1);
    assert_int_equal(span_path_runtime(out, sizeof(out), &base, 3), -1);
    assert_int_equal(span_path_runtime(out, sizeof(out), &base, 4), 0);
    assert_string_equal(out, "/tmp/libpprof-18446744073709551615");
    assert_int_equal(span_path_runtime(out, 10, &base, 4), -1);
    char longest[200] = "/";
    memset(longest + 1, 'l', 120);
    base.runtime_dir = longest;
    assert_int_equal(span_path_runtime(out, sizeof(out), &base, 0), -1); /* no room for a socket after it */
    assert_int_equal(span_path_runtime(longest, sizeof(longest), &base, 99), -1);
}

static void test_abstract_names(void **state)
{
    (void)state;
    char name[SPAN_PATH_ABSTRACT_BYTES], longest[SPAN_PATH_ABSTRACT_BYTES + 1];
    assert_int_equal(span_path_abstract(name, "/run/pprofd/pprofd.sock", false), 24);
    assert_memory_equal(name, "\0/run/pprofd/pprofd.sock", 24);
    assert_int_equal(span_path_abstract(name, "/run/pprofd/pprofd.sock", true), 24);
    assert_memory_equal(name, "\0*run/pprofd/pprofd.sock", 24);
    assert_int_equal(span_path_abstract(name, "pprofd.sock", false), 0);
    assert_int_equal(span_path_abstract(name, "", false), 0);
    memset(longest, '/', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(span_path_abstract(name, longest, false), 0);
    assert_int_equal(span_path_abstract(name, longest + 1, false), sizeof(name)); /* what a path may have at most */
}

static void test_state_paths(void **state)
{
    (void)state;
    char out[64];
    assert_int_equal(span_path_state(out, sizeof(out), NULL, "/h"), 0);
    assert_string_equal(out, "/h/.local/state/libpprof");
    assert_int_equal(span_path_spool(out, sizeof(out), "/s/", "/h"), 0);
    assert_string_equal(out, "/s/libpprof/spool");
    assert_int_equal(span_path_spool(out, 16, "/s/", "/h"), -1);
    assert_string_equal(out, "");
    assert_int_equal(span_path_store(out, sizeof(out), NULL, NULL), 0);
    assert_string_equal(out, "/var/lib/pprofd/pprof.db");
    assert_int_equal(span_path_spool(out, sizeof(out), "relative", ""), -1);
}

static void expect_runtime(const struct span_path_base *base, const char *wanted)
{
    char out[96], looked[96];
    int seen = span_place_runtime(looked, sizeof(looked), base, false); /* who only looks says the same */
    int made = span_place_runtime(out, sizeof(out), base, true);
    assert_int_equal(made, wanted == NULL ? -1 : 0);
    assert_string_equal(out, wanted == NULL ? "" : wanted);
    assert_int_equal(seen, made);
    assert_string_equal(looked, out);
}

static void test_own_directory_is_taken(void **state)
{
    (void)state;
    struct span_path_base base = {.runtime_dir = below("run"), .home = below("home"), .uid = geteuid()};
    assert_int_equal(mkdir(base.home, 0700), 0);
    assert_int_equal(mkdir(base.runtime_dir, 0700), 0);
    expect_runtime(&base, base.runtime_dir);
    assert_int_equal(chmod(base.runtime_dir, 0755), 0); /* others may look */
    expect_runtime(&base, base.runtime_dir);
}

/* Without XDG_RUNTIME_DIR, with one that others can write, one that is not there, one that is a
 * file. */
static void test_unsafe_directory_is_passed_over(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can make directories of a stranger's */
    struct span_path_base base = {.runtime_dir = below("run"), .home = below("home"), .uid = stranger};
    const char *fallback = below("home/.local/state/libpprof/run");
    for (unsigned i = 0; i < 5; i++) {
        static const char *const parts[] = {"home", "home/.local", "home/.local/state", "home/.local/state/libpprof",
                                            "home/.local/state/libpprof/run"};
        assert_int_equal(mkdir(below(parts[i]), 0700), 0);
        assert_int_equal(chown(below(parts[i]), stranger, (gid_t)-1), 0);
    }
    expect_runtime(&base, fallback); /* it is not there */
    assert_int_equal(mkdir(base.runtime_dir, 0700), 0);
    expect_runtime(&base, fallback); /* root's: after su */
    assert_int_equal(chown(base.runtime_dir, stranger, (gid_t)-1), 0);
    expect_runtime(&base, base.runtime_dir);
    assert_int_equal(chmod(base.runtime_dir, 0770), 0);
    expect_runtime(&base, fallback);
    assert_int_equal(chmod(base.runtime_dir, 01777), 0);
    expect_runtime(&base, fallback);
    assert_int_equal(rmdir(base.runtime_dir), 0);
    (void)fclose(fopen(base.runtime_dir, "w"));
    assert_int_equal(chown(base.runtime_dir, stranger, (gid_t)-1), 0);
    expect_runtime(&base, fallback);
    base.runtime_dir = NULL;
    expect_runtime(&base, fallback);
}

static void test_fallbacks_are_made(void **state)
{
    (void)state;
    struct span_path_base base = {.home = below("home"), .uid = geteuid()};
    struct stat st;
    assert_int_equal(mkdir(base.home, 0755), 0);
    char out[96];
    assert_int_equal(span_place_runtime(out, sizeof(out), &base, true), 0);
    if (geteuid() != 0 && strstr(out, "/run/user/") == NULL)
        assert_string_equal(out, below("home/.local/state/libpprof/run"));
    assert_int_equal(stat(out, &st), 0);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(st.st_mode & 022, 0);
    span_place_make(below("a/libpprof/b/c"));
    assert_int_equal(stat(below("a/libpprof/b/c"), &st), 0); /* "a" is what $XDG_STATE_HOME named */
    assert_int_equal(st.st_mode & 0777, 0700);
    span_place_make(below("mount/point/libpprof/b")); /* "mount" is not ours to make */
    assert_int_equal(stat(below("mount"), &st), -1);
}

/* root with another user's HOME, or one of a group that may write in it: nothing is made there, the
 * next place is taken; where everybody may make things, as ever. */
static void test_nothing_is_made_in_homes_of_others(void **state)
{
    (void)state;
    struct span_path_base base = {.home = below("home"), .state_home = below("home/s"), .uid = geteuid()};
    struct stat st;
    char out[96];
    if (geteuid() != 0)
        skip(); /* only root can make directories of a stranger's */
    assert_int_equal(mkdir(base.home, 0777), 0);
    assert_int_equal(span_place_usable(below("home/.local/state/libpprof/spool")), true);
    assert_int_equal(chown(base.home, stranger, (gid_t)-1), 0);
    static const char *const there[] = {"home/.local/state/libpprof/spool", "home/s/libpprof", "home/new"};
    for (size_t i = 0; i < 3; i++) {
        assert_false(span_place_usable(below(there[i])));
        span_place_make(below(there[i]));
        assert_int_equal(span_place_make_one(below(there[i]), 0700), i == 2 ? -EPERM : -ENOENT);
    }
    assert_int_equal(stat(base.home, &st), 0);
    assert_int_equal(st.st_nlink, 2); /* nothing in it */
    assert_int_equal(span_place_runtime(out, sizeof(out), &base, true), 0);
    assert_null(strstr(out, top));
    assert_true(span_place_leave_foreign(&base));
    assert_null(base.home);
    assert_null(base.state_home);
    base.home = below("home");
    assert_int_equal(chmod(base.home, 01777), 0);
    assert_false(span_place_leave_foreign(&base));
    span_place_make(below("home/.local/state/libpprof/spool"));
    assert_int_equal(stat(below("home/.local/state/libpprof/spool"), &st), 0);
    base.home = "/none-of-ours/none";
    assert_false(span_place_leave_foreign(&base)); /* not to be made, and nobody's */
}

/* Names of every length, more than are read at a time; without memory, which a fork meanwhile would
 * lose. */
static void test_names_are_counted(void **state)
{
    (void)state;
    enum { FILES = 400, LIVE = FILES / 4 };
    assert_int_equal(mkdir(below("names"), 0700), 0);
    int names = span_place_open(below("names"), geteuid(), false);
    for (int i = 0; i < FILES; i++) {
        char name[256];
        (void)snprintf(name, sizeof(name), "%0*d%s", 1 + i % 200, i, i % 4 == 0 ? ".live" : ".new");
        (void)close(openat(names, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    }
    (void)close(names);
    static const struct {
        const char *part;
        long most, wanted;
    } asked[] = {{"", 1000, FILES + 2},     {".live", 1000, LIVE}, {".live", LIVE, LIVE},
                 {".live", LIVE - 1, LIVE}, {".live", 0, 1},       {".none", 0, 0}};
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        int fd = span_place_open(below("names"), geteuid(), false);
        const size_t held = mallinfo2().uordblks;
        assert_true(fd >= 0);
        assert_int_equal(span_place_count(fd, asked[i].part, asked[i].most), asked[i].wanted);
        assert_int_equal(mallinfo2().uordblks, held);
        (void)close(fd);
    }
    int file = open(below("names/0.live"), O_RDONLY | O_CLOEXEC);
    assert_int_equal(span_place_count(file, "", 10), -ENOTDIR);
    (void)close(file);
    assert_int_equal(span_place_count(-1, "", 10), -EBADF);
}

/* What can be used is what exists or can be made, wherever the first part of it lies. */
static void test_usable_is_what_make_makes(void **state)
{
    (void)state;
    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdir(below("u"), 0755), 0);
    assert_int_equal(chdir(below("u")), 0);
    const char *const paths[] = {below("u"),
                                 below("u/new"),
                                 below("u/new/newer"),
                                 below("none/.local/state/libpprof/spool"),
                                 below("u/.local/state/libpprof/spool"),
                                 "relative",
                                 "relative/more",
                                 "none/libpprof/more",
                                 "none/none/libpprof/more",
                                 "/none-of-ours/none/libpprof/more",
                                 "/libpprof-test-place"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct stat st;
        bool usable = span_place_usable(paths[i]);
        span_place_make(paths[i]);
        assert_int_equal(stat(paths[i], &st) == 0, usable);
        (void)rmdir(i == 0 ? "" : paths[i]);
    }
    int file = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(file >= 0 && !span_place_usable("file"));
    assert_int_equal(close(file), 0);
    assert_int_equal(fchdir(here), 0);
    assert_int_equal(close(here), 0);
}

/* Somebody else was first in /tmp: a directory of his, or a link of his to one of ours. */
static void test_planted_in_tmp(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    char planted[96];
    struct span_path_base base = {.uid = stranger};
    (void)snprintf(planted, sizeof(planted), "/tmp/libpprof-%llu", (unsigned long long)stranger);
    assert_int_equal(mkdir(planted, 0700), 0);
    expect_runtime(&base, NULL);
    assert_int_equal(rmdir(planted), 0);
    assert_int_equal(mkdir(below("victim"), 0700), 0);
    assert_int_equal(chown(below("victim"), stranger, (gid_t)-1), 0);
    assert_int_equal(symlink(below("victim"), planted), 0);
    expect_runtime(&base, NULL);
    assert_int_equal(unlink(planted), 0);
}

static void test_open_refuses(void **state)
{
    (void)state;
    assert_int_equal(mkdir(below("d"), 0700), 0);
    int fd = span_place_open(below("d"), geteuid(), false);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(chmod(below("d"), 01777), 0);
    assert_int_equal(span_place_open(below("d"), geteuid(), false), -EPERM);
    fd = span_place_open(below("d"), geteuid(), true);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(chmod(below("d"), 0777), 0);
    assert_int_equal(span_place_open(below("d"), geteuid(), true), -EPERM);
    assert_int_equal(span_place_open(below("none"), geteuid(), true), -ENOENT);
    if (geteuid() == 0) {
        assert_int_equal(chmod(below("d"), 0700), 0);
        assert_int_equal(chown(below("d"), stranger, (gid_t)-1), 0);
        assert_int_equal(span_place_open(below("d"), 0, true), -EPERM);
        assert_int_equal(chown(below("d"), 0, (gid_t)-1), 0);
    }
}

/* A link is followed where the user or root made it; nobody else says where our files go. */
static void test_open_follows_no_planted_link(void **state)
{
    (void)state;
    char link[sizeof(top) + 32];
    assert_int_equal(mkdir(below("d"), 0700), 0);
    (void)snprintf(link, sizeof(link), "%s/link", top);
    assert_int_equal(symlink(below("d"), link), 0);
    int fd = span_place_open(link, geteuid(), true);
    assert_true(fd >= 0);
    (void)close(fd);
    if (geteuid() == 0) {
        assert_int_equal(lchown(link, stranger, (gid_t)-1), 0);
        assert_int_equal(span_place_open(link, 0, true), -EPERM);
        fd = span_place_open(link, stranger, true); /* it is theirs, and the directory is root's */
        assert_true(fd >= 0);
        (void)close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_abstract_names),
        cmocka_unit_test(test_state_paths),
        cmocka_unit_test_setup_teardown(test_own_directory_is_taken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unsafe_directory_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fallbacks_are_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_made_in_homes_of_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_are_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_usable_is_what_make_makes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_planted_in_tmp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_open_follows_no_planted_link, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
