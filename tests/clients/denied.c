/* A sandbox that denies local sockets, memory files, threads, a table of descriptors or memory
 * advice; each in a child of its own. */
#include "client.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Denies system call `number`, where `argument` is not negative only with that first argument. */
static int deny(int number, int argument, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)argument, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JA | BPF_K, argument < 0 ? 0 : 1, 0, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? -1 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void without(const char *base, const char *name, const int *numbers, int argument, int error)
{
    fflush(stdout);
    pid_t pid = fork();
    int status = 0;
    if (pid == 0) {
        CURL *easy = request(base, "sse");
        for (int i = 0; numbers[i] >= 0; i++)
            if (deny(numbers[i], argument, error) != 0)
                printf("cannot deny\n");
        perform(easy);
        perform(easy);
        curl_easy_cleanup(easy);
        exit(5);
    }
    waitpid(pid, &status, 0);
    printf("%s: exit code %d signal %d\n", name, WEXITSTATUS(status), WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    without(argv[1], "local sockets", (const int[]){SYS_socket, -1}, AF_UNIX, EACCES);
    without(argv[1], "memory files", (const int[]){SYS_memfd_create, -1}, -1, EPERM);
    without(argv[1], "threads", (const int[]){SYS_clone3, SYS_clone, -1}, -1, EAGAIN);
    without(argv[1], "a table of descriptors", (const int[]){SYS_close_range, -1}, -1, ENOSYS);
    without(argv[1], "memory advice", (const int[]){SYS_madvise, -1}, -1, EINVAL);
    without(argv[1], "names and identities", (const int[]){SYS_uname, SYS_getrandom, -1}, -1, EPERM);
    return 0;
}
