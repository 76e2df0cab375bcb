/* 64 MB each way: a request from memory, one from a read callback, and a response. */
#include "client.h"

enum { BIG = 64 * 1024 * 1024 };

static size_t left;

static size_t give(char *data, size_t size, size_t count, void *context)
{
    size_t bytes = size * count < left ? size * count : left;
    (void)context;
    memset(data, 'b', bytes);
    left -= bytes;
    return bytes;
}

struct sum {
    size_t bytes;
    unsigned value;
};

static size_t add_up(char *data, size_t size, size_t count, void *context)
{
    struct sum *sum = context;
    for (size_t i = 0; i < size * count; i++)
        sum->value = sum->value * 31 + (unsigned char)data[i];
    sum->bytes += size * count;
    return size * count;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct sum sum = {.bytes = 0};
    char *body = malloc(BIG);
    memset(body, 'a', BIG);
    CURL *easy = request(argv[1], "plain");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)BIG);
    perform(easy);
    curl_easy_cleanup(easy);
    memset(body, 'c', BIG);
    free(body);

    easy = request(argv[1], "plain");
    left = BIG;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)BIG);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
    perform(easy);
    curl_easy_cleanup(easy);

    easy = request(argv[1], "huge");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, add_up);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &sum);
    perform(easy);
    printf("%zu bytes, sum %u\n", sum.bytes, sum.value);
    curl_easy_cleanup(easy);
    return 0;
}
