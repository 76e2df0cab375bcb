/* A copy of some bytes that ends at a page nobody may read: an overread by one byte is a crash, also without ASan. */
#pragma once

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    char *map;
    size_t map_bytes;
    char *data;
};

static inline struct guard guard_copy(const char *data, size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t room = (bytes + page - 1) / page * page + page;
    struct guard guard = {.map_bytes = room + page};
    guard.map = mmap(NULL, guard.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(guard.map + room, page, PROT_NONE);
    guard.data = guard.map + room - bytes;
    memcpy(guard.data, data, bytes);
    return guard;
}

static inline void guard_free(struct guard guard)
{
    munmap(guard.map, guard.map_bytes);
}
