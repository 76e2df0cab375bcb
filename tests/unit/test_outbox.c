/*
 * The outbox against a collector played by the test: acknowledgements in all shapes, none, garbage;
 * restarts, floods, hangs, stolen descriptors, forks. Time is passed in where the outbox takes it,
 * so that seconds of waiting cost nothing.
 */
#include "outbox_peer.h"

static void test_spans_arrive_and_are_acknowledged(void **state)
{
    (void)state;
    int listener = listen_here();
    assert_int_equal(turn_after(0), -1);
    add(3);
    int wait = turn_after(0);
    assert_true(wait > 0 && wait <= OUTBOX_AGE_MAX_MS);
    assert_int_equal(accept_one(listener), -1); /* too young */
    assert_true(turn_after(OUTBOX_AGE_MAX_MS) > 0);
    int connection = accept_one(listener);
    hear(connection);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[0].kind, SPAN_FRAME_PROCESS);
    assert_int_equal(heard.frame[1].kind, SPAN_FRAME_SPANS);
    assert_int_equal(heard.frame[1].sequence, 1);
    assert_int_equal(heard.frame[1].rows, 3);
    assert_int_equal(heard.frame[1].first_span, 1);
    assert_memory_equal(heard.frame[1].identity, process.identity, 16);
    acknowledge(connection, 1);
    assert_int_equal(turn_after(1), -1);
    add(1);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    hear(connection);
    assert_int_equal(heard.n, 3); /* one greeting per connection */
    assert_int_equal(heard.frame[2].first_span, 4);
    acknowledge(connection, 2);
    outbox_finish(1000, &no_loss);
    hear(connection); /* it says that this was all, and waits for nothing */
    assert_int_equal(heard.n, 4);
    assert_int_equal(heard.frame[3].kind, SPAN_FRAME_LOSS);
    assert_int_equal(heard.frame[3].flags, SPAN_FRAME_FINAL);
    assert_int_equal(heard.frame[3].sequence, 3);
    assert_int_equal(spool_files(".frames") + spool_files(".part"), 0);
    assert_int_equal(outbox_lost_spans(), 0);
    (void)close(connection);
    (void)close(listener);
}

/* The last frame of a process says that it is the last, whatever it carries; one that sent nothing
 * says nothing. */
static void test_the_end_is_said_once(void **state)
{
    (void)state;
    int listener = listen_here();
    outbox_finish(0, &no_loss);
    (void)outbox_turn(tape_now_ns(), &no_loss);
    assert_int_equal(accept_one(listener), -1);
    add(7);
    outbox_finish(0, &no_loss);
    int connection = accept_one(listener);
    hear(connection);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[1].rows, 7);
    assert_int_equal(heard.frame[1].flags, SPAN_FRAME_FINAL);
    outbox_finish(0, &no_loss); /* to the spool went what nobody acknowledged, and nothing is to be added */
    assert_int_equal(spool_files(".frames"), 1);
    assert_int_equal(heard.n, 2);
    add(2); /* an exit handler goes on after all */
    outbox_finish(0, &no_loss);
    assert_int_equal(spool_files(".frames"), 2);
    (void)close(connection);
    (void)close(listener);
}

static void test_full_blocks_go_at_once(void **state)
{
    (void)state;
    int listener = listen_here();
    add(SPAN_BLOCK_ROWS_SHIM + 44);
    (void)turn_after(0);
    int connection = accept_one(listener);
    hear(connection);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[1].rows, SPAN_BLOCK_ROWS_SHIM);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    hear(connection);
    assert_int_equal(heard.frame[2].rows, 44);
    assert_int_equal(heard.frame[2].first_span, SPAN_BLOCK_ROWS_SHIM + 1);
    (void)close(connection);
    (void)close(listener);
}

/* A connection that has proved useful breaks: what is unacknowledged is sent again, nothing goes to
 * the spool. */
static void test_restart_of_the_collector(void **state)
{
    (void)state;
    int listener = listen_here();
    add(1);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    int connection = accept_one(listener);
    acknowledge(connection, 1);
    assert_int_equal(turn_after(1), -1);
    add(2);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    (void)close(connection);
    (void)close(listener);
    assert_true(turn_after(1) > 0);
    for (int i = 0; i < 5; i++) {
        int wait = turn_after(OUTBOX_RESTART_RETRY_MS);
        assert_true(wait > 0 && wait <= OUTBOX_RESTART_RETRY_MS);
    }
    listener = listen_here();
    (void)turn_after(OUTBOX_RESTART_RETRY_MS);
    connection = accept_one(listener);
    assert_true(connection >= 0);
    hear(connection);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[0].kind, SPAN_FRAME_PROCESS);
    assert_int_equal(heard.frame[1].sequence, 2);
    assert_int_equal(heard.frame[1].rows, 2);
    acknowledge(connection, 2);
    assert_int_equal(turn_after(1), -1);
    assert_int_equal(spool_files(".part") + spool_files(".frames"), 0);
    (void)close(connection);
    (void)close(listener);
}

static void test_collector_stays_away_then_comes(void **state)
{
    (void)state;
    add(2);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    assert_int_equal(spool_files(".part"), 1);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[0].kind, SPAN_FRAME_PROCESS);
    assert_int_equal(heard.frame[1].rows, 2);
    add(3);
    assert_int_equal(turn_after(OUTBOX_AGE_MAX_MS), -1); /* on disk: nothing to wake up for */
    assert_int_equal(spool_files(".part"), 1);
    assert_int_equal(heard.n, 3);
    int listener = listen_here();
    add(4);
    (void)turn_after(OUTBOX_RECONNECT_MS);
    int connection = accept_one(listener);
    hear(connection);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[1].sequence, 3);
    assert_int_equal(heard.frame[1].rows, 4);
    assert_int_equal(spool_files(".frames"), 1); /* handed over whole */
    assert_int_equal(heard.n, 3);
    (void)close(connection);
    (void)close(listener);
}

static void test_acknowledgement_in_pieces_and_among_others(void **state)
{
    (void)state;
    int listener = listen_here();
    add(1);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    int connection = accept_one(listener);
    uint8_t bytes[512];
    size_t n = make_frame(bytes, sizeof(bytes), 77, 9); /* a kind from the future */
    n += make_frame(bytes + n, sizeof(bytes) - n, SPAN_FRAME_ACK, 1);
    for (size_t i = 0; i < n; i++) {
        assert_true(turn_after(0) > 0);
        assert_int_equal(write(connection, bytes + i, 1), 1);
    }
    assert_int_equal(turn_after(0), -1);
    for (int i = 0; i < 100; i++) /* more than is read in one turn */
        acknowledge(connection, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(turn_after(0), -1);
    (void)close(connection);
    (void)close(listener);
}

static void test_garbage_is_no_acknowledgement(void **state)
{
    (void)state;
    int listener = listen_here();
    add(1);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    int connection = accept_one(listener);
    uint8_t frame[256];
    size_t bytes = make_frame(frame, sizeof(frame), SPAN_FRAME_ACK, 1);
    frame[bytes / 2] ^= 0x40;
    assert_int_equal(write(connection, frame, bytes), bytes);
    (void)turn_after(1);
    char end;
    hear(connection);
    assert_int_equal(read(connection, &end, 1), 0); /* hung up */
    assert_int_equal(spool_files(".part"), 1);
    assert_int_equal(heard.frame[1].rows, 1);
    (void)close(connection);
    add(1);
    (void)turn_after(OUTBOX_RECONNECT_MS);
    connection = accept_one(listener);
    hear(connection);
    assert_int_equal(heard.frame[1].sequence, 2);
    char noise[6000];
    memset(noise, 'G', sizeof(noise));
    assert_int_equal(write(connection, noise, sizeof(noise)), sizeof(noise));
    (void)turn_after(1);
    assert_int_equal(outbox_lost_spans(), 0);
    assert_int_equal(spool_files(".part") + spool_files(".frames"), 2);
    (void)close(connection);
    (void)close(listener);
}

/* "Everything is stored" from a peer that has not even been sent everything. */
static void test_acknowledged_too_much(void **state)
{
    (void)state;
    int listener = listen_here();
    int small = 1;
    (void)setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    add_noise(300); /* more than the socket's buffers take */
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    int connection = accept_one(listener);
    acknowledge(connection, UINT64_MAX);
    assert_true(turn_after(1) > 0); /* the unsent rest is still there */
    uint64_t rows = 0;
    for (int i = 0; i < 200; i++) {
        hear(connection);
        (void)turn_after(1);
    }
    for (size_t i = 0; i < heard.n; i++)
        rows += heard.frame[i].rows;
    assert_int_equal(rows, 300);
    assert_int_equal(heard.rest, 0);
    (void)close(connection);
    (void)close(listener);
}

static void test_peer_that_never_reads(void **state)
{
    (void)state;
    int listener = listen_here();
    start(NULL);
    for (int i = 0; i < 40; i++) {
        add_noise(50);
        (void)turn_after(OUTBOX_AGE_MAX_MS); /* one that waited for the peer would never end */
    }
    uint64_t lost = outbox_lost_spans();
    assert_true(lost > 500); /* 2000 spans of 2.5 KB against 1 MiB and the socket's buffer */
    int connection = accept_one(listener);
    uint64_t rows = 0;
    for (int i = 0; i < 300; i++) {
        hear(connection);
        acknowledge(connection, heard.frame[heard.n - 1].sequence);
        (void)turn_after(OUTBOX_RESTART_RETRY_MS / 50);
    }
    (void)turn_after(OUTBOX_LOSS_MS);
    hear(connection);
    acknowledge(connection, heard.frame[heard.n - 1].sequence);
    (void)turn_after(1);
    for (size_t i = 0; i < heard.n; i++)
        rows += heard.frame[i].rows;
    /* Evicted after they were sent whole they are counted as lost although they came: never the
     * other way round. */
    assert_true(rows + outbox_lost_spans() >= 2000);
    assert_true(rows <= 2000);
    assert_int_equal(heard.frame[heard.n - 1].loss.spans, outbox_lost_spans()); /* and the loss was told */
    (void)close(connection);
    (void)close(listener);
}

static void test_overflow_goes_to_the_spool(void **state)
{
    (void)state;
    int listener = listen_here();
    for (int i = 0; i < 40; i++) {
        add_noise(50);
        (void)turn_after(OUTBOX_AGE_MAX_MS);
    }
    assert_int_equal(outbox_lost_spans(), 0);
    (void)turn_after(OUTBOX_STALLED_MS); /* it never acknowledged anything: as good as none */
    outbox_finish(0, &no_loss);
    assert_true(spool_files(".frames") > 0);
    uint64_t rows = 0;
    for (size_t i = 0; i < heard.n; i++)
        rows += heard.frame[i].rows;
    assert_int_equal(rows, 2000);
    (void)close(listener);
}

static void test_peer_that_hangs_up_at_once(void **state)
{
    (void)state;
    int listener = listen_here(); /* SIGPIPE would end this test */
    for (int i = 0; i < 5; i++) {
        add(1);
        (void)turn_after(OUTBOX_RECONNECT_MS);
        int connection = accept_one(listener);
        if (connection >= 0)
            (void)close(connection);
        (void)turn_after(OUTBOX_AGE_MAX_MS);
        (void)turn_after(OUTBOX_AGE_MAX_MS);
    }
    outbox_finish(50, &no_loss);
    (void)spool_files(".frames");
    uint64_t rows = 0;
    for (size_t i = 0; i < heard.n; i++)
        rows += heard.frame[i].rows;
    assert_int_equal(rows, 5);
    (void)close(listener);
}

static int outbox_socket(void)
{
    for (int fd = 100; fd < 140; fd++) {
        struct stat st;
        if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
            return fd;
    }
    return -1;
}

static void test_stolen_descriptor(void **state)
{
    (void)state;
    int listener = listen_here();
    add(1);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    int connection = accept_one(listener);
    int number = outbox_socket();
    assert_true(number >= 100);
    assert_true(fcntl(number, F_GETFD) & FD_CLOEXEC);
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/theirs", top);
    int theirs = open(path, O_RDWR | O_CREAT, 0600);
    assert_int_equal(dup2(theirs, number), number);
    add(1);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    struct stat st;
    assert_int_equal(fstat(number, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_size, 0);
    add(1);
    (void)turn_after(OUTBOX_RECONNECT_MS);
    (void)close(connection);
    connection = accept_one(listener);
    assert_true(connection >= 0);
    assert_int_equal(fstat(number, &st), 0);
    assert_int_equal(st.st_size, 0);
    outbox_finish(0, &no_loss);
    (void)spool_files(".frames");
    assert_int_equal(outbox_lost_spans(), 0);
    (void)close(number);
    (void)close(theirs);
    (void)close(connection);
    (void)close(listener);
}

static void test_finish_with_a_hung_collector_is_bounded(void **state)
{
    (void)state;
    int listener = listen_here();
    add(7);
    uint64_t before_ns = tape_now_ns();
    outbox_finish(150, &no_loss); /* without its bound it would never end */
    assert_true(tape_now_ns() - before_ns >= 140 * MS);
    assert_int_equal(spool_files(".frames"), 1);
    assert_int_equal(heard.frame[1].rows, 7);
    (void)close(listener);
}

static void *serve(void *argument)
{
    int listener = *(int *)argument;
    int connection = -1;
    while (connection < 0) {
        (void)usleep(1000);
        connection = accept_one(listener);
    }
    while (heard.n < 2) {
        (void)usleep(1000);
        hear(connection);
    }
    acknowledge(connection, heard.frame[heard.n - 1].sequence);
    return (void *)(intptr_t)connection;
}

static void test_finish_waits_for_the_acknowledgement(void **state)
{
    (void)state;
    int listener = listen_here();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, serve, &listener), 0);
    add(7);
    outbox_finish(3600 * 1000, &no_loss); /* the acknowledgement ends it */
    void *connection;
    assert_int_equal(pthread_join(thread, &connection), 0);
    assert_int_equal(heard.frame[1].rows, 7);
    assert_int_equal(spool_files(".frames") + spool_files(".part"), 0);
    (void)close((int)(intptr_t)connection);
    (void)close(listener);
}

/* The child has its own identity, its own connection, and sends nothing of its parent's. */
static void test_fork(void **state)
{
    (void)state;
    int listener = listen_here();
    add(1);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    int connection = accept_one(listener);
    add(2); /* queued in the parent */
    pid_t child = fork();
    if (child == 0) {
        struct span_process mine = {.pid = 2, .start_ns = 3};
        memset(mine.identity, 0x77, sizeof(mine.identity));
        struct outbox_config config = {.socket_path = socket_path, .process = mine};
        int rc = outbox_start(&config);
        add(5);
        (void)turn_after(OUTBOX_AGE_MAX_MS);
        _exit(rc == 0 && outbox_lost_spans() == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    int childs = accept_one(listener);
    assert_true(childs >= 0);
    hear(childs);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[1].identity[0], 0x77);
    assert_int_equal(heard.frame[1].rows, 5);
    assert_int_equal(heard.frame[1].first_span, 1);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    input_bytes = 0;
    hear(connection);
    assert_int_equal(heard.n, 3);
    assert_int_equal(heard.frame[2].rows, 2);
    assert_int_equal(heard.frame[2].identity[0], 0x5a);
    (void)close(childs);
    (void)close(connection);
    (void)close(listener);
}

static void test_no_descriptors_left(void **state)
{
    (void)state;
    int listener = listen_here();
    pid_t child = fork();
    if (child == 0) {
        struct rlimit three = {.rlim_cur = 3, .rlim_max = 3};
        if (setrlimit(RLIMIT_NOFILE, &three) != 0)
            _exit(2);
        add(3);
        (void)turn_after(OUTBOX_AGE_MAX_MS);
        outbox_finish(20, &no_loss);
        /* The three standard descriptors are as they were. */
        _exit(fcntl(0, F_GETFD) >= 0 && fcntl(1, F_GETFD) >= 0 && fcntl(2, F_GETFD) >= 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(listener);
}

/* In place of realloc (linked with --wrap). */
static bool no_memory;
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);

void *__wrap_realloc(void *memory, size_t bytes)
{
    return no_memory ? NULL : __real_realloc(memory, bytes);
}

/* Memory that is short when the process begins to record: the greeting is made later. */
static void test_no_memory_at_first(void **state)
{
    (void)state;
    int listener = listen_here();
    struct outbox_config config = {.socket_path = socket_path, .spool_dir = NULL, .process = process};
    no_memory = true;
    int rc = outbox_start(&config);
    add(2);
    assert_int_equal(rc, -ENOMEM);
    assert_int_equal(turn_after(OUTBOX_AGE_MAX_MS), -1);
    assert_int_equal(outbox_lost_spans(), 2);
    no_memory = false;
    add(3);
    (void)turn_after(OUTBOX_AGE_MAX_MS);
    int connection = accept_one(listener);
    hear(connection);
    assert_int_equal(heard.n, 2);
    assert_int_equal(heard.frame[0].kind, SPAN_FRAME_PROCESS);
    assert_memory_equal(heard.frame[0].identity, process.identity, 16);
    assert_int_equal(heard.frame[1].rows, 3);
    (void)close(connection);
    (void)close(listener);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_spans_arrive_and_are_acknowledged),
        TEST(test_the_end_is_said_once),
        TEST(test_full_blocks_go_at_once),
        TEST(test_restart_of_the_collector),
        TEST(test_collector_stays_away_then_comes),
        TEST(test_acknowledgement_in_pieces_and_among_others),
        TEST(test_garbage_is_no_acknowledgement),
        TEST(test_acknowledged_too_much),
        TEST(test_peer_that_never_reads),
        TEST(test_overflow_goes_to_the_spool),
        TEST(test_peer_that_hangs_up_at_once),
        TEST(test_stolen_descriptor),
        TEST(test_finish_with_a_hung_collector_is_bounded),
        TEST(test_finish_waits_for_the_acknowledgement),
        TEST(test_fork),
        TEST(test_no_descriptors_left),
        TEST(test_no_memory_at_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
