/* The listener: many senders, hostile ones, half frames, repeats, the spool, an old socket file. */
#include "collector_tests.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "collector/listen/listen.h"

static char directory[64];
static char file[128];
static char path[100];
static char spool[100];
static struct store *store;
static struct listener *listener;

static int open_listener(void)
{
    struct listen_config config = {.socket_path = path, .spool_dir = spool, .store = store};

    return listen_open(&config, &listener);
}

static int setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    snprintf(path, sizeof(path), "%s/run/s.sock", directory);
    snprintf(spool, sizeof(spool), "%s/spool", directory);
    assert_int_equal(mkdir(spool, 0700), 0);
    assert_int_equal(store_open(file, STORE_WRITE, &store), STORE_OK);
    return open_listener();
}

static int teardown(void **state)
{
    char run[100];

    (void)state;
    listen_close(listener);
    listener = NULL;
    store_close(store);
    snprintf(run, sizeof(run), "%s/run", directory);
    assert_int_equal(rmdir(run), 0); /* neither socket nor lock is left */
    test_remove(spool);
    test_remove(directory);
    return 0;
}

static void send_all(int fd, const uint8_t *data, size_t bytes)
{
    assert_int_equal(send(fd, data, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
}

static void turns(int n)
{
    for (int i = 0; i < n; i++)
        assert_int_equal(listen_turn(listener, 5), 0);
}

/* The highest number acknowledged, read without waiting; *ret_closed tells that the listener hung
 * up. */
static uint64_t acked(int fd, bool *ret_closed)
{
    uint8_t data[SPAN_FRAME_HEADER_BYTES];
    uint64_t highest = 0;
    struct span_frame frame;
    ssize_t got;

    while ((got = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
        assert_int_equal(got, sizeof(data));
        assert_int_equal(span_frame_read(&frame, data, sizeof(data)), sizeof(data));
        assert_int_equal(frame.kind, SPAN_FRAME_ACK);
        highest = frame.sequence > highest ? frame.sequence : highest;
    }
    if (ret_closed != NULL)
        *ret_closed = got == 0 || (got < 0 && errno == ECONNRESET);
    return highest;
}

static void make_stream(struct span_buffer *out, unsigned process, uint64_t from, uint64_t to)
{
    span_buffer_init(out, 64 << 20);
    test_greeting(out, process);
    for (uint64_t s = from; s <= to; s++)
        test_frame(out, process, s);
}

static void test_many(void **state)
{
    enum { SENDERS = 100, FRAMES = 6 };
    int fd[SENDERS];
    struct listen_stats stats;
    struct stat st;

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    for (unsigned p = 0; p < SENDERS; p++)
        fd[p] = test_dial(path);
    for (uint64_t s = 1; s <= FRAMES; s++)
        for (unsigned p = 0; p < SENDERS; p++) {
            struct span_buffer bytes;
            size_t half;

            make_stream(&bytes, p, s, s);
            half = bytes.bytes / 2; /* every frame comes in two pieces, and introductions may be repeated */
            send_all(fd[p], bytes.data, half);
            if (p % 10 == 0)
                turns(1);
            send_all(fd[p], bytes.data + half, bytes.bytes - half);
            span_buffer_done(&bytes);
        }
    turns(40);
    for (unsigned p = 0; p < SENDERS; p++) {
        assert_int_equal(acked(fd[p], NULL), FRAMES);
        close(fd[p]);
    }
    turns(5);
    listen_get_stats(listener, &stats);
    assert_int_equal(stats.connections, SENDERS);
    assert_int_equal(stats.connected, 0);
    assert_int_equal(stats.frames, SENDERS * FRAMES);
    assert_int_equal(stats.spans, SENDERS * FRAMES * ROWS_PER_FRAME);
    assert_int_equal(stats.damaged + stats.repeats + stats.refused, 0);
    test_holds(store, SENDERS, FRAMES);
}

static void test_hostile(void **state)
{
    uint64_t random = 3;
    struct listen_stats stats;
    struct span_buffer good;
    int honest = test_dial(path);
    bool closed;

    (void)state;
    make_stream(&good, 0, 1, 3);
    for (int i = 0; i < 200; i++) {
        struct span_buffer bytes;
        int fd = test_dial(path);

        make_stream(&bytes, 1 + (unsigned)i, 1, 1);
        switch (i % 4) {
        case 0: /* noise */
            for (size_t k = 0; k < bytes.bytes; k++)
                bytes.data[k] = (uint8_t)random_next(&random);
            break;
        case 1: /* one bit */
            bytes.data[random_next(&random) % bytes.bytes] ^= 0x10;
            break;
        case 2: /* spans of somebody who did not say who he is */
            span_buffer_done(&bytes);
            span_buffer_init(&bytes, 1 << 20);
            test_frame(&bytes, 1, 1);
            break;
        default: { /* somebody else's spans */
            test_frame(&bytes, 0, 77);
            break;
        }
        }
        send_all(fd, bytes.data, bytes.bytes);
        turns(2);
        (void)acked(fd, &closed);
        assert_true(closed);
        close(fd);
        span_buffer_done(&bytes);
    }
    send_all(honest, good.data, good.bytes);
    turns(5);
    assert_int_equal(acked(honest, NULL), 3);
    close(honest);
    span_buffer_done(&good);
    listen_get_stats(listener, &stats);
    assert_int_equal(stats.damaged, 200);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

static void test_half_frame_and_resend(void **state)
{
    struct span_buffer bytes;
    struct listen_stats stats;
    int fd = test_dial(path);

    (void)state;
    make_stream(&bytes, 0, 1, 5);
    send_all(fd, bytes.data, bytes.bytes - 20);
    turns(5);
    assert_int_equal(acked(fd, NULL), 4);
    close(fd); /* died in the middle of frame 5 */
    turns(2);
    fd = test_dial(path);
    send_all(fd, bytes.data, bytes.bytes); /* sends everything again */
    turns(5);
    assert_int_equal(acked(fd, NULL), 5); /* repeats are acknowledged like the rest */
    close(fd);
    span_buffer_done(&bytes);
    listen_get_stats(listener, &stats);
    assert_int_equal(stats.frames, 5);
    assert_int_equal(stats.repeats, 4);
    assert_int_equal(stats.damaged, 0);
    test_holds(store, 1, 5);
}

/* What was sent before the end is taken in, even from those not accepted yet. */
static void test_close_takes_rest(void **state)
{
    struct span_buffer bytes;
    int fd = test_dial(path);

    (void)state;
    make_stream(&bytes, 0, 1, 4);
    send_all(fd, bytes.data, bytes.bytes);
    span_buffer_done(&bytes);
    assert_int_equal(listen_close(listener), 0);
    listener = NULL;
    assert_int_equal(acked(fd, NULL), 4);
    close(fd);
    test_holds(store, 1, 4);
}

static void test_socket_file(void **state)
{
    struct listener *mine = listener;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    (void)state;
    assert_int_equal(open_listener(), -1);
    assert_non_null(strstr(listen_why(), "in use"));
    listen_close(mine);
    listener = NULL;
    /* A program without our lock answers there. */
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(open_listener(), -1);
    assert_non_null(strstr(listen_why(), "in use"));
    assert_int_equal(access(path, F_OK), 0);
    close(fd); /* now it is deserted */
    assert_int_equal(open_listener(), 0);
    listen_close(listener);
    listener = NULL;
    /* A file that is not a socket stays. */
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(open_listener(), -1);
    assert_non_null(strstr(listen_why(), "not a socket"));
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    assert_int_equal(open_listener(), 0);
}

/* Who may connect is said by the socket's mode alone, whatever the umask. */
static void test_socket_mode(void **state)
{
    struct listen_config config = {.socket_path = path, .spool_dir = spool, .store = store, .any_user = true};
    struct stat st;
    const mode_t before = umask(077);

    (void)state;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    listen_close(listener);
    listener = NULL;
    assert_int_equal(listen_open(&config, &listener), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    (void)umask(before);
}

static void write_spool(const char *name, const uint8_t *data, size_t bytes)
{
    char to[200];
    int fd;

    snprintf(to, sizeof(to), "%s/%s", spool, name);
    fd = open(to, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    assert_int_equal(write(fd, data, bytes), (ssize_t)bytes);
    close(fd);
}

static bool exists(const char *name)
{
    char at[200];

    snprintf(at, sizeof(at), "%s/%s", spool, name);
    return access(at, F_OK) == 0;
}

static void test_spool(void **state)
{
    struct span_buffer bytes;
    struct listen_stats stats;
    char live[200];
    int fd;

    (void)state;
    for (unsigned p = 0; p < 4; p++) {
        make_stream(&bytes, p, 1, 3);
        if (p == 0)
            write_spool("a.frames", bytes.data, bytes.bytes);
        if (p == 1) /* its writer died in the middle of a frame; the rest comes with the next connection */
            write_spool("b.part", bytes.data, bytes.bytes - 9);
        if (p == 2) /* its writer lives */
            write_spool("c.part", bytes.data, bytes.bytes);
        if (p == 3) {
            bytes.data[bytes.bytes - 9] ^= 1;
            write_spool("d.frames", bytes.data, bytes.bytes);
        }
        span_buffer_done(&bytes);
    }
    write_spool("unrelated.txt", (const uint8_t *)"mine", 4);
    snprintf(live, sizeof(live), "%s/c.part", spool);
    fd = open(live, O_WRONLY);
    struct flock writing = {.l_type = F_WRLCK};
    assert_int_equal(fcntl(fd, F_OFD_SETLK, &writing), 0);
    assert_int_equal(listen_spool(listener), 3);
    assert_false(exists("a.frames"));
    assert_false(exists("b.part"));
    assert_true(exists("c.part"));
    assert_true(exists("d.frames.damaged"));
    assert_true(exists("unrelated.txt"));
    close(fd);
    assert_int_equal(listen_spool(listener), 1);
    assert_false(exists("c.part"));
    listen_get_stats(listener, &stats);
    assert_int_equal(stats.frames, 3 + 2 + 3 + 2);
    assert_int_equal(stats.files, 3);
    assert_int_equal(stats.damaged, 1);
    /* One that was closed has no half frames: something cut it. What is whole in it is taken, the
     * file is kept. */
    make_stream(&bytes, 2, 1, 3);
    write_spool("cut.frames", bytes.data, bytes.bytes - 9);
    span_buffer_done(&bytes);
    assert_int_equal(listen_spool(listener), 1);
    assert_true(exists("cut.frames.damaged"));
    listen_get_stats(listener, &stats);
    assert_int_equal(stats.damaged, 2);
    /* The processes whose last frame was lost send it again. */
    for (unsigned p = 1; p < 4; p += 2) {
        make_stream(&bytes, p, 1, 3);
        write_spool("again.frames", bytes.data, bytes.bytes);
        assert_int_equal(listen_spool(listener), 1);
        span_buffer_done(&bytes);
    }
    test_holds(store, 4, 3);
}

/* One byte is wrong, anywhere: all frames but the one that it hits are taken in, the file is kept,
 * and the loss is a number. In the introduction too, whether the process is known or not. */
static void test_damaged_spool(void **state)
{
    enum { FRAMES = 20 };
    uint64_t random = 9;

    (void)state;
    for (unsigned p = 0; p < 40; p++) {
        struct span_buffer bytes;
        struct listen_stats before, after;
        struct store_loss loss;
        char name[40];
        size_t at;

        make_stream(&bytes, p, 1, FRAMES);
        at = p % 4 == 0 ? random_next(&random) % 200 : random_next(&random) % bytes.bytes;
        bytes.data[at] ^= (uint8_t)(1u << p % 8);
        snprintf(name, sizeof(name), "x%u.%s", p, p % 2 ? "part" : "frames");
        write_spool(name, bytes.data, bytes.bytes);
        listen_get_stats(listener, &before);
        assert_int_equal(listen_spool(listener), 1);
        listen_get_stats(listener, &after);
        assert_in_range(after.frames - before.frames, FRAMES - 1, FRAMES);
        assert_int_equal(after.damaged, p + 1);
        assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
        assert_int_equal(loss.events[STORE_LOSS_spool_damaged], p + 1);
        strcat(name, ".damaged");
        assert_true(exists(name));
        span_buffer_done(&bytes);
    }
    assert_int_equal(listen_spool(listener), 0);
    assert_int_equal(store_check(store, test_fault, NULL), 0);
}

/* What a loss of power leaves of a file, closed or not: none of its bytes, or any number of them.
 * The store then knows of the process, which has not said that it is done, or counts a damaged
 * file, once. */
static void test_cut_spool(void **state)
{
    static const size_t cuts[] = {0, 1, 8, 31, 32, 64, 100, 159, 200, 300};

    (void)state;
    for (unsigned p = 0; p < 2 * sizeof(cuts) / sizeof(*cuts); p++) {
        struct span_buffer bytes;
        struct store_loss before, after;
        char name[40];

        assert_int_equal(store_loss(store, 0, &before), STORE_OK);
        make_stream(&bytes, p, 1, 3);
        snprintf(name, sizeof(name), "x%u.%s", p, p % 2 ? "part" : "frames");
        write_spool(name, bytes.data, cuts[p / 2] < bytes.bytes ? cuts[p / 2] : bytes.bytes);
        span_buffer_done(&bytes);
        assert_int_equal(listen_spool(listener), 1);
        assert_int_equal(listen_spool(listener), 0);
        assert_int_equal(store_loss(store, 0, &after), STORE_OK);
        const uint64_t open = after.open - before.open;
        const uint64_t damaged = after.events[STORE_LOSS_spool_damaged] - before.events[STORE_LOSS_spool_damaged];
        assert_true(open + damaged > 0 && open <= 1 && damaged <= 1);
        if (cuts[p / 2] == 0)
            assert_int_equal(damaged, 1);
        strcat(name, ".damaged");
        assert_int_equal(exists(name), damaged);
    }
}

/* A frame that announces 4 MB and never comes costs no more than what was sent; one that announces
 * more is refused. */
/* A file without end, of which most is a hole: what is whole at its beginning is taken in, and the
 * rest is not waited for, whether it is said to be closed or not. */
static void test_endless_spool(void **state)
{
    static const char *const names[] = {"endless.frames", "endless.part"};
    struct span_buffer bytes;
    struct listen_stats stats;
    char at[200];

    (void)state;
    for (unsigned p = 0; p < 2; p++) {
        make_stream(&bytes, p, 1, 3);
        write_spool(names[p], bytes.data, bytes.bytes);
        span_buffer_done(&bytes);
        snprintf(at, sizeof(at), "%s/%s", spool, names[p]);
        if (truncate(at, (off_t)1 << 40) != 0)
            skip(); /* a file system without such files */
        assert_int_equal(listen_spool(listener), 1);
        assert_false(exists(names[p]));
        listen_get_stats(listener, &stats);
        assert_int_equal(stats.damaged, p + 1);
    }
    assert_true(exists("endless.frames.damaged"));
    assert_true(exists("endless.part.damaged"));
    test_holds(store, 2, 3);
}

static void test_bounds(void **state)
{
    struct span_buffer bytes;
    int fd[50];

    (void)state;
    make_stream(&bytes, 0, 1, 1);
    for (int i = 0; i < 50; i++) {
        fd[i] = test_dial(path);
        send_all(fd[i], bytes.data, bytes.bytes - 1);
    }
    turns(5);
    for (int i = 0; i < 50; i++) {
        bool closed;

        (void)acked(fd[i], &closed);
        assert_false(closed);
        close(fd[i]);
    }
    turns(3);
    span_buffer_done(&bytes);
    test_holds(store, 0, 0);
}

/* Those of one process beyond its bound are refused, and the store says so, once. */
static void test_refused_connections(void **state)
{
    enum { MOST = LISTEN_PROCESS_CONNECTIONS_MAX, BEYOND = 3 };
    static int fd[MOST + BEYOND];
    struct rlimit before, limit;
    struct listen_stats stats;
    struct store_loss loss;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 3 * MOST < before.rlim_max ? 3 * MOST : before.rlim_max, before.rlim_max};
    if (limit.rlim_cur < 2 * MOST + 100)
        skip();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < MOST + BEYOND; i++) {
        fd[i] = test_dial(path);
        do {
            assert_int_equal(listen_turn(listener, 100), 0);
            listen_get_stats(listener, &stats);
        } while (stats.connections + stats.refused <= (uint64_t)i);
    }
    assert_int_equal(stats.connected, MOST);
    assert_int_equal(stats.refused, BEYOND);
    for (int twice = 0; twice < 2; twice++) {
        assert_true(listen_spool(listener) >= 0);
        assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
        assert_int_equal(loss.events[STORE_LOSS_connection_refused], BEYOND);
    }
    for (int i = 0; i < MOST + BEYOND; i++)
        close(fd[i]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_frame_and_resend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close_takes_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_spool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_spool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_endless_spool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_connections, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
