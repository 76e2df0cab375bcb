/*
 * Many copies of libcurl in one process, as where plugins bring their own: fetches a URL with each.
 * What a copy calls of itself goes by symbol. Usage: crowd URL COPY...
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>

#undef curl_easy_setopt

static void *find(void *copy, const char *name)
{
    void *function = dlsym(copy, name);
    if (function == NULL)
        printf("%s: none\n", name);
    return function;
}

static int fetch(void *copy, const char *url)
{
    CURL *(*init)(void) = (CURL * (*)(void)) find(copy, "curl_easy_init");
    CURLcode (*set)(CURL *, CURLoption, ...) = (CURLcode(*)(CURL *, CURLoption, ...))find(copy, "curl_easy_setopt");
    CURLcode (*perform)(CURL *) = (CURLcode(*)(CURL *))find(copy, "curl_easy_perform");
    void (*reset)(CURL *) = (void (*)(CURL *))find(copy, "curl_easy_reset");
    void (*cleanup)(CURL *) = (void (*)(CURL *))find(copy, "curl_easy_cleanup");
    CURL *easy = init();
    int code = 0;
    for (int i = 0; i < 2; i++) {
        (void)set(easy, CURLOPT_URL, url);
        code += (int)perform(easy);
        reset(easy);
    }
    cleanup(easy);
    return code;
}

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        void *copy = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (copy == NULL) {
            (void)fprintf(stderr, "%s\n", dlerror());
            return 77;
        }
        printf("%d: %d\n", i - 1, fetch(copy, argv[1]));
    }
    return 0;
}
