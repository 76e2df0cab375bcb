/* A storm of timer signals during transfers. */
#include "client.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks, elsewhere;

static void on_alarm(int number)
{
    (void)number;
    ticks++;
    if (gettid() != getpid())
        elsewhere++;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval each = {.it_interval.tv_usec = 500, .it_value.tv_usec = 500};
    struct itimerval none = {.it_value.tv_usec = 0};
    sigaction(SIGALRM, &action, NULL);
    CURL *easy = request(argv[1], "slow");
    setitimer(ITIMER_REAL, &each, NULL);
    for (int i = 0; i < 3; i++)
        perform(easy);
    setitimer(ITIMER_REAL, &none, NULL);
    printf("handled by the main thread: %s\n", ticks > 0 && elsewhere == 0 ? "all" : "not all");
    curl_easy_cleanup(easy);
    return 0;
}
