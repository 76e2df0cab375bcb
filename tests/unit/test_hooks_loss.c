/*
 * What the hooks do where something is missing: room on the tape, the end of a handle's life.
 */
#include "hook_run.h"

#include "shim/tap/curl/transfer.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* A full tape: the call goes on as ever, nothing of it is written, and it is counted as one that
 * was not followed; what is no call is not. */
static void test_beginning_lost(void **state)
{
    (void)state;
    static const char piece[1024];
    static const char *const paths[] = {"/v1/plain", "/v1/other"};
    uint64_t lost = 0;
    assert_int_equal(tape_start(), 0);
    for (size_t bytes = sizeof(piece); bytes > 0; bytes /= 2)
        while (tape_write(TAPE_RESPONSE_BODY, 1, 1, piece, bytes, NULL, 0, &lost))
            continue;
    for (unsigned i = 0; i < 2; i++) {
        struct tape_loss before = tape_losses();
        size_t backlog = tape_backlog_bytes();
        CURL *easy = make(paths[i]);
        for (unsigned k = 0; k < 2; k++) {
            reset_sinks(NULL);
            SET(easy, CURLOPT_COPYPOSTFIELDS, "a body");
            assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
            assert_string_equal(body.text, "hello");
            assert_false(handles_find(easy, HANDLE_EASY)->easy.armed);
            assert_int_equal(tape_losses().calls - before.calls, i == 0 ? k + 1 : 0);
        }
        CURLM *multi = curl_multi_init();
        int left;
        assert_int_equal(hook_curl_multi_add_handle(origin, multi, easy), CURLM_OK);
        drive(multi, UINT_MAX);
        assert_non_null(hook_curl_multi_info_read(origin, multi, &left));
        assert_int_equal(hook_curl_multi_remove_handle(origin, multi, easy), CURLM_OK);
        hook_curl_easy_cleanup(origin, easy);
        assert_int_equal(hook_curl_multi_cleanup(origin, multi), CURLM_OK);
        assert_int_equal(tape_losses().calls - before.calls, i == 0 ? 3 : 0);
        assert_int_equal(tape_losses().records - before.records, 3); /* the beginnings alone */
        assert_int_equal(tape_backlog_bytes(), backlog);
    }
    struct tape_record record;
    while (tape_read(&record))
        continue;
}

/* Neither memory nor a thread for the scribe: calls go on as ever, and each is counted, for the
 * first frame that ever leaves this process; what is no call is not. */
static void test_no_scribe(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/plain", "/v1/other"};
    uint64_t before = tally_of(TALLY_CALLS);
    scribe_error = -EAGAIN;
    for (unsigned i = 0; i < 2; i++) {
        CURL *easy = make(paths[i]);
        for (unsigned k = 0; k < 3; k++) {
            reset_sinks(NULL);
            errno = 77;
            assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
            assert_string_equal(body.text, "hello");
            assert_false(handles_find(easy, HANDLE_EASY)->easy.armed);
        }
        hook_curl_easy_cleanup(origin, easy);
        assert_int_equal(tally_of(TALLY_CALLS) - before, 3);
    }
    scribe_error = 0;
    pid_t child = fork(); /* those are its parent's */
    if (child == 0)
        _exit(tally_of(TALLY_CALLS) == 0 && tally_add(TALLY_CALLS) == 1 && tally_of(TALLY_CALLS) == 1 ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(tally_of(TALLY_CALLS) - before, 3);
}

/* A copy of libcurl beyond those that there are places for: it works, nothing is kept of its
 * handles, each is counted. */
static void test_library_not_followed(void **state)
{
    (void)state;
    static struct library crowded;
    const struct origin from = {.library = &crowded};
    const uint64_t before = tally_of(TALLY_CALLS);
    crowded.index = LIBRARY_NOT_FOLLOWED;
    crowded.real = library.real;
    CURL *easy = hook_curl_easy_init(from);
    assert_non_null(easy);
    assert_null(handles_find(easy, HANDLE_EASY));
    assert_int_equal(tally_of(TALLY_CALLS) - before, 1);
    char url[96];
    (void)snprintf(url, sizeof(url), "%s/v1/plain", base);
    assert_int_equal(hook_curl_easy_setopt(from, easy, CURLOPT_URL, (uintptr_t)url), CURLE_OK);
    assert_int_equal(hook_curl_easy_setopt(from, easy, CURLOPT_WRITEFUNCTION, (uintptr_t)to_sink), CURLE_OK);
    assert_int_equal(hook_curl_easy_setopt(from, easy, CURLOPT_WRITEDATA, (uintptr_t)&body), CURLE_OK);
    assert_int_equal(hook_curl_easy_perform(from, easy), CURLE_OK);
    hook_curl_easy_cleanup(from, easy);
    assert_string_equal(read_tape(), "");
}

/* Bounds of what is noted of a request: what is beyond them is done as ever, and counted if it is a
 * call. */
static void test_request_beyond_bounds(void **state)
{
    (void)state;
    static char url[2 * SHADOW_URL_BYTES_MAX];
    static const char *const tails[] = {"/v1/plain", "/plain"};
    CURL *easy = make("/v1/plain");
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t before = tally_of(TALLY_CALLS);
        const int host = snprintf(url, sizeof(url), "%s/", base);
        memset(url + host, 'a', SHADOW_URL_BYTES_MAX);
        (void)snprintf(url + host + SHADOW_URL_BYTES_MAX, 32, "%s", tails[i]);
        SET(easy, CURLOPT_URL, url);
        assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
        assert_string_equal(read_tape(), "");
        assert_int_equal(tally_of(TALLY_CALLS) - before, i == 0);
    }
    (void)snprintf(url, sizeof(url), "%s/v1/plain", base);
    SET(easy, CURLOPT_URL, url);
    SET(easy, CURLOPT_COPYPOSTFIELDS, "a body");
    struct shadow *shadow = &handles_find(easy, HANDLE_EASY)->easy.shadow;
    shadow->fields_kind = SHADOW_FIELDS_UNSEEN; /* as where there was no memory for a copy */
    const struct tape_loss before = tape_losses();
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_int_equal(tape_losses().records - before.records, 1);
    hook_curl_easy_cleanup(origin, easy);
    struct tape_record record;
    bool told = false;
    while (tape_read(&record))
        told = told || record.lost_bytes > 0;
    assert_true(told);
}

/* A large body that goes to no model is not kept while it goes there; its handle then calls a model
 * with it, and what was not seen is counted. */
static void test_large_copy_for_others(void **state)
{
    (void)state;
    enum { LARGE = SHADOW_COPY_SMALL_BYTES_MAX + 1 };
    static char large[LARGE + 1];
    memset(large, ' ', LARGE);
    for (unsigned small = 0; small < 2; small++) {
        char url[128]; /* the server hangs up on so much */
        reset_sinks(NULL);
        CURL *easy = make("/plain");
        struct shadow *shadow = &handles_find(easy, HANDLE_EASY)->easy.shadow;
        SET(easy, CURLOPT_COPYPOSTFIELDS, large + small);
        assert_non_null(shadow->copied.data);
        (void)hook_curl_easy_perform(origin, easy);
        assert_int_equal(shadow->fields_kind, small ? SHADOW_FIELDS_COPY : SHADOW_FIELDS_UNSEEN);
        assert_int_equal(shadow->copied.data != NULL, small);
        const struct tape_loss before = tape_losses();
        (void)snprintf(url, sizeof(url), "%s/v1/plain", base);
        SET(easy, CURLOPT_URL, url);
        (void)hook_curl_easy_perform(origin, easy);
        if (!small) /* all of the other does not fit on a tape that nobody reads */
            assert_int_equal(tape_losses().records - before.records, 1);
        hook_curl_easy_cleanup(origin, easy);
        struct tape_record record;
        while (tape_read(&record))
            continue;
    }
}

/* A session is no call: it is counted apart, and there must be somebody to tell it. */
static void test_session(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/realtime", "/v1/plain"};
    for (unsigned i = 0; i < 2; i++) {
        CURL *easy = make(paths[i]);
        uint64_t calls = tally_of(TALLY_CALLS), sessions = tally_of(TALLY_SESSIONS);
        unsigned ensured = scribe_ensured;
        SET(easy, CURLOPT_CONNECT_ONLY, 1);
        assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
        hook_curl_easy_cleanup(origin, easy);
        assert_int_equal(tally_of(TALLY_SESSIONS) - sessions, i == 0);
        assert_int_equal(scribe_ensured - ensured, i == 0);
        assert_int_equal(tally_of(TALLY_CALLS), calls);
    }
}

/* The address of a handle that went without our knowing comes back as a new one. */
static void test_stale_handle(void **state)
{
    (void)state;
    CURL *easy = make("/v1/slow");
    CURLM *multi = curl_multi_init();
    run_slow(multi, easy);
    struct handle *record = transfer_new_handle(easy, HANDLE_EASY, &library); /* what a hook of curl_easy_init does */
    assert_string_equal(read_tape(), SLOW "end how=2 code=-1 status=-1\n");
    assert_int_equal(record->easy.transfer, 0);
    assert_null(record->easy.multi);
    assert_null(handles_find(multi, HANDLE_MULTI)->multi.first);
    (void)curl_multi_remove_handle(multi, easy);
    hook_curl_easy_cleanup(origin, easy);
    assert_int_equal(hook_curl_multi_cleanup(origin, multi), CURLM_OK);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, reset_sinks)
    const struct CMUnitTest tests[] = {
        CASE(test_beginning_lost),
        CASE(test_no_scribe),
        CASE(test_session),
        CASE(test_library_not_followed),
        CASE(test_request_beyond_bounds),
        CASE(test_stale_handle),
        CASE(test_large_copy_for_others),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
