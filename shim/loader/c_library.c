/*
 * The C library's own functions, and our place among the objects, see c_library.h. Also before any
 * constructor ran (loader_resolve), which is why this file is never compiled with sanitizers inside
 * libpprof.so.
 */
#include "c_library.h"

#include "elf_lookup.h"

#include <stddef.h>

/* Read and, if NULL, filled by the stubs. */
void *_Atomic loader_next_dlopen;
void *_Atomic loader_next_dlsym;
void *_Atomic loader_next_dlclose;

/* Called from the stubs only. */
void loader_resolve(void);

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
    for (; *path != '\0'; path++)
        if (*path == '/')
            base = path + 1;
    return base;
}

static bool begins_with(const char *text, const char *prefix)
{
    while (*prefix != '\0')
        if (*text++ != *prefix++)
            return false;
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
