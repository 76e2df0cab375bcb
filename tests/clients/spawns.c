/* system, popen, posix_spawn and vfork between and during requests: children that run other
 * programs, without their environment too. */
#include "client.h"

#include <spawn.h>
#include <sys/wait.h>

static size_t spawn_inside(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    char *arguments[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"exit 3"}, NULL};
    char *nothing[] = {NULL};
    pid_t pid;
    int status = 0;
    if (posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, nothing) == 0)
        waitpid(pid, &status, 0);
    printf("spawned %d\n", WEXITSTATUS(status));
    pid = vfork();
    if (pid == 0)
        execve("/bin/sh", arguments, nothing);
    waitpid(pid, &status, 0);
    printf("vforked %d\n", WEXITSTATUS(status));
    return size * count;
}

int main(int argc, char **argv)
{
    (void)argc;
    char line[64] = "";
    CURL *easy = request(argv[1], "plain");
    perform(easy);
    fflush(stdout);
    printf("system %d\n", WEXITSTATUS(system("exit 4")));
    FILE *pipe = popen("echo piped", "r");
    if (fgets(line, sizeof(line), pipe) == NULL)
        printf("nothing\n");
    printf("popen %s%d\n", line, pclose(pipe));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, spawn_inside);
    perform(easy);
    curl_easy_cleanup(easy);
    return 0;
}
