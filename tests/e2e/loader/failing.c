/*
 * Preloaded into a program: the allocation with the number FAIL_AT (from 1) fails, as do the
 * FAIL_MORE after it. Counted are malloc, calloc, realloc, reallocarray and mmap; with FAIL_FROM
 * only those called from the object whose path ends so. At the end the count goes to the file
 * FAIL_COUNT. Of a forked child the count begins anew.
 *
 * glibc only. Any thread; the order of several threads' allocations is the program's own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *reallocarray(void *old, size_t count, size_t bytes);

static _Atomic unsigned long counted;
static unsigned long fail_at, fail_more;
static const char *from;
static _Atomic uintptr_t from_begin, from_end;
static _Atomic bool looked;

static int look(struct dl_phdr_info *info, size_t bytes, void *unused)
{
    (void)bytes;
    (void)unused;
    size_t name = strlen(info->dlpi_name), wanted = strlen(from);
    if (name < wanted || strcmp(info->dlpi_name + name - wanted, from) != 0)
        return 0;
    uintptr_t begin = UINTPTR_MAX, end = 0;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_LOAD)
            continue;
        uintptr_t at = info->dlpi_addr + header->p_vaddr;
        begin = at < begin ? at : begin;
        end = at + header->p_memsz > end ? at + header->p_memsz : end;
    }
    atomic_store(&from_begin, begin);
    atomic_store(&from_end, end);
    return 1;
}

static __attribute__((constructor)) void begin(void)
{
    from = getenv("FAIL_FROM");
    const char *at = getenv("FAIL_AT"), *more = getenv("FAIL_MORE");
    fail_more = more != NULL ? strtoul(more, NULL, 10) : 0;
    if (from != NULL)
        (void)dl_iterate_phdr(look, NULL);
    fail_at = at != NULL ? strtoul(at, NULL, 10) : 0;
    atomic_store(&looked, true);
}

static __attribute__((destructor)) void end(void)
{
    const char *path = getenv("FAIL_COUNT");
    char text[32];
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int bytes = snprintf(text, sizeof(text), "%lu\n", atomic_load(&counted));
    if (fd >= 0) {
        (void)!write(fd, text, (size_t)bytes);
        (void)close(fd);
    }
}

static bool fails(const void *caller)
{
    if (!atomic_load_explicit(&looked, memory_order_acquire))
        return false;
    if (from != NULL && ((uintptr_t)caller < atomic_load(&from_begin) || (uintptr_t)caller >= atomic_load(&from_end)))
        return false;
    unsigned long number = atomic_fetch_add(&counted, 1) + 1;
    if (fail_at == 0 || number < fail_at || number > fail_at + fail_more)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, bytes);
}

void *reallocarray(void *old, size_t count, size_t bytes)
{
    size_t all;
    if (__builtin_mul_overflow(count, bytes, &all) || fails(__builtin_return_address(0))) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, all);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if (fails(__builtin_return_address(0)))
        return MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, fd,
                           offset); // NOLINT(performance-no-int-to-ptr)
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
    __attribute__((alias("mmap")));
