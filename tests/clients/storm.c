/* A profiler's SIGPROF, SIGALRM and SIGUSR1 without SA_RESTART, as fast as they come; SIGPIPE and
 * SIGCHLD as they are by default. */
#include "client.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/time.h>

static atomic_long ticks, elsewhere;
static atomic_bool over;

static void on_signal(int number)
{
    (void)number;
    atomic_fetch_add(&ticks, 1);
    char name[16] = "";
    pthread_getname_np(pthread_self(), name, sizeof(name));
    if (strncmp(name, "pprof", 5) == 0)
        atomic_fetch_add(&elsewhere, 1);
}

static void *bombard(void *thread)
{
    while (!atomic_load(&over)) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        usleep(50);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    (void)argc;
    static const int signals[] = {SIGALRM, SIGPROF, SIGUSR1};
    struct sigaction action = {.sa_handler = on_signal};
    struct itimerval fast = {.it_interval.tv_usec = 100, .it_value.tv_usec = 100};
    struct itimerval none = {.it_value.tv_usec = 0};
    pthread_t self = pthread_self(), other;
    size_t total = 0;
    for (int i = 0; i < 3; i++)
        sigaction(signals[i], &action, NULL);
    signal(SIGPIPE, SIG_DFL);
    CURL *easy = request(argv[1], "sse");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
    pthread_create(&other, NULL, bombard, &self);
    setitimer(ITIMER_REAL, &fast, NULL);
    setitimer(ITIMER_PROF, &fast, NULL);
    for (int i = 0; i < 100; i++)
        curl_easy_perform(easy);
    setitimer(ITIMER_REAL, &none, NULL);
    setitimer(ITIMER_PROF, &none, NULL);
    atomic_store(&over, true);
    pthread_join(other, NULL);
    perform(easy);
    printf("%zu bytes, signals %s, on foreign threads %ld\n", total, atomic_load(&ticks) > 0 ? "came" : "did not come",
           atomic_load(&elsewhere));
    curl_easy_cleanup(easy);
    return 0;
}
