/* Loads and unloads libcurl, and a plugin bound to it, two hundred times (each takes 30 ms without
 * the shim), using both each time. Arguments: plugin, URL. */
#include <curl/curl.h>
#undef curl_easy_setopt
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static size_t count(char *data, size_t size, size_t n, void *total)
{
    (void)data;
    *(size_t *)total += size * n;
    return size * n;
}

int main(int argc, char **argv)
{
    size_t total = 0;
    for (int i = 0; i < 200 && argc == 3; i++) {
        void *library = dlopen("libcurl.so.4", i % 2 == 0 ? RTLD_LAZY : RTLD_NOW);
        CURL *(*init)(void) = (CURL * (*)(void)) dlsym(library, "curl_easy_init");
        CURLcode (*perform)(CURL *) = (CURLcode(*)(CURL *))dlsym(library, "curl_easy_perform");
        void (*cleanup)(CURL *) = (void (*)(CURL *))dlsym(library, "curl_easy_cleanup");
        CURLcode (*setopt)(CURL *, CURLoption, ...) =
            (CURLcode(*)(CURL *, CURLoption, ...))dlsym(library, "curl_easy_setopt");
        CURL *easy = init();
        (void)setopt(easy, CURLOPT_URL, argv[2]);
        (void)setopt(easy, CURLOPT_WRITEFUNCTION, count);
        (void)setopt(easy, CURLOPT_WRITEDATA, &total);
        if (perform(easy) != CURLE_OK)
            return 1;
        cleanup(easy);
        (void)dlclose(library);
        void *plugin = dlopen(argv[1], i % 3 == 0 ? RTLD_NOW | RTLD_DEEPBIND : RTLD_NOW);
        CURLcode (*get)(const char *, curl_write_callback, void *) =
            (CURLcode(*)(const char *, curl_write_callback, void *))dlsym(plugin, "plugin_get");
        if (get(argv[2], count, &total) != CURLE_OK)
            return 2;
        (void)dlclose(plugin);
    }
    printf("%zu bytes\n", total);
    return argc != 3;
}
