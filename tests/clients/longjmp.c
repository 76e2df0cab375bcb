/* A callback jumps out of libcurl; the handle is given up, another one works. */
#include "client.h"

#include <setjmp.h>

static jmp_buf out;

static size_t jump(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)size, (void)count, (void)context;
    longjmp(out, 1);
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, jump);
    if (setjmp(out) == 0)
        curl_easy_perform(easy);
    printf("outside\n");
    printf("again: %d\n", (int)curl_easy_perform(easy) != 0);
    CURL *other = request(argv[1], "plain");
    perform(other);
    curl_easy_cleanup(other);
    return 0;
}
