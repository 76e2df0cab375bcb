/* A transfer inside another handle's callback, and one on the same handle, which libcurl
 * refuses. */
#include "client.h"

static char *context;
static int calls;

static size_t nested(char *data, size_t size, size_t count, void *easy)
{
    (void)data;
    if (calls++ == 0) {
        printf("same handle: %d\n", (int)curl_easy_perform(easy));
        CURL *inner = request(context, "plain");
        perform(inner);
        curl_easy_cleanup(inner);
    }
    return size * count;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    context = argv[1];
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, nested);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, easy);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
