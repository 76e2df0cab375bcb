/*
 * Memory that ends the program when it is touched at the wrong time: after its last byte, or at
 * all.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static inline size_t guarded_page(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* `bytes` that end where a page begins that nobody may touch. Never given back. */
static inline __attribute__((unused)) void *guarded_room(size_t bytes)
{
    const size_t page = guarded_page(), room = (bytes + page - 1) / page * page;
    char *memory = mmap(NULL, room + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, room, PROT_READ | PROT_WRITE) != 0)
        abort();
    return memory + room - bytes;
}

static inline __attribute__((unused)) void *guarded_copy(const void *data, size_t bytes)
{
    return memcpy(guarded_room(bytes), data, bytes);
}

/* From now on nobody may touch it. */
static inline __attribute__((unused)) void guarded_vanish(void *memory, size_t bytes)
{
    const size_t page = guarded_page();
    char *begin = (char *)memory - (size_t)memory % page;
    if (mprotect(begin, ((size_t)memory % page + bytes + page - 1) / page * page, PROT_NONE) != 0)
        abort();
}

/* An address at which there is nothing. */
static inline __attribute__((unused)) void *unmapped(void)
{
    return guarded_room(0);
}
