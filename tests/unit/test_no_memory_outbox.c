/*
 * Each allocation of the outbox fails, without a collector, with one, with a journal: nobody
 * crashes, nothing leaks, each span leaves the process once or is counted as lost, the count is
 * told, and what comes later, with memory, is there.
 */
#include "failing.h"
#include "outbox_peer.h"

#include "../../span/journal.h"

enum { FEW = 3, MANY = 300, LATER = 2, ALL = FEW + MANY + LATER, SEQUENCES = 64 };
enum { SPOOL_ALONE, COLLECTOR, JOURNAL };

static uint64_t rows[SEQUENCES]; /* of each frame that left, however often */
static uint64_t told;            /* lost spans */

static void gather(void)
{
    for (size_t i = 0; i < heard.n; i++) {
        assert_true(heard.frame[i].sequence < SEQUENCES);
        if (heard.frame[i].kind == SPAN_FRAME_SPANS)
            rows[heard.frame[i].sequence] = heard.frame[i].rows;
        told = heard.frame[i].loss.spans > told ? heard.frame[i].loss.spans : told;
    }
}

/* What stayed in the journal, as a collector finds it. */
static void gather_journal(void)
{
    DIR *directory = opendir(top);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        char path[512];
        struct span_journal_found found;
        struct span_buffer frames;
        if (strstr(entry->d_name, ".live") == NULL)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", top, entry->d_name);
        int fd = open(path, O_RDONLY);
        const ssize_t bytes = read(fd, input, sizeof(input));
        (void)close(fd);
        span_buffer_init(&frames, 2 * SPAN_JOURNAL_BYTES_MAX);
        assert_int_equal(span_journal_frames(&frames, input, (size_t)bytes, &found), SPAN_JOURNAL_OK);
        parse(frames.data, frames.bytes);
        gather();
        span_buffer_done(&frames);
        (void)unlink(path);
    }
    (void)closedir(directory);
}

static void begin(int way)
{
    struct outbox_config config = {.socket_path = socket_path, .spool_dir = spool_dir};
    memset(config.process.identity, 0x5a, sizeof(config.process.identity));
    config.process.pid = 1;
    config.spool_said = true;
    config.journal_disk_first = true;
    if (way == JOURNAL)
        config.journal[0].directory = top;
    (void)outbox_start(&config); /* without memory it goes on as soon as there is some */
    clock_ns = tape_now_ns();
}

static void hear_and_acknowledge(int listener, int *connection)
{
    if (*connection < 0)
        *connection = accept_one(listener);
    if (*connection < 0)
        return;
    hear(*connection);
    gather();
    for (size_t i = 0; i < heard.n; i++)
        if (heard.frame[i].sequence > 0)
            acknowledge(*connection, heard.frame[i].sequence);
}

static void live(void *context, long at, bool more)
{
    const int way = *(const int *)context;
    const int listener = way == COLLECTOR ? listen_here() : -1;
    int connection = -1;
    uint64_t out = 0;
    memset(rows, 0, sizeof(rows));
    told = 0;
    (void)nftw(spool_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    failing_begin(at, more);
    begin(way);
    add(FEW);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    (void)turn_after(OUTBOX_SPOOL_AFTER_MS);
    failing.on = false; /* what the test takes is its own */
    if (way == COLLECTOR)
        hear_and_acknowledge(listener, &connection);
    failing.on = true;
    add(MANY);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    (void)turn_after(OUTBOX_SPOOL_AFTER_MS);
    outbox_finish(0, &no_loss);
    failing_end();
    add(LATER);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    outbox_finish(0, &no_loss);
    if (way == COLLECTOR) {
        if (connection >= 0) {
            hear(connection);
            gather();
            (void)close(connection);
        }
        while ((connection = accept_one(listener)) >= 0) { /* a later one */
            hear(connection);
            gather();
            (void)close(connection);
        }
        (void)close(listener);
    }
    assert_int_equal(spool_files(".part"), 0);
    if (spool_files(".frames") > 0)
        gather();
    gather_journal();
    for (size_t i = 0; i < SEQUENCES; i++)
        out += rows[i];
    assert_int_equal(out + outbox_lost_spans(), ALL);
    assert_true(out >= LATER);
    assert_int_equal(told, outbox_lost_spans());
}

static void each(int way, long least)
{
    const long runs = each_allocation(live, &way, 1);
    print_message("%ld runs with failures\n", runs);
    nothing_leaked();
    assert_true(runs >= least);
}

static void test_spool_alone(void **state)
{
    (void)state;
    each(SPOOL_ALONE, 40);
}

static void test_with_a_collector(void **state)
{
    (void)state;
    each(COLLECTOR, 40);
}

static void test_with_a_journal(void **state)
{
    (void)state;
    each(JOURNAL, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_spool_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_with_a_collector, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_with_a_journal, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
