/* The write callback replaces itself, and its data, in the middle of a transfer. */
#include "client.h"

static size_t total;

static size_t first(char *data, size_t size, size_t count, void *easy)
{
    (void)data;
    printf("first %zu\n", size * count);
    printf("set %d\n", (int)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece));
    printf("set %d\n", (int)curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total));
    return size * count;
}

static size_t to_default(char *data, size_t size, size_t count, void *easy)
{
    (void)data;
    printf("then %zu, counted %zu\n", size * count, total);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, NULL);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, stdout);
    return size * count;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "slow");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, first);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, easy);
    perform(easy);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, to_default);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, easy);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
