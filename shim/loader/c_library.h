/*
 * `real` functions are the C library's own: for our own use. `next` is who would have been called
 * without us (another preload may stand there): the stubs in stubs_*.S jump to it, so that it sees
 * the application as its caller.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct loader_real {
    void *(*dlopen)(const char *name, int flags);
    void *(*dlsym)(void *handle, const char *name);
    int (*dlclose)(void *handle);
    char *(*dlerror)(void);
    _Atomic unsigned *thread_count; /* glibc's, since 2.34; debuggers find it by this name (nptl_db), too */
};

/* NULL members where the C library has none. Resolves on the first call; any thread. */
const struct loader_real *loader_real(void);

/* The path that the loader knows libpprof.so by, or "". Constructor only. */
const char *loader_own_path(void);

/* Whether an address lies in libpprof.so itself. */
bool loader_is_own(const void *address);

/* The next definition of a function after us, for functions of ours that end in it (_exit); NULL
 * when there is none. At the start only. */
void *loader_next(const char *name);

extern void *_Atomic loader_next_dlopen;
extern void *_Atomic loader_next_dlsym;
extern void *_Atomic loader_next_dlclose;
