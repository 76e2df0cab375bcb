/*
 * A program that ends within its first call, before the library's thread ever ran: that thread gets
 * no processor at all, whatever the machine. Prints "called" when the answer has come, then it
 * ends:
 *
 *   killed_client URL kill     by SIGKILL
 *   killed_client URL exec     by exec of sleep, under the same number, until it is killed
 *   killed_client URL fork     a child of fork so, after a call of the parent's that is seen; then
 *                              the parent by exit
 *   killed_client URL denied   not at all: it may make no links (seccomp), and goes on with a
 *                              thread as it should
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *how;
static atomic_bool never;

static void *wait_for_ever(void *unused)
{
    while (pause() != 0) {
    }
    return unused;
}

/* What every thread of this process begins with. */
__attribute__((visibility("default"))) int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                                          void *(*run)(void *), void *argument)
{
    int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&next = dlsym(RTLD_NEXT, "pthread_create");
    return next(thread, attributes, atomic_load(&never) ? wait_for_ever : run, argument);
}

static void end(void)
{
    (void)!write(STDOUT_FILENO, "called\n", 7);
    if (strcmp(how, "exec") == 0) {
        char *const nothing[] = {NULL}; /* nobody finds this run in its environment */
        (void)execle("/bin/sleep", "sleep", "1000", (char *)NULL, nothing);
    }
    (void)kill(getpid(), SIGKILL);
}

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
    (void)data;
    (void)context;
    if (atomic_load(&never))
        end();
    return size * n;
}

static int call(const char *url)
{
    static const char body[] = "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}";
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    const CURLcode code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    return code == CURLE_OK ? 0 : 1;
}

static int refuse_links(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_symlinkat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    how = argv[2];
    if (strcmp(how, "denied") == 0)
        return refuse_links() != 0 || call(argv[1]) != 0;
    if (strcmp(how, "fork") == 0) {
        int status = 0;
        if (call(argv[1]) != 0)
            return 1;
        const pid_t child = fork();
        if (child == 0) {
            atomic_store(&never, true);
            (void)call(argv[1]);
            _exit(1);
        }
        return waitpid(child, &status, 0) == child && WIFSIGNALED(status) ? 0 : 1;
    }
    atomic_store(&never, true);
    return call(argv[1]) + 3; /* it was to end within */
}
