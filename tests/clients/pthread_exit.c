/* A thread ends inside a callback. */
#include "client.h"

#include <pthread.h>

static size_t leave(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)size, (void)count, (void)context;
    pthread_exit(NULL);
}

static void *work(void *base)
{
    CURL *easy = request(base, "sse");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, leave);
    perform(easy);
    printf("not reached\n");
    return NULL;
}

int main(int argc, char **argv)
{
    (void)argc;
    pthread_t thread;
    pthread_create(&thread, NULL, work, argv[1]);
    pthread_join(thread, NULL);
    CURL *easy = request(argv[1], "plain");
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
