/*
 * Two libcurls in one process. Each has its own allocator here, so that a handle made by the wrong
 * one shows. Reached by dlsym and by plugins that are bound by symbol and loaded RTLD_LOCAL.
 * Arguments: the plugin of the first flavour, of the second.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALLOCATOR(n)                                                                                                   \
    static unsigned allocations_##n;                                                                                   \
    static void *malloc_##n(size_t bytes)                                                                              \
    {                                                                                                                  \
        allocations_##n++;                                                                                             \
        return malloc(bytes);                                                                                          \
    }                                                                                                                  \
    static void *calloc_##n(size_t count, size_t bytes)                                                                \
    {                                                                                                                  \
        allocations_##n++;                                                                                             \
        return calloc(count, bytes);                                                                                   \
    }
ALLOCATOR(0)
ALLOCATOR(1)

typedef CURLcode global_init(long flags, curl_malloc_callback, curl_free_callback, curl_realloc_callback,
                             curl_strdup_callback, curl_calloc_callback);

static int wrong(const char *what, unsigned before0, unsigned before1, int flavour)
{
    int bad = ((allocations_0 != before0) != (flavour == 0)) || ((allocations_1 != before1) != (flavour == 1));
    printf("%s of flavour %d: %s\n", what, flavour, bad ? "made by the wrong libcurl" : "right");
    return bad;
}

int main(int argc, char **argv)
{
    const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    int bad = 0;
    for (int i = 0; i < 2 && argc == 3; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL)
            return 77;
        global_init *global = (global_init *)dlsym(library, "curl_global_init_mem");
        (void)global(CURL_GLOBAL_ALL, i == 0 ? malloc_0 : malloc_1, free, realloc, strdup,
                     i == 0 ? calloc_0 : calloc_1);
    }
    for (int round = 0; round < 3 && argc == 3; round++) {
        for (int i = 0; i < 2; i++) {
            void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
            CURL *(*init)(void) = (CURL * (*)(void)) dlsym(library, "curl_easy_init");
            void (*cleanup)(CURL *) = (void (*)(CURL *))dlsym(library, "curl_easy_cleanup");
            unsigned before0 = allocations_0;
            unsigned before1 = allocations_1;
            CURL *easy = init();
            bad += wrong("handle through dlsym", before0, before1, i);
            cleanup(easy);
            void *plugin = dlopen(argv[1 + i], RTLD_NOW | RTLD_LOCAL);
            if (plugin == NULL)
                return 2;
            CURL *(*plugin_init)(void) = (CURL * (*)(void)) dlsym(plugin, "plugin_init");
            void (*plugin_cleanup)(CURL *) = (void (*)(CURL *))dlsym(plugin, "plugin_cleanup");
            before0 = allocations_0;
            before1 = allocations_1;
            easy = plugin_init();
            bad += wrong("handle of a plugin", before0, before1, i);
            plugin_cleanup(easy);
            (void)dlclose(plugin); /* the next one may be mapped at the same address */
        }
    }
    return bad != 0 || argc != 3;
}
