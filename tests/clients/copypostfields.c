/* COPYPOSTFIELDS: the source is freed at once; the size given before, after, and growing. */
#include "client.h"

/* Asked when the copy became invalid because its size grew. */
static size_t give(char *data, size_t size, size_t count, void *context)
{
    (void)context;
    memcpy(data, "give", 4);
    return size * count < 4 ? 0 : 4;
}

int main(int argc, char **argv)
{
    (void)argc;
    static const long before[] = {-1, 5, -1, 8}, after[] = {-1, 5, 4, 3};
    for (int i = 0; i < 4; i++) {
        CURL *easy = request(argv[1], "plain");
        char *source = strdup("{\"copied\": 1}");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, before[i]);
        curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, source);
        memset(source, 'x', strlen(source));
        free(source);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, after[i]);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
        perform(easy);
        curl_easy_cleanup(easy);
    }
    return 0;
}
