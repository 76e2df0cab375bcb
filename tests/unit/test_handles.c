/*
 * The table of handles: find, recycle, constant memory over many lives, many at once, several
 * threads.
 */
#include "shim/tap/curl/handles.h"
#include "shim/tape/tally.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

static struct library library;

static const void *key(uintptr_t number)
{
    return (const void *)(0x550000000000u + number * 0x1a40); /* addresses as malloc gives for handles */
}

static void test_find(void **state)
{
    (void)state;
    assert_null(handles_find(NULL, HANDLE_EASY));
    assert_null(handles_insert(NULL, HANDLE_EASY, &library));
    assert_null(handles_find(key(1), HANDLE_EASY));
    struct handle *one = handles_insert(key(1), HANDLE_EASY, &library);
    struct handle *two = handles_insert(key(2), HANDLE_EASY, &library);
    assert_non_null(one);
    assert_ptr_not_equal(one, two);
    assert_ptr_equal(handles_find(key(1), HANDLE_EASY), one);
    assert_ptr_equal(handles_find(key(2), HANDLE_EASY), two);
    assert_ptr_equal(one->library, &library);
    assert_ptr_equal(one->easy.shadow.callbacks.write_data, stdout);
    handles_release(one);
    assert_null(handles_find(key(1), HANDLE_EASY));
    assert_ptr_equal(handles_find(key(2), HANDLE_EASY), two);
    handles_release(two);
}

/* The library freed a handle after our back and gave the address out again: nothing of the old one
 * may remain. */
static void test_stale_record_is_taken_over(void **state)
{
    (void)state;
    struct handle *handle = handles_insert(key(1), HANDLE_EASY, &library);
    shadow_set(&handle->easy.shadow, CURLOPT_COPYPOSTFIELDS, (uintptr_t) "secret");
    handle->easy.transfer = 9;
    handle->easy.armed = true;
    assert_ptr_equal(handles_insert(key(1), HANDLE_EASY, &library), handle);
    assert_false(handle->easy.armed);
    assert_int_equal(handle->easy.transfer, 0);
    assert_null(handle->easy.shadow.copied.data);
    handles_release(handle);
}

static void test_constant_memory(void **state)
{
    (void)state;
    struct handle *handle = handles_insert(key(3), HANDLE_EASY, &library);
    handles_release(handle);
    size_t before = handles_capacity();
    for (unsigned i = 0; i < 100000; i++) {
        handle = handles_insert(key(3 + i % 4), HANDLE_EASY, &library);
        assert_non_null(handle);
        handles_release(handle);
    }
    assert_in_range(handles_capacity(), before, before + 3);
}

static void test_many_alive(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    for (uintptr_t i = 0; i < MANY; i++)
        assert_non_null(handles_insert(key(100 + i), HANDLE_EASY, &library));
    size_t longest = 0;
    for (uintptr_t i = 0; i < MANY; i++) {
        size_t steps = 1;
        struct handle *found = handles_find(key(100 + i), HANDLE_EASY);
        assert_non_null(found);
        for (struct handle *next = found->next; next != NULL; next = next->next)
            steps++;
        if (steps > longest)
            longest = steps;
    }
    assert_in_range(longest, 1, 12); /* the hash spreads addresses of one stride */
    size_t capacity = handles_capacity();
    for (uintptr_t i = 0; i < MANY; i++)
        handles_release(handles_find(key(100 + i), HANDLE_EASY));
    for (uintptr_t i = 0; i < MANY; i++)
        assert_non_null(handles_insert(key(100 + i), HANDLE_EASY, &library));
    assert_int_equal(handles_capacity(), capacity);
    for (uintptr_t i = 0; i < MANY; i++)
        handles_release(handles_find(key(100 + i), HANDLE_EASY));
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *churn(void *argument)
{
    uintptr_t base = 20000 + 100 * (uintptr_t)argument;
    uintptr_t wrong = 0;
    for (uintptr_t i = 0; i < ROUNDS; i++) {
        const void *mine = key(base + i % 7);
        struct handle *handle = handles_insert(mine, HANDLE_EASY, &library);
        wrong += handle == NULL || handles_find(mine, HANDLE_EASY) != handle;
        handle->easy.transfer = base;
        shadow_set(&handle->easy.shadow, CURLOPT_COPYPOSTFIELDS, (uintptr_t) "body");
        wrong += handle->easy.transfer != base || handle->easy.shadow.copied.data == NULL ||
                 memcmp(handle->easy.shadow.copied.data, "body", 4) != 0;
        handles_release(handle);
        wrong += handles_find(mine, HANDLE_EASY) != NULL;
    }
    return (void *)wrong;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, (void *)i), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        void *wrong = NULL;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

/* Counted, so that nobody says that nothing was lost; errno is the application's. */
static void test_no_memory(void **state)
{
    (void)state;
    enum { FIRST = 900000 };
    struct rlimit before, least;
    uintptr_t n = 0;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    least = before;
    least.rlim_cur = 1;
    assert_int_equal(tally_of(TALLY_CALLS), 0);
    assert_int_equal(setrlimit(RLIMIT_AS, &least), 0);
    errno = 77;
    while (handles_insert(key(FIRST + n), HANDLE_EASY, &library) != NULL)
        n++;
    const bool another = handles_insert(key(FIRST + n), HANDLE_EASY, &library) != NULL;
    const int error = errno;
    const uint64_t refused = tally_of(TALLY_CALLS);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_false(another);
    assert_int_equal(error, 77);
    assert_int_equal(refused, 2);
    assert_non_null(handles_insert(key(FIRST + n), HANDLE_EASY, &library));
    assert_int_equal(tally_of(TALLY_CALLS), 2);
    for (uintptr_t i = 0; i <= n; i++)
        handles_release(handles_find(key(FIRST + i), HANDLE_EASY));
}

/* libcurl frees handles of its own without a call that is seen, and what comes to their address is
 * something else. */
static void test_another_kind_at_the_address(void **state)
{
    (void)state;
    static struct library other;
    struct handle *easy = handles_insert(key(900), HANDLE_EASY, &library);
    assert_non_null(easy);
    assert_null(handles_find(key(900), HANDLE_MULTI));
    assert_null(handles_find(key(900), HANDLE_FORM));
    assert_ptr_equal(handles_find_any(key(900)), easy);
    struct handle *multi = handles_insert(key(900), HANDLE_MULTI, &other);
    assert_ptr_equal(handles_find(key(900), HANDLE_MULTI), multi);
    assert_ptr_equal(multi->library, &other);
    assert_null(multi->multi.pending);
    assert_null(handles_find(key(900), HANDLE_EASY));
    handles_release(multi);
}

/* Whatever stood at the address, and whatever comes: what it owned goes, and no list names it any
 * more. */
static void test_each_kind_gives_up_what_it_owns(void **state)
{
    (void)state;
    static const enum handle_kind kinds[] = {HANDLE_EASY, HANDLE_MULTI, HANDLE_FORM};
    for (size_t k = 0; k <= sizeof(kinds) / sizeof(kinds[0]); k++) { /* the last turn releases instead */
        struct handle *list = handles_insert(key(910), HANDLE_MULTI, &library);
        struct handle *before = handles_insert(key(911), HANDLE_EASY, &library);
        struct handle *easy = handles_insert(key(912), HANDLE_EASY, &library);
        struct handle *after = handles_insert(key(913), HANDLE_EASY, &library);
        struct handle *form = handles_insert(key(914), HANDLE_FORM, &library);
        handles_join(before, list);
        handles_join(easy, list);
        handles_join(after, list);
        shadow_set(&easy->easy.shadow, CURLOPT_COPYPOSTFIELDS, (uintptr_t) "secret");
        assert_int_equal(keep_set(&form->form.parts, "secret", 7), 0);
        const char *fields = easy->easy.shadow.copied.data, *parts = form->form.parts.data;

        struct handle *const gone[] = {easy, form};
        for (size_t i = 0; i < 2; i++)
            if (k < sizeof(kinds) / sizeof(kinds[0]))
                assert_ptr_equal(handles_insert(key(912 + 2 * i), kinds[k], &library), gone[i]);
            else
                handles_release(gone[i]);
        assert_string_not_equal(fields, "secret"); /* a slab of ours: wiped, and still there */
        assert_string_not_equal(parts, "secret");
        assert_ptr_equal(list->multi.first, before);
        assert_ptr_equal(before->easy.multi_next, after);
        assert_ptr_equal(after->easy.multi_previous, before);

        if (k < sizeof(kinds) / sizeof(kinds[0]))
            assert_ptr_equal(handles_insert(key(910), kinds[k], &library), list);
        else
            handles_release(list);
        assert_null(before->easy.multi);
        assert_null(after->easy.multi);
        assert_null(before->easy.multi_next);
        handles_release(before);
        handles_release(after);
        for (uintptr_t n = 910; n <= 914; n += 2)
            if (handles_find_any(key(n)) != NULL)
                handles_release(handles_find_any(key(n)));
    }
}

/* Only an easy handle's callbacks are asked for after its end. */
static void test_released_are_easy_handles(void **state)
{
    (void)state;
    handles_release(handles_insert(key(920), HANDLE_EASY, &library));
    assert_non_null(handles_find_released(key(920)));
    handles_release(handles_insert(key(920), HANDLE_MULTI, &library));
    assert_null(handles_find_released(key(920)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_another_kind_at_the_address),
        cmocka_unit_test(test_each_kind_gives_up_what_it_owns),
        cmocka_unit_test(test_released_are_easy_handles),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_stale_record_is_taken_over),
        cmocka_unit_test(test_constant_memory),
        cmocka_unit_test(test_many_alive),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
