/* The read callback pauses; the program goes on later, and pauses both ways itself in between. */
#include "client.h"

static const char text[] = PROMPT;
static size_t at;
static int calls;

static size_t give(char *data, size_t size, size_t count, void *context)
{
    (void)context;
    if (calls++ % 2 == 0)
        return CURL_READFUNC_PAUSE;
    size_t bytes = sizeof(text) - 1 - at < 30 ? sizeof(text) - 1 - at : 30;
    if (bytes > size * count)
        bytes = size * count;
    memcpy(data, text + at, bytes);
    at += bytes;
    return bytes;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "slow");
    CURLM *multi = curl_multi_init();
    int running = 1, left, turns = 0;
    size_t total = 0;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)sizeof(text) - 1);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    curl_multi_add_handle(multi, easy);
    while (running != 0) {
        curl_multi_perform(multi, &running);
        curl_easy_pause(easy, turns++ % 3 == 0 ? CURLPAUSE_ALL : CURLPAUSE_CONT);
        curl_multi_poll(multi, NULL, 0, 10, NULL);
    }
    CURLMsg *message = curl_multi_info_read(multi, &left);
    print_info(easy, message->data.result);
    printf("%zu sent, %zu received, the upload paused: %s\n", at, total, calls > 2 ? "yes" : "no");
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    return 0;
}
