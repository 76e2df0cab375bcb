/* Transfers removed, cleaned up and abandoned before they end; messages never read; added twice. */
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
    CURLM *multi = curl_multi_init();
    CURL *all[4];
    for (int i = 0; i < 4; i++)
        all[i] = counted(argv[1], i == 3 ? "plain" : "hang", i);
    for (int i = 0; i < 4; i++)
        printf("add %d", (int)curl_multi_add_handle(multi, all[i]));
    printf(" again %d\n", (int)curl_multi_add_handle(multi, all[0]));
    int running;
    while (totals[0] == 0 || totals[1] == 0 || totals[2] == 0 || totals[3] == 0) {
        curl_multi_perform(multi, &running);
        curl_multi_poll(multi, NULL, 0, 20, NULL);
    }
    printf("remove %d\n", (int)curl_multi_remove_handle(multi, all[0]));
    printf("remove again %d\n", (int)curl_multi_remove_handle(multi, all[0]));
    curl_easy_cleanup(all[1]);
    printf("remove finished %d\n", (int)curl_multi_remove_handle(multi, all[3]));
    printf("cleanup %d\n", (int)curl_multi_cleanup(multi));
    curl_easy_cleanup(all[2]);
    curl_easy_setopt(all[0], CURLOPT_WRITEFUNCTION, NULL);
    curl_easy_setopt(all[0], CURLOPT_WRITEDATA, stdout);
    curl_easy_setopt(all[0], CURLOPT_TIMEOUT_MS, 300L);
    printf("perform %d\n", (int)curl_easy_perform(all[0]));
    curl_easy_cleanup(all[0]);
    curl_easy_cleanup(all[3]);
    print_totals(4);
    return 0;
}
