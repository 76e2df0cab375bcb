/*
 * For test_outbox.c, test_outbox_told.c and test_no_memory_outbox.c: a collector played by the test
 * (it listens, hears frames, acknowledges, reads spool files), and the outbox's side of it.
 */
#pragma once

#pragma GCC diagnostic ignored "-Wunused-function" /* each uses some */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/outbox/outbox.h"
#include "shim/tape/tape.h"
#include "../../span/block.h"

enum { FRAMES_MAX = 512, INPUT_MAX = 8 * 1024 * 1024 };
static const uint64_t MS = 1000000U;

static char top[64], socket_path[100], spool_dir[128];
/* What the outbox says where LIBPPROF_LOG asks for it. */
void shim_say_once(const char *message);
void shim_say_once(const char *message)
{
    (void)message;
}

static uint64_t clock_ns; /* the outbox's clock: stands still but for what turn_after adds */
static const struct span_loss no_loss;
static struct span_process process;

/* What a peer has read: a connection or a spool file. */
static struct heard {
    size_t n;
    struct {
        unsigned kind;
        unsigned flags;
        uint64_t sequence;
        size_t rows;
        uint64_t first_span;
        struct span_loss loss;
        uint8_t identity[16];
    } frame[FRAMES_MAX];
    size_t rest; /* bytes of an incomplete frame at the end */
    bool bad;
} heard;

static uint8_t input[INPUT_MAX];
static size_t input_bytes;

/* ---- the played collector ---- */

static int listen_here(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    (void)unlink(socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int accept_one(int listener)
{
    input_bytes = 0;
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static void parse(const uint8_t *data, size_t bytes)
{
    memset(&heard, 0, sizeof(heard));
    size_t at = 0;
    while (at < bytes && heard.n < FRAMES_MAX) {
        struct span_frame frame;
        long length = span_frame_read(&frame, data + at, bytes - at);
        if (length <= 0) {
            heard.bad = length < 0;
            break;
        }
        heard.frame[heard.n].kind = frame.kind;
        heard.frame[heard.n].sequence = frame.sequence;
        heard.frame[heard.n].flags = frame.flags;
        heard.frame[heard.n].loss = frame.loss;
        memcpy(heard.frame[heard.n].identity, frame.identity, 16);
        if (frame.kind == SPAN_FRAME_SPANS) {
            static struct span_block block;
            span_block_init(&block);
            assert_int_equal(span_block_decode(&block, frame.payload, frame.payload_bytes), 0);
            heard.frame[heard.n].rows = block.n;
            heard.frame[heard.n].first_span = block.column[SPAN_seq].u64[0];
            span_block_done(&block);
        }
        heard.n++;
        at += (size_t)length;
    }
    heard.rest = bytes - at;
}

/* Reads what has come on the connection; `heard` then holds all since accept_one. */
static void hear(int connection)
{
    ssize_t got;
    while ((got = read(connection, input + input_bytes, sizeof(input) - input_bytes)) > 0)
        input_bytes += (size_t)got;
    parse(input, input_bytes);
    assert_false(heard.bad);
}

static size_t make_frame(uint8_t *ret_bytes, size_t capacity, unsigned kind, uint64_t sequence)
{
    struct span_buffer out;
    span_buffer_init(&out, capacity);
    struct span_frame frame = {.kind = (uint16_t)kind, .sequence = sequence};
    assert_int_equal(span_frame_write(&out, &frame), 0);
    size_t bytes = out.bytes;
    memcpy(ret_bytes, out.data, bytes);
    span_buffer_done(&out);
    return bytes;
}

static void acknowledge(int connection, uint64_t sequence)
{
    uint8_t frame[256];
    size_t bytes = make_frame(frame, sizeof(frame), SPAN_FRAME_ACK, sequence);
    assert_int_equal(write(connection, frame, bytes), bytes);
}

static size_t spool_files(const char *ending)
{
    DIR *directory = opendir(spool_dir);
    size_t n = 0;
    input_bytes = 0;
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        if (dot == NULL || strcmp(dot, ending) != 0)
            continue;
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", spool_dir, entry->d_name);
        int fd = open(path, O_RDONLY);
        assert_true(fd >= 0);
        ssize_t got = read(fd, input + input_bytes, sizeof(input) - input_bytes);
        assert_true(got > 0);
        input_bytes += (size_t)got;
        (void)close(fd);
        n++;
    }
    if (directory != NULL)
        (void)closedir(directory);
    parse(input, input_bytes);
    assert_false(heard.bad);
    assert_int_equal(heard.rest, 0);
    return n;
}

/* ---- the outbox's side ---- */

static void start(const char *spool)
{
    memset(&process, 0, sizeof(process));
    memset(process.identity, 0x5a, sizeof(process.identity));
    process.pid = 1;
    process.start_ns = 2;
    struct outbox_config config = {.socket_path = socket_path, .spool_dir = spool, .process = process};
    assert_int_equal(outbox_start(&config), 0);
    clock_ns = tape_now_ns();
}

static int turn_after(uint64_t ms)
{
    clock_ns += ms * MS;
    return outbox_turn(clock_ns, &no_loss);
}

static void add(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct span span;
        span_init(&span);
        span_set_u64(&span, SPAN_start_ns, 1700000000000000000U + i);
        span_set_text(&span, SPAN_request_model, "a-model", 7);
        outbox_add(clock_ns, &span, 0, &(struct journal_slot){0});
    }
}

/* Spans that do not compress. */
static void add_noise(size_t n)
{
    static uint64_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        static const enum span_field fields[] = {SPAN_request_model, SPAN_response_model, SPAN_response_id, SPAN_path,
                                                 SPAN_host};
        struct span span;
        span_init(&span);
        span_set_u64(&span, SPAN_start_ns, seed);
        for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
            char text[500];
            for (size_t b = 0; b < sizeof(text); b++) {
                seed = seed * 6364136223846793005U + 1442695040888963407U;
                text[b] = (char)(0x20 + (seed >> 33) % 95);
            }
            span_set_text(&span, fields[f], text, sizeof(text));
        }
        outbox_add(clock_ns, &span, 0, &(struct journal_slot){0});
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(top, "/tmp/test_outbox_XXXXXX");
    if (mkdtemp(top) == NULL)
        return -1;
    (void)snprintf(socket_path, sizeof(socket_path), "%s/socket", top);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", top);
    start(spool_dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(socket_path);
    outbox_finish(0, &no_loss); /* leaves nothing allocated */
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
