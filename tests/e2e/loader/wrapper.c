/* Another preload: wraps curl_easy_perform and, the ordinary way, dlsym. Says at the end how often
 * it was called. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>

static int performs, lookups;

void *dlsym(void *handle, const char *name);

static void *real_dlsym(void *handle, const char *name)
{
    static void *(*next)(void *, const char *);
    if (next == NULL)
        next = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    void *symbol = next(handle, name);
    return symbol;
}

void *dlsym(void *handle, const char *name)
{
    lookups++;
    return real_dlsym(handle, name);
}

CURLcode curl_easy_perform(CURL *easy)
{
    performs++;
    CURLcode (*next)(CURL *) = (CURLcode(*)(CURL *))real_dlsym(RTLD_NEXT, "curl_easy_perform");
    return next(easy);
}

__attribute__((destructor)) static void say(void)
{
    fprintf(stderr, "wrapper: %d performs, %s\n", performs, lookups > 0 ? "lookups" : "no lookups");
}
