/* A libcurl in a namespace of its own is none of ours: it works, unrecorded. */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    void *library = dlmopen(LM_ID_NEWLM, "libcurl.so.4", RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 77;
    }
    CURL *(*init)(void) = (CURL * (*)(void)) dlsym(library, "curl_easy_init");
    void (*cleanup)(CURL *) = (void (*)(CURL *))dlsym(library, "curl_easy_cleanup");
    Dl_info info;
    CURL *easy = init();
    printf("%s %d\n", dladdr((void *)init, &info) != 0 ? strrchr(info.dli_fname, '/') : "nowhere", easy != NULL);
    cleanup(easy);
    return 0;
}
