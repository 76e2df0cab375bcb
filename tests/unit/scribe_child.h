/*
 * For test_scribe.c, test_scribe_denied.c and test_no_memory_scribe.c: exchanges that only count, a
 * tape written by hand, the reading of what came out, and tests in child processes.
 */
#pragma once

#pragma GCC diagnostic ignored "-Wunused-function" /* each test uses some */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/base/config.h"
#include "shim/base/own_thread.h"
#include "shim/base/say.h"
#include "shim/scribe/exchange_keys.h"
#include "shim/scribe/flights.h"
#include "shim/llm/desk.h"
#include "shim/llm/exchange.h"
#include "shim/scribe/scribe.h"
#include "shim/tape/tally.h"
#include "shim/tape/tape.h"
#include "../../span/block.h"
#include "../../span/frame.h"

static const uint64_t MS = 1000000U;
enum { CHILD_SECONDS_MAX = 240 };

static char top[64], socket_path[100], spool_dir[128];
struct shim_config shim_config;
static _Atomic int said;

void shim_say_once(const char *message)
{
    (void)message;
    said++;
}

void shim_say_once_about(const char *message, const char *about)
{
    (void)about;
    shim_say_once(message);
}

/* ---- exchanges that count: what they were told comes out as fields of the span ---- */

struct exchange {
    uint64_t request_bytes, response_bytes, lost_bytes, rewinds, headers, pauses, resumes;
};
static _Atomic uint64_t closed;
static _Atomic bool held; /* the scribe waits at the beginning of a request to "hold" */

void exchange_keys_prepare(struct exchange_config *ret_config)
{
    *ret_config = (struct exchange_config){.preview_chars = shim_config.preview_chars};
}

void exchange_keys_save(const struct exchange_config *config)
{
    (void)config;
}

struct exchange *exchange_open(const struct exchange_config *config, const struct exchange_start *start,
                               bool *ret_no_memory)
{
    *ret_no_memory = start->url_bytes == 6 && memcmp(start->url, "memory", 6) == 0;
    if (*ret_no_memory || config->preview_chars != 7 || (start->url_bytes == 5 && memcmp(start->url, "other", 5) == 0))
        return NULL;
    while (start->url_bytes == 4 && memcmp(start->url, "hold", 4) == 0 && atomic_load(&held))
        (void)usleep(1000);
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    *ret_no_memory = exchange == NULL;
    return exchange;
}
void desk_new_process(void)
{
}
uint64_t desk_given_up(void)
{
    return 0;
}
void exchange_request_body(struct exchange *exchange, uint64_t time_ns, const uint8_t *data, size_t bytes)
{
    (void)time_ns;
    (void)data;
    exchange->request_bytes += bytes;
}
void exchange_request_headers(struct exchange *exchange, const char *headers, size_t bytes)
{
    (void)exchange, (void)headers, (void)bytes;
}

void exchange_request_rewind(struct exchange *exchange)
{
    exchange->rewinds++;
}
void exchange_response_header(struct exchange *exchange, uint64_t time_ns, const char *line, size_t bytes)
{
    (void)time_ns;
    (void)line;
    (void)bytes;
    exchange->headers++;
}
void exchange_response_body(struct exchange *exchange, uint64_t time_ns, const uint8_t *data, size_t bytes)
{
    (void)time_ns;
    (void)data;
    exchange->response_bytes += bytes;
}
void exchange_pause(struct exchange *exchange, uint64_t time_ns)
{
    (void)time_ns;
    exchange->pauses++;
}
void exchange_resume(struct exchange *exchange, uint64_t time_ns)
{
    (void)time_ns;
    exchange->resumes++;
}
void exchange_lost(struct exchange *exchange, uint64_t bytes)
{
    exchange->lost_bytes += bytes;
}
bool exchange_peek(struct exchange *exchange, uint64_t time_ns, struct span *ret_span)
{
    (void)time_ns;
    span_init(ret_span);
    span_set_u64(ret_span, SPAN_stream_events, exchange->headers);
    return true;
}
bool exchange_close(struct exchange *exchange, const struct exchange_end *end, struct span *ret_span)
{
    span_init(ret_span);
    span_set_u64(ret_span, SPAN_start_ns, 1700000000000000000U);
    span_set_u64(ret_span, SPAN_request_bytes, exchange->request_bytes);
    span_set_u64(ret_span, SPAN_response_bytes, exchange->response_bytes);
    span_set_u64(ret_span, SPAN_lost_bytes, exchange->lost_bytes + end->lost_bytes);
    span_set_u64(ret_span, SPAN_refused, end->how == EXCHANGE_UNSEEN);
    span_set_u64(ret_span, SPAN_redirects, exchange->rewinds);
    span_set_u64(ret_span, SPAN_stream_events, exchange->headers);
    span_set_u64(ret_span, SPAN_tool_calls, exchange->pauses * 10 + exchange->resumes);
    span_set_u64(ret_span, SPAN_status, end->status);
    span_set_u64(ret_span, SPAN_total_ns, end->total_ns);
    span_set_u64(ret_span, SPAN_wait_ns, end->wait_ns);
    span_set_u64(ret_span, SPAN_truncated, end->how == EXCHANGE_CANCELLED || end->how == EXCHANGE_UNSEEN);
    free(exchange);
    closed++;
    return true;
}

/* ---- the application's side ---- */

static void write_begin(uint64_t transfer, const char *url)
{
    struct tape_begin begin = {.source = TAPE_LIBCURL, .url_bytes = (uint32_t)strlen(url), .request_bytes = UINT64_MAX};
    uint64_t lost = 0;
    (void)tape_write(TAPE_BEGIN, transfer, tape_now_ns(), &begin, sizeof(begin), url, strlen(url), &lost);
}

static void write_piece(enum tape_kind kind, uint64_t transfer, size_t bytes)
{
    static const uint8_t zeros[1000];
    uint64_t lost = 0;
    (void)tape_write(kind, transfer, tape_now_ns(), zeros, bytes, NULL, 0, &lost);
}

static void write_end(uint64_t transfer)
{
    struct tape_end end;
    memset(&end, 0xff, sizeof(end));
    end.status = 200;
    end.how = TAPE_DONE;
    end.total_us = 5000;
    end.pretransfer_us = 100;
    end.starttransfer_us = 3000;
    end.num_connects = 1;
    uint64_t lost = 0;
    (void)tape_write(TAPE_END, transfer, tape_now_ns(), &end, sizeof(end), NULL, 0, &lost);
}

static void write_all(uint64_t transfer)
{
    write_begin(transfer, "chat");
    write_piece(TAPE_REQUEST_BODY, transfer, 300);
    write_piece(TAPE_RESPONSE_HEADER, transfer, 20);
    write_piece(TAPE_RESPONSE_BODY, transfer, 500);
    write_end(transfer);
    scribe_wake_if_asleep();
}

static bool wait_for(const _Atomic uint64_t *what, uint64_t wanted, uint64_t ms)
{
    uint64_t until_ns = tape_now_ns() + ms * MS;
    while (atomic_load(what) < wanted && tape_now_ns() < until_ns)
        (void)usleep(1000);
    return atomic_load(what) >= wanted;
}

/* ---- what came out ---- */

static struct {
    unsigned files, greetings;
    uint64_t rows, unfinished, unseen, lost_bytes;
    struct span last;
    struct span_loss loss;
} out;

static bool read_frames(const uint8_t *data, size_t bytes)
{
    static struct span_block block;
    for (size_t at = 0; at < bytes;) {
        struct span_frame frame;
        long length = span_frame_read(&frame, data + at, bytes - at);
        if (length <= 0)
            return false;
        out.greetings += frame.kind == SPAN_FRAME_PROCESS;
        if (frame.kind != SPAN_FRAME_PROCESS)
            out.loss = frame.loss;
        if (frame.kind == SPAN_FRAME_SPANS) {
            span_block_init(&block);
            if (span_block_decode(&block, frame.payload, frame.payload_bytes) != 0)
                return false;
            out.rows += block.n;
            for (size_t i = 0; i < block.n; i++) {
                out.unfinished += block.column[SPAN_truncated].u64[i];
                out.unseen += block.column[SPAN_refused].u64[i];
                out.lost_bytes += block.column[SPAN_lost_bytes].u64[i];
            }
            span_block_row(&block, block.n - 1, &out.last);
            span_block_done(&block);
        }
        at += (size_t)length;
    }
    return true;
}

static bool read_spool(void)
{
    static uint8_t data[4 * 1024 * 1024];
    memset(&out, 0, sizeof(out));
    DIR *directory = opendir(spool_dir);
    if (directory == NULL)
        return true;
    bool good = true;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (strstr(entry->d_name, ".frames") == NULL)
            continue;
        char path[512];
        (void)snprintf(path, sizeof(path), "%s/%s", spool_dir, entry->d_name);
        int fd = open(path, O_RDONLY);
        ssize_t got = read(fd, data, sizeof(data));
        (void)close(fd);
        out.files++;
        good = good && got > 0 && read_frames(data, (size_t)got);
    }
    (void)closedir(directory);
    return good;
}

/* What scribe_finish did not wait for is written a little later; the child's alarm bounds this. */
static bool wait_for_rows(uint64_t rows)
{
    bool good = read_spool();
    while (good && out.rows < rows) {
        (void)usleep(10000);
        good = read_spool();
    }
    return good && out.rows == rows;
}

/* Until something stands in a spool file that is being written. */
static bool wait_for_part(void)
{
    for (;;) {
        DIR *directory = opendir(spool_dir);
        for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
            struct stat info;
            if (strstr(entry->d_name, ".part") != NULL && fstatat(dirfd(directory), entry->d_name, &info, 0) == 0 &&
                info.st_size > 0) {
                (void)closedir(directory);
                return true;
            }
        }
        if (directory != NULL)
            (void)closedir(directory);
        (void)usleep(1000);
    }
}

/* ---- children: 0 is success, otherwise the line that failed ---- */

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return __LINE__;                                                                                           \
    } while (0)

static void assert_child_succeeds(int (*body)(void))
{
    int result[2];
    assert_int_equal(pipe(result), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(CHILD_SECONDS_MAX);
        int line = body();
        (void)!write(result[1], &line, sizeof(line));
        _exit(0);
    }
    (void)close(result[1]);
    int line = -1, status = -1;
    (void)!read(result[0], &line, sizeof(line));
    (void)close(result[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (line != 0)
        fail_msg("the child failed at line %d, status %x", line, (unsigned)status);
    assert_int_equal(status, 0);
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
    strcpy(top, "/tmp/test_scribe_XXXXXX");
    if (mkdtemp(top) == NULL)
        return -1;
    (void)snprintf(socket_path, sizeof(socket_path), "%s/socket", top);
    (void)snprintf(spool_dir, sizeof(spool_dir), "%s/spool", top);
    own_thread_count = dlsym(RTLD_DEFAULT, "__nptl_nthreads");
    shim_config =
        (struct shim_config){.socket = socket_path, .spool = spool_dir, .spool_said = true, .preview_chars = 7};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int marks_of(const char *end)
{
    int n = 0;
    DIR *directory = opendir(spool_dir);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        size_t bytes = strlen(entry->d_name);
        n += bytes > strlen(end) && strcmp(entry->d_name + bytes - strlen(end), end) == 0;
    }
    if (directory != NULL)
        (void)closedir(directory);
    return n;
}

#define CHILD_TEST(name)                                                                                               \
    static void test_##name(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        assert_child_succeeds(name);                                                                                   \
    }
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
