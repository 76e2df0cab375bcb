/*
 * Private copies (keep.h). Called on the application's threads from setopt, duphandle, reset and
 * cleanup; takes no lock and does not touch the application's heap.
 *
 * Small copies: a slab holds blocks of one size. Blocks never used are handed out by a counter,
 * blocks given back by a list per size whose head carries a count of its changes beside the place
 * of its first block, so that a head that comes back is not taken for the one that went. The links
 * lie beside the blocks, not in them. Slabs are never unmapped.
 */
#include "keep.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

enum {
    SLAB_BYTES = 256 * 1024,
    SLABS_MAX = 2048, /* beyond these, small copies get mappings of their own */
    SLOT_BITS = 12,
    CLASSES = 11, /* 64, 96, 128, 192 … 2048 bytes */
};
_Static_assert(KEEP_SMALL_BYTES_MIN << (CLASSES - 1) / 2 == KEEP_SMALL_BYTES_MAX, "as many classes as sizes");
_Static_assert(SLAB_BYTES / (KEEP_SMALL_BYTES_MIN + sizeof(uint32_t)) < 1 << SLOT_BITS, "a slot's number fits");

struct slab {
    uint32_t number;
    _Atomic uint32_t used;   /* slots handed out at least once */
    _Atomic uint32_t next[]; /* by slot: the place after it in the list of free ones */
};

static _Atomic(struct slab *) slabs[SLABS_MAX];
static _Atomic uint32_t slab_count;
static _Atomic(struct slab *) newest_slab[CLASSES];
static _Atomic uint64_t free_blocks[CLASSES]; /* changes << 32 | place */

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

static _Atomic size_t own_mappings_bytes; /* of those that are no block and no slab */

static char *map_memory(size_t room)
{
    char *memory = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    (void)madvise(memory, room, MADV_DONTDUMP);
    return memory;
}

static char *map_own(size_t room)
{
    const size_t before = atomic_fetch_add_explicit(&own_mappings_bytes, room, memory_order_relaxed);
    char *memory = before <= KEEP_TOTAL_BYTES_MAX - room ? map_memory(room) : NULL;
    if (memory == NULL)
        atomic_fetch_sub_explicit(&own_mappings_bytes, room, memory_order_relaxed);
    return memory;
}

static void unmap_own(char *memory, size_t room)
{
    (void)munmap(memory, room);
    atomic_fetch_sub_explicit(&own_mappings_bytes, room, memory_order_relaxed);
}

static size_t class_bytes(unsigned class)
{
    size_t power = (size_t)KEEP_SMALL_BYTES_MIN << class / 2;
    return class % 2 == 0 ? power : power + power / 2;
}

static unsigned class_of(size_t bytes)
{
    unsigned class = 0;
    while (class_bytes(class) < bytes)
        class ++;
    return class;
}

static uint32_t slots(unsigned class)
{
    return (uint32_t)((SLAB_BYTES - sizeof(struct slab)) / (class_bytes(class) + sizeof(uint32_t)));
}

/* Blocks lie at the slab's end. */
static char *block(struct slab *slab, unsigned class, uint32_t slot)
{
    return (char *)slab + SLAB_BYTES - (slot + 1) * class_bytes(class);
}

static struct slab *slab_of(uint32_t place)
{
    return atomic_load_explicit(&slabs[place >> SLOT_BITS], memory_order_acquire);
}

/* A place is never 0: slots count from 1 in it. */
static uint32_t slot_of(uint32_t place)
{
    return (place & ((1u << SLOT_BITS) - 1)) - 1;
}

static uint32_t take_free(unsigned class)
{
    uint64_t head = atomic_load_explicit(&free_blocks[class], memory_order_acquire);
    while ((uint32_t)head != 0) {
        uint32_t place = (uint32_t)head;
        uint64_t behind = atomic_load_explicit(&slab_of(place)->next[slot_of(place)], memory_order_relaxed);
        if (atomic_compare_exchange_weak_explicit(&free_blocks[class], &head, ((head >> 32) + 1) << 32 | behind,
                                                  memory_order_acq_rel, memory_order_acquire))
            return place;
    }
    return 0;
}

static void put_free(unsigned class, uint32_t place)
{
    uint64_t head = atomic_load_explicit(&free_blocks[class], memory_order_relaxed);
    do
        atomic_store_explicit(&slab_of(place)->next[slot_of(place)], (uint32_t)head, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&free_blocks[class], &head, ((head >> 32) + 1) << 32 | place,
                                                  memory_order_release, memory_order_relaxed));
}

static struct slab *map_slab(void)
{
    if (atomic_load_explicit(&slab_count, memory_order_relaxed) >= SLABS_MAX)
        return NULL;
    struct slab *slab = (struct slab *)(void *)map_memory(SLAB_BYTES);
    uint32_t number = slab == NULL ? SLABS_MAX : atomic_fetch_add_explicit(&slab_count, 1, memory_order_relaxed);
    if (number >= SLABS_MAX) {
        if (slab != NULL)
            (void)munmap(slab, SLAB_BYTES);
        return NULL;
    }
    slab->number = number;
    atomic_store_explicit(&slabs[number], slab, memory_order_release);
    return slab;
}

/* Nobody has a place in it. */
static void give_back_slab(struct slab *slab)
{
    atomic_store_explicit(&slabs[slab->number], NULL, memory_order_relaxed);
    (void)munmap(slab, SLAB_BYTES);
}

/* A slot that was never used. */
static uint32_t take_fresh(unsigned class)
{
    for (;;) {
        struct slab *slab = atomic_load_explicit(&newest_slab[class], memory_order_acquire);
        if (slab != NULL && atomic_load_explicit(&slab->used, memory_order_relaxed) < slots(class)) {
            uint32_t slot = atomic_fetch_add_explicit(&slab->used, 1, memory_order_relaxed);
            if (slot < slots(class))
                return slab->number << SLOT_BITS | (slot + 1);
        }
        struct slab *fresh = map_slab();
        if (fresh == NULL)
            return 0;
        /* Another thread may have been faster: then this one stays empty, and the next finds that
         * one's. */
        if (!atomic_compare_exchange_strong_explicit(&newest_slab[class], &slab, fresh, memory_order_acq_rel,
                                                     memory_order_relaxed))
            give_back_slab(fresh);
    }
}

static char *take_small(size_t bytes, struct keep *ret_keep)
{
    unsigned class = class_of(bytes);
    uint32_t place = take_free(class);
    if (place == 0)
        place = take_fresh(class);
    if (place == 0)
        return NULL;
    *ret_keep = (struct keep){.room = (uint32_t)class_bytes(class), .place = place};
    return block(slab_of(place), class, slot_of(place));
}

void keep_drop(struct keep *keep)
{
    if (keep->data == NULL)
        return;
    int saved_errno = errno;
    explicit_bzero(keep->data, keep->bytes);
    if (keep->place != 0)
        put_free(class_of(keep->room), keep->place);
    else if (keep->room != KEEP_BLOCK_BYTES)
        unmap_own(keep->data, keep->room);
    else if (put_idle_block(keep->data) < 0)
        (void)munmap(keep->data, keep->room);
    *keep = (struct keep){0};
    errno = saved_errno;
}

/* Memory for a new copy; its data is NULL where there is none. */
static struct keep take(size_t bytes)
{
    struct keep keep = {0};
    if (bytes <= KEEP_SMALL_BYTES_MAX)
        keep.data = take_small(bytes, &keep);
    if (keep.data != NULL)
        return keep;
    if (bytes > KEEP_BLOCK_BYTES) {
        keep.room = (uint32_t)bytes;
        keep.data = map_own(bytes);
        return keep;
    }
    keep.room = KEEP_BLOCK_BYTES;
    keep.data = take_idle_block();
    if (keep.data == NULL)
        keep.data = map_memory(KEEP_BLOCK_BYTES);
    return keep;
}

int keep_set(struct keep *keep, const void *data, size_t bytes)
{
    bool fits = keep->place != 0 && bytes <= KEEP_SMALL_BYTES_MAX && class_of(bytes) == class_of(keep->room);
    if (fits)
        explicit_bzero(keep->data, keep->bytes);
    else
        keep_drop(keep);
    if (bytes > KEEP_BYTES_MAX)
        return -ENOMEM;
    if (!fits) {
        int saved_errno = errno;
        *keep = take(bytes);
        errno = saved_errno;
    }
    if (keep->data == NULL) {
        *keep = (struct keep){0};
        return -ENOMEM;
    }
    if (bytes != 0)
        memcpy(keep->data, data, bytes);
    keep->bytes = (uint32_t)bytes;
    return 0;
}
