/* Requests from a constructor and from a destructor, the environment gone by then. */
#include "client.h"

static char base[128];

static void once(const char *when)
{
    CURL *easy = request(base, "plain");
    printf("%s: ", when);
    perform(easy);
    curl_easy_cleanup(easy);
    fflush(stdout);
}

static __attribute__((constructor)) void before(int argc, char **argv)
{
    if (argc > 1)
        snprintf(base, sizeof(base), "%s", argv[1]);
    once("before");
}

static __attribute__((destructor)) void after(void)
{
    once("after");
}

int main(int argc, char **argv)
{
    (void)argc;
    printf("main %s\n", argv[1] != NULL ? "runs" : "");
    fflush(stdout);
    clearenv();
    return 0;
}
