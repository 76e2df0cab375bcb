/*
 * The hooks around the real libcurl, called directly: what lands on the tape, and that the
 * application gets what it would get without.
 *
 * The test plays the scribe (it reads the tape) and the loader (it finds the library). A thread of
 * its own answers the requests.
 */
#include "hook_run.h"

#include "shim/tap/curl/transfer_headers.h"

static void test_post(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain?key=SECRET");
    struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
    list = curl_slist_append(list, "Cookie: SECRET");
    list = curl_slist_append(list, "X-Pprof-Prompt: triage");
    list = curl_slist_append(list, "Accept:");
    SET(easy, CURLOPT_HTTPHEADER, list);
    body.scribbles = true;
    char fields[16] = "not yet";
    SET(easy, CURLOPT_POSTFIELDS, fields);
    memcpy(fields, "a\0c", 3); /* filled late, with a NUL, size last */
    SET(easy, CURLOPT_POSTFIELDSIZE, 3);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_memory_equal(body.text, "hello", 6);
    /* What matters first; what only must not come back, after it. */
    assert_string_equal(read_tape(), "begin POST /v1/plain bytes=3 flags=0\nrequest a\n"
                                     "headers Content-Type: application/json\nX-Pprof-Prompt: triage\n\001?key=SECRET\n"
                                     "Cookie: SECRET\n" ANSWER DONE);
    SET(easy, CURLOPT_HTTPHEADER, NULL);
    hook_curl_easy_cleanup(origin, easy);
    curl_slist_free_all(list);
    assert_string_equal(read_tape(), "");
}

static void test_others_are_untouched(void **state)
{
    (void)state;
    CURL *easy = make("/plain");
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_false(handles_find(easy, HANDLE_EASY)->easy.armed);
    SET(easy, CURLOPT_CONNECT_ONLY, 1L);
    char url[128];
    snprintf(url, sizeof(url), "%s/v1/plain", base);
    SET(easy, CURLOPT_URL, url);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    hook_curl_easy_cleanup(origin, easy);

    CURL *foreign = curl_easy_init(); /* made without us: forwarded, never armed */
    SET(foreign, CURLOPT_URL, url);
    SET(foreign, CURLOPT_WRITEFUNCTION, to_sink);
    SET(foreign, CURLOPT_WRITEDATA, &other);
    assert_int_equal(hook_curl_easy_perform(origin, foreign), CURLE_OK);
    assert_memory_equal(other.text, "hello", 6);
    hook_curl_easy_reset(origin, foreign);
    hook_curl_easy_cleanup(origin, foreign);
    hook_curl_easy_cleanup(origin, NULL);
    assert_string_equal(read_tape(), "");
}

/* The disarmed handle must be exactly what the application configured: used here with the real
 * library alone. */
static void test_disarmed_completely(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    SET(easy, CURLOPT_HEADERDATA, &headers);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    unsigned calls = headers.calls;
    assert_int_equal(calls, 4); /* the write function with the header pointer */
    (void)read_tape();
    assert_int_equal(curl_easy_perform(easy), CURLE_OK);
    assert_int_equal(headers.calls, 2 * calls);
    assert_memory_equal(body.text, "hellohello", 11);
    assert_string_equal(read_tape(), "");
    hook_curl_easy_cleanup(origin, easy);
}

/* More header lines than are handed on: what matters is among them, wherever it stands in the
 * list. */
static void test_many_headers(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    struct curl_slist *list = NULL;
    for (unsigned i = 0; i < 40; i++) {
        char line[200];
        snprintf(line, sizeof(line), "X-Filler-%u: %0170u", i, i);
        list = curl_slist_append(list, line);
    }
    list = curl_slist_append(list, "Authorization: Bearer last");
    SET(easy, CURLOPT_HTTPHEADER, list);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    const char *text = strstr(read_tape(), "headers Authorization: Bearer last\nX-Filler-0: 0");
    assert_non_null(text);
    assert_non_null(strstr(text, "X-Filler-30: "));
    assert_null(strstr(text, "X-Filler-39: "));
    hook_curl_easy_cleanup(origin, easy);
    curl_slist_free_all(list);
}

/* Whatever the room, no byte is written after it, and what matters is there before what does
 * not. */
static void test_headers_of_any_room(void **state)
{
    (void)state;
    struct shadow shadow;
    struct curl_slist *list = curl_slist_append(NULL, "X-Other: 0123456789");
    list = curl_slist_append(list, "X-Api-Key: 0123456789");
    shadow_init(&shadow);
    shadow_set(&shadow, CURLOPT_URL, (uintptr_t) "http://user:word@host/x?key=1");
    shadow_set(&shadow, CURLOPT_HTTPHEADER, (uintptr_t)list);
    shadow_set(&shadow, CURLOPT_XOAUTH2_BEARER, (uintptr_t) "0123456789");
    static const size_t key = sizeof("X-Api-Key: 0123456789"), bearer = sizeof("Authorization: Bearer 0123456789");
    for (size_t room = 0; room < 200; room++) {
        char *out = malloc(room);
        const size_t used = transfer_headers_write(&shadow, out, room);
        assert_true(used <= room);
        assert_int_equal(memmem(out, used, "X-Api-Key: ", 11) != NULL, room >= key);
        assert_true(room < key + bearer || memmem(out, used, "Bearer ", 7) != NULL);
        free(out);
    }
    shadow_drop(&shadow);
    curl_slist_free_all(list);
}

static void test_include_header(void **state)
{
    (void)state;
    CURL *easy = make("/v1/redirect");
    SET(easy, CURLOPT_HEADER, 1L);
    SET(easy, CURLOPT_FOLLOWLOCATION, 1L);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_non_null(strstr(body.text, "Location: /v1/plain\r\n"));
    assert_string_equal(body.text + body.bytes - 9, "\r\n\r\nhello");
    const char *text = read_tape();
    const char *first = strstr(text, "\nbody ");
    assert_non_null(first);
    assert_memory_equal(first, "\nbody hello\nend", 15);
    hook_curl_easy_cleanup(origin, easy);
}

static CURLMcode passed_code;
static CURLMoption passed_option;
static uintptr_t passed_argument, passed_function;
static unsigned passed;
static CURLMcode multi_setopt_seen(CURLM *multi, CURLMoption option, ...)
{
    va_list list;
    (void)multi;
    va_start(list, option);
    passed_argument = va_arg(list, uintptr_t);
    va_end(list);
    passed_option = option;
    if (option == CURLMOPT_PUSHFUNCTION)
        passed_function = passed_argument;
    passed++;
    return passed_code;
}

/* Options of a multi handle go to libcurl as they are said; only who is told of pushes is ours to
 * know. */
static void test_options_of_multi(void **state)
{
    (void)state;
    CURLM *multi = curl_multi_init();
    const struct curl_api real = library.real;
    library.real.curl_multi_setopt = multi_setopt_seen;
    for (unsigned known = 0; known < 2; known++) {
        passed = 0;
        assert_int_equal(hook_curl_multi_setopt(origin, multi, CURLMOPT_MAXCONNECTS, 77), CURLM_OK);
        assert_int_equal(passed, 1);
        assert_int_equal(passed_option, CURLMOPT_MAXCONNECTS);
        assert_int_equal(passed_argument, 77);
        assert_int_equal(hook_curl_multi_setopt(origin, multi, CURLMOPT_PUSHDATA, 78), CURLM_OK);
        assert_int_equal(passed_option, CURLMOPT_PUSHDATA);
        assert_int_equal(passed_argument, 78); /* as long as nobody wants to be told */
    }
    const uintptr_t theirs = (uintptr_t)&multi_setopt_seen; /* never called */
    assert_int_equal(hook_curl_multi_setopt(origin, multi, CURLMOPT_PUSHFUNCTION, theirs), CURLM_OK);
    assert_true(passed_function != 0 && passed_function != theirs);
    assert_true((uintptr_t)handles_find(multi, HANDLE_MULTI)->multi.push_function == theirs);
    assert_int_equal(hook_curl_multi_setopt(origin, multi, CURLMOPT_PUSHFUNCTION, 0), CURLM_OK);
    assert_int_equal(passed_function, 0);
    passed_code = CURLM_UNKNOWN_OPTION;
    assert_int_equal(hook_curl_multi_setopt(origin, multi, CURLMOPT_MAXCONNECTS, 1), CURLM_UNKNOWN_OPTION);
    passed_code = CURLM_OK;
    library.real = real;
    hook_curl_multi_cleanup(origin, multi);
}

static size_t pause_once(char *data, size_t size, size_t count, void *context)
{
    struct sink *sink = context;
    if (sink->calls++ == 0)
        return CURL_WRITEFUNC_PAUSE;
    return to_sink(data, size, count, context);
}

static void test_pause(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    CURLM *multi = curl_multi_init();
    int left;
    SET(easy, CURLOPT_WRITEFUNCTION, pause_once);
    assert_int_equal(hook_curl_multi_add_handle(origin, multi, easy), CURLM_OK);
    assert_int_equal(hook_curl_multi_add_handle(origin, multi, easy), CURLM_ADDED_ALREADY);
    drive(multi, 1);
    assert_int_equal(hook_curl_easy_pause(origin, easy, CURLPAUSE_CONT), CURLE_OK);
    drive(multi, UINT_MAX);
    CURLMsg *message = hook_curl_multi_info_read(origin, multi, &left);
    assert_non_null(message);
    assert_int_equal(message->data.result, CURLE_OK);
    assert_false(handles_find(easy, HANDLE_EASY)->easy.armed);
    assert_string_equal(body.text, "hello");
    assert_string_equal(read_tape(),
                        "begin GET /v1/plain bytes=0 flags=0\n" ANSWER "pause \nresume \n" DONE); /* the body once */
    assert_int_equal(hook_curl_multi_remove_handle(origin, multi, easy), CURLM_OK);
    hook_curl_easy_cleanup(origin, easy);
    assert_int_equal(hook_curl_multi_cleanup(origin, multi), CURLM_OK);
    assert_string_equal(read_tape(), "");
}

static void test_removed_and_abandoned(void **state)
{
    (void)state;
    CURL *easy = make("/v1/slow");
    CURLM *multi = curl_multi_init();
    run_slow(multi, easy);
    assert_int_equal(hook_curl_multi_remove_handle(origin, multi, easy), CURLM_OK);
    assert_string_equal(read_tape(), SLOW "end how=1 code=-1 status=200\n");
    assert_false(handles_find(easy, HANDLE_EASY)->easy.armed);

    reset_sinks(NULL);
    run_slow(multi, easy);
    hook_curl_easy_reset(origin, easy); /* within a transfer: libcurl allows it */
    assert_string_equal(read_tape(), SLOW "end how=2 code=-1 status=200\n");
    assert_false(handles_find(easy, HANDLE_EASY)->easy.armed);
    hook_curl_multi_remove_handle(origin, multi, easy);
    hook_curl_easy_cleanup(origin, easy);

    reset_sinks(NULL);
    easy = make("/v1/slow");
    run_slow(multi, easy);
    assert_int_equal(hook_curl_multi_cleanup(origin, multi), CURLM_OK);
    assert_string_equal(read_tape(), SLOW "end how=2 code=-1 status=200\n");
    assert_false(handles_find(easy, HANDLE_EASY)->easy.armed);
    hook_curl_easy_cleanup(origin, easy);

    reset_sinks(NULL);
    multi = curl_multi_init();
    easy = make("/v1/slow");
    run_slow(multi, easy);
    hook_curl_easy_cleanup(origin, easy);
    assert_string_equal(read_tape(), SLOW "end how=2 code=-1 status=200\n");
    assert_int_equal(hook_curl_multi_cleanup(origin, multi), CURLM_OK);
    assert_string_equal(read_tape(), "");
}

struct source {
    const char *text;
    size_t at;
};

static size_t from_source(char *data, size_t size, size_t count, void *context)
{
    struct source *source = context;
    size_t left = strlen(source->text) - source->at;
    size_t bytes = left < 4 ? left : 4;
    assert_true(bytes <= size * count);
    memcpy(data, source->text + source->at, bytes);
    source->at += bytes;
    return bytes;
}

static int seek_source(void *context, curl_off_t offset, int whence)
{
    struct source *source = context;
    assert_int_equal(whence, SEEK_SET);
    source->at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

static void test_read_and_rewind(void **state)
{
    (void)state;
    CURL *easy = make("/v1/redirect");
    struct source source = {.text = "question"};
    SET(easy, CURLOPT_POST, 1L);
    SET(easy, CURLOPT_POSTFIELDSIZE, 8L);
    SET(easy, CURLOPT_FOLLOWLOCATION, 1L);
    SET(easy, CURLOPT_READFUNCTION, from_source);
    SET(easy, CURLOPT_READDATA, &source);
    SET(easy, CURLOPT_SEEKFUNCTION, seek_source);
    SET(easy, CURLOPT_SEEKDATA, &source);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_string_equal(body.text, "hello");
    const char *text = read_tape();
    assert_memory_equal(text,
                        "begin POST /v1/redirect bytes=8 flags=0\nrequest ques\nrequest tion\nheader HTTP/1.1 307", 85);
    assert_non_null(strstr(text, "rewind \nrequest ques\nrequest tion\nheader HTTP/1.1 200"));
    hook_curl_easy_cleanup(origin, easy);
}

/* A FILE* as input: libcurl rewinds it only because the read function is fread, which it is not
 * while we are armed. */
static void test_default_input_rewinds(void **state)
{
    (void)state;
    CURL *easy = make("/v1/redirect");
    FILE *file = tmpfile();
    assert_non_null(file);
    fputs("question", file);
    rewind(file);
    SET(easy, CURLOPT_UPLOAD, 1L);
    SET(easy, CURLOPT_CUSTOMREQUEST, "POST");
    SET(easy, CURLOPT_FOLLOWLOCATION, 1L);
    SET(easy, CURLOPT_READDATA, file);
    SET(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)8);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_string_equal(body.text, "hello");
    assert_non_null(strstr(read_tape(), "rewind \nrequest question\n"));
    fclose(file);
    hook_curl_easy_cleanup(origin, easy);
}

static size_t swap_callback(char *data, size_t size, size_t count, void *context)
{
    struct sink *sink = context;
    CURL *easy = sink->easy;
    SET(easy, CURLOPT_WRITEDATA, &other);
    SET(easy, CURLOPT_WRITEFUNCTION, to_sink);
    (void)data;
    return size * count;
}

static void test_changed_in_callback(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    SET(easy, CURLOPT_HEADERFUNCTION, swap_callback);
    headers.easy = easy;
    SET(easy, CURLOPT_HEADERDATA, &headers);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_string_equal(other.text, "hello");
    assert_int_equal(body.calls, 0);
    assert_non_null(strstr(read_tape(), ANSWER));
    assert_int_equal(curl_easy_perform(easy), CURLE_OK); /* and it stays so without us */
    assert_string_equal(other.text, "hellohello");
    hook_curl_easy_cleanup(origin, easy);
}

static size_t duplicate_inside(char *data, size_t size, size_t count, void *context)
{
    struct sink *sink = context;
    sink->easy = hook_curl_easy_duphandle(origin, sink->easy);
    assert_non_null(sink->easy);
    (void)data;
    return size * count;
}

static void test_duplicate(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    body.easy = easy;
    SET(easy, CURLOPT_POSTFIELDSIZE, 6L); /* libcurl 7.88 cannot duplicate a copied body of unknown size */
    SET(easy, CURLOPT_COPYPOSTFIELDS, "copied");
    SET(easy, CURLOPT_WRITEFUNCTION, duplicate_inside);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    (void)read_tape();
    CURL *duplicate = body.easy;
    assert_ptr_not_equal(duplicate, easy);
    hook_curl_easy_cleanup(origin, easy); /* the source is gone first */
    assert_false(handles_find(duplicate, HANDLE_EASY)->easy.armed);
    SET(duplicate, CURLOPT_WRITEFUNCTION, to_sink);
    assert_int_equal(hook_curl_easy_perform(origin, duplicate), CURLE_OK);
    assert_string_equal(body.text, "hello");
    assert_string_equal(read_tape(), "begin POST /v1/plain bytes=6 flags=0\nrequest copied\n" ANSWER DONE);
    hook_curl_easy_cleanup(origin, duplicate);
}

static void test_reset(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    char *private = NULL;
    SET(easy, CURLOPT_COPYPOSTFIELDS, "old");
    SET(easy, CURLOPT_PRIVATE, "mine");
    hook_curl_easy_reset(origin, easy);
    assert_int_equal(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private), CURLE_OK);
    assert_null(private);
    char url[128];
    snprintf(url, sizeof(url), "%s/v1/plain", base);
    SET(easy, CURLOPT_URL, url);
    SET(easy, CURLOPT_WRITEFUNCTION, to_sink);
    SET(easy, CURLOPT_WRITEDATA, &body);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_string_equal(read_tape(), "begin GET /v1/plain bytes=0 flags=0\n" ANSWER DONE);
    hook_curl_easy_cleanup(origin, easy);
}

static jmp_buf out_of_callback;

/* libcurl cannot free what a jump leaves behind in it, with or without us. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static size_t jump_out(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)size, (void)count, (void)context;
    longjmp(out_of_callback, 1);
}

static void test_longjmp(void **state)
{
    (void)state;
    if (__lsan_disable != NULL)
        __lsan_disable();
    CURL *easy = make("/v1/plain");
    SET(easy, CURLOPT_WRITEFUNCTION, jump_out);
    if (setjmp(out_of_callback) == 0) {
        (void)hook_curl_easy_perform(origin, easy);
        fail_msg("the callback did not jump");
    }
    assert_int_not_equal(hook_curl_easy_perform(origin, easy), CURLE_OK); /* libcurl refuses the handle from now on */
    assert_string_equal(read_tape(), "begin GET /v1/plain bytes=0 flags=0\n" ANSWER);
    hook_curl_easy_cleanup(origin, easy);
    assert_string_equal(read_tape(), "end how=2 code=-1 status=200\n");
    if (__lsan_enable != NULL)
        __lsan_enable();
}

static size_t perform_inside(char *data, size_t size, size_t count, void *context)
{
    struct sink *sink = context;
    if (sink->calls++ == 0) {
        assert_int_not_equal(hook_curl_easy_perform(origin, sink->easy), CURLE_OK); /* itself: refused by libcurl */
        CURL *inner = make("/v1/plain");
        SET(inner, CURLOPT_WRITEDATA, &other);
        assert_int_equal(hook_curl_easy_perform(origin, inner), CURLE_OK);
        hook_curl_easy_cleanup(origin, inner);
    }
    (void)data;
    return size * count;
}

static void test_perform_inside(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    body.easy = easy;
    SET(easy, CURLOPT_WRITEFUNCTION, perform_inside);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_string_equal(other.text, "hello");
    assert_string_equal(read_tape(), "begin GET /v1/plain bytes=0 flags=0\n" ANSWER
                                     "begin GET /v1/plain bytes=0 flags=0\n" ANSWER DONE DONE);
    hook_curl_easy_cleanup(origin, easy);
}

static size_t refuse(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    return size * count - 1;
}

/* libcurl has the same code for what it could not write out itself: no callback of the
 * application's refused then. */
static void test_write_error_of_libcurl_itself(void **state)
{
    (void)state;
    CURL *easy = make("/v1/junk");
    SET(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_WRITE_ERROR);
    assert_non_null(strstr(read_tape(), "end how=0 code=23 status=200\n"));
    hook_curl_easy_cleanup(origin, easy);
}

static void test_errors(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    SET(easy, CURLOPT_WRITEFUNCTION, refuse);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_WRITE_ERROR);
    assert_non_null(strstr(read_tape(), "end how=3 code=23 status=200\n"));
    SET(easy, CURLOPT_URL, "http://127.0.0.1:1/v1/plain");
    *strrchr(base, ':') = '\0';
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_COULDNT_CONNECT);
    assert_non_null(strstr(read_tape(), "end how=0 code=7 status=0\n"));
    assert_int_equal(hook_curl_easy_setopt(origin, easy, (CURLoption)9999, 1), CURLE_UNKNOWN_OPTION);
    hook_curl_easy_cleanup(origin, easy);
}

#define CASE(name) cmocka_unit_test_setup(name, reset_sinks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_post),
        CASE(test_others_are_untouched),
        CASE(test_disarmed_completely),
        CASE(test_many_headers),
        CASE(test_headers_of_any_room),
        CASE(test_options_of_multi),
        CASE(test_include_header),
        CASE(test_pause),
        CASE(test_removed_and_abandoned),
        CASE(test_read_and_rewind),
        CASE(test_default_input_rewinds),
        CASE(test_changed_in_callback),
        CASE(test_duplicate),
        CASE(test_reset),
        CASE(test_longjmp),
        CASE(test_perform_inside),
        CASE(test_write_error_of_libcurl_itself),
        CASE(test_errors),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
