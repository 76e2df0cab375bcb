/* HTTPS: plain and streamed on one connection, then a certificate that is refused. */
#include "client.h"

int main(int argc, char **argv)
{
    static const char *const whats[] = {"plain", "sse"};
    if (argc < 3)
        return 77;
    char url[256];
    CURL *easy = request(argv[2], "plain");
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof(url), "%s/v1/chat/completions?do=%s", argv[2], whats[i]);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        perform(easy);
    }
    curl_easy_cleanup(easy);
    easy = request(argv[2], "plain");
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
