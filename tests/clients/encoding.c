/* A gzip body, decoded by libcurl, left alone on demand, and asked for by an own header. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    char name[] = "body";
    size_t total = 0;
    CURL *easy = request(argv[1], "gzip");
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, print_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, name);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    perform(easy);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, NULL);
    struct curl_slist *own = curl_slist_append(NULL, "Accept-Encoding: gzip");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, own);
    perform(easy);
    printf("%zu\n", total);
    curl_slist_free_all(own);
    curl_easy_cleanup(easy);
    return 0;
}
