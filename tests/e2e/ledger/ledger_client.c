/*
 * A program that calls a model again and again until it is killed, and keeps a ledger of what it got: on descriptor 3,
 * one line per completed call, "ID MONOTONIC_NS", written when curl_easy_perform has returned. A pipe holds what its
 * writer wrote, however the writer ended.
 *
 *   ledger_client URL THREADS STREAMS [fork]
 *
 * THREADS threads with an easy handle each; STREAMS of them ask for streams. "fork": after every tenth call of the
 * first thread a child is forked, makes one call, and is killed by SIGKILL or ends by _exit, in turns.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *url;
static int streams;
static int forks;

struct answer {
    char id[64];
    size_t bytes;
    char start[512];
};

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
    struct answer *answer = context;
    size_t room = sizeof answer->start - 1 - answer->bytes;
    size_t take = n * size < room ? n * size : room;
    memcpy(answer->start + answer->bytes, data, take);
    answer->bytes += take;
    return n * size;
}

/* The id that the answer states is what the span will have. */
static void note(const struct answer *answer)
{
    struct timespec now;
    char line[128];
    char id[64] = "";
    const char *at = strstr(answer->start, "\"id\":");
    if (at == NULL || sscanf(at + 5, " \"%63[^\"]\"", id) != 1)
        return;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int bytes = snprintf(line, sizeof line, "%s %llu\n", id,
                         (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec);
    (void)!write(3, line, (size_t)bytes);
}

static void one_call(CURL *easy, unsigned long long number, int stream)
{
    struct answer answer = {0};
    char body[256];
    (void)snprintf(body, sizeof body,
                   "{\"model\":\"gpt-4o\",\"stream\":%s,\"max_tokens\":8,\"messages\":[{\"role\":\"user\","
                   "\"content\":\"number %ld.%llu\"}]}",
                   stream ? "true" : "false", (long)getpid(), number);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (curl_easy_perform(easy) == CURLE_OK)
        note(&answer);
}

static void one_child(int killed)
{
    pid_t child = fork();
    if (child == 0) {
        CURL *easy = curl_easy_init();
        one_call(easy, 1, 0);
        if (!killed)
            _exit(0);
        (void)usleep(100000); /* longer than the bound: the call must be there */
        (void)raise(SIGKILL);
    }
    (void)waitpid(child, NULL, 0);
}

static void *run(void *context)
{
    long thread = (long)context;
    CURL *easy = curl_easy_init();
    for (unsigned long long i = 1;; i++) {
        one_call(easy, (unsigned long long)thread * 1000000000ULL + i, thread < streams);
        if (forks && thread == 0 && i % 10 == 0)
            one_child(i % 20 == 0);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    url = argv[1];
    long threads = strtol(argv[2], NULL, 10);
    streams = (int)strtol(argv[3], NULL, 10);
    forks = argc > 4 && strcmp(argv[4], "fork") == 0;
    (void)signal(SIGPIPE, SIG_DFL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    for (long i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run, (void *)i) != 0)
            return 1;
    }
    run(NULL);
    return 0;
}
