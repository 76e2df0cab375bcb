/*
 * Every hooked function with NULL for what it is about, where libcurl answers that; before anything
 * was made, while a multi handle lives that this thread drove last, after that one was cleaned up,
 * and with another one alive since.
 */
#include "client.h"

static void all(const char *when)
{
    int running = -1, left = -1;
    printf("%s: easy %d %d %d\n", when, curl_easy_setopt(NULL, CURLOPT_VERBOSE, 0L), curl_easy_perform(NULL),
           curl_easy_pause(NULL, CURLPAUSE_CONT));
    curl_easy_cleanup(NULL);
    printf("%s: multi %d %d %d", when, curl_multi_perform(NULL, &running), curl_multi_add_handle(NULL, NULL),
           curl_multi_remove_handle(NULL, NULL));
    printf(" %d %d", curl_multi_setopt(NULL, CURLMOPT_MAXCONNECTS, 1L), curl_multi_cleanup(NULL));
    printf(" %s, %d running, %d left\n", curl_multi_info_read(NULL, &left) == NULL ? "none" : "one", running, left);
    printf("%s: mime %d %d %d\n", when, curl_mime_addpart(NULL) == NULL, curl_mime_name(NULL, "name"),
           curl_mime_data(NULL, "data", 4));
    curl_mime_free(NULL);
    fflush(stdout);
}

static CURLM *drive_one(const char *base)
{
    CURLM *multi = curl_multi_init();
    CURL *easy = request(base, "plain");
    size_t total = 0;
    int running = 0;
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    curl_multi_add_handle(multi, easy);
    printf("mixed up: add %d, remove %d\n", curl_multi_add_handle(multi, NULL), curl_multi_remove_handle(multi, NULL));
    do {
        curl_multi_perform(multi, &running);
        curl_multi_wait(multi, NULL, 0, 100, NULL);
    } while (running > 0);
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    printf("%zu bytes\n", total);
    return multi;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    all("at first");
    CURLM *multi = drive_one(argv[1]);
    all("driven");
    printf("cleanup %d\n", curl_multi_cleanup(multi));
    all("cleaned up");
    multi = drive_one(argv[1]);
    all("driven again");
    printf("cleanup %d\n", curl_multi_cleanup(multi));
    all("cleaned up again");
    return 0;
}
