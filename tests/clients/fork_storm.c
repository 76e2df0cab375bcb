/*
 * Threads that call while the process forks: children that only end, that run another program, and
 * that call themselves. (Not with AddressSanitizer: GCC 12's leaves the locks of its allocator as
 * they are in a forked child, which then may wait for ever.)
 */
#include "client.h"

#include <pthread.h>
#include <sys/wait.h>

enum { THREADS = 4, CALLS = 40, FORKS = 30 };

static const char *base;

static void *work(void *context)
{
    size_t *total = context;
    CURL *easy = request(base, "plain");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, total);
    for (int i = 0; i < CALLS; i++)
        curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    return NULL;
}

static void child(int kind)
{
    size_t total = 0;
    alarm(20); /* a hang is an end by SIGALRM */
    if (kind == 0)
        _exit(1);
#ifdef __SANITIZE_ADDRESS__
    kind = 1;
#endif
    if (kind == 1)
        execl("/bin/true", "true", (char *)NULL);
    CURL *easy = request(base, "plain");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    CURLcode code = curl_easy_perform(easy);
    _exit(code == CURLE_OK && total > 0 ? 2 : 3);
}

int main(int argc, char **argv)
{
    (void)argc;
    pthread_t threads[THREADS];
    size_t totals[THREADS] = {0};
    int ends[4] = {0}, killed = 0;
    base = argv[1];
    curl_global_init(CURL_GLOBAL_ALL);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, &totals[i]);
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            child(i % 3);
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            killed++;
        else
            ends[WEXITSTATUS(status) & 3]++;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        printf("%zu\n", totals[i]);
    }
    printf("exec %d, ended %d, called %d, failed %d, killed %d\n", ends[0], ends[1], ends[2], ends[3], killed);
    return 0;
}
