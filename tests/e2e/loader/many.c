/* Makes many calls over one connection and says on stderr how long they took: "p50_us p99_us
 * max_us". Usage: many URL CALLS [PAUSE_US] */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char body[] =
    "{\"model\":\"gpt-test-1\",\"messages\":[{\"role\":\"system\",\"content\":\"You are terse.\"}]}";
static size_t total;

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    total += size * count;
    return size * count;
}

static long now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b)
{
    long x = *(const long *)a;
    long y = *(const long *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int calls = atoi(argv[2]);
    int failures = 0;
    long *took = calloc((size_t)calls + 1, sizeof(*took));
    CURL *easy = curl_easy_init();
    if (took == NULL || easy == NULL || calls < 1)
        return 2;
    (void)curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    for (int i = 0; i < calls; i++) {
        long start = now_us();
        failures += curl_easy_perform(easy) != CURLE_OK;
        took[i] = now_us() - start;
        if (argc > 3)
            (void)usleep((unsigned)atoi(argv[3]));
    }
    curl_easy_cleanup(easy);
    qsort(took, (size_t)calls, sizeof(*took), by_size);
    printf("%d calls, %d failures, %zu bytes\n", calls, failures, total);
    fprintf(stderr, "%ld %ld %ld\n", took[calls / 2], took[calls - 1 - calls / 100], took[calls - 1]);
    free(took);
    return 0;
}
