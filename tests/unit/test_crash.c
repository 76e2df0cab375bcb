/* pprofd is killed with SIGKILL fifty times while a sender goes on; in the end each span is there
 * exactly once. Which kill comes at which moment is chance; what is asserted holds for every
 * one. */
#include "collector_tests.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { KILLS = 50, FRAMES = 4000, FRAMES_PER_ROUND = FRAMES / KILLS };

static char directory[64];
static char file[128], path[100], spool[100];

static pid_t start_pprofd(void)
{
    pid_t child = fork();

    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, 2);
        execl(PPROFD, PPROFD, "--socket", path, "--store", file, "--spool", spool, (char *)NULL);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static int wait_for_socket(void)
{
    for (int i = 0; i < 12000; i++) {
        int fd = dial();

        if (fd >= 0)
            return fd;
        usleep(5000);
    }
    fail_msg("pprofd did not listen within a minute");
    return -1;
}

/* Sends from the first frame not acknowledged up to `last`, for some time or until an error.
 * Updates *acked. */
static void send_for(int fd, const struct span_buffer *sent, uint64_t *acked, uint64_t last, int ms)
{
    uint64_t next = *acked + 1;
    size_t at = 0;
    const struct span_buffer *now = &sent[0]; /* the introduction first */
    struct timespec begin;
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = (short)(POLLIN | (now != NULL ? POLLOUT : 0))};
        uint8_t data[SPAN_FRAME_HEADER_BYTES];
        struct span_frame frame;
        ssize_t n;

        clock_gettime(CLOCK_MONOTONIC, &end);
        if ((end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000 >= ms || *acked == last)
            return;
        poll(&waiting, 1, 5);
        n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
        if (n == 0)
            return;
        if (n == (ssize_t)sizeof(data) && span_frame_read(&frame, data, sizeof(data)) > 0 && frame.sequence > *acked)
            *acked = frame.sequence;
        if (now == NULL)
            continue;
        n = send(fd, now->data + at, now->bytes - at < 700 ? now->bytes - at : 700, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return;
        at += n > 0 ? (size_t)n : 0;
        if (at == now->bytes) {
            at = 0;
            now = next <= last ? &sent[next] : NULL;
            next++;
        }
    }
}

/* The introduction and some frames as fast as the socket takes them; what is acknowledged stays
 * unread. */
static void send_unheard(int fd, const struct span_buffer *sent_frames, uint64_t from, uint64_t n)
{
    for (uint64_t i = 0; i <= n && (i == 0 || from + i - 1 <= FRAMES); i++) {
        const struct span_buffer *now = i == 0 ? &sent_frames[0] : &sent_frames[from + i - 1];

        for (size_t at = 0; at < now->bytes;) {
            ssize_t sent = send(fd, now->data + at, now->bytes - at, MSG_NOSIGNAL);

            if (sent < 0 && errno == EAGAIN) {
                struct pollfd waiting = {.fd = fd, .events = POLLOUT};

                poll(&waiting, 1, 1000);
                continue;
            }
            assert_true(sent > 0);
            at += (size_t)sent;
        }
    }
}

static struct span_buffer frames[FRAMES + 1];

static int make_frames(void **state)
{
    (void)state;
    span_buffer_init(&frames[0], 1 << 20);
    test_greeting(&frames[0], 0);
    for (uint64_t s = 1; s <= FRAMES; s++) {
        span_buffer_init(&frames[s], 1 << 20);
        test_frame(&frames[s], 0, s);
    }
    return 0;
}

static int free_frames(void **state)
{
    (void)state;
    for (uint64_t s = 0; s <= FRAMES; s++)
        span_buffer_done(&frames[s]);
    return 0;
}

static void send_until_heard(uint64_t *acked, uint64_t last)
{
    for (int i = 0; i < 100 && *acked < last; i++) {
        int fd = wait_for_socket();

        send_for(fd, frames, acked, last, 2000);
        close(fd);
    }
    assert_int_equal(*acked, last);
}

/* The store is removed, or the directory with it, while pprofd runs: what is acknowledged
 * afterwards is in the store that has its name then. */
static void test_store_removed_under_pprofd(void **state)
{
    char place[100];
    char tail[160];

    (void)state;
    snprintf(place, sizeof(place), "%s/kept", directory);
    snprintf(file, sizeof(file), "%s/pprof.db", place);
    for (int whole = 0; whole < 2; whole++) {
        pid_t child = mkdir(place, 0700) == 0 ? start_pprofd() : -1;
        struct store *store = NULL;
        struct store_totals totals;
        struct store_loss loss;
        uint64_t acked = 0;
        int code = -1;

        send_until_heard(&acked, 5);
        if (whole) {
            test_remove(place);
        } else {
            assert_int_equal(unlink(file), 0);
            snprintf(tail, sizeof(tail), "%s-wal", file);
            assert_int_equal(access(tail, F_OK), 0); /* the log of the store that went */
        }
        send_until_heard(&acked, 9);
        kill(child, SIGTERM);
        assert_int_equal(waitpid(child, &code, 0), child);
        assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
        assert_int_equal(store_open(file, STORE_READ, &store), STORE_OK);
        assert_int_equal(store_totals(store, &totals), STORE_OK);
        assert_int_equal(totals.spans, 4 * ROWS_PER_FRAME);
        assert_int_equal(store_check(store, test_fault, NULL), 0);
        assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
        assert_int_equal(loss.frames, 0); /* what went with the old store was not lost on its way */
        assert_int_equal(loss.older, 1);
        store_close(store);
        test_remove(place);
    }
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
}

static void test_killed_fifty_times(void **state)
{
    uint64_t random = 11;
    uint64_t acked = 0;
    struct store *store = NULL;
    pid_t child;

    (void)state;
    for (int k = 0; k < KILLS; k++) {
        int fd;

        child = start_pprofd();
        fd = wait_for_socket();
        /* Every other kill comes while frames are under way, whatever the machine is doing: they
         * were sent and not one acknowledgement has been read. The rest come when they come. */
        if (k % 2 == 0)
            send_unheard(fd, frames, acked + 1, FRAMES_PER_ROUND / 2);
        else
            send_for(fd, frames, &acked, (uint64_t)(k + 1) * FRAMES_PER_ROUND, (int)(random_next(&random) % 25));
        usleep((useconds_t)(random_next(&random) % 3000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(fd);
        /* Acknowledgements now and then get lost with the daemon: the sender must send again what
         * it cannot know of. */
        if (acked > 3 && k % 5 == 0)
            acked -= 3;
    }
    child = start_pprofd();
    send_until_heard(&acked, FRAMES);
    close(wait_for_socket()); /* ready, and so no longer to be ended by a signal's default */
    kill(child, SIGTERM);
    int code = -1;
    assert_int_equal(waitpid(child, &code, 0), child);
    assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(store_open(file, STORE_READ, &store), STORE_OK);
    test_holds(store, 1, FRAMES);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_store_removed_under_pprofd),
                                       cmocka_unit_test(test_killed_fifty_times)};
    int failed;

    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    snprintf(path, sizeof(path), "%s/s.sock", directory);
    snprintf(spool, sizeof(spool), "%s/spool", directory);
    failed = cmocka_run_group_tests(tests, make_frames, free_frames);
    test_remove(directory);
    return failed;
}
