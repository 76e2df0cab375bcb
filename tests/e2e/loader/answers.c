/* Prints what dlsym and dlvsym answer for the names on stdin, through RTLD_DEFAULT, RTLD_NEXT and a
 * handle: object and offset. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static void print(const char *how, const char *name, void *address)
{
    Dl_info info = {0};
    if (address == NULL || dladdr(address, &info) == 0) {
        printf("%s %s none\n", how, name);
        return;
    }
    printf("%s %s %s+%zx\n", how, name, strrchr(info.dli_fname, '/'),
           (size_t)((char *)address - (char *)info.dli_fbase));
}

int main(void)
{
    char name[256];
    void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
    while (scanf("%255s", name) == 1) {
        print("default", name, dlsym(RTLD_DEFAULT, name));
        print("next", name, dlsym(RTLD_NEXT, name));
        print("handle", name, dlsym(libc, name));
        print("version", name, dlvsym(libc, name, "GLIBC_2.2.5"));
    }
    (void)dlsym(libc, "curl_no_such_name");
    const char *error = dlerror();
    puts(error == NULL ? "no error" : strstr(error, "undefined symbol") != NULL ? "undefined symbol" : error);
    puts(dlerror() == NULL ? "then none" : "then another");
    /* Nobody has it: libcurl is something that a program may look for and do without. */
    void *const places[] = {RTLD_DEFAULT, RTLD_NEXT, dlopen(NULL, RTLD_LAZY), libc};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        (void)dlerror();
        print("optional", "curl_easy_init", dlsym(places[i], "curl_easy_init"));
        error = dlerror();
        puts(error != NULL && strstr(error, "undefined symbol: curl_easy_init") != NULL ? "undefined symbol" : "?");
    }
    void *libcurl = dlopen("libcurl.so.4", RTLD_NOW | RTLD_GLOBAL);
    if (libcurl != NULL)
        puts(dlsym(RTLD_DEFAULT, "curl_easy_init") != NULL && dlsym(dlopen(NULL, RTLD_LAZY), "curl_easy_init") != NULL
                 ? "there now"
                 : "not even now");
    (void)dlsym(libc, "fopen");
    return 0;
}
