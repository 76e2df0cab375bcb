/*
 * The tape: order, wrap-around, loss, spills, several writers, fork, and a writer that jumps out of
 * its copy. Built a second time with ThreadSanitizer (test_tape_tsan), there without the cases that
 * fork or fault.
 */
#include "shim/tape/tape.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORD_OVERHEAD = 40 };

static bool write_text(uint64_t transfer, const char *text, uint64_t *lost)
{
    return tape_write(TAPE_RESPONSE_BODY, transfer, tape_now_ns(), text, strlen(text), NULL, 0, lost);
}

static void drain(void)
{
    struct tape_record record;
    while (tape_read(&record))
        continue;
    assert_int_equal(tape_backlog_bytes(), 0);
}

static int start(void **state)
{
    (void)state;
    assert_int_equal(tape_start(), 0);
    drain();
    return 0;
}

static void test_dead_before_start(void **state)
{
    (void)state;
    uint64_t lost = 0;
    struct tape_record record;
    assert_false(tape_alive());
    assert_false(write_text(1, "gone", &lost));
    assert_int_equal(lost, 4);
    assert_int_equal(tape_losses().records, 0); /* of a tape that there is not */
    assert_false(tape_read(&record));
    assert_int_equal(tape_start(), 0);
    assert_true(tape_alive());
    assert_int_equal(tape_start(), 0);
}

static void *start_and_write(void *argument)
{
    uint64_t lost = 0;
    (void)argument;
    return tape_start() == 0 && write_text(1, "first", &lost) ? NULL : argument;
}

/* Threads whose first requests come at the same moment: none waits, none loses a record. In
 * children, which find no tape, or later a dead one. */
static void test_started_by_many(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread[4];
            struct tape_record record;
            unsigned seen = 0;
            for (int i = 0; i < 4; i++)
                if (pthread_create(&thread[i], NULL, start_and_write, &seen) != 0)
                    _exit(9);
            for (int i = 0; i < 4; i++) {
                void *failed;
                if (pthread_join(thread[i], &failed) != 0 || failed != NULL)
                    _exit(8);
            }
            while (tape_read(&record))
                seen++;
            _exit(seen == 4 && tape_losses().records == 0 ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

static void test_order_and_content(void **state)
{
    (void)state;
    uint64_t lost = 7;
    struct tape_record record;
    uint64_t before_ns = tape_now_ns();

    assert_true(tape_write(TAPE_BEGIN, 3, before_ns, "ab", 2, "cde", 3, &lost));
    assert_int_equal(lost, 0);
    assert_true(tape_write(TAPE_PAUSE, 3, before_ns + 1, NULL, 0, NULL, 0, &lost));
    assert_int_equal(tape_backlog_bytes(), 2 * RECORD_OVERHEAD + 8);

    assert_true(tape_read(&record));
    assert_int_equal(record.kind, TAPE_BEGIN);
    assert_int_equal(record.transfer, 3);
    assert_int_equal(record.time_ns, before_ns);
    assert_int_equal(record.lost_bytes, 7);
    assert_int_equal(record.bytes, 5);
    assert_memory_equal(record.payload, "abcde", 5);
    const uint8_t *old_payload = record.payload;

    assert_true(tape_read(&record));
    assert_int_equal(record.kind, TAPE_PAUSE);
    assert_int_equal(record.bytes, 0);
    assert_int_equal(record.lost_bytes, 0);
    assert_memory_equal(old_payload, "\0\0\0\0\0", 5); /* wiped as soon as the next one was asked for */
    assert_false(tape_read(&record));
}

static void test_wrap_around(void **state)
{
    (void)state;
    static char text[70001];
    uint64_t lost = 0, written = 0, read = 0;
    struct tape_record record;

    /* Records of changing size, always a few after, so that the ring goes round about ten times
     * without being empty.
     */
    for (unsigned i = 0; i < 1200; i++) {
        size_t bytes = (i * 7919u) % sizeof(text);
        memset(text, (int)('a' + i % 26), bytes);
        assert_true(tape_write(TAPE_RESPONSE_BODY, i, i, text, bytes, NULL, 0, &lost));
        written++;
        if (i < 5)
            continue;
        assert_true(tape_read(&record));
        assert_int_equal(record.transfer, read);
        assert_int_equal(record.bytes, ((unsigned)read * 7919u) % sizeof(text));
        for (size_t at = 0; at < record.bytes; at += 997)
            assert_int_equal(record.payload[at], 'a' + read % 26);
        read++;
    }
    while (tape_read(&record))
        read++;
    assert_int_equal(read, written);
    assert_int_equal(lost, 0);
}

static void test_full(void **state)
{
    (void)state;
    static const char piece[16384];
    uint64_t lost = 0;
    struct tape_record record;
    struct tape_loss before = tape_losses();
    unsigned fitted = 0, read = 0;

    while (tape_write(TAPE_RESPONSE_BODY, 1, fitted, piece, sizeof(piece), NULL, 0, &lost))
        fitted++;
    assert_in_range(fitted, TAPE_RING_BYTES / (sizeof(piece) + RECORD_OVERHEAD) - 6, TAPE_RING_BYTES / sizeof(piece));
    assert_int_equal(lost, sizeof(piece));
    assert_false(tape_write(TAPE_RESPONSE_BODY, 1, 0, piece, sizeof(piece), NULL, 0, &lost));
    assert_int_equal(lost, 2 * sizeof(piece));
    assert_int_equal(tape_losses().records - before.records, 2);
    assert_int_equal(tape_losses().bytes - before.bytes, 2 * sizeof(piece));

    struct tape_end end = {.status = 200};
    assert_true(tape_write(TAPE_END, 1, fitted, &end, sizeof(end), NULL, 0, &lost)); /* the end always finds room */
    assert_int_equal(lost, 0);

    for (; tape_read(&record); read++) {
        assert_int_equal(record.time_ns, read);
        assert_int_equal(record.lost_bytes, record.kind == TAPE_END ? 2 * sizeof(piece) : 0);
    }
    assert_int_equal(read, fitted + 1);
    assert_true(write_text(1, "again", &lost));
    assert_true(tape_read(&record));
    assert_int_equal(record.lost_bytes, 0);
    drain();
}

static void fill(uint64_t transfer, uint64_t *lost)
{
    static const char piece[16384];
    for (size_t bytes = sizeof(piece); bytes > 0; bytes /= 2)
        while (tape_write(TAPE_RESPONSE_BODY, transfer, 1, piece, bytes, NULL, 0, lost))
            continue;
}

/* Long before all is read, while it never is empty. */
static void test_what_was_read_is_room(void **state)
{
    (void)state;
    uint64_t lost = 0, nothing = 0;
    struct tape_record record;
    static const char piece[8192];
    const size_t both = 2 * (sizeof(piece) + RECORD_OVERHEAD);
    fill(1, &lost);
    for (unsigned turn = 0; turn < 3 * TAPE_RING_BYTES / both; turn++) {
        for (size_t read = 0; read < (turn == 0 ? 3 * both : both); read += RECORD_OVERHEAD + record.bytes)
            assert_true(tape_read(&record));
        assert_true(tape_write(TAPE_RESPONSE_BODY, 1, 1, piece, sizeof(piece), NULL, 0, &nothing));
        tape_piece(TAPE_RESPONSE_BODY, 1, 1, piece, sizeof(piece), &nothing);
        assert_int_equal(nothing, 0);
    }
    drain();
}

/* Each beginning that the tape took keeps room for its end, whatever comes between, wherever the
 * ring's end lies. */
static void test_ends_of_all_open_transfers_fit(void **state)
{
    (void)state;
    static const uint32_t open[] = {1, 400, 10000};
    struct tape_end end = {.status = 200};
    struct tape_record record;
    for (unsigned round = 0; round < 9; round++) {
        uint64_t lost = 0, ends = 0;
        for (uint64_t i = 0; i < open[round % 3]; i++)
            assert_true(tape_write(TAPE_BEGIN, i, 1, "begin", 5, NULL, 0, &lost));
        fill(0, &lost);
        for (unsigned i = 0; i < 60 + 17 * round; i++) /* another place in the ring */
            assert_true(tape_read(&record));
        fill(0, &lost);
        uint64_t nothing = 0;
        assert_false(tape_write(TAPE_BEGIN, 1, 1, &end, sizeof(end), NULL, 0, &nothing));
        for (uint64_t i = 0; i < open[round % 3]; i++)
            assert_true(tape_write(TAPE_END, i, 1, &end, sizeof(end), NULL, 0, &lost));
        while (tape_read(&record))
            ends += record.kind == TAPE_END;
        assert_int_equal(ends, open[round % 3]);
    }
    assert_int_equal(tape_losses().ends, 0);
}

/* Ends of transfers that another process began take no room from others for good. */
static void test_ends_without_a_beginning(void **state)
{
    (void)state;
    struct tape_end end = {.status = 200};
    uint64_t lost = 0;
    for (unsigned i = 0; i < 100; i++)
        assert_true(tape_write(TAPE_END, i, 1, &end, sizeof(end), NULL, 0, &lost));
    drain();
    assert_true(tape_write(TAPE_BEGIN, 1, 1, "begin", 5, NULL, 0, &lost));
    fill(1, &lost);
    assert_true(tape_write(TAPE_END, 1, 1, &end, sizeof(end), NULL, 0, &lost));
    drain();
}

/* A record without payload that is lost says so, too: a rewind, a pause. */
static void test_records_without_payload_count(void **state)
{
    (void)state;
    uint64_t lost = 0;
    fill(1, &lost);
    lost = 0;
    while (tape_write(TAPE_PAUSE, 1, 1, NULL, 0, NULL, 0, &lost))
        continue;
    assert_int_equal(lost, 1);
    drain();
}

static void test_spill(void **state)
{
    (void)state;
    size_t bytes = 3 * 1024 * 1024 + 5;
    char *body = malloc(bytes);
    uint64_t lost = 0;
    struct tape_record record;

    memset(body, 'x', bytes);
    body[bytes - 1] = 'y';
    for (unsigned i = 0; i < 3; i++)
        assert_true(tape_write(TAPE_REQUEST_BODY, 9, 1, "head", 4, body, bytes, &lost));
    assert_true(tape_backlog_bytes() < 1024);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(tape_read(&record));
        assert_int_equal(record.bytes, bytes + 4);
        assert_memory_equal(record.payload, "head", 4);
        assert_memory_equal(record.payload + 4, body, bytes);
    }
    free(body);
    drain();
}

static void test_spills_are_bounded(void **state)
{
    (void)state;
    size_t bytes = 48u * 1024 * 1024;
    char *body = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(body != MAP_FAILED);
    uint64_t lost = 0;
    unsigned fitted = 0;
    struct tape_record record;

    while (fitted < 100 && tape_write(TAPE_REQUEST_BODY, 9, 1, body, bytes, NULL, 0, &lost))
        fitted++;
    assert_int_equal(fitted, TAPE_SPILL_TOTAL_MAX / bytes);
    assert_int_equal(lost, bytes);
    assert_true(tape_read(&record));
    assert_true(tape_read(&record)); /* the first one is gone now */
    assert_true(tape_write(TAPE_REQUEST_BODY, 9, 1, body, bytes, NULL, 0, &lost));
    drain();
    munmap(body, bytes);
}

struct writer {
    pthread_t thread;
    uint64_t transfer;
    uint64_t written_bytes, lost_bytes;
};
enum { WRITERS = 4, WRITES = 30000 };

static void *run_writer(void *argument)
{
    struct writer *writer = argument;
    uint8_t piece[700];
    uint64_t lost = 0;

    memset(piece, (int)writer->transfer, sizeof(piece));
    for (uint64_t i = 0; i < WRITES; i++) {
        size_t bytes = 1 + (size_t)(i * 31 + writer->transfer * 17) % sizeof(piece);
        uint64_t before = lost;
        if (tape_write(TAPE_RESPONSE_BODY, writer->transfer, i, piece, bytes, NULL, 0, &lost))
            writer->written_bytes += bytes;
        else
            writer->lost_bytes += lost - before;
    }
    return NULL;
}

static void check_from_writer(const struct tape_record *record, uint64_t *next_time)
{
    assert_true(record->time_ns >= next_time[record->transfer]); /* order within a transfer */
    next_time[record->transfer] = record->time_ns + 1;
    for (size_t i = 0; i < record->bytes; i++)
        if (record->payload[i] != (uint8_t)record->transfer)
            fail_msg("byte %zu of transfer %u is damaged", i, (unsigned)record->transfer);
}

static void test_many_writers(void **state)
{
    (void)state;
    struct writer writers[WRITERS] = {0};
    uint64_t next_time[WRITERS + 1] = {0}, read_bytes = 0, written_bytes = 0, lost_bytes = 0;
    struct tape_record record;
    struct tape_loss before = tape_losses();

    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].transfer = i + 1;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]), 0);
    }
    uint64_t deadline_ns = tape_now_ns() + 200 * 1000 * 1000ull;
    while (tape_now_ns() < deadline_ns)
        while (tape_read(&record)) {
            check_from_writer(&record, next_time);
            read_bytes += record.bytes;
        }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        written_bytes += writers[i].written_bytes;
        lost_bytes += writers[i].lost_bytes;
    }
    while (tape_read(&record)) {
        check_from_writer(&record, next_time);
        read_bytes += record.bytes;
    }
    assert_int_equal(read_bytes, written_bytes);
    assert_int_equal(tape_losses().bytes - before.bytes, lost_bytes);
    assert_true(written_bytes > 0);
}

#if !defined(__SANITIZE_THREAD__)
/* What a forked child sees; its exit code says which check failed. */
static int in_child(void)
{
    uint64_t lost = 0;
    struct tape_record record;
    if (tape_alive() || tape_read(&record))
        return 1;
    if (write_text(1, "orphan", &lost) || lost != 6)
        return 2;
    if (tape_start() != 0 || !tape_alive() || tape_losses().records != 1 || tape_losses().bytes != 6)
        return 3;           /* its own loss, not the parent's */
    if (tape_read(&record)) /* nothing of the parent's */
        return 4;
    if (!write_text(2, "mine", &lost) || !tape_read(&record) || memcmp(record.payload, "mine", 4) != 0)
        return 5;
    return record.lost_bytes == 6 ? 0 : 6;
}

static void test_fork(void **state)
{
    (void)state;
    uint64_t lost = 0;
    struct tape_record record;
    int status = -1;

    assert_true(write_text(1, "parent", &lost));
    assert_true(write_text(1, "parent too", &lost));
    assert_true(tape_read(&record));
    pid_t pid = fork();
    if (pid == 0)
        _exit(in_child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(tape_read(&record));
    assert_memory_equal(record.payload, "parent too", 10);
    drain();
}

static sigjmp_buf jump;

static void jump_out(int signal_number)
{
    (void)signal_number;
    siglongjmp(jump, 1);
}

/* The copy faults and the application's handler jumps away: the record is never committed. */
static void write_and_jump(void)
{
    struct sigaction action = {.sa_handler = jump_out}, before;
    void *unreadable = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t lost = 0;

    assert_true(unreadable != MAP_FAILED);
    sigaction(SIGSEGV, &action, &before);
    if (sigsetjmp(jump, 1) == 0) {
        (void)tape_write(TAPE_RESPONSE_BODY, 5, 1, unreadable, 4096, NULL, 0, &lost);
        fail_msg("the copy did not fault");
    }
    sigaction(SIGSEGV, &before, NULL);
    munmap(unreadable, 4096);
}

static void test_abandoned_record(void **state)
{
    (void)state;
    uint64_t lost = 0;
    struct tape_record record;
    struct tape_loss before = tape_losses();

    assert_true(write_text(4, "before", &lost));
    write_and_jump();
    assert_true(write_text(6, "behind", &lost));
    assert_true(tape_write(TAPE_BEGIN, 8, 1, "begin", 5, NULL, 0, &lost));
    assert_true(tape_read(&record));
    assert_int_equal(record.transfer, 4);
    assert_false(tape_read(&record)); /* waits for the missing one, for a while */
    usleep(1100 * 1000);
    assert_false(tape_read(&record));
    assert_true(tape_losses().records > before.records);
    assert_int_equal(tape_losses().calls - before.calls, 1); /* transfer 8 */
    assert_true(tape_losses().ends > before.ends);
    assert_true(write_text(7, "afterwards", &lost));
    assert_true(tape_read(&record));
    assert_int_equal(record.transfer, 7);
    drain();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_started_by_many),
        cmocka_unit_test(test_dead_before_start),
        cmocka_unit_test_setup(test_order_and_content, start),
        cmocka_unit_test_setup(test_wrap_around, start),
        cmocka_unit_test_setup(test_full, start),
        cmocka_unit_test_setup(test_what_was_read_is_room, start),
        cmocka_unit_test_setup(test_ends_of_all_open_transfers_fit, start),
        cmocka_unit_test_setup(test_ends_without_a_beginning, start),
        cmocka_unit_test_setup(test_records_without_payload_count, start),
        cmocka_unit_test_setup(test_spill, start),
        cmocka_unit_test_setup(test_spills_are_bounded, start),
        cmocka_unit_test_setup(test_many_writers, start),
#if !defined(__SANITIZE_THREAD__)
        cmocka_unit_test_setup(test_started_by_many, start),
        cmocka_unit_test_setup(test_fork, start),
        cmocka_unit_test_setup(test_abandoned_record, start),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
