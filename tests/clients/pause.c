/* The write callback pauses at its first piece; the program goes on later. */
#include "client.h"

static int calls;
static size_t total;

static size_t pause_first(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    if (calls++ == 0)
        return CURL_WRITEFUNC_PAUSE;
    total += size * count;
    return size * count;
}

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "slow");
    CURLM *multi = curl_multi_init();
    int running = 1, left, turns = 0;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, pause_first);
    curl_multi_add_handle(multi, easy);
    while (running != 0) {
        curl_multi_perform(multi, &running);
        if (calls == 1 && turns++ == 3)
            printf("continue %d\n", (int)curl_easy_pause(easy, CURLPAUSE_CONT));
        curl_multi_poll(multi, NULL, 0, 20, NULL);
    }
    CURLMsg *message = curl_multi_info_read(multi, &left);
    print_info(easy, message->data.result);
    printf("%zu bytes\n", total);
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
    return 0;
}
