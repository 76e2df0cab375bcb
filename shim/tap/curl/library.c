/*
 * See library.h. Called by the hooks on the application's threads, and by loader.c for what dlsym
 * hands out and for plugins with RTLD_DEEPBIND.
 *
 * The libcurl of a caller is looked for where the loader would have looked without us: the caller's
 * own object, what that depends on, what follows us in the global scope (RTLD_NEXT: alone it fails
 * for every language binding, which load libcurl RTLD_LOCAL), and at last any libcurl that is
 * mapped. The table of functions is then read from that library's own symbol table, so that two
 * flavours never mix; only where another preload after us wraps single functions do callers that
 * were bound by symbol go through it, as they would have without us.
 *
 * Must never answer with a function of libpprof itself, take a lock (a forked child may inherit it)
 * or leave an error for dlerror().
 */
#include "library_inner.h"

#include "shim/base/say.h"
#include "shim/loader/elf_lookup.h"
#include "shim/loader/c_library.h"
#include "shim/loader/loader.h"
#include "shim/loader/tap.h"
#include "shim/scribe/scribe.h"
#include "shim/tape/tally.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct library library_table[LIBRARIES_MAX];

/* An entry is claimed by counting up, filled, then published; between the two nobody looks at it. A
 * child forked in between loses the entry. */
static _Atomic unsigned claimed;
static _Atomic bool published[LIBRARIES_MAX];

/*
 * Which library serves a return address: caller (48 bits), loader_closes (12), index + 1 (4) in one
 * word, so that reading and writing need no lock. dlclose may put another object at the same
 * address: then the count differs and the answer is looked for again.
 */
enum { CACHE_WORDS = 1024, CACHE_WAYS = 4, CACHE_CLOSES_BITS = 12, CACHE_INDEX_BITS = 4 };
static _Atomic uint64_t cache[CACHE_WORDS];
_Static_assert(LIBRARIES_MAX < 1 << CACHE_INDEX_BITS, "index + 1 fits");

static uint64_t cache_word(uintptr_t caller, uint32_t closes, unsigned index)
{
    uint64_t count = closes & ((1U << CACHE_CLOSES_BITS) - 1U);
    return (uint64_t)caller << (CACHE_CLOSES_BITS + CACHE_INDEX_BITS) | count << CACHE_INDEX_BITS | (index + 1U);
}

static bool cacheable(uintptr_t caller)
{
    return (uint64_t)caller >> (64 - CACHE_CLOSES_BITS - CACHE_INDEX_BITS) == 0;
}

static size_t cache_place(uintptr_t caller)
{
    return (size_t)((uint64_t)caller * 0x9e3779b97f4a7c15ULL >> 40U) % (CACHE_WORDS / CACHE_WAYS) * CACHE_WAYS;
}

static struct library *cache_find(uintptr_t caller, uint32_t closes)
{
    const uint64_t mask = (1U << CACHE_INDEX_BITS) - 1U;
    uint64_t wanted = cache_word(caller, closes, 0) & ~mask;
    size_t place = cache_place(caller);
    for (size_t i = 0; i < CACHE_WAYS; i++) {
        uint64_t word = atomic_load_explicit(&cache[place + i], memory_order_acquire);
        if ((word & ~mask) == wanted && (word & mask) != 0)
            return &library_table[(word & mask) - 1];
    }
    return NULL;
}

static void cache_put(uintptr_t caller, uint32_t closes, unsigned index)
{
    size_t place = cache_place(caller);
    size_t way = (caller >> 4U) % CACHE_WAYS;
    for (size_t i = 0; i < CACHE_WAYS; i++) {
        uint64_t word = atomic_load_explicit(&cache[place + i], memory_order_relaxed);
        if (word == 0 || word >> (CACHE_CLOSES_BITS + CACHE_INDEX_BITS) == caller) {
            way = i;
            break;
        }
    }
    atomic_store_explicit(&cache[place + way], cache_word(caller, closes, index), memory_order_release);
}

/* ---- libcurls ---- */

static bool is_libcurl(const struct elf_object *object)
{
    const void *version = elf_symbol(object, tap_hallmark);
    return version != NULL && !loader_is_own(version) && elf_symbol(object, "curl_easy_init") != NULL &&
           elf_symbol(object, "curl_easy_setopt") != NULL && elf_symbol(object, "curl_easy_perform") != NULL &&
           elf_symbol(object, "curl_easy_getinfo") != NULL && elf_symbol(object, "curl_easy_cleanup") != NULL;
}

/* The object of an address if it is a libcurl. */
static bool libcurl_at(struct elf_object *ret_object, const void *address)
{
    return address != NULL && !loader_is_own(address) && elf_object_at(ret_object, address) && is_libcurl(ret_object);
}

/* Keeps dlerror() clean: an error of ours must not be taken for the application's. */
static void forget_error(void)
{
    const struct loader_real *real = loader_real();
    if (real->dlerror != NULL)
        (void)real->dlerror();
}

static bool libcurl_of_dependencies(struct elf_object *ret_object, const struct elf_object *caller)
{
    const struct loader_real *real = loader_real();
    if (caller->name[0] == '\0')
        return false; /* the program: its dependencies are the global scope */
    void *handle = real->dlopen(caller->name, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == NULL) {
        forget_error();
        return false;
    }
    const void *version = real->dlsym(handle, tap_hallmark);
    if (version == NULL)
        forget_error();
    bool found = libcurl_at(ret_object, version);
    (void)real->dlclose(handle);
    return found;
}

/* What follows us in the global scope. The result is used after the call: a jump to dlsym would
 * look from our caller's place. */
static void *next_in_scope(const char *name)
{
    void *symbol = loader_real()->dlsym(RTLD_NEXT, name);
    if (symbol == NULL)
        forget_error();
    return loader_is_own(symbol) ? NULL : symbol;
}

struct candidates {
    struct elf_object first;  /* of all libcurls that are mapped */
    struct elf_object needed; /* the one that another object names as a dependency */
    unsigned all_n, needed_n;
};

static bool needs(const struct elf_object *object, const char *soname)
{
    const char *strings = elf_dynamic_pointer(object, DT_STRTAB);
    for (const ElfW(Dyn) *entry = object->dynamic; entry != NULL && strings != NULL && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_NEEDED && strcmp(strings + entry->d_un.d_val, soname) == 0)
            return true;
    return false;
}

static int is_needed(struct dl_phdr_info *info, size_t bytes, void *context)
{
    const struct elf_object *libcurl = context;
    struct elf_object object = elf_object_from(info);
    size_t soname = elf_dynamic_value(libcurl, DT_SONAME);
    const char *strings = elf_dynamic_pointer(libcurl, DT_STRTAB);
    (void)bytes;
    return soname != 0 && strings != NULL && needs(&object, strings + soname);
}

static int take_candidate(struct dl_phdr_info *info, size_t bytes, void *context)
{
    struct candidates *candidates = context;
    struct elf_object object = elf_object_from(info);
    (void)bytes;
    if (!is_libcurl(&object))
        return 0;
    if (candidates->all_n++ == 0)
        candidates->first = object;
    if (dl_iterate_phdr(is_needed, &object) != 0 && candidates->needed_n++ == 0)
        candidates->needed = object;
    return 0;
}

/*
 * The caller has nothing to do with libcurl: a plugin jumped to us at the end of a function of its
 * own, so the return address is that of its caller. If one libcurl alone is something that others
 * depend on, that is the plugin's; otherwise the first mapped is as good as any.
 */
static bool libcurl_of_others(struct elf_object *ret_object)
{
    struct candidates candidates = {.all_n = 0};
    (void)dl_iterate_phdr(take_candidate, &candidates);
    if (candidates.all_n > 1 && candidates.needed_n != 1)
        shim_say_once_about("several libcurls and a caller that belongs to none: took the first",
                            candidates.first.name);
    *ret_object = candidates.needed_n == 1 ? candidates.needed : candidates.first;
    return candidates.all_n > 0;
}

static bool libcurl_for(struct elf_object *ret_object, const struct elf_object *caller)
{
    if (caller != NULL && is_libcurl(caller)) {
        *ret_object = *caller; /* libcurl's own calls through its PLT */
        return true;
    }
    return (caller != NULL && libcurl_of_dependencies(ret_object, caller)) ||
           libcurl_at(ret_object, next_in_scope(tap_hallmark)) || libcurl_of_others(ret_object);
}

/* Keeps it mapped for the life of the process: the reference is never given back. */
static bool pin(const struct elf_object *object)
{
    if (object->name[0] == '\0')
        return true; /* the program itself */
    if (loader_real()->dlopen(object->name, RTLD_LAZY | RTLD_NOLOAD) != NULL)
        return true;
    forget_error();
    return false;
}

/* ---- entries ---- */

static void read_api(struct curl_api *ret_api, const struct elf_object *object)
{
    *ret_api = (struct curl_api){0};
#define HOOK(type, name, failure, params, args) ret_api->name = (typeof(ret_api->name))elf_symbol(object, #name);
#define SETOPT(type, name, failure, object_type, option_type) HOOK(type, name, failure, , )
#define CALL(type, name, params) ret_api->name = (typeof(ret_api->name))elf_symbol(object, #name);
#include "hooks.def"
#undef HOOK
#undef SETOPT
#undef CALL
}

/* What another preload after us puts in front of libcurl; `ours` when nobody does. */
static void *wrapped(void *ours, const char *name, const void *caller)
{
    void *symbol = next_in_scope(name);
    struct elf_object object;
    if (symbol == NULL || symbol == ours || !elf_object_at(&object, symbol) || is_libcurl(&object))
        return ours;
    bool is_caller = (uintptr_t)caller >= object.begin && (uintptr_t)caller < object.end;
    return is_caller ? ours : symbol;
}

static int any_wrapper(struct dl_phdr_info *info, size_t bytes, void *context)
{
    struct elf_object object = elf_object_from(info);
    (void)bytes;
    (void)context;
    if (object.dynamic == NULL || loader_is_own(object.dynamic) || is_libcurl(&object))
        return 0;
#define HOOK(type, name, failure, params, args)                                                                        \
    if (elf_symbol(&object, #name) != NULL)                                                                            \
        return 1;
#define SETOPT(type, name, failure, object_type, option_type) HOOK(type, name, failure, , )
#define CALL(type, name, params)
#include "hooks.def"
#undef HOOK
#undef SETOPT
#undef CALL
    return 0;
}

static void read_wrappers(struct curl_api *api, const void *caller)
{
    if (dl_iterate_phdr(any_wrapper, NULL) == 0)
        return;
#define HOOK(type, name, failure, params, args)                                                                        \
    api->name = (typeof(api->name))wrapped((void *)api->name, #name, caller);
#define SETOPT(type, name, failure, object_type, option_type) HOOK(type, name, failure, , )
#define CALL(type, name, params)
#include "hooks.def"
#undef HOOK
#undef SETOPT
#undef CALL
}

static struct library *find_entry(const struct curl_api *api)
{
    for (unsigned i = 0; i < LIBRARIES_MAX; i++)
        if (atomic_load_explicit(&published[i], memory_order_acquire) &&
            memcmp(&library_table[i].real, api, sizeof(*api)) == 0)
            return &library_table[i];
    return NULL;
}

/* The entry for these functions, made if there is none; NULL where there is no place for it, or it
 * could go away. Two threads may make one each; that costs an entry and nothing else. */
static struct library *entry_for(const struct curl_api *api, const struct elf_object *object)
{
    struct library *library = find_entry(api);
    if (library != NULL || !pin(object))
        return library;
    unsigned index = atomic_load(&claimed);
    do {
        if (index >= LIBRARIES_MAX) {
            shim_say_once_about("more libcurls than libpprof has places for, not recorded", object->name);
            return NULL;
        }
    } while (!atomic_compare_exchange_weak(&claimed, &index, index + 1));
    library = &library_table[index];
    library->index = index;
    library->begin = object->begin;
    library->end = object->end;
    library->real = *api;
    atomic_store_explicit(&published[index], true, memory_order_release);
    return library;
}

/* A libcurl that has no entry serves its callers all the same; found anew for each call, as nothing
 * is kept of it. */
static struct library *serve_only(const struct curl_api *api, const struct elf_object *object)
{
    static _Thread_local struct library served;
    served = (struct library){.index = LIBRARY_NOT_FOLLOWED, .begin = object->begin, .end = object->end, .real = *api};
    return &served;
}

static struct library *resolve(const void *caller)
{
    struct elf_object from;
    struct elf_object object;
    bool known = elf_object_at(&from, caller);
    if (!libcurl_for(&object, known ? &from : NULL)) {
        shim_say_once_about("a call of libcurl could not be forwarded: no libcurl found for", known ? from.name : NULL);
        return NULL;
    }
    struct curl_api api;
    read_api(&api, &object);
    if (!known || !is_libcurl(&from))
        read_wrappers(&api, caller);
    struct library *library = entry_for(&api, &object);
    return library != NULL ? library : serve_only(&api, &object);
}

struct library *library_defining(const void *function)
{
    struct elf_object object;
    if (!libcurl_at(&object, function))
        return NULL;
    struct curl_api api;
    read_api(&api, &object);
    struct library *library = entry_for(&api, &object);
    /* What is called through these is seen by nobody: one call at least, as somebody asks for
     * them. */
    if (library == NULL &&
        (function == (void *)api.curl_easy_perform || function == (void *)api.curl_multi_add_handle ||
         function == elf_symbol(&object, tap_hallmark))) {
        (void)tally_add(TALLY_CALLS);
        (void)scribe_ensure();
    }
    return library;
}

/* Out of the way of those whose answer is known. */
static __attribute__((noinline)) struct library *look_for(const void *caller, uint32_t closes)
{
    struct library *library = NULL;
    int saved_errno = errno;
    const struct loader_real *real = loader_real();
    if (real->dlopen != NULL && real->dlsym != NULL && real->dlclose != NULL)
        library = resolve(caller);
    if (library != NULL && library->index != LIBRARY_NOT_FOLLOWED && cacheable((uintptr_t)caller))
        cache_put((uintptr_t)caller, closes, library->index);
    errno = saved_errno;
    return library;
}

struct library *library_of(struct origin origin)
{
    if (origin.library != NULL)
        return origin.library;
    uintptr_t caller = (uintptr_t)origin.caller;
    uint32_t closes = atomic_load_explicit(&loader_closes, memory_order_acquire);
    struct library *library = cacheable(caller) ? cache_find(caller, closes) : NULL;
    return library != NULL ? library : look_for(origin.caller, closes);
}
