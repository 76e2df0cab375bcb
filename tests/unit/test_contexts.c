/*
 * Whom a callback serves: duplicates that libcurl made unseen, contexts that are not ours, and
 * handles that were handed over but not looked at yet.
 */
#include "hook_run.h"
#include "shim/tap/curl/hook_multi.h"

static CURL *unseen[2];
static unsigned unseen_n;

static size_t duplicate_unseen(char *data, size_t size, size_t count, void *context)
{
    struct sink *sink = context;
    if (unseen_n < 2)
        unseen[unseen_n++] = curl_easy_duphandle(sink->easy); /* the real one: what nobody sees */
    (void)data;
    return size * count;
}

/* Such a duplicate carries our callbacks, with a context that is another handle's, somebody else's
 * or a dead one's. */
static void test_unseen_duplicate(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    headers.easy = easy;
    SET(easy, CURLOPT_HEADERFUNCTION, duplicate_unseen);
    SET(easy, CURLOPT_HEADERDATA, &headers);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    assert_int_equal(unseen_n, 2);
    assert_string_equal(read_tape(), "begin GET /v1/plain bytes=0 flags=0\n" ANSWER DONE);
    assert_string_equal(body.text, "hello");

    assert_int_equal(curl_easy_perform(unseen[0]), CURLE_OK);
    assert_string_equal(body.text, "hellohello");
    curl_easy_setopt(unseen[0], CURLOPT_WRITEDATA, &other);
    curl_easy_setopt(unseen[0], CURLOPT_HEADERDATA, &headers);
    assert_int_equal(curl_easy_perform(unseen[0]), CURLE_OK);
    assert_string_equal(other.text, "hello");
    curl_easy_cleanup(unseen[0]);

    hook_curl_easy_cleanup(origin, easy);
    assert_int_equal(curl_easy_perform(unseen[1]), CURLE_OK);
    assert_string_equal(body.text, "hellohellohello");
    curl_easy_cleanup(unseen[1]);
    assert_string_equal(read_tape(), ""); /* and nothing of it is noted */
}

/* More combinations of callbacks than there are sets: still recorded, and what cannot be told apart
 * is refused. */
static void test_many_sets(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    headers.easy = easy;
    unseen_n = 0;
    SET(easy, CURLOPT_HEADERFUNCTION, duplicate_unseen);
    SET(easy, CURLOPT_HEADERDATA, &headers);
    for (uintptr_t i = 0; i < 40; i++) {
        SET(easy, CURLOPT_SEEKFUNCTION, 0x1000 + i); /* never called */
        body.bytes = 0;
        if (i < 39)
            unseen_n = 2;
        else
            unseen_n = 0;
        assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
        assert_memory_equal(body.text, "hello", 5);
        assert_string_equal(read_tape(), "begin GET /v1/plain bytes=0 flags=0\n" ANSWER DONE);
    }
    curl_easy_setopt(unseen[0], CURLOPT_WRITEDATA, &other);
    assert_int_equal(curl_easy_perform(unseen[0]), CURLE_WRITE_ERROR);
    assert_int_equal(other.calls, 0);
    curl_easy_cleanup(unseen[0]);
    curl_easy_cleanup(unseen[1]);
    hook_curl_easy_cleanup(origin, easy);
}

/* What is added is not looked at before libcurl is driven. */
static void test_added_only(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain");
    CURLM *multi = curl_multi_init(), *other_multi = curl_multi_init();
    SET(easy, CURLOPT_POSTFIELDS, 0x1000);
    SET(easy, CURLOPT_HTTPHEADER, 0x1000);
    assert_int_equal(hook_curl_multi_add_handle(origin, multi, easy), CURLM_OK);
    assert_false(handles_find(easy, HANDLE_EASY)->easy.armed);
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_FAILED_INIT); /* refused, and looks at nothing */
    assert_int_equal(hook_curl_multi_remove_handle(origin, multi, easy), CURLM_OK);
    assert_int_equal(hook_curl_multi_add_handle(origin, other_multi, easy), CURLM_OK);
    assert_int_equal(hook_curl_multi_cleanup(origin, multi), CURLM_OK);
    assert_string_equal(read_tape(), "");
    SET(easy, CURLOPT_HTTPHEADER, NULL);
    SET(easy, CURLOPT_HTTPGET, 1L);
    for (int running = 1; running != 0;)
        hook_curl_multi_socket_all(origin, other_multi, &running);
    hook_curl_easy_cleanup(origin, easy); /* its result was never asked for */
    assert_int_equal(hook_curl_multi_cleanup(origin, other_multi), CURLM_OK);
    assert_string_equal(read_tape(), "begin GET /v1/plain bytes=0 flags=0\n" ANSWER "end how=2 code=-1 status=200\n");
}

static CURLM *private_multi;
static bool private_is_quiet;

/* As libcurl does it in curl_easy_perform, its own calls seen. */
static CURLcode perform_by_hooks(CURL *easy)
{
    CURLcode code = CURLE_FAILED_INIT;
    int running = 1, left;
    assert_int_equal(hook_curl_multi_add_handle(origin, private_multi, easy), CURLM_OK);
    private_is_quiet = hook_multi_quiet(private_multi) != NULL;
    while (running != 0) {
        hook_curl_multi_perform(origin, private_multi, &running);
        curl_multi_poll(private_multi, NULL, 0, 20, NULL);
    }
    CURLMsg *message = hook_curl_multi_info_read(origin, private_multi, &left);
    if (message != NULL)
        code = message->data.result;
    hook_curl_multi_remove_handle(origin, private_multi, easy);
    return code;
}

/* The multi handle that libcurl drives inside curl_easy_perform is nothing to us, and only inside:
 * its address may be the application's next one. */
static void test_private_multi_handle(void **state)
{
    (void)state;
    CURL *easy = make("/v1/plain"), *next = make("/v1/plain");
    private_multi = curl_multi_init();
    library.real.curl_easy_perform = perform_by_hooks;
    assert_int_equal(hook_curl_easy_perform(origin, easy), CURLE_OK);
    library.real.curl_easy_perform = curl_easy_perform;
    assert_true(private_is_quiet);
    assert_string_equal(read_tape(), "begin GET /v1/plain bytes=0 flags=0\n" ANSWER DONE);
    assert_null(hook_multi_quiet(private_multi));
    assert_int_equal(hook_curl_multi_add_handle(origin, private_multi, next), CURLM_OK);
    assert_null(hook_multi_quiet(private_multi));
    drive(private_multi, UINT_MAX);
    int left;
    assert_non_null(hook_curl_multi_info_read(origin, private_multi, &left));
    assert_string_equal(read_tape(), "begin GET /v1/plain bytes=0 flags=0\n" ANSWER DONE);
    assert_int_equal(hook_curl_multi_cleanup(origin, private_multi), CURLM_OK);
    hook_curl_easy_cleanup(origin, next);
    hook_curl_easy_cleanup(origin, easy);
}

#define CASE(name) cmocka_unit_test_setup(name, reset_sinks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_unseen_duplicate),
        CASE(test_added_only),
        CASE(test_private_multi_handle),
        CASE(test_many_sets),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
