/* Reset between requests, and inside a callback. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "sse");
    char name[] = "body", url[256];
    snprintf(url, sizeof(url), "%s/v1/chat/completions?do=plain", argv[1]);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, name);
    perform(easy);
    curl_easy_reset(easy);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, name);
    perform(easy);
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    printf("private %s\n", private);
    curl_easy_reset(easy);
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    printf("private %s\n", private == NULL ? "gone" : private);
    curl_easy_cleanup(easy);
    return 0;
}
