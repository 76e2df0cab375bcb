/* The wall clock goes back an hour whenever it is looked at; durations must not care. */
#include "client.h"

#include <sys/syscall.h>
#include <time.h>

static time_t behind;

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
    int rc = (int)syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME && rc == 0)
        now->tv_sec -= __atomic_add_fetch(&behind, 3600, __ATOMIC_RELAXED);
    return rc;
}

int main(int argc, char **argv)
{
    (void)argc;
    struct timespec first, second;
    CURL *easy = request(argv[1], "slow");
    for (int i = 0; i < 3; i++)
        perform(easy);
    clock_gettime(CLOCK_REALTIME, &first);
    clock_gettime(CLOCK_REALTIME, &second);
    printf("the clock %s\n", second.tv_sec < first.tv_sec ? "goes back" : "goes on");
    curl_easy_cleanup(easy);
    return 0;
}
