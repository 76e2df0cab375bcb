/* No file descriptor is left but those libcurl needs. */
#include "client.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
    (void)argc;
    struct rlimit limit = {.rlim_cur = 8, .rlim_max = 8};
    setrlimit(RLIMIT_NOFILE, &limit);
    CURL *easy = request(argv[1], "sse");
    perform(easy);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
