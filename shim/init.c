/*
 * The beginning and the end of the process. The constructor reads the configuration and decides
 * whether libpprof works here: no thread, no socket, no file, under 60 µs. The end (destructor, or
 * the application's _exit) has the scribe send what it has, within a bound. Must never prevent the
 * process from ending, nor act in a child of vfork.
 */
#include "shim/base/config.h"
#include "shim/base/own_thread.h"
#include "shim/base/say.h"
#include "shim/llm/recognise/recognise_host.h"
#include "shim/loader/c_library.h"
#include "shim/loader/loader.h"
#include "shim/scribe/scribe.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FINISH_WAIT_MS = 200 };

/* glibc-only. Other C libraries are not what this binary was built for: there it stays inert. */
extern const char *gnu_get_libc_version(void) __attribute__((weak));

static void (*next_exit)(int status);

static bool may_work(void)
{
    if (getauxval(AT_SECURE) != 0)
        return false;
    if (&gnu_get_libc_version == NULL) {
        shim_say_once("not glibc: inert in this process");
        return false;
    }
    const struct loader_real *real = loader_real();
    if (real->dlopen == NULL || real->dlsym == NULL || real->dlclose == NULL) {
        shim_say_once("the C library's dlsym was not found: inert in this process");
        return false;
    }
    return true;
}

__attribute__((constructor)) static void begin(void)
{
    int saved_errno = errno;
    next_exit = (void (*)(int))loader_next("_exit");
    (void)loader_real(); /* now, while nobody else loads anything */
    config_read(&shim_config, config_environment);
    if (!shim_config.disabled && may_work()) {
        if (!shim_config.follow)
            config_unfollow(environ, loader_own_path());
        /* Where nothing is set, the pages of its tables are not touched. */
        const char *wrong = shim_config.endpoints != NULL ? recognise_configure(shim_config.endpoints) : NULL;
        if (wrong != NULL)
            shim_say_once(wrong);
        own_thread_count = loader_real()->thread_count;
        own_thread_note_main();
        shim_active = true;
        loader_active = true;
    }
    errno = saved_errno;
}

static void end(void)
{
    if (shim_active)
        scribe_finish(FINISH_WAIT_MS);
}

__attribute__((destructor)) static void at_exit(void)
{
    end();
}

static _Noreturn void leave(int status)
{
    end();
    if (next_exit != NULL)
        next_exit(status);
    for (;;)
        (void)syscall(SYS_exit_group, status);
}

/* _exit runs no destructors, and many servers' workers end that way. */
__attribute__((visibility("default"))) void _exit(int status)
{
    leave(status);
}

__attribute__((visibility("default"))) void _Exit(int status)
{
    leave(status);
}
