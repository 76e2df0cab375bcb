/* What collectors find in a spool where something died before all was done: a collector, a writer,
 * the machine. */
#include "collector_tests.h"

#include "collector/listen/listen.h"

static char directory[64];
static char file[128], spool[100];
static struct store *store;
static struct listener *listener;

static int setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    snprintf(spool, sizeof(spool), "%s/spool", directory);
    assert_int_equal(mkdir(spool, 0700), 0);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    struct listen_config config = {.spool_dir = spool, .store = store};
    return listen_open(&config, &listener);
}

static int teardown(void **state)
{
    (void)state;
    listen_close(listener);
    store_close(store);
    test_remove(spool);
    test_remove(directory);
    return 0;
}

static void at(char path[200], const char *name)
{
    (void)snprintf(path, 200, "%s/%s", spool, name);
}

static void write_spool(const char *name, const uint8_t *data, size_t bytes)
{
    char to[200];

    at(to, name);
    int fd = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), (ssize_t)bytes);
    close(fd);
}

static uint64_t events(enum store_loss_kind kind)
{
    struct store_loss loss;

    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    return loss.events[kind];
}

/* What is left of a file when its collector was killed between the commit and the file's end is
 * found again: it is counted once. Another file counts, also under the same name. */
static void test_killed_before_the_file_went(void **state)
{
    static const struct {
        const char *name;
        enum store_loss_kind kind;
    } files[] = {{"x.frames", STORE_LOSS_spool_damaged},
                 {"00112233445566778899aabbccddeeff-7.refused", STORE_LOSS_spool_refused},
                 {"00112233445566778899aabbccddeeff-7.unread", STORE_LOSS_program_unread}};
    char name[200], kept[200], aside[220];

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
        for (unsigned round = 1; round <= 2; round++) {
            at(name, files[i].name);
            at(kept, "kept");
            (void)snprintf(aside, sizeof(aside), "%s.damaged", name);
            write_spool(files[i].name, (const uint8_t *)"nothing", i == 0 ? 7 : 0);
            assert_int_equal(link(name, kept), 0);
            assert_int_equal(listen_spool(listener), 1);
            assert_int_equal(events(files[i].kind), round);
            for (unsigned kill = 0; kill < 3; kill++) {
                (void)unlink(aside);
                assert_int_equal(link(kept, name), 0);
                assert_int_equal(listen_spool(listener), 1);
                assert_int_equal(events(files[i].kind), round);
            }
            assert_int_equal(unlink(kept), 0);
            (void)unlink(aside);
        }
}

/* A file that was never given its name, as a loss of power leaves it: what is whole in it is taken
 * in, and where nothing is, somebody may have called something. Not while it is young: its writer
 * may be about to name it. */
static void test_file_without_its_name(void **state)
{
    static const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    char name[200];
    struct span_buffer bytes;

    (void)state;
    for (unsigned p = 0; p < 2; p++) {
        span_buffer_init(&bytes, 64 << 20);
        test_greeting(&bytes, 0);
        for (uint64_t n = 1; n <= 3; n++)
            test_frame(&bytes, 0, n);
        at(name, "x-1.fresh.new");
        write_spool("x-1.fresh.new", bytes.data, p == 0 ? bytes.bytes : 0);
        span_buffer_done(&bytes);
        assert_int_equal(listen_spool(listener), 0);
        assert_int_equal(access(name, F_OK), 0);
        assert_int_equal(utimensat(AT_FDCWD, name, old, 0), 0);
        assert_int_equal(listen_spool(listener), 1);
        assert_int_not_equal(access(name, F_OK), 0);
        assert_int_equal(events(STORE_LOSS_program_unheard), p);
    }
    test_holds(store, 1, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_killed_before_the_file_went, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_without_its_name, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
