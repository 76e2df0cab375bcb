/*
 * The functions that the application calls instead of libcurl's: exported ones, for callers bound
 * by symbol, and trampolines, for those that looked the name up by dlsym or that were loaded with
 * RTLD_DEEPBIND. They say how they were entered and go on to hook_*.c; where libpprof does nothing,
 * straight to libcurl. Application's threads. The list is hooks.def.
 */
#include "shim/loader/tap.h"

#include "hook_multi.h"
#include "shim/base/config.h"
#include "library_inner.h"

#include <stdarg.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))
#define AND(...) , ##__VA_ARGS__
#define EXPECTED(condition) __builtin_expect(condition, true)
#define BY_SYMBOL ((struct origin){.caller = __builtin_return_address(0)})

/* The third parameter travels as one machine word, whatever its type: on LP64 it is passed on as it
 * came. */
_Static_assert(sizeof(uintptr_t) == sizeof(curl_off_t), "curl_off_t arguments would be cut");

#define THIRD_WORD(last, word)                                                                                         \
    uintptr_t word;                                                                                                    \
    do {                                                                                                               \
        va_list list;                                                                                                  \
        va_start(list, last);                                                                                          \
        word = va_arg(list, uintptr_t);                                                                                \
        va_end(list);                                                                                                  \
    } while (0)

#define SETOPT(type, name, failure, object_type, option_type)                                                          \
    EXPORTED type name(object_type object, option_type option, ...)                                                    \
    {                                                                                                                  \
        THIRD_WORD(option, argument);                                                                                  \
        struct origin origin = BY_SYMBOL;                                                                              \
        if (EXPECTED(shim_active))                                                                                     \
            return hook_##name(origin, object, option, argument);                                                      \
        const struct library *library = library_of(origin);                                                            \
        if (library != NULL && library->real.name != NULL)                                                             \
            return library->real.name(object, option, argument);                                                       \
        return failure;                                                                                                \
    }
#define FORWARD(name, failure, args)                                                                                   \
    {                                                                                                                  \
        if (EXPECTED(shim_active))                                                                                     \
            return hook_##name(origin AND args);                                                                       \
        const struct library *library = library_of(origin);                                                            \
        if (library != NULL && library->real.name != NULL)                                                             \
            return library->real.name args;                                                                            \
        return failure;                                                                                                \
    }
#define HOOK(type, name, failure, params, args)                                                                        \
    EXPORTED type name params                                                                                          \
    {                                                                                                                  \
        struct origin origin = BY_SYMBOL;                                                                              \
        FORWARD(name, failure, args)                                                                                   \
    }
/* Such calls come by the thousand, and most have nothing new: those go straight on, without a
 * frame. */
#define STRAIGHT_ON(name, args)                                                                                        \
    const struct handle *quiet = hook_multi_quiet(multi);                                                              \
    if (quiet != NULL && quiet->library->real.name != NULL)                                                            \
        return quiet->library->real.name args;
#define PARAMETERS(...) __VA_ARGS__
#define DRIVE(type, name, failure, params, args)                                                                       \
    static __attribute__((noinline)) type name##_from(const void *caller, PARAMETERS params)                           \
    {                                                                                                                  \
        struct origin origin = {.caller = caller};                                                                     \
        FORWARD(name, failure, args)                                                                                   \
    }                                                                                                                  \
    EXPORTED type name params                                                                                          \
    {                                                                                                                  \
        STRAIGHT_ON(name, args)                                                                                        \
        return name##_from(__builtin_return_address(0) AND args);                                                      \
    }
#define CALL(type, name, params)
#include "hooks.def"
#undef SETOPT
#undef HOOK

#define BY_NAME(n) ((struct origin){.library = &library_table[n]})
_Static_assert(LIBRARIES_MAX == 8, "EACH_LIBRARY has eight");
#define EACH_LIBRARY(what, ...)                                                                                        \
    what(0, __VA_ARGS__) what(1, __VA_ARGS__) what(2, __VA_ARGS__) what(3, __VA_ARGS__) what(4, __VA_ARGS__)           \
        what(5, __VA_ARGS__) what(6, __VA_ARGS__) what(7, __VA_ARGS__)

#define SETOPT_TRAMPOLINE(n, type, name, object_type, option_type)                                                     \
    static type name##_##n(object_type object, option_type option, ...)                                                \
    {                                                                                                                  \
        THIRD_WORD(option, argument);                                                                                  \
        return hook_##name(BY_NAME(n), object, option, argument);                                                      \
    }
#define TRAMPOLINE(n, before, type, name, params, args)                                                                \
    static type name##_##n params                                                                                      \
    {                                                                                                                  \
        before return hook_##name(BY_NAME(n) AND args);                                                                \
    }
#define HOOK(type, name, failure, params, args) EACH_LIBRARY(TRAMPOLINE, , type, name, params, args)
#define DRIVE(type, name, failure, params, args)                                                                       \
    EACH_LIBRARY(TRAMPOLINE, STRAIGHT_ON(name, args), type, name, params, args)
#define SETOPT(type, name, failure, object_type, option_type)                                                          \
    EACH_LIBRARY(SETOPT_TRAMPOLINE, type, name, object_type, option_type)
#include "hooks.def"
#undef HOOK
#undef SETOPT

/* Names and cases instead of a table of pointers, which the loader would have to relocate in every
 * process. */
#define HOOK(type, name, failure, params, args) #name,
#define SETOPT(type, name, failure, object_type, option_type) #name,
static const char names[][32] = {
#include "hooks.def"
};
#undef HOOK
#undef SETOPT

const char tap_hallmark[] = "curl_version";
const char tap_prefix[] = "curl_";

bool tap_hooks(const char *name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

bool tap_copy_of(const void *function, struct tap_copy *ret_copy)
{
    const struct library *library = library_defining(function);
    if (library != NULL)
        *ret_copy = (struct tap_copy){library->begin, library->index};
    return library != NULL;
}

const void *tap_real(const struct tap_copy *copy, const char *wanted)
{
    const struct curl_api *real = &library_table[copy->index].real;
#define HOOK(type, name, failure, params, args)                                                                        \
    if (strcmp(wanted, #name) == 0)                                                                                    \
        return (const void *)real->name;
#define SETOPT(type, name, failure, object_type, option_type) HOOK(type, name, failure, , )
#include "hooks.def"
#undef HOOK
#undef SETOPT
    return NULL;
}

void *tap_instead(const struct tap_copy *copy, const char *wanted)
{
#define CASE(n, name)                                                                                                  \
    case n:                                                                                                            \
        return (void *)name##_##n;
#define HOOK(type, name, failure, params, args)                                                                        \
    if (strcmp(#name, wanted) == 0) {                                                                                  \
        switch (copy->index) {                                                                                         \
            EACH_LIBRARY(CASE, name)                                                                                   \
        default:                                                                                                       \
            return NULL;                                                                                               \
        }                                                                                                              \
    }
#define SETOPT(type, name, failure, object_type, option_type) HOOK(type, name, failure, , )
#include "hooks.def"
#undef HOOK
#undef SETOPT
#undef CALL
    return NULL;
}
