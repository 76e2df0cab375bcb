/*
 * Programs that end with their last thread: main() is gone by then. What they printed and what
 * their handlers write comes out, and the code is theirs; where main() went by the system call, no
 * handler runs.
 */
#include "client.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *base;
static FILE *copy; /* of standard output, with a buffer of its own */

static void at_exit(void)
{
    static const char text[] = "a handler writes\n";
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
        _exit(99);
}

static void call(void)
{
    CURL *easy = request(base, "plain");
    perform(easy);
    curl_easy_cleanup(easy);
}

static void *work(void *unused)
{
    (void)unused;
    call();
    fprintf(copy, "what lies in a buffer\n");
    return NULL;
}

static void end_by_threads(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    pthread_detach(thread);
    pthread_exit(NULL);
}

static void end_by_one(void)
{
    (void)work(NULL);
    pthread_exit(NULL);
}

static void end_by_system_call(void)
{
    call();
    (void)fflush(stdout);
    (void)syscall(SYS_exit, 4);
}

static void child(const char *name, void (*end)(void))
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)atexit(at_exit);
        copy = fdopen(dup(STDOUT_FILENO), "w");
        end();
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    printf("%s: %s %d\n", name, WIFEXITED(status) ? "code" : "signal",
           WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

int main(int argc, char **argv)
{
    (void)argc;
    base = argv[1];
    child("another thread is the last one", end_by_threads);
    child("main is", end_by_one);
    child("main ends by the system call", end_by_system_call);
    return 0;
}
