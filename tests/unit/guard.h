/* Bytes that end at a page nobody may read: an overread by one byte is a crash, also without ASan.
 * Mapped once for many texts, each moved against the page. */
#pragma once

#include <sanitizer/asan_interface.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct guard {
    uint8_t *map;
    size_t bytes; /* before the page */
};

static inline struct guard guard_make(size_t max)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guard guard = {.bytes = (max + page - 1) / page * page};
    guard.map = mmap(NULL, guard.bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(guard.map, MAP_FAILED);
    assert_int_equal(mprotect(guard.map + guard.bytes, page, PROT_NONE), 0);
    return guard;
}

/* Copies data so that it ends at the unreadable page. */
static inline const uint8_t *guard_place(const struct guard *guard, const void *data, size_t bytes)
{
    assert_true(bytes <= guard->bytes);
    uint8_t *at = guard->map + guard->bytes - bytes;
    ASAN_UNPOISON_MEMORY_REGION(at, bytes);
    if (bytes > 0)
        memcpy(at, data, bytes);
    return at;
}

/* What was placed there is gone, as if it were freed: nobody may look at it again (without ASan
 * other bytes are there).
 */
static inline void guard_gone(const struct guard *guard, size_t bytes)
{
    uint8_t *at = guard->map + guard->bytes - bytes;
    memset(at, 0xdb, bytes);
    ASAN_POISON_MEMORY_REGION(at, bytes);
}

static inline void guard_free(struct guard *guard)
{
    ASAN_UNPOISON_MEMORY_REGION(guard->map, guard->bytes);
    munmap(guard->map, guard->bytes + (size_t)sysconf(_SC_PAGESIZE));
}
