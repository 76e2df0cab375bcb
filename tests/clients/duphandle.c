/* Duplicates made before, after and inside a transfer; cleaned up in both orders. */
#include "client.h"

static CURL *inside;

static size_t duplicate(char *data, size_t size, size_t count, void *easy)
{
    (void)data;
    if (inside == NULL)
        inside = curl_easy_duphandle(easy);
    return size * count;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 6L);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "copied");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, duplicate);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, easy);
    CURL *before = curl_easy_duphandle(easy);
    perform(easy);
    CURL *after = curl_easy_duphandle(easy);
    curl_easy_cleanup(easy);
    CURL *all[] = {before, after, inside};
    for (int i = 0; i < 3; i++) {
        CURL *again = curl_easy_duphandle(all[i]);
        curl_easy_setopt(all[i], CURLOPT_WRITEFUNCTION, NULL);
        curl_easy_setopt(all[i], CURLOPT_WRITEDATA, stdout);
        perform(all[i]);
        if (i == 1)
            curl_easy_cleanup(again);
        curl_easy_cleanup(all[i]);
        if (i != 1)
            curl_easy_cleanup(again);
    }
    return 0;
}
