/*
 * The table of handles (handles.h). Every hook begins here, on the application's thread: no lock,
 * no allocation from the application's heap, and a record once published never goes away, so that a
 * late look at it is harmless.
 */
#include "handles.h"

#include "shim/tape/tally.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { SLAB_BYTES = 64 * 1024 };

struct slab {
    _Atomic uint32_t used;
    struct handle handles[];
};
static const uint32_t SLAB_HANDLES = (SLAB_BYTES - sizeof(struct slab)) / sizeof(struct handle);

_Atomic(struct handle *) handles_buckets[HANDLES_BUCKETS];
static _Atomic(struct slab *) newest_slab;
static _Atomic size_t made;

static struct handle *make_handle(void)
{
    for (;;) {
        struct slab *slab = atomic_load_explicit(&newest_slab, memory_order_acquire);
        if (slab != NULL && atomic_load_explicit(&slab->used, memory_order_relaxed) < SLAB_HANDLES) {
            uint32_t index = atomic_fetch_add_explicit(&slab->used, 1, memory_order_relaxed);
            if (index < SLAB_HANDLES) {
                atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
                return &slab->handles[index];
            }
        }
        struct slab *fresh = mmap(NULL, SLAB_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fresh == MAP_FAILED)
            return NULL;
        if (!atomic_compare_exchange_strong_explicit(&newest_slab, &slab, fresh, memory_order_acq_rel,
                                                     memory_order_relaxed))
            (void)munmap(fresh, SLAB_BYTES);
    }
}

void handles_set_loud(struct handle *record)
{
    atomic_store_explicit(&record->quiet, record, memory_order_release);
}

void handles_set_quiet(struct handle *record, const void *multi)
{
    atomic_store_explicit(&record->quiet, multi, memory_order_release);
}

/* Everything from `released` on is the owner's and starts from zero. */
static void clear(struct handle *handle)
{
    handles_set_loud(handle);
    uint8_t *begin = (uint8_t *)&handle->released;
    memset(begin, 0, (size_t)((uint8_t *)(handle + 1) - begin));
}

static struct handle *recycle(_Atomic(struct handle *) *bucket, const void *key)
{
    for (struct handle *handle = atomic_load_explicit(bucket, memory_order_acquire); handle != NULL;
         handle = handle->next) {
        const void *expected = NULL;
        if (atomic_load_explicit(&handle->key, memory_order_relaxed) == NULL &&
            atomic_compare_exchange_strong_explicit(&handle->key, &expected, key, memory_order_acq_rel,
                                                    memory_order_relaxed))
            return handle;
    }
    return NULL;
}

static struct handle *append(_Atomic(struct handle *) *bucket, const void *key)
{
    struct handle *handle = make_handle();
    if (handle == NULL)
        return NULL;
    atomic_store_explicit(&handle->key, key, memory_order_relaxed);
    handle->next = atomic_load_explicit(bucket, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(bucket, &handle->next, handle, memory_order_release,
                                                  memory_order_relaxed))
        continue;
    return handle;
}

void handles_join(struct handle *easy, struct handle *multi)
{
    struct easy *own = &easy->easy;
    struct multi *list = &multi->multi;
    own->multi = multi;
    own->multi_next = NULL;
    own->multi_previous = list->last;
    if (list->last != NULL)
        list->last->easy.multi_next = easy;
    else
        list->first = easy;
    list->last = easy;
    if (list->pending == NULL)
        list->pending = easy;
    own->pending = true;
    handles_set_loud(multi);
}

void handles_leave(struct handle *easy)
{
    if (easy == NULL || easy->easy.multi == NULL)
        return;
    struct easy *own = &easy->easy;
    struct multi *list = &own->multi->multi;
    if (own->multi_previous != NULL)
        own->multi_previous->easy.multi_next = own->multi_next;
    else
        list->first = own->multi_next;
    if (own->multi_next != NULL)
        own->multi_next->easy.multi_previous = own->multi_previous;
    else
        list->last = own->multi_previous;
    if (list->pending == easy)
        list->pending = own->multi_next;
    own->multi = own->multi_next = own->multi_previous = NULL;
    own->pending = false;
}

/* All that a record owns, and its places in lists. The one place that knows what that is, by
 * kind. */
static void drop_parts(struct handle *handle)
{
    switch (handle->kind) {
    case HANDLE_EASY:
        handles_leave(handle);
        shadow_drop(&handle->easy.shadow);
        break;
    case HANDLE_MULTI:
        while (handle->multi.first != NULL && handle->multi.first->easy.multi == handle)
            handles_leave(handle->multi.first);
        break;
    case HANDLE_FORM:
        keep_drop(&handle->form.parts);
        break;
    }
}

const struct handle *handles_find_released(const void *key)
{
    if (key == NULL)
        return NULL;
    const struct handle *handle = atomic_load_explicit(handles_bucket(key), memory_order_acquire);
    while (handle != NULL &&
           (handle->released != key || atomic_load_explicit(&handle->key, memory_order_acquire) != NULL))
        handle = handle->next;
    return handle;
}

struct handle *handles_insert(const void *key, enum handle_kind kind, struct library *library)
{
    if (key == NULL)
        return NULL;
    int saved_errno = errno;
    _Atomic(struct handle *) *bucket = handles_bucket(key);
    struct handle *handle = handles_find_any(key);
    if (library->index == LIBRARY_NOT_FOLLOWED) {
        if (handle != NULL)
            handles_release(handle);
        (void)tally_add(TALLY_CALLS);
        return NULL;
    }
    if (handle != NULL)
        drop_parts(handle);
    else
        handle = recycle(bucket, key);
    if (handle == NULL)
        handle = append(bucket, key);
    errno = saved_errno;
    if (handle == NULL) {
        (void)tally_add(TALLY_CALLS);
        return NULL;
    }
    clear(handle);
    handle->kind = kind;
    handle->library = library;
    if (kind == HANDLE_EASY)
        shadow_init(&handle->easy.shadow);
    return handle;
}

void handles_release(struct handle *handle)
{
    const void *key = atomic_load_explicit(&handle->key, memory_order_relaxed);
    drop_parts(handle);
    if (handle->kind == HANDLE_EASY) {
        const struct shadow_callbacks callbacks = handle->easy.shadow.callbacks;
        clear(handle);
        handle->easy.shadow.callbacks = callbacks;
        handle->released = key;
    } else {
        clear(handle);
    }
    atomic_store_explicit(&handle->key, NULL, memory_order_release);
}

size_t handles_capacity(void)
{
    return atomic_load_explicit(&made, memory_order_relaxed);
}
