/* Fifty streams on one HTTP/2 connection; their bytes must not mix. */
#include "client.h"

static size_t totals[64];

static UNUSED void read_messages(CURLM *multi)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        size_t *total = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&total);
        *total += code == CURLE_OK ? 0 : 1000000;
        curl_multi_remove_handle(multi, easy);
        curl_easy_cleanup(easy);
    }
}

static UNUSED CURL *counted(const char *base, const char *what, int index)
{
    CURL *easy = request(base, what);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &totals[index]);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &totals[index]);
    return easy;
}

static UNUSED void print_totals(int count)
{
    for (int i = 0; i < count; i++)
        printf("%d: %zu\n", i, totals[i]);
}

int main(int argc, char **argv)
{
    (void)argc;
    enum { STREAMS = 50 };
    CURLM *multi = curl_multi_init();
    for (int i = 0; i < STREAMS; i++) {
        CURL *easy = counted(argv[1], i % 2 ? "sse" : "plain", i);
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
        curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L);
        curl_multi_add_handle(multi, easy);
    }
    drive(multi);
    read_messages(multi);
    print_totals(STREAMS);
    curl_multi_cleanup(multi);
    return 0;
}
