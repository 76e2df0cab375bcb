/* The write callback takes less than it got, refuses with the error value, or refuses an empty
 * answer. */
#include "client.h"

static int mode;

static size_t refuse(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    return mode == 0 ? size * count - 1 : mode == 1 ? CURL_WRITEFUNC_ERROR : 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    for (mode = 0; mode < 3; mode++) {
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, refuse);
        perform(easy);
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, NULL);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, refuse);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
