/*
 * The C side of the stubs in stubs_*.S. Application's threads; also before any constructor ran (loader_resolve), which
 * is why this file is never compiled with sanitizers inside libpprof.so. Must never answer otherwise than the real
 * functions, a trampoline apart.
 */
#include "loader.h"

#include "elf_lookup.h"
#include "entry.h"
#include "got_patch.h"
#include "library_find.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* Read and, if NULL, filled by the stubs. */
void *_Atomic loader_next_dlopen;
void *_Atomic loader_next_dlsym;
void *_Atomic loader_next_dlclose;

bool loader_active;
_Atomic uint32_t loader_closes;

/* Called from the stubs only. */
void loader_resolve(void);
void *loader_dlsym(void *handle, const char *name);
void *loader_dlopen(const char *name, int flags);

static struct loader_real real_functions;
static const char *own_path = "";

/* Where the linker says that libpprof.so begins and ends. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _end[] __attribute__((visibility("hidden")));

bool loader_is_own(const void *address)
{
    return (uintptr_t)address >= (uintptr_t)__ehdr_start && (uintptr_t)address < (uintptr_t)_end;
}

static const char *base_name(const char *path)
{
    const char *base = path;
    for (; *path != '\0'; path++) {
        if (*path == '/')
            base = path + 1;
    }
    return base;
}

static bool begins_with(const char *text, const char *prefix)
{
    while (*prefix != '\0') {
        if (*text++ != *prefix++)
            return false;
    }
    return true;
}

/* glibc since 2.34 has them in libc.so.6, before in libdl.so.2; musl is one object. */
static bool is_c_library(const char *path)
{
    const char *base = base_name(path);
    return begins_with(base, "libc.so") || begins_with(base, "libdl.so") || begins_with(base, "ld-musl-") ||
           begins_with(base, "libc.musl-");
}

struct walk {
    bool behind_us;   /* our own object was seen */
    const char *name; /* what loader_next looks for */
    void *next;
};

static void fill(void **place, const struct elf_object *object, const char *name)
{
    if (*place == NULL)
        *place = elf_symbol(object, name);
}

static void fill_next(void *_Atomic *place, const struct elf_object *object, const char *name)
{
    if (atomic_load(place) == NULL)
        atomic_store(place, elf_symbol(object, name));
}

static bool resolve_in(const struct elf_object *object, void *context)
{
    struct walk *walk = context;
    if (loader_is_own(object->dynamic)) {
        walk->behind_us = true;
        own_path = object->name;
        return false;
    }
    if (is_c_library(object->name)) {
        fill((void **)&real_functions.dlopen, object, "dlopen");
        fill((void **)&real_functions.dlsym, object, "dlsym");
        fill((void **)&real_functions.dlclose, object, "dlclose");
        fill((void **)&real_functions.dlerror, object, "dlerror");
        fill((void **)(uintptr_t)&real_functions.thread_count, object, "__nptl_nthreads");
    }
    if (walk->behind_us) {
        fill_next(&loader_next_dlopen, object, "dlopen");
        fill_next(&loader_next_dlsym, object, "dlsym");
        fill_next(&loader_next_dlclose, object, "dlclose");
    }
    return false;
}

void loader_resolve(void)
{
    struct walk walk = {.behind_us = false};
    (void)elf_walk_early(resolve_in, &walk);
}

const struct loader_real *loader_real(void)
{
    if (real_functions.dlsym == NULL)
        loader_resolve();
    return &real_functions;
}

const char *loader_own_path(void)
{
    (void)loader_real();
    return own_path;
}

static bool next_in(const struct elf_object *object, void *context)
{
    struct walk *walk = context;
    if (loader_is_own(object->dynamic))
        walk->behind_us = true;
    else if (walk->behind_us)
        walk->next = elf_symbol(object, walk->name);
    return walk->next != NULL;
}

void *loader_next(const char *name)
{
    struct walk walk = {.name = name};
    (void)elf_walk_early(next_in, &walk);
    return walk.next;
}

/* What the application asked for, by whom it would have been answered without us. */
static void *ask_next(void *handle, const char *name)
{
    void *(*next)(void *, const char *) = (void *(*)(void *, const char *))atomic_load(&loader_next_dlsym);
    if (next == NULL)
        next = loader_real()->dlsym;
    return next == NULL ? NULL : next(handle, name);
}

void *loader_dlsym(void *handle, const char *name)
{
    void *symbol = ask_next(handle, name);
    if (symbol == NULL || !entry_is_hooked(name) || loader_is_own(symbol))
        return symbol;
    int saved_errno = errno;
    const struct library *library = library_defining(symbol);
    void *trampoline = library == NULL ? NULL : entry_trampoline(library->index, name);
    errno = saved_errno;
    return trampoline == NULL ? symbol : trampoline;
}

void *loader_dlopen(const char *name, int flags)
{
    void *(*next)(const char *, int) = (void *(*)(const char *, int))atomic_load(&loader_next_dlopen);
    if (next == NULL)
        next = loader_real()->dlopen;
    if (next == NULL)
        return NULL;
    struct got_mark mark = got_mark();
    void *handle = next(name, flags);
    if (handle != NULL) {
        int saved_errno = errno;
        got_patch_since(mark, handle);
        errno = saved_errno;
    }
    return handle;
}
