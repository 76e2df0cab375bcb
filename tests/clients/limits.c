/* Hardly any resources: no descriptor at all, no address space, no file size; each in a child of
 * its own. */
#include "client.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { LITTLE = 100 * 1024 * 1024 };

static UNUSED rlim_t address_space(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld", &pages) != 1)
        return RLIM_INFINITY;
    fclose(file);
    return (rlim_t)pages * 4096;
}

static void limited(const char *base, const char *name, int resource, rlim_t value)
{
    fflush(stdout);
    pid_t pid = fork();
    int status = 0;
    if (pid == 0) {
        struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
        size_t total = 0;
        CURL *easy = request(base, "sse");
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count_piece);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &total);
        setrlimit(resource, &limit);
        for (int i = 0; i < 2; i++)
            print_info(easy, curl_easy_perform(easy)); /* the words of an error say how many milliseconds it took */
        void *own = malloc(LITTLE);
        printf("%s: %zu, memory for the program itself: %d\n", name, total, own != NULL);
        free(own);
        curl_easy_cleanup(easy);
        exit(5);
    }
    waitpid(pid, &status, 0);
    printf("%s: exit code %d signal %d\n", name, WEXITSTATUS(status), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    signal(SIGXFSZ, SIG_DFL);
    limited(argv[1], "no descriptor", RLIMIT_NOFILE, 3);
    limited(argv[1], "no file", RLIMIT_FSIZE, 0);
    limited(argv[1], "no lock", RLIMIT_MEMLOCK, 0);
#ifndef __SANITIZE_ADDRESS__
    limited(argv[1], "no address space", RLIMIT_AS, address_space() + 1024 * 1024);
    limited(argv[1], "little address space", RLIMIT_AS, address_space() + LITTLE + 16 * 1024 * 1024);
#endif
    return 0;
}
