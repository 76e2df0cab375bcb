/*
 * A program whose calls come faster than anybody can read of them: the library's own thread is
 * stopped, by a tracer as a debugger would be one, until all its calls are made. Prints how many
 * that were, and exits with 0 when each got its answer.
 *
 *   flood_client URL CALLS THREADS
 *   flood_client URL CALLS never      the library's thread gets no processor at all
 *
 * CALLS with easy handles in THREADS threads, a quarter as many more in one multi handle. The
 * tracer is a child of this program, so everything is over when it is. Exits with 77 where the
 * system allows no tracing.
 */
#include <curl/curl.h>
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SKIPPED = 77, AT_ONCE = 25 };

static const char *url;
static int calls_of_thread;
static atomic_long made, failed;

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
    (void)data;
    *(size_t *)context += size * n;
    return size * n;
}

static CURL *call(size_t *answer)
{
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    return easy;
}

static void count(CURLcode code, size_t answer)
{
    atomic_fetch_add(&made, 1);
    if (code != CURLE_OK || answer == 0) {
        atomic_fetch_add(&failed, 1);
        (void)fprintf(stderr, "a call failed: %s, %zu bytes\n", curl_easy_strerror(code), answer);
    }
}

static void *run_thread(void *unused)
{
    size_t answer = 0;
    CURL *easy = call(&answer);
    for (int i = 0; i < calls_of_thread; i++) {
        answer = 0;
        const CURLcode code = curl_easy_perform(easy);
        count(code, answer);
    }
    curl_easy_cleanup(easy);
    return unused;
}

static void run_multi(int rounds)
{
    CURLM *multi = curl_multi_init();
    size_t answers[AT_ONCE];
    CURL *all[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
        all[i] = call(&answers[i]);
    for (int round = 0; round < rounds; round++) {
        int running = 1, left;
        memset(answers, 0, sizeof(answers));
        for (int i = 0; i < AT_ONCE; i++)
            curl_multi_add_handle(multi, all[i]);
        while (running != 0) {
            curl_multi_perform(multi, &running);
            curl_multi_wait(multi, NULL, 0, running != 0 ? 100 : 0, NULL);
        }
        for (CURLMsg *message; (message = curl_multi_info_read(multi, &left)) != NULL;)
            for (int i = 0; i < AT_ONCE; i++)
                if (message->msg == CURLMSG_DONE && all[i] == message->easy_handle)
                    count(message->data.result, answers[i]);
        for (int i = 0; i < AT_ONCE; i++)
            curl_multi_remove_handle(multi, all[i]);
    }
    for (int i = 0; i < AT_ONCE; i++)
        curl_easy_cleanup(all[i]);
    curl_multi_cleanup(multi);
}

/* The only thread besides this one; 0: there is none. */
static pid_t other_thread(void)
{
    pid_t found = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks != NULL && (entry = readdir(tasks)) != NULL;) {
        const pid_t id = (pid_t)atol(entry->d_name);
        if (id != 0 && id != getpid())
            found = id;
    }
    if (tasks != NULL)
        closedir(tasks);
    return found;
}

/* In the child: stops the thread, says so, and lets it go when the other end of `until` is
 * closed. */
static void hold(pid_t thread, int say, int until)
{
    char byte = 'x';
    int status;
    if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) != 0 ||
        waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status))
        _exit(SKIPPED);
    (void)!write(say, &byte, 1);
    (void)!read(until, &byte, 1);
    (void)ptrace(PTRACE_DETACH, thread, NULL, NULL);
    _exit(0);
}

static void *wait_for_ever(void *unused)
{
    while (pause() != 0) {
    }
    return unused;
}

static atomic_bool never;

/* What every thread of this process begins with. */
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                          void *(*run)(void *), void *argument)
{
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    return next(thread, attributes, atomic_load(&never) ? wait_for_ever : run, argument);
}

static int run_never(int calls)
{
    atomic_store(&never, true);
    calls_of_thread = calls;
    run_thread(NULL);
    printf("%ld\n", atomic_load(&made));
    return atomic_load(&failed) != 0;
}

int main(int argc, char **argv)
{
    enum { THREADS_MAX = 64 };
    pthread_t threads[THREADS_MAX];
    int stopped[2], over[2], status;
    char byte;
    if (argc != 4 || pipe(stopped) != 0 || pipe(over) != 0)
        return 2;
    url = argv[1];
    if (strcmp(argv[3], "never") == 0)
        return run_never(atoi(argv[2]));
    const int calls = atoi(argv[2]), threads_n = atoi(argv[3]) < THREADS_MAX ? atoi(argv[3]) : THREADS_MAX;
    calls_of_thread = 1;
    run_thread(NULL); /* the library begins */
    const pid_t thread = other_thread();
    pid_t tracer = 0;
    (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    if (thread != 0 && (tracer = fork()) == 0) {
        close(stopped[0]);
        close(over[1]);
        hold(thread, stopped[1], over[0]);
    }
    close(stopped[1]);
    if (thread != 0 && read(stopped[0], &byte, 1) != 1)
        return SKIPPED;
    calls_of_thread = calls / threads_n;
    for (int i = 0; i < threads_n; i++)
        pthread_create(&threads[i], NULL, run_thread, NULL);
    for (int i = 0; i < threads_n; i++)
        pthread_join(threads[i], NULL);
    run_multi(calls / 4 / AT_ONCE);
    close(over[1]);
    if (tracer > 0)
        (void)waitpid(tracer, &status, 0);
    calls_of_thread = 10;
    run_thread(NULL); /* and it goes on */
    printf("%ld\n", atomic_load(&made));
    return atomic_load(&failed) != 0;
}
