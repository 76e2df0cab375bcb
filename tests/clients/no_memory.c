/* Memory that is refused: all mappings, later everything that another thread than the program's own
 * allocates. */
#include "client.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* AddressSanitizer needs these functions for itself. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
static volatile bool no_mappings, only_main_thread;

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);

static bool refused(void)
{
    if (!only_main_thread || gettid() == getpid())
        return false;
    errno = ENOMEM;
    return true;
}

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    return refused() ? NULL : __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t count, size_t bytes)
{
    return refused() ? NULL : __libc_calloc(count, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t bytes)
{
    return refused() ? NULL : __libc_realloc(memory, bytes);
}

__attribute__((visibility("default"))) void *mmap(void *at, size_t bytes, int protection, int flags, int fd,
                                                  off_t offset)
{
    if (no_mappings) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

static void refuse(bool mappings, bool other_threads)
{
    no_mappings = mappings;
    only_main_thread = other_threads;
}
#else
static void refuse(bool mappings, bool other_threads)
{
    (void)mappings, (void)other_threads;
}
#endif

static void some(const char *base)
{
    for (int i = 0; i < 2; i++) {
        char *copied = malloc(100 * 1024);
        memset(copied, 'a', 100 * 1024);
        CURL *easy = request(base, "sse");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 100L * 1024);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, copied);
        free(copied);
        perform(easy);
        curl_easy_cleanup(easy);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    refuse(true, false);
    some(argv[1]);
    refuse(false, true);
    some(argv[1]);
    refuse(false, false);
    some(argv[1]);
    return 0;
}
