/* The process ends by _exit inside a callback. */
#include "client.h"

static size_t end(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    printf("got %zu\n", size * count);
    fflush(stdout);
    _exit(7);
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "slow");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, end);
    perform(easy);
    return 0;
}
