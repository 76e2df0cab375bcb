/* The listener at its edges: acknowledgements that do not fit, halves that stay halves, a store
 * that fails, files that are none of its. What only time would bring is put into the listener's own
 * numbers. */
#include "collector_tests.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "collector/listen/listen_inner.h"

static const uint64_t ms = 1000000;
static char directory[64], file[128], path[100], spool[100], journals[100];
static const char *const journal_dirs[] = {journals, NULL};
static struct store *store;
static struct listener *listener;

static int setup(void **state)
{
    const struct listen_config config = {.socket_path = path, .spool_dir = spool, .journal_dirs = journal_dirs};
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    snprintf(path, sizeof(path), "%s/s.sock", directory);
    snprintf(spool, sizeof(spool), "%s/spool", directory);
    snprintf(journals, sizeof(journals), "%s/journals", directory);
    assert_int_equal(mkdir(spool, 0700), 0);
    assert_int_equal(mkdir(journals, 0700), 0);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    assert_int_equal(listen_open(&config, &listener), 0);
    listener->config.store = store;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    listen_close(listener);
    store_close(store);
    test_remove(spool);
    test_remove(journals);
    test_remove(directory);
    return 0;
}

/* Sends the frames `from` to `to` of process 0, but for the last `missing` bytes. */
static void send_frames(int fd, uint64_t from, uint64_t to, size_t missing)
{
    struct span_buffer out;
    span_buffer_init(&out, 1 << 24);
    test_greeting(&out, 0);
    for (uint64_t s = from; s <= to; s++)
        test_frame(&out, 0, s);
    assert_int_equal(send(fd, out.data, out.bytes - missing, MSG_NOSIGNAL), out.bytes - missing);
    span_buffer_done(&out);
}

/* What came from the listener, read without waiting. */
struct heard {
    uint8_t data[1 << 20];
    size_t bytes;
    uint64_t last; /* number acknowledged */
    bool closed;
};

static void hear(struct heard *heard, int fd)
{
    struct span_frame frame;
    ssize_t got;
    long length;
    while ((got = recv(fd, heard->data + heard->bytes, sizeof(heard->data) - heard->bytes, MSG_DONTWAIT)) > 0)
        heard->bytes += (size_t)got;
    heard->closed = got == 0 || errno == ECONNRESET;
    while ((length = span_frame_read(&frame, heard->data, heard->bytes)) > 0) {
        assert_int_equal(frame.kind, SPAN_FRAME_ACK);
        heard->last = frame.sequence;
        heard->bytes -= (size_t)length;
        memmove(heard->data, heard->data + length, heard->bytes);
    }
}

/* Turns until the listener hung up, or until frame `last` is acknowledged. */
static void turn_until(int fd, uint64_t last, bool closed)
{
    static struct heard heard;
    heard = (struct heard){0};
    for (int i = 0; i < 1000 && (closed ? !heard.closed : heard.last != last); i++) {
        assert_int_equal(listen_turn(listener, 5), 0);
        hear(&heard, fd);
    }
    assert_int_equal(heard.closed, closed);
    if (!closed)
        assert_int_equal(heard.last, last);
}

/* A sender that does not read for a while hears of all its frames once it does, though it sends
 * nothing more; then nothing keeps the listener awake. */
static void acknowledgements_that_do_not_fit(void **state)
{
    const int small = 1;
    int fd = test_dial(path);
    uint64_t s = 1;
    (void)state;
    send_frames(fd, s, s, 0);
    turn_until(fd, s, false);
    assert_int_equal(setsockopt(listener->connections->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    for (; s < 1000 && !listener->connections->writing; s++) {
        send_frames(fd, s + 1, s + 1, 0);
        do
            assert_int_equal(listen_turn(listener, 5), 0);
        while (listener->stats.frames <= s);
    }
    assert_true(listener->connections->writing);
    turn_until(fd, s, false);
    assert_false(listener->connections->writing);
    close(fd);
}

/* Half a frame that stays half costs its connection, which is counted; one that is younger, and who
 * has sent nothing at all, stay. */
static void halves_that_stay_halves(void **state)
{
    struct store_loss loss;
    int half = test_dial(path), younger, silent;
    (void)state;
    send_frames(half, 1, 1, 1);
    do
        assert_int_equal(listen_turn(listener, 5), 0);
    while (listener->connections == NULL || listener->connections->frame_ns == 0);
    struct connection *const first = listener->connections;
    younger = test_dial(path);
    silent = test_dial(path);
    send_frames(younger, 1, 1, 1);
    do
        assert_int_equal(listen_turn(listener, 5), 0);
    while (listener->stats.connected < 3 ||
           (listener->connections->frame_ns == 0 && listener->connections->next->frame_ns == 0));
    first->frame_ns = listen_now_ns() - (LISTEN_HALF_FRAME_MS + 1) * ms;
    listener->share_ns = 0; /* looked for once in each share of time */
    turn_until(half, 0, true);
    assert_int_equal(listener->stats.refused, 1);
    assert_int_equal(listener->stats.connected, 2);
    assert_true(listen_spool(listener) >= 0);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_connection_refused], 1);
    close(half);
    close(younger);
    close(silent);
}

/* Senders are hung up on and nobody is let in for a while; then all is as before, and nothing was
 * lost. */
static void a_store_that_fails(void **state)
{
    struct rlimit before, none;
    int fd = test_dial(path), status = 0;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = (struct rlimit){1, before.rlim_max};
    send_frames(fd, 1, 3, 0);
    const uint64_t begun_ns = listen_now_ns();
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (int i = 0; i < 1000 && status == 0; i++)
        status = listen_turn(listener, 5);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(status < 0);
    assert_null(listener->connections);
    assert_false(listener->accepting);
    assert_true(listener->pause_ns >= begun_ns + LISTEN_PAUSE_MS * ms);
    assert_true(listen_wait_ms(listener) <= LISTEN_PAUSE_MS);
    close(fd);
    fd = test_dial(path);
    send_frames(fd, 1, 3, 0);
    listener->pause_ns = 1; /* it is over */
    turn_until(fd, 3, false);
    close(fd);
    test_holds(store, 1, 3);
}

static int make(const char *in, const char *name, time_t seconds_ago)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - seconds_ago}};
    char at[200];
    snprintf(at, sizeof(at), "%s/%s", in, name);
    int fd = open(at, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, times), 0);
    return fd;
}

static bool is_there(const char *in, const char *name)
{
    struct stat st;
    char at[200];
    snprintf(at, sizeof(at), "%s/%s", in, name);
    return lstat(at, &st) == 0;
}

/* A journal that its process died making, and nothing else, goes without a word. */
static void unborn_journals(void **state)
{
    (void)state;
    close(make(journals, "old.new", LISTEN_UNBORN_S + 10));
    close(make(journals, "young.new", 0));
    close(make(journals, "other.fresh.new", LISTEN_UNBORN_S + 10)); /* the spool's are looked after elsewhere */
    int making = make(journals, "making.new", LISTEN_UNBORN_S + 10);
    assert_int_equal(flock(making, LOCK_EX), 0);
    assert_int_equal(listen_spool(listener), 0);
    assert_false(is_there(journals, "old.new"));
    assert_true(is_there(journals, "young.new"));
    assert_true(is_there(journals, "other.fresh.new"));
    assert_true(is_there(journals, "making.new"));
    close(making);
    assert_int_equal(listener->stats.damaged, 0);
}

/* What is named like one and cannot be opened, or is no file, stays and counts as nothing. */
static void names_that_are_no_files(void **state)
{
    static const char *const names[] = {"%s/link.live", "%s/link.frames", "%s/link.new", "%s/link.mark"};
    char at[200];
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
        snprintf(at, sizeof(at), names[i / 2], i % 2 == 0 ? spool : journals);
        assert_int_equal(symlink(file, at), 0);
    }
    snprintf(at, sizeof(at), "%s/directory.live", journals);
    assert_int_equal(mkdir(at, 0700), 0);
    assert_int_equal(listen_spool(listener), 0);
    assert_int_equal(rmdir(at), 0);
    for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
        snprintf(at, sizeof(at), names[i / 2], i % 2 == 0 ? spool : journals);
        assert_int_equal(unlink(at), 0);
    }
    assert_int_equal(listener->stats.damaged + listener->stats.journals + listener->stats.files, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(acknowledgements_that_do_not_fit, setup, teardown),
        cmocka_unit_test_setup_teardown(halves_that_stay_halves, setup, teardown),
        cmocka_unit_test_setup_teardown(a_store_that_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(unborn_journals, setup, teardown),
        cmocka_unit_test_setup_teardown(names_that_are_no_files, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
