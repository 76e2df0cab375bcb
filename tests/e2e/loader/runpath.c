/* Loads a plugin by its bare name: only this program's RUNPATH, $ORIGIN/plugins, leads there, and
 * glibc tells by the return address. */
#include <dlfcn.h>
#include <stdio.h>

int main(void)
{
    void *plugin = dlopen("libloader_plugin.so", RTLD_NOW);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int (*answer)(void) = (int (*)(void))dlsym(plugin, "plugin_answer");
    printf("%d\n", answer());
    return dlclose(plugin);
}
