/* Facts about the process, and the container's id in texts of /proc as Docker, Podman, Kubernetes
 * and plain hosts show them. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/base/process_info.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static const char *find(const char *text, const char *before)
{
    static char id[80];
    id[0] = '\0';
    return process_info_container(id, sizeof(id), text, strlen(text), before) ? id : NULL;
}

static void test_container(void **state)
{
    (void)state;
    assert_string_equal(find("0::/system.slice/docker-" ID ".scope\n", ""), ID);
    assert_string_equal(find("12:cpu:/docker/" ID, ""), ID);
    assert_string_equal(find("0::/kubepods/burstable/pod1/" OTHER "/" ID "\n", ""), ID);
    assert_string_equal(find("0::/libpod-" ID ".scope/container", ""), ID);
    assert_null(find("0::/user.slice/user-1000.slice/session-2.scope\n", ""));
    assert_null(find("0::/x/a" ID "\n", "")); /* 65 digits */
    assert_null(find("", ""));
    const char *mounts = "1 2 0:1 / / rw - overlay overlay lowerdir=/var/lib/docker/overlay2/" OTHER "/diff\n"
                         "3 4 8:1 /var/lib/docker/containers/" ID "/hostname /etc/hostname rw - ext4 /dev/sda1 rw\n";
    assert_string_equal(find(mounts, "containers/"), ID);
    assert_null(find("overlay2/" OTHER "/diff", "containers/"));
    char small[64];
    assert_false(process_info_container(small, sizeof(small), ID, 64, ""));
}

static void test_collect(void **state)
{
    (void)state;
    char long_text[1024];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    struct span_process one, two;
    uint8_t identity[2][16];
    process_info_identity(identity[0]);
    process_info_identity(identity[1]);
    process_info_collect(&one, identity[0], &(struct process_info_names){.service = "billing", .labels = long_text});
    process_info_collect(&two, identity[1], &(struct process_info_names){.team = "search"});
    assert_memory_not_equal(one.identity, two.identity, sizeof(one.identity));
    assert_int_equal(one.pid, getpid());
    assert_true(one.has_uid);
    assert_int_equal(one.uid, geteuid());
    assert_true(one.start_ns > 1700000000000000000ULL && two.start_ns >= one.start_ns);
    assert_string_equal(one.executable, "test_process_info");
    assert_string_equal(one.service, "billing");
    assert_string_equal(one.team, "");
    assert_string_equal(two.team, "search");
    assert_int_equal(strlen(one.labels), sizeof(one.labels) - 1);
    assert_true(strlen(one.host) > 0);
    assert_string_equal(one.version, PPROF_VERSION);
}

/* What a thread finds whose main thread has ended: it is alone, and with what code the main thread
 * went. */
static void *alone(void *unused)
{
    int code = -1;
    (void)unused;
    for (unsigned tries = 0; tries < 60000; tries++) {
        if (process_info_threads(getpid(), &code) == THREADS_ONE)
            _exit(code);
        (void)usleep(1000);
    }
    _exit(99);
}

static void test_alone(void **state)
{
    static const int codes[] = {0, 3, 200};
    (void)state;
    int code = -1, status;
    assert_int_equal(process_info_threads(getpid(), &code), THREADS_SEVERAL);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        const pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, alone, NULL) != 0)
                _exit(98);
            (void)syscall(SYS_exit, codes[i]);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), codes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
