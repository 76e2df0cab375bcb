/*
 * The libcurls of this process. Each loaded libcurl (there can be several: OpenSSL, GnuTLS, a
 * private copy) has one entry, found from the caller or from the dlsym handle, never by RTLD_NEXT
 * alone, and pinned for the life of the process.
 *
 * Entries are made once and never change (but for `lacks`) or go away; reading needs no lock.
 */
#pragma once

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
#undef curl_multi_socket /* a macro for programs older than curl_multi_socket_action */

/* The real functions of one libcurl; NULL where it has none. */
struct curl_api {
#define HOOK(type, name, failure, params, args) type(*name) params;
#define SETOPT(type, name, failure, object_type, option_type) type (*name)(object_type object, option_type option, ...);
#define CALL(type, name, params) type(*name) params;
#include "hooks.def"
#undef HOOK
#undef SETOPT
#undef CALL
};

/* Of more copies the rest are served and not followed; that is counted. */
enum { LIBRARIES_MAX = 8, LIBRARY_NOT_FOLLOWED = LIBRARIES_MAX };

struct library {
    unsigned index;       /* trampoline set, below LIBRARIES_MAX; or LIBRARY_NOT_FOLLOWED */
    uintptr_t begin, end; /* where it is mapped */
    struct curl_api real;
    _Atomic unsigned char lacks; /* LIBRARY_LACKS_*: what it once said that it does not know */
};
enum { LIBRARY_LACKS_QUEUE_TIME = 1, LIBRARY_LACKS_POSTTRANSFER_TIME = 2 };

/* How a hook was entered. */
struct origin {
    struct library *library; /* from a trampoline; NULL when the caller was bound by symbol */
    const void *caller;      /* return address, used when library is NULL */
};

/* The library that serves this call, or NULL when none can be found (then the hook returns the
 * API's failure value). Cheap after the first call from the same place. One that is not followed is
 * good until this thread asks again. */
struct library *library_of(struct origin origin);

/*
 * The bodies of the hooks, called by entry.c on the application's thread. Each forwards to the real
 * function, preserves errno as the real function left it, and never fails on its own account. For a
 * handle that libpprof knows its own library wins over `origin`.
 */
#define HOOK(type, name, failure, params, args) type hook_##name(struct origin origin LIBRARY_AND params);
#define HOOK0(type, name, failure) type hook_##name(struct origin origin);
#define SETOPT(type, name, failure, object_type, option_type)                                                          \
    type hook_##name(struct origin origin, object_type object, option_type option, uintptr_t argument);
#define CALL(type, name, params)
#define LIBRARY_AND(...) , __VA_ARGS__
#include "hooks.def"
#undef HOOK
#undef SETOPT
#undef CALL
#undef LIBRARY_AND
