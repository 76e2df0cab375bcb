/* Children that die in the middle of a stream: by abort, by SIGKILL, by a fault; the call before is
 * long over. */
#include "client.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int deadly;

static size_t die(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    printf("got %zu\n", size * count);
    fflush(stdout);
    raise(deadly);
    return size * count;
}

int main(int argc, char **argv)
{
    (void)argc;
    static const int signals[] = {SIGABRT, SIGKILL, SIGSEGV, SIGTERM};
    struct rlimit none = {.rlim_max = 0};
    setrlimit(RLIMIT_CORE, &none);
    for (int i = 0; i < 4; i++) {
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            deadly = signals[i];
            signal(deadly, SIG_DFL);
            CURL *easy = request(argv[1], "plain");
            perform(easy);
            usleep(1500 * 1000); /* what the journal holds goes to the spool after a second */
            curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, die);
            perform(easy);
            _exit(9);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
    return 0;
}
