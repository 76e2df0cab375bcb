/* A WebSocket by curl_ws_send and curl_ws_recv. */
#include "client.h"

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = curl_easy_init();
    char url[256], answer[256];
    snprintf(url, sizeof(url), "ws%s/v1/realtime?model=gpt-test-1", argv[1] + 4);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 2L);
    CURLcode code = curl_easy_perform(easy);
    printf("connect %d\n", (int)code);
    if (code == CURLE_OK) {
        size_t sent = 0, got = 0;
        const struct curl_ws_frame *frame = NULL; /* const or not: it depends on the version of libcurl */
        code = curl_ws_send(easy, "hello", 5, &sent, 0, CURLWS_TEXT);
        printf("send %d %zu\n", (int)code, sent);
        while ((code = curl_ws_recv(easy, answer, sizeof(answer), &got, (void *)&frame)) == CURLE_AGAIN)
            usleep(1000);
        printf("recv %d %.*s\n", (int)code, (int)got, answer);
    }
    curl_easy_cleanup(easy);
    return 0;
}
