/*
 * Many calls in one multi handle that wait for an answer which does not come; says how much the
 * process' memory grew by them, in bytes, once it grows no more. Usage: waiting CALLS [WAY]
 *
 * WAY is how the body is given: fields (CURLOPT_POSTFIELDS), copied (CURLOPT_COPYPOSTFIELDS). The
 * server is a socket of this program that accepts nobody. Calls are begun in small groups, as a
 * program that opens connections would.
 */
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { GROUP = 50, GROUP_US = 5000, LOOK_US = 100000, QUIET_LOOKS = 5, LOOKS_MAX = 600 };

static const char body[] =
    "{\"model\":\"gpt-test-1\",\"stream\":true,\"max_tokens\":200,\"messages\":[{\"role\":\"system\",\"content\":"
    "\"You are a terse assistant that answers questions about the weather in a few words and never apologises.\"},"
    "{\"role\":\"user\",\"content\":\"What will it be like in Lisbon at the weekend, and should I take a coat?\"}],"
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"forecast\",\"parameters\":{\"type\":\"object\","
    "\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"}}}}}]}";

static long resident(void)
{
    long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &size, &pages) != 2)
        exit(3);
    (void)fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

static int listen_at(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &bytes) != 0)
        exit(3);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static CURL *make(const char *url, struct curl_slist *headers, CURLoption fields)
{
    CURL *easy = curl_easy_init();
    (void)curl_easy_setopt(easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, fields, body);
    return easy;
}

/* Until the memory stays what it is; bounded. */
static long settled(CURLM *multi)
{
    long before = 0, now = resident();
    int running;
    for (int looks = 0, quiet = 0; looks < LOOKS_MAX && quiet < QUIET_LOOKS; looks++) {
        (void)usleep(LOOK_US);
        (void)curl_multi_perform(multi, &running);
        before = now;
        now = resident();
        quiet = now == before ? quiet + 1 : 0;
    }
    return now;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    int calls = atoi(argv[1]), running = 0;
    CURLoption fields = argc > 2 && strcmp(argv[2], "copied") == 0 ? CURLOPT_COPYPOSTFIELDS : CURLOPT_POSTFIELDS;
    unsigned port;
    int listener = listen_at(&port);
    char url[100];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1/chat/completions", port);
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Authorization: Bearer sk-test-planted-secret-0123456789abcdef");
    CURL **all = calloc((size_t)calls, sizeof(CURL *));
    CURLM *multi = curl_multi_init();
    (void)curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 4L);
    long before = resident();
    for (int i = 0; i < calls; i++) {
        all[i] = make(url, headers, fields);
        (void)curl_multi_add_handle(multi, all[i]);
        if (i % GROUP != 0)
            continue;
        (void)curl_multi_perform(multi, &running);
        (void)usleep(GROUP_US);
    }
    printf("%ld\n", settled(multi) - before);
    for (int i = 0; i < calls; i++) {
        (void)curl_multi_remove_handle(multi, all[i]);
        curl_easy_cleanup(all[i]);
    }
    (void)curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    free(all);
    (void)close(listener);
    return 0;
}
