/* Requests before a fork, in the child, in the child's child, and in the parent afterwards. */
#include "client.h"

#include <sys/wait.h>

int main(int argc, char **argv)
{
    (void)argc;
    CURL *easy = request(argv[1], "plain");
    perform(easy);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        CURL *own = request(argv[1], "sse");
        perform(own);
        fflush(stdout);
        if (fork() == 0) {
            perform(own);
            fflush(stdout);
            _exit(3);
        }
        int inner;
        wait(&inner);
        curl_easy_cleanup(own);
        exit(WEXITSTATUS(inner) + 1);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
