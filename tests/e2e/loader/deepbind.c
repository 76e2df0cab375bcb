/*
 * Loads a plugin as PHP loads its extensions. Says where its import of libcurl leads, whether pages
 * that were read-only still are, and what it fetched. Arguments: plugin, URL, lazy or now.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static size_t print(char *data, size_t size, size_t n, void *unused)
{
    (void)unused;
    return fwrite(data, size, n, stdout);
}

/* Whether the plugin has a page that is both writable and within what the loader had made
 * read-only: its table of pointers lies there. */
static const char *protection(const void *address)
{
    static char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long begin, end;
        char flags[8];
        if (sscanf(line, "%lx-%lx %7s", &begin, &end, flags) == 3 && (unsigned long)address >= begin &&
            (unsigned long)address < end) {
            (void)fclose(maps);
            return strchr(flags, 'w') != NULL ? "writable" : "read-only";
        }
    }
    return "not mapped";
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 99;
    void *plugin = dlopen(argv[1], (strcmp(argv[3], "lazy") == 0 ? RTLD_LAZY : RTLD_NOW) | RTLD_GLOBAL | RTLD_DEEPBIND);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    void *(*address)(void) = (void *(*)(void))dlsym(plugin, "plugin_perform_address");
    Dl_info info;
    if (dladdr(address(), &info) != 0)
        fprintf(stderr, "bound to %s\n", strrchr(info.dli_fname, '/') + 1);
    CURLcode (*get)(const char *, curl_write_callback, void *) =
        (CURLcode(*)(const char *, curl_write_callback, void *))dlsym(plugin, "plugin_get");
    CURLcode code = get(argv[2], print, NULL);
    const void *table = dlsym(plugin, "plugin_relro");
    printf("code %d, %s\n", (int)code, protection(*(void *const *)table));
    return 0;
}
