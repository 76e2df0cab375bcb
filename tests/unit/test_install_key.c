/*
 * The key of this installation: the same for all, whole or not there, nobody else's; what is not
 * safe is refused and stays as it is.
 */
#include "../../span/install_key.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char top[64], state[128], runtime[128], path[256];
static uint8_t key[SPAN_KEY_BYTES], again[SPAN_KEY_BYTES];

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(name);
}

static int set_up(void **s)
{
    (void)s;
    strcpy(top, "/tmp/test_install_key_XXXXXX");
    if (mkdtemp(top) == NULL)
        return -1;
    (void)snprintf(state, sizeof(state), "%s/state", top);
    (void)snprintf(runtime, sizeof(runtime), "%s/run", top);
    return mkdir(state, 0700) + mkdir(runtime, 0700);
}

static int tear_down(void **s)
{
    (void)s;
    return nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int find(uint8_t ret_key[SPAN_KEY_BYTES])
{
    struct span_path_base base = {.runtime_dir = runtime, .state_home = state, .uid = geteuid()};
    return span_install_key_find(ret_key, &base, path, sizeof(path));
}

static void test_made_once(void **s)
{
    (void)s;
    struct stat st;
    static const uint8_t zeros[SPAN_KEY_BYTES];
    assert_int_equal(find(key), 0);
    assert_memory_not_equal(key, zeros, sizeof(key));
    assert_int_equal(find(again), 0);
    assert_memory_equal(key, again, sizeof(key));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_non_null(strstr(path, "/state/libpprof/key"));
}

/* Forty at once: one key, and nothing else left behind. */
static void test_many_at_once(void **s)
{
    (void)s;
    int pipes[2];
    char directory[256];
    assert_int_equal(pipe(pipes), 0);
    for (int i = 0; i < 40; i++) {
        if (fork() == 0) {
            uint8_t mine[SPAN_KEY_BYTES] = {0};
            int error = find(mine);
            _exit(error != 0 || write(pipes[1], mine, sizeof(mine)) != (ssize_t)sizeof(mine));
        }
    }
    for (int i = 0; i < 40; i++) {
        int status;
        uint8_t one[SPAN_KEY_BYTES];
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(read(pipes[0], one, sizeof(one)), sizeof(one));
        if (i > 0)
            assert_memory_equal(one, key, sizeof(key));
        memcpy(key, one, sizeof(key));
    }
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    (void)snprintf(directory, sizeof(directory), "%s/libpprof/key", state);
    assert_int_equal(unlink(directory), 0);
    (void)snprintf(directory, sizeof(directory), "%s/libpprof", state);
    assert_int_equal(rmdir(directory), 0); /* it was empty but for the key */
}

static void expect_refused(int error)
{
    char target[256] = "";
    struct stat before, after;
    uint8_t untouched[SPAN_KEY_BYTES];
    memset(again, 7, sizeof(again));
    memcpy(untouched, again, sizeof(again));
    assert_int_equal(lstat(path, &before), 0);
    assert_int_equal(find(again), error);
    assert_memory_equal(again, untouched, sizeof(again));
    assert_int_equal(lstat(path, &after), 0);
    assert_true(before.st_ino == after.st_ino && before.st_size == after.st_size && before.st_mode == after.st_mode);
    (void)snprintf(target, sizeof(target), "%s/key", runtime);
    assert_int_equal(access(target, F_OK), -1); /* no other key takes its place */
    assert_true(strlen(span_install_key_why(error)) > 10);
}

static void test_refused(void **s)
{
    (void)s;
    char other[256];
    static const mode_t modes[] = {0640, 0604, 0660, 0602, 0610};
    assert_int_equal(find(key), 0);
    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        expect_refused(-EPERM);
    }
    assert_int_equal(chmod(path, 0600), 0);
    static const off_t sizes[] = {31, 33, 100000};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        assert_int_equal(truncate(path, sizes[i]), 0);
        expect_refused(-EBADMSG);
    }
    (void)snprintf(other, sizeof(other), "%s/other", top);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(truncate(other, SPAN_KEY_BYTES), 0);
    assert_int_equal(symlink(other, path), 0);
    expect_refused(-EPERM);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nowhere/at/all", path), 0);
    expect_refused(-EPERM);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refused(-EPERM);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused(-EPERM);
}

/* What a loss of power leaves of a key that was made just before: nobody can have used it since. */
static void test_empty_is_replaced(void **s)
{
    (void)s;
    uint8_t second[SPAN_KEY_BYTES];
    assert_int_equal(find(key), 0);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(find(second), 0);
    assert_memory_not_equal(key, second, sizeof(second));
    assert_int_equal(find(key), 0);
    assert_memory_equal(key, second, sizeof(second));
}

/* Another user's file or directory, also for root. */
static void test_foreign(void **s)
{
    (void)s;
    char directory[256];
    if (geteuid() != 0)
        skip();
    assert_int_equal(find(key), 0);
    assert_int_equal(chown(path, 65534, 65534), 0);
    expect_refused(-EPERM);
    assert_int_equal(chown(path, 0, 0), 0);
    (void)snprintf(directory, sizeof(directory), "%s/libpprof", state);
    assert_int_equal(chown(directory, 65534, 65534), 0);
    expect_refused(-EPERM);
    assert_int_equal(chown(directory, 0, 0), 0);
    assert_int_equal(chmod(directory, 0770), 0);
    expect_refused(-EPERM);
}

/* No directory of ours to write: the runtime directory serves, and the key there is as steady. */
static void test_elsewhere(void **s)
{
    (void)s;
    struct span_path_base base = {.runtime_dir = runtime, .uid = geteuid()};
    assert_int_equal(span_install_key_find(key, &base, path, sizeof(path)), 0);
    assert_non_null(strstr(path, "/run/key"));
    base.home = "/proc/no/such/home";
    assert_int_equal(span_install_key_find(again, &base, path, sizeof(path)), 0);
    assert_memory_equal(key, again, sizeof(key));
    if (geteuid() == 0) { /* the home of another user */
        assert_int_equal(chown(state, 65534, 65534), 0);
        base.state_home = state;
        assert_int_equal(chmod(state, 0777), 0);
    }
    char longest[4096];
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[sizeof(longest) - 1] = '\0';
    base.state_home = longest;
    assert_int_equal(span_install_key_find(again, &base, path, sizeof(path)), 0);
    assert_memory_equal(key, again, sizeof(key));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {CASE(test_made_once),         CASE(test_many_at_once), CASE(test_refused),
                                       CASE(test_empty_is_replaced), CASE(test_foreign),      CASE(test_elsewhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
