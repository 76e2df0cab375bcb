/*
 * The C side of the stubs in stubs_*.S. Application's threads. Never compiled with sanitizers
 * inside libpprof.so, as what it calls. Must never answer otherwise than the real
 * functions, a trampoline apart.
 */
#include "loader.h"

#include "c_library.h"
#include "elf_lookup.h"
#include "got_patch.h"
#include "tap.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

bool loader_active;
_Atomic uint32_t loader_closes;

/* Called from the stubs only. */
void *loader_dlsym(void *handle, const char *name);
bool loader_is_alone(const char *name);
void *loader_nothing(void *handle, const char *name);
void *loader_dlopen(const char *name, int flags);

/* What the application asked for, by whom it would have been answered without us. */
static void *ask_next(void *handle, const char *name)
{
    void *(*next)(void *, const char *) = (void *(*)(void *, const char *))atomic_load(&loader_next_dlsym);
    if (next == NULL)
        next = loader_real()->dlsym;
    return next == NULL ? NULL : next(handle, name);
}

static int defines(struct dl_phdr_info *info, size_t bytes, void *name)
{
    const struct elf_object object = elf_object_from(info);
    (void)bytes;
    return object.dynamic != NULL && !loader_is_own(object.dynamic) && elf_symbol(&object, name) != NULL;
}

/* Whether nobody but us has this function: without us a program that looks for it, as for something
 * that it can do without, would find none. */
bool loader_is_alone(const char *name)
{
    return tap_hooks(name) && dl_iterate_phdr(defines, (void *)(uintptr_t)name) == 0;
}

/* What is answered then, and an error for dlerror: nobody after us has it. Called, not jumped to:
 * our place counts. */
void *loader_nothing(void *handle, const char *name)
{
    (void)handle;
    void *const volatile none = loader_real()->dlsym(RTLD_NEXT, name);
    return none;
}

void *loader_dlsym(void *handle, const char *name)
{
    void *symbol = ask_next(handle, name);
    if (symbol == NULL || !tap_hooks(name))
        return symbol;
    if (loader_is_own(symbol))
        return loader_is_alone(name) ? loader_nothing(handle, name) : symbol;
    int saved_errno = errno;
    struct tap_copy copy;
    void *trampoline = tap_copy_of(symbol, &copy) ? tap_instead(&copy, name) : NULL;
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
