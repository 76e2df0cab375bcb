/* Bound to libcurl by symbol, in one of several moods: see main. */
#include <curl/curl.h>
#undef curl_easy_setopt
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static CURLcode get(const char *url)
{
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return CURLE_FAILED_INIT;
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    return code;
}

/* The address of a function is one and the same, whoever asks and whenever. */
static int stable(const char *plugin)
{
    CURLcode (*volatile first)(CURL *) = curl_easy_perform;
    CURLcode code = get("file:///etc/hostname");
    void *library = dlopen(plugin, RTLD_NOW);
    if (library == NULL)
        return 2;
    void *(*address)(void) = (void *(*)(void))dlsym(library, "plugin_perform_address");
    CURLcode (*volatile second)(CURL *) = curl_easy_perform;
    return code != CURLE_OK || first != second || address() != (void *)first;
}

static int status_of_vforked(void)
{
    int status = 0;
    pid_t child = vfork();
    if (child == 0)
        _exit(7);
    return waitpid(child, &status, 0) == child ? WEXITSTATUS(status) : -1;
}

static int vforks(void)
{
    for (int i = 0; i < 50; i++)
        if (status_of_vforked() != 7)
            return 1;
    return get("file:///etc/hostname") != CURLE_OK;
}

int main(int argc, char **argv)
{
    const char *mood = argc > 2 ? argv[1] : "";
    if (strcmp(mood, "get") == 0)
        return (int)get(argv[2]);
    if (strcmp(mood, "cleared") == 0) {
        (void)clearenv();
        return (int)get(argv[2]);
    }
    if (strcmp(mood, "leave") == 0) {
        (void)get(argv[2]);
        (void)fflush(stdout);
        _Exit(23);
    }
    if (strcmp(mood, "stable") == 0)
        return stable(argv[2]);
    if (strcmp(mood, "vfork") == 0)
        return vforks();
    return 99;
}
