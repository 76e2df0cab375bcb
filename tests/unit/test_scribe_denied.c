/*
 * The scribe where something is denied: memory, threads, descriptors, system calls. What could not
 * be recorded is told by the first frame that leaves the process, or by a mark where none ever
 * will. Each test runs in a child of its own.
 */
#include "scribe_child.h"

/* Nothing of what such handles do is seen, perhaps nothing at all of the process: then that is what
 * is told. */
static int refused_handles(void)
{
    for (unsigned i = 0; i < 3; i++)
        (void)tally_add(TALLY_CALLS);
    (void)tally_add(TALLY_SESSIONS);
    CHECK(scribe_ensure() == 0);
    scribe_finish(1000);
    CHECK(read_spool());
    CHECK(out.rows == 0 && out.loss.exchanges == 3 && out.loss.sessions == 1);
    return 0;
}

/* Calls that came while there was no memory for a scribe are told by the first frame, once there is
 * some. */
static int no_memory_at_first(void)
{
    unsigned long pages = 0;
    FILE *sizes = fopen("/proc/self/statm", "re");
    CHECK(sizes != NULL && fscanf(sizes, "%lu", &pages) == 1);
    (void)fclose(sizes);
    struct rlimit before, limit;
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    unsigned lost = 0;
    for (unsigned mib = 0; mib < 1024; mib++) {
        limit = before;
        limit.rlim_cur = pages * 4096 + ((rlim_t)mib << 20); /* also between state, tape and stack */
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
        int rc = scribe_ensure();
        CHECK(setrlimit(RLIMIT_AS, &before) == 0);
        if (rc == 0)
            break;
        CHECK(!scribe_running());
        lost++;
        (void)tally_add(TALLY_CALLS);
    }
    CHECK(scribe_running());
    CHECK(lost > 4);                            /* more than one step failed */
    CHECK((unsigned)atomic_load(&said) < lost); /* it was not tried each time */
    write_all(1);
    scribe_finish(1000);
    CHECK(read_spool());
    CHECK(out.rows == 1 && out.loss.exchanges == lost);
    return 0;
}

static int no_descriptors(void)
{
    struct rlimit before, none = {0};
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    none.rlim_max = before.rlim_max;
    none.rlim_cur = 3;
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK(scribe_ensure() == 0);
    write_all(1);
    scribe_finish(100);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    write_all(2);
    scribe_finish(100);
    CHECK(read_spool());
    CHECK(out.rows == 2 && out.loss.spans == 0); /* the first waited in memory */
    return 0;
}

/* Answers EPERM to two system calls, as a sandbox would. */
static int deny(unsigned first, unsigned second)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, first, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, second, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int threads_denied(void)
{
    CHECK(deny(SYS_clone, SYS_clone3) == 0);
    errno = 77;
    CHECK(scribe_ensure() < 0);
    CHECK(errno == 77);
    CHECK(!scribe_running());
    for (unsigned i = 0; i < 1000; i++)
        CHECK(scribe_ensure() < 0);
    CHECK(atomic_load(&said) == 11); /* tried again more and more seldom */
    scribe_wake_if_asleep();
    scribe_finish(1000);
    CHECK(marks_of("unread") == 0); /* nobody wanted to record a call */
    for (unsigned i = 0; i < 3; i++)
        (void)tally_add(TALLY_CALLS);
    scribe_finish(1000);
    CHECK(marks_of("-3.unread") == 1); /* no frame will ever say it */
    scribe_finish(1000);
    CHECK(marks_of("unread") == 1);
    return 0;
}

static int sockets_and_memory_files_denied(void)
{
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, socket_path);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 8) == 0);
    CHECK(deny(SYS_socket, SYS_memfd_create) == 0);
    CHECK(scribe_ensure() == 0);
    write_all(1);
    scribe_finish(1000);
    CHECK(read_spool());
    CHECK(out.rows == 1);
    return 0;
}

static int madvise_denied(void)
{
    CHECK(deny(SYS_madvise, SYS_memfd_create) == 0);
    CHECK(scribe_ensure() < 0); /* a forked child could not be told from its parent */
    CHECK(!scribe_running());
    scribe_finish(1000);
    return 0;
}

CHILD_TEST(refused_handles)
CHILD_TEST(no_memory_at_first)
CHILD_TEST(no_descriptors)
CHILD_TEST(threads_denied)
CHILD_TEST(sockets_and_memory_files_denied)
CHILD_TEST(madvise_denied)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(refused_handles),
        TEST(no_memory_at_first),
        TEST(no_descriptors),
        TEST(threads_denied),
        TEST(sockets_and_memory_files_denied),
        TEST(madvise_denied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
