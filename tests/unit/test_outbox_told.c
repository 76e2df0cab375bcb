/*
 * What the outbox tells of loss and of what may become one: in frames of spans, in frames of their
 * own, and no more often than there is something new to tell.
 */
#include "outbox_peer.h"

#include <signal.h>

static void test_loss_alone_is_told(void **state)
{
    (void)state;
    int listener = listen_here();
    struct span_loss loss = {.tape_records = 3, .tape_bytes = 4096, .exchanges = 1};
    uint64_t now_ns = tape_now_ns();
    (void)outbox_turn(now_ns, &loss);
    int connection = accept_one(listener);
    hear(connection);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[1].kind, SPAN_FRAME_LOSS);
    assert_int_equal(heard.frame[1].sequence, 1);
    assert_int_equal(heard.frame[1].loss.tape_bytes, 4096);
    assert_int_equal(heard.frame[1].loss.exchanges, 1);
    acknowledge(connection, 1);
    assert_int_equal(outbox_turn(now_ns + 10 * MS, &loss), -1);
    loss.tape_records++;
    int wait = outbox_turn(now_ns + 20 * MS, &loss); /* not more than one in a second */
    assert_true(wait > 900 && wait <= OUTBOX_LOSS_MS);
    hear(connection);
    assert_int_equal(heard.n, 2);
    add(1);
    (void)outbox_turn(now_ns + 200 * MS, &loss); /* spans carry it along */
    hear(connection);
    assert_int_equal(heard.n, 3);
    assert_int_equal(heard.frame[2].loss.tape_records, 4);
    (void)close(connection);
    (void)close(listener);
}

/* Somebody else's collector is sent nothing, which is told once however often it is met; so is one
 * that comes after a collector of our own. */
static void test_foreign_collector_is_told(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    int listener = listen_here();
    assert_int_equal(chmod(top, 0777), 0); /* anybody could have put it there */
    assert_int_equal(seteuid(65534), 0);
    assert_int_equal(listen(listener, 8), 0); /* the kernel notes who called it last */
    assert_int_equal(seteuid(0), 0);
    add(1);
    for (unsigned i = 0; i < 9; i++)
        (void)turn_after(20000);
    assert_int_equal(accept_one(listener) < 0 ? errno : 0, 0); /* it came, and left without a word */
    (void)close(listener);
    listener = listen_here();
    add(1);
    (void)turn_after(20000);
    int connection = accept_one(listener);
    (void)turn_after(20000);
    hear(connection);
    assert_true(heard.n > 0);
    assert_int_equal(heard.frame[heard.n - 1].loss.peers, 1);
    assert_true(heard.frame[heard.n - 1].sequence < 5); /* and not with a message for each meeting */
    (void)close(connection);
    (void)close(listener);
}

/* As is one that is met only when the process ends: the last word says so. */
static void test_foreign_collector_at_the_end_is_told(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    int listener = listen_here();
    assert_int_equal(chmod(top, 0777), 0);
    assert_int_equal(seteuid(65534), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(seteuid(0), 0);
    add(1);
    outbox_finish(0, &no_loss);
    assert_int_equal(spool_files(".frames"), 1);
    assert_true(heard.n > 1);
    assert_int_equal(heard.frame[heard.n - 1].loss.peers, 1);
    assert_int_equal(heard.frame[heard.n - 1].flags & SPAN_FRAME_FINAL, SPAN_FRAME_FINAL);
    (void)close(listener);
}

/* A spool that takes marks and no frames. */
static void refuse(bool refused)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = refused ? 0 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* How many calls the only mark says are lost; 0: there is none. */
static unsigned long said_to_be_lost(void)
{
    DIR *directory = opendir(spool_dir);
    unsigned long lost = 0;
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        const char *dash = strchr(entry->d_name, '-');
        if (strstr(entry->d_name, ".refused") != NULL && dash != NULL) {
            assert_int_equal(lost, 0);
            lost = strtoul(dash + 1, NULL, 10);
        }
    }
    (void)closedir(directory);
    return lost;
}

/* Who finds no way out at its end says how many calls that costs, and takes it back when they find
 * one after all. */
static void test_refused_at_the_end_is_counted_exactly(void **state)
{
    (void)state;
    add(3);
    refuse(true);
    outbox_finish(0, &no_loss);
    assert_int_equal(said_to_be_lost(), 3);
    add(2); /* an exit handler calls */
    outbox_finish(0, &no_loss);
    assert_int_equal(said_to_be_lost(), 5);
    refuse(false);
    outbox_finish(0, &no_loss);
    assert_int_equal(said_to_be_lost(), 0);
    assert_int_equal(spool_files(".frames"), 1);
    size_t rows = 0;
    for (size_t i = 0; i < heard.n; i++) {
        rows += heard.frame[i].rows;
        assert_int_equal(heard.frame[i].loss.spans, 0);
    }
    assert_int_equal(rows, 5);
}

/* What a collector has got whole and not acknowledged is not said to be lost: it knows by the
 * numbers. */
static void test_handed_over_is_not_counted(void **state)
{
    (void)state;
    int listener = listen_here();
    add(4);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    int connection = accept_one(listener);
    (void)turn_after(1);
    hear(connection);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[1].rows, 4);
    (void)close(connection); /* it stored them, and ended before it said so */
    (void)close(listener);
    (void)unlink(socket_path);
    add(2);
    refuse(true);
    (void)mkdir(spool_dir, 0700);
    outbox_finish(0, &no_loss);
    assert_int_equal(said_to_be_lost(), 2);
    assert_int_equal(outbox_is_empty(), false);
    refuse(false);
    outbox_finish(0, &no_loss);
    assert_int_equal(said_to_be_lost(), 0);
}

/* A journal that cannot be kept is told once, not each second that it is tried again. */
static void test_journal_that_steps_aside_is_told(void **state)
{
    (void)state;
    char nowhere[160], above[160];
    struct outbox_config config = {.socket_path = socket_path, .spool_dir = spool_dir, .process = process};
    (void)snprintf(nowhere, sizeof(nowhere), "%s/missing/journals", top);
    config.journal[0].directory = nowhere;
    assert_int_equal(outbox_start(&config), 0);
    int listener = listen_here(), connection = -1;
    for (unsigned i = 0; i < 9; i++) {
        add(1);
        (void)turn_after(OUTBOX_AGE_MAX_MS);
        connection = connection >= 0 ? connection : accept_one(listener);
        hear(connection);
        acknowledge(connection, heard.frame[heard.n - 1].sequence);
        (void)turn_after(2000);
    }
    hear(connection);
    assert_true(heard.n > 9);
    assert_int_equal(heard.frame[heard.n - 1].loss.journals, 1);
    (void)snprintf(above, sizeof(above), "%s/missing", top);
    assert_int_equal(mkdir(above, 0700), 0);
    add(1);
    (void)turn_after(2000);
    hear(connection);
    acknowledge(connection, heard.frame[heard.n - 1].sequence);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    assert_int_equal(nftw(nowhere, remove_one, 4, FTW_DEPTH | FTW_PHYS), 0); /* it was there, and goes */
    for (unsigned i = 0; i < 3; i++) {
        add(1);
        (void)turn_after(2000);
        hear(connection);
        acknowledge(connection, heard.frame[heard.n - 1].sequence);
    }
    assert_int_equal(heard.frame[heard.n - 1].loss.journals, 2);
    (void)close(connection);
    (void)close(listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_loss_alone_is_told),
        TEST(test_foreign_collector_is_told),
        TEST(test_foreign_collector_at_the_end_is_told),
        TEST(test_refused_at_the_end_is_counted_exactly),
        TEST(test_handed_over_is_not_counted),
        TEST(test_journal_that_steps_aside_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
