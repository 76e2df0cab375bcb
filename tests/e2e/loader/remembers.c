/*
 * Calls libcurl from one place again and again and says how often anybody walked through the loaded
 * objects meanwhile: whoever found out once which libcurl that place calls need not look again.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

#ifdef __x86_64__
#define SINCE "GLIBC_2.2.5"
#else
#define SINCE "GLIBC_2.17"
#endif

static long walks;

/* In front of the C library's. dlsym may itself be somebody's who looks at the objects. */
int dl_iterate_phdr(int (*visit)(struct dl_phdr_info *, size_t, void *), void *context)
{
    static int (*real)(int (*)(struct dl_phdr_info *, size_t, void *), void *);
    walks++;
    if (real == NULL)
        *(void **)&real = dlvsym(RTLD_NEXT, "dl_iterate_phdr", SINCE);
    return real(visit, context);
}

/* One place, however the compiler unrolls the loop around it. */
static __attribute__((noinline)) int call(void)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return -1;
    curl_easy_cleanup(easy);
    return 0;
}

int main(void)
{
    long first = 0;
    for (int i = 0; i < 100; i++) {
        if (call())
            return 1;
        if (i == 0)
            first = walks;
    }
    printf("%ld more\n", walks - first);
    fprintf(stderr, "%ld at first\n", first);
    return 0;
}
