/*
 * Memory that runs out at a chosen moment, for the tests of that name: linked with --wrap for
 * malloc, calloc, realloc and strdup, so that what the library under test asks for can be refused,
 * once or from then on. AddressSanitizer sees what is done with what was not there, and what is
 * freed twice or never: each test ends with nothing_leaked(). One thread.
 */
#pragma once

#include <errno.h>
#include <execinfo.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_do_recoverable_leak_check() 0 /* such a build sees crashes alone */
#endif

enum { FAILING_PATH_FRAMES = 14, FAILING_PATHS_MAX = 1 << 16 };

static struct {
    bool on;        /* within the code under test */
    bool more;      /* all after it fail too */
    long at;        /* which allocation fails, from 1; 0: none */
    long asked;     /* since it began */
    long failed;    /* of them */
    uint64_t *path; /* of each allocation who called for it, while that is written down */
} failing;

/* A number for the functions that lead to this allocation, and where in them. */
static inline uint64_t failing_path(void)
{
    void *frames[FAILING_PATH_FRAMES];
    uint64_t sum = UINT64_C(14695981039346656037);
    const int n = backtrace(frames, FAILING_PATH_FRAMES);
    for (int i = 0; i < n; i++)
        sum = (sum ^ (uint64_t)(uintptr_t)frames[i]) * UINT64_C(1099511628211);
    return sum;
}

static inline bool fails_now(void)
{
    if (!failing.on)
        return false;
    failing.asked++;
    if (failing.path != NULL && failing.asked <= FAILING_PATHS_MAX)
        failing.path[failing.asked - 1] = failing_path();
    if (failing.at == 0 || (failing.more ? failing.asked < failing.at : failing.asked != failing.at))
        return false;
    failing.failed++;
    errno = ENOMEM;
    return true;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t bytes)
{
    return fails_now() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
    return fails_now() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    return fails_now() ? NULL : __real_realloc(memory, bytes);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}

static inline void failing_begin(long at, bool more)
{
    failing.at = at;
    failing.more = more;
    failing.asked = failing.failed = 0;
    failing.on = true;
}

static inline void failing_end(void)
{
    failing.on = false;
}

/*
 * Runs `what` with each single allocation failing, then with each and all after it; every
 * `stride`-th number only (0: none), of the latter every `stride_more`-th. `what` calls
 * failing_begin(at, more) and failing_end around the code under test, and looks at what came of it.
 * Returns how many runs had a failure.
 */
static inline long each_allocation_of(void (*what)(void *context, long at, bool more), void *context, long stride,
                                      long stride_more)
{
    long runs = 0;
    for (int more = stride == 0; more < 2; more++)
        for (long at = 1;; at += more ? stride_more : stride) {
            what(context, at, more);
            if (failing.failed == 0)
                break;
            runs++;
        }
    return runs;
}

/*
 * Runs `what` once without a failure and then with each single allocation failing that is the first
 * or the last of its path, i.e. of those which the same calls at the same places lead to: a loop's
 * others are left out. Returns how many runs had a failure.
 */
static inline long each_path_of(void (*what)(void *context, long at, bool more), void *context)
{
    uint64_t *const path = __real_calloc(FAILING_PATHS_MAX, sizeof(*path));
    long runs = 0;
    failing.path = path;
    what(context, 0, false);
    failing.path = NULL;
    const long asked = failing.asked;
    assert_true(asked <= FAILING_PATHS_MAX);
    for (long at = 1; at <= asked; at++) {
        bool before = false, after = false;
        for (long other = 1; other <= asked && !(before && after); other++)
            if (path[other - 1] == path[at - 1]) {
                before |= other < at;
                after |= other > at;
            }
        if (before && after)
            continue;
        what(context, at, false);
        runs += failing.failed > 0;
    }
    free(path);
    return runs;
}

static inline long each_allocation(void (*what)(void *context, long at, bool more), void *context, long stride)
{
    return each_allocation_of(what, context, stride, stride);
}

static inline void nothing_leaked(void)
{
    assert_int_equal(__lsan_do_recoverable_leak_check(), 0);
}
