/*
 * A plain libcurl program, measured from inside: N requests with a 4 KB body over one kept
 * connection; prints the CPU time of its own thread and of the whole process (under the shim: with
 * the scribe), per request and per chunk. With "multi" the requests go through a multi handle; with
 * "idle" there are none, but N calls that drive a multi handle in which nothing happens. Run
 * without and with the shim by scripts/bench. Usage: bench_client BASE_URL json|sse/EVENTS N
 * [multi|idle]
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static unsigned long long chunks, bytes;

static size_t on_data(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    (void)context;
    chunks++;
    bytes += size * count;
    return size * count;
}

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One transfer in a multi handle, from adding to removing. */
static CURLcode perform_in(CURLM *multi, CURL *easy)
{
    CURLcode code = CURLE_FAILED_INIT;
    int running = 0, left;
    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
        return code;
    for (;;) {
        const CURLMsg *message;
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            break;
        while ((message = curl_multi_info_read(multi, &left)) != NULL)
            code = message->data.result;
        if (running == 0 || curl_multi_poll(multi, NULL, 0, 1000, NULL) != CURLM_OK)
            break;
    }
    curl_multi_remove_handle(multi, easy);
    return code;
}

static void drive_idle(CURLM *multi, long times)
{
    int running;
    for (long i = 0; i < times; i++)
        curl_multi_perform(multi, &running);
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5)
        return 2;
    const char *way = argc == 5 ? argv[4] : "";
    char url[512], body[4096];
    snprintf(url, sizeof(url), "%s/%s/v1/chat/completions", argv[1], argv[2]);
    int head = snprintf(body, sizeof(body),
                        "{\"model\":\"gpt-4o-mini\",\"stream\":true,\"messages\":[{\"role\":\"system\",\"content\":"
                        "\"You sort support tickets.\"},"
                        "{\"role\":\"user\",\"content\":\"");
    memset(body + head, 'a', sizeof(body) - (size_t)head);
    memcpy(body + sizeof(body) - 5, "\"}]}", 5);
    long requests = atol(argv[3]);
    long idle = strcmp(way, "idle") == 0 ? requests : 0;
    if (idle != 0)
        requests = 1;
    CURL *easy = curl_easy_init();
    CURLM *multi = way[0] != '\0' ? curl_multi_init() : NULL;
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Authorization: Bearer sk-bench");
    headers = curl_slist_append(headers, "Expect:");
    double thread = 0, process = 0, wall = 0;
    for (long i = -20; i < requests; i++) { /* the first 20 warm up */
        if (i == 0) {
            thread = seconds(CLOCK_THREAD_CPUTIME_ID);
            process = seconds(CLOCK_PROCESS_CPUTIME_ID);
            wall = seconds(CLOCK_MONOTONIC);
            chunks = bytes = 0;
        }
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
        CURLcode code = multi != NULL ? perform_in(multi, easy) : curl_easy_perform(easy);
        if (code != CURLE_OK) {
            fprintf(stderr, "bench_client: %s\n", curl_easy_strerror(code));
            return 1;
        }
    }
    drive_idle(multi, idle);
    double n = (double)requests;
    printf("{\"requests\":%ld,\"chunks\":%llu,\"thread_us\":%.4f,\"process_us\":%.4f,\"wall_us\":%.4f}\n", requests,
           chunks, (seconds(CLOCK_THREAD_CPUTIME_ID) - thread) / n * 1e6,
           (seconds(CLOCK_PROCESS_CPUTIME_ID) - process) / n * 1e6, (seconds(CLOCK_MONOTONIC) - wall) / n * 1e6);
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    if (multi != NULL)
        curl_multi_cleanup(multi);
    return 0;
}
