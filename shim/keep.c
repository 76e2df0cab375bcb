/*
 * Private copies (keep.h). Called on the application's threads from setopt, duphandle, reset and cleanup; takes no lock
 * and does not touch the application's heap.
 */
#include "keep.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic(char *) idle_blocks[KEEP_BLOCKS_IDLE_MAX];

static char *take_idle_block(void)
{
    for (unsigned i = 0; i < KEEP_BLOCKS_IDLE_MAX; i++) {
        if (atomic_load_explicit(&idle_blocks[i], memory_order_relaxed) == NULL)
            continue;
        char *block = atomic_exchange_explicit(&idle_blocks[i], NULL, memory_order_acquire);
        if (block != NULL)
            return block;
    }
    return NULL;
}

static int put_idle_block(char *block)
{
    for (unsigned i = 0; i < KEEP_BLOCKS_IDLE_MAX; i++) {
        char *expected = NULL;
        if (atomic_compare_exchange_strong_explicit(&idle_blocks[i], &expected, block, memory_order_release,
                                                    memory_order_relaxed))
            return 0;
    }
    return -ENOSPC;
}

static char *map_memory(size_t room)
{
    char *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, room, MADV_DONTDUMP);
    return memory;
}

void keep_drop(struct keep *keep)
{
    if (keep->data == NULL)
        return;
    int saved_errno = errno;
    explicit_bzero(keep->data, keep->bytes);
    if (keep->room != KEEP_BLOCK_BYTES || put_idle_block(keep->data) < 0)
        (void)munmap(keep->data, keep->room);
    *keep = (struct keep){0};
    errno = saved_errno;
}

int keep_set(struct keep *keep, const void *data, size_t bytes)
{
    keep_drop(keep);
    if (bytes > KEEP_BYTES_MAX)
        return -ENOMEM;
    int saved_errno = errno;
    size_t room = bytes <= KEEP_BLOCK_BYTES ? KEEP_BLOCK_BYTES : bytes;
    char *memory = room == KEEP_BLOCK_BYTES ? take_idle_block() : NULL;
    if (memory == NULL)
        memory = map_memory(room);
    errno = saved_errno;
    if (memory == NULL)
        return -ENOMEM;
    if (bytes != 0)
        memcpy(memory, data, bytes);
    *keep = (struct keep){.data = memory, .bytes = bytes, .room = room};
    return 0;
}
