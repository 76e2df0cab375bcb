/* Eight threads with a handle each, then handles that move between threads. */
#include "client.h"

#include <pthread.h>

static size_t totals[8];

static void *work(void *easy)
{
    for (int i = 0; i < 20; i++)
        curl_easy_perform(easy);
    return NULL;
}

int main(int argc, char **argv)
{
    (void)argc;
    pthread_t threads[8];
    CURL *all[8];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) {
            if (round == 0) {
                all[i] = request(argv[1], i % 2 ? "sse" : "plain");
                curl_easy_setopt(all[i], CURLOPT_WRITEFUNCTION, count_piece);
                curl_easy_setopt(all[i], CURLOPT_WRITEDATA, &totals[i]);
            }
            pthread_create(&threads[i], NULL, work, all[(i + round) % 8]);
        }
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < 8; i++) {
        printf("%zu\n", totals[i]);
        curl_easy_cleanup(all[i]);
    }
    return 0;
}
