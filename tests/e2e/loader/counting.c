/*
 * Another preload: counts what the program's first thread asks of the C library's heap and locks,
 * libpprof included, and says it at the end in the file COUNTING_FILE: "allocations frees locks".
 * Read by tests/e2e/costs.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void __libc_free(void *memory);
extern int __pthread_mutex_lock(pthread_mutex_t *mutex);

static long allocations, frees, locks;

static int counts(void)
{
    return gettid() == getpid();
}

void *malloc(size_t bytes)
{
    allocations += counts();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    allocations += counts();
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes)
{
    allocations += counts();
    return __libc_realloc(memory, bytes);
}

void free(void *memory)
{
    frees += counts();
    __libc_free(memory);
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    locks += counts();
    return __pthread_mutex_lock(mutex);
}

__attribute__((destructor)) static void say(void)
{
    const char *path = getenv("COUNTING_FILE");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file == NULL)
        return;
    fprintf(file, "%ld %ld %ld\n", allocations, frees, locks);
    (void)fclose(file);
}
