/*
 * A store and its log (SQLite's -wal) that were parted: the log of a removed store is no part of
 * the next one, and a store without the log that belongs to it is not called whole.
 */
#include "store_file.h"

static const char *in_directory(const char *name)
{
    static char path[160];

    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return path;
}

/* The commands that name such a log say what to do with it. */
static void expect_advice(const char *command, const char *operand)
{
    static char said[8192];
    char words[256], whole[512];

    snprintf(words, sizeof(words), command, operand);
    snprintf(whole, sizeof(whole), "cd / && env -u LD_PRELOAD XDG_STATE_HOME=%s HOME=%s %s %s 2>&1", directory,
             directory, PPROFCTL, words);
    FILE *out = popen(whole, "r");
    said[fread(said, 1, sizeof(said) - 1, out)] = '\0';
    (void)pclose(out);
    if (strstr(said, "put the log beside it, named as the copy with -wal at the end") == NULL)
        fail_msg("%s says: %s", whole, said);
}

/* The log of a store that was removed is no part of the next one; it is kept, and the next one says
 * so. */
static void test_log_of_a_removed_store(void **state)
{
    struct store *store;
    struct store_totals totals;
    struct store_loss loss;

    (void)state;
    leave_log();
    unlink(file);
    store = open_store(STORE_WRITE);
    assert_int_equal(store_totals(store, &totals), STORE_OK);
    assert_int_equal(totals.spans, 0);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_log_orphaned], 1);
    test_fill(store, 1, 1, 2);
    store_close(store);
    assert_sound();
    assert_int_equal(files_like("-wal.orphan-"), 1);
    expect_advice("check %s", file);
    assert_int_equal(mkdir(in_directory("libpprof"), 0700), 0); /* the store that doctor looks at */
    assert_int_equal(rename(file, in_directory("libpprof/pprof.db")), 0);
    expect_advice("doctor -- /bin/true%s", "");
    assert_int_equal(unlink(in_directory("libpprof/pprof.db")), 0);
    assert_int_equal(rmdir(in_directory("libpprof")), 0);
}

static void copy(const char *from, const char *to)
{
    char data[65536];
    ssize_t bytes;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(in >= 0 && out >= 0);
    while ((bytes = read(in, data, sizeof(data))) > 0)
        assert_int_equal(write(out, data, (size_t)bytes), bytes);
    close(in);
    close(out);
}

/* A copy of a store that is being written, without its log, or a killed writer's whose log was
 * removed: no reader calls it whole, nor does one after a writer has come and gone. With its log it
 * is whole, and so it is at rest. */
static void test_a_log_that_is_missing(void **state)
{
    char live_file[128], copied[160];
    struct store *store;

    (void)state;
    memcpy(live_file, file, sizeof(live_file));
    store = open_store(STORE_WRITE);
    test_fill(store, 1, 11, 2);
    pid_t child = fork(); /* our locks are not the child's */
    if (child == 0) {
        snprintf(copied, sizeof(copied), "%s/copy.db", directory);
        copy(file, copied);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    store_close(store);
    assert_sound();
    leave_log(); /* 4 frames, with the log */
    assert_sound();
    assert_int_equal(unlink(beside("-wal")), 0);
    assert_int_equal(unlink(beside("-shm")), 0);
    for (int which = 0; which < 2; which++) {
        for (int turn = 0; turn < 3; turn++) {
            for (int reader = 0; reader < 2; reader++) { /* the first leaves an empty log */
                store = open_store(STORE_READ);
                assert_int_equal(logs_missing(store), 1);
                store_close(store);
            }
            store_close(open_store(STORE_WRITE)); /* it is counted once */
        }
        snprintf(file, sizeof(file), "%s/copy.db", directory);
    }
    memcpy(file, live_file, sizeof(file));
    assert_int_equal(files_like("-wal"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_log_of_a_removed_store), TEST(test_a_log_that_is_missing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
