/* CONNECT_ONLY with send and recv. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    static const char text[] = "GET /v1/chat/completions?do=http10 HTTP/1.0\r\n\r\n";
    CURL *easy = request(argv[1], "plain");
    char answer[4096];
    size_t sent = 0, got = 0, total = 0;
    CURLcode code;
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    perform(easy);
    printf("send %d\n", (int)curl_easy_send(easy, text, sizeof(text) - 1, &sent));
    do {
        code = curl_easy_recv(easy, answer + total, sizeof(answer) - total, &got);
        if (code == CURLE_OK)
            total += got;
        else
            usleep(1000);
    } while ((code == CURLE_OK && got != 0) || code == CURLE_AGAIN);
    printf("sent %zu, got %zu: %.*s\n", sent, total, (int)total, answer);
    curl_easy_cleanup(easy);
    return 0;
}
