/*
 * What the tests of the hooks share: they play the scribe (read the tape), the loader (find the
 * library) and the application. A thread of its own answers the requests.
 */
#pragma once

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#include "shim/tap/curl/capture.h"
#include "shim/base/config.h"
#include "shim/base/say.h"
#include "shim/llm/header_lines.h"
#include "shim/llm/recognise/recognise.h"
#include "shim/scribe/scribe.h"
#include "shim/tape/tally.h"
#include "shim/tape/tape.h"

#include "hook_server.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what the hooks ask of the others ---- */

static struct library library;
static const struct origin origin = {.library = &library};

struct library *library_of(struct origin from)
{
    return from.library;
}

bool recognise_candidate(const char *method, size_t method_bytes, const char *url, size_t url_bytes)
{
    (void)method;
    (void)method_bytes;
    return memmem(url, url_bytes, "/v1/", 4) != NULL;
}

/* Of the candidates one path turns out to be no call. */
bool recognise(const char *method, size_t method_bytes, const char *url, size_t url_bytes, const char *headers,
               size_t headers_bytes, struct recognised *ret_recognised)
{
    (void)method;
    (void)method_bytes;
    (void)headers;
    (void)headers_bytes;
    (void)ret_recognised;
    return memmem(url, url_bytes, "/v1/other", 9) == NULL;
}

static int scribe_error;        /* what it says */
static unsigned scribe_ensured; /* times that it was asked */
int scribe_ensure(void)
{
    scribe_ensured++;
    return scribe_error != 0 ? scribe_error : tape_start();
}

void scribe_wake_if_asleep(void)
{
}

void shim_say_once(const char *message)
{
    (void)message;
}

static int start_all(void **state)
{
    (void)state;
    assert_true(start_server());
    library.real.curl_easy_getinfo = curl_easy_getinfo;
#define HOOK(type, name, failure, params, args) library.real.name = (__typeof__(library.real.name))name;
#define SETOPT(type, name, failure, object_type, option_type) library.real.name = name;
#define CALL(type, name, params) library.real.name = (__typeof__(library.real.name))name;
#include "shim/tap/curl/hooks.def"
    curl_global_init(CURL_GLOBAL_ALL);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    stop_server();
    curl_global_cleanup();
    return 0;
}

/* ---- the application ---- */

struct sink {
    char text[4096];
    size_t bytes;
    unsigned calls;
    bool scribbles;
    CURL *easy;
};
static struct sink body, headers, other;

static size_t to_sink(char *data, size_t size, size_t count, void *context)
{
    struct sink *sink = context;
    assert_true(sink == &body || sink == &headers || sink == &other);
    assert_true(sink->bytes + size * count < sizeof(sink->text));
    memcpy(sink->text + sink->bytes, data, size * count);
    if (sink->scribbles) /* applications may; the tape must not see it */
        memset(data, '#', size * count);
    sink->bytes += size * count;
    sink->calls++;
    return size * count;
}

#define SET(easy, option, value)                                                                                       \
    assert_int_equal(hook_curl_easy_setopt(origin, easy, option, (uintptr_t)(value)), CURLE_OK)

static CURL *make(const char *path)
{
    char url[128];
    CURL *easy = hook_curl_easy_init(origin);
    assert_non_null(easy);
    snprintf(url, sizeof(url), "%s%s", base, path);
    SET(easy, CURLOPT_URL, url);
    SET(easy, CURLOPT_WRITEFUNCTION, to_sink);
    SET(easy, CURLOPT_WRITEDATA, &body);
    return easy;
}

/* Until all is done, or the write callback was called so often. */
static inline void drive(CURLM *multi, unsigned calls)
{
    int running = 1;
    while (running != 0 && body.calls < calls) {
        hook_curl_multi_perform(origin, multi, &running);
        curl_multi_poll(multi, NULL, 0, 20, NULL);
    }
}

/* Until the first bytes are there. */
static inline void run_slow(CURLM *multi, CURL *easy)
{
    assert_int_equal(hook_curl_multi_add_handle(origin, multi, easy), CURLM_OK);
    drive(multi, 1);
    assert_string_equal(body.text, "first");
}

/* ---- the tape, as one line of text per record ---- */

static char tape[16384];

static size_t print_end(char *out, size_t room, const struct tape_record *record)
{
    struct tape_end end;
    assert_int_equal(record->bytes, sizeof(end));
    memcpy(&end, record->payload, sizeof(end));
    assert_true(end.total_us == TAPE_UNKNOWN || end.total_us < 60u * 1000 * 1000);
    return (size_t)snprintf(out, room, "end how=%u code=%d status=%d\n", end.how, (int)end.code, (int)end.status);
}

static size_t print_begin(char *out, size_t room, const struct tape_record *record)
{
    struct tape_begin begin;
    memcpy(&begin, record->payload, sizeof(begin));
    const char *text = (const char *)record->payload + sizeof(begin);
    const char *url = text + begin.method_bytes;
    assert_int_equal(record->bytes, sizeof(begin) + begin.method_bytes + begin.url_bytes + begin.headers_bytes);
    assert_memory_equal(url, base, strlen(base));
    char lines[HEADER_LINES_BYTES_MAX];
    const size_t bytes = header_lines_write(url + begin.url_bytes, begin.headers_bytes, lines, sizeof(lines));
    return (size_t)snprintf(out, room, "begin %.*s %.*s bytes=%d flags=%u\n%.*s", begin.method_bytes, text,
                            (int)(begin.url_bytes - strlen(base)), url + strlen(base), (int)begin.request_bytes,
                            begin.flags, (int)bytes, lines);
}

static size_t print_headers(char *out, size_t room, const struct tape_record *record)
{
    char lines[HEADER_LINES_BYTES_MAX];
    const size_t bytes = header_lines_write((const char *)record->payload, record->bytes, lines, sizeof(lines));
    return bytes == 0 ? 0 : (size_t)snprintf(out, room, "headers %.*s", (int)bytes, lines);
}

static const char *read_tape(void)
{
    static const char *const names[] = {"?",      "begin", "headers", "request", "rewind",
                                        "header", "body",  "pause",   "resume",  "end"};
    struct tape_record record;
    size_t used = 0;
    tape[0] = '\0';
    while (tape_read(&record)) {
        assert_int_equal(record.lost_bytes, 0);
        char *out = tape + used;
        size_t room = sizeof(tape) - used;
        size_t length = strcspn((const char *)record.payload, "\r\n");
        if (record.kind == TAPE_BEGIN)
            used += print_begin(out, room, &record);
        else if (record.kind == TAPE_END)
            used += print_end(out, room, &record);
        else if (record.kind == TAPE_REQUEST_HEADERS)
            used += print_headers(out, room, &record);
        else
            used +=
                (size_t)snprintf(out, room, "%s %.*s\n", names[record.kind],
                                 (int)(length < record.bytes ? length : record.bytes), (const char *)record.payload);
    }
    return tape;
}

static int reset_sinks(void **state)
{
    (void)state;
    memset(&body, 0, sizeof(body));
    memset(&headers, 0, sizeof(headers));
    memset(&other, 0, sizeof(other));
    return 0;
}

#define ANSWER "header HTTP/1.1 200 OK\nheader X-A: b\nheader Content-Length: 5\nheader \nbody hello\n"
#define DONE "end how=0 code=0 status=200\n"
/* What the tape holds after run_slow. */
#define SLOW                                                                                                           \
    "begin GET /v1/slow bytes=0 flags=0\nheader HTTP/1.1 200 OK\nheader Content-Length: 100\nheader \nbody first\n"
