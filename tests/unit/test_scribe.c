/*
 * The scribe with a tape written by hand and exchanges that only count: life of the thread, forks,
 * full tables, ends of the process. There is one scribe per process, so every test runs in a child
 * of its own and reports by its exit status.
 */
#include "scribe_child.h"

static int one_exchange(void)
{
    CHECK(!scribe_running());
    scribe_wake_if_asleep();
    scribe_finish(1000); /* nothing was started */
    errno = 77;
    CHECK(scribe_ensure() == 0);
    CHECK(errno == 77);
    CHECK(scribe_running());
    CHECK(scribe_ensure() == 0);
    write_begin(1, "chat");
    write_begin(2, "other"); /* no inference call */
    write_piece(TAPE_RESPONSE_BODY, 2, 10);
    write_piece(TAPE_REQUEST_BODY, 1, 300);
    write_piece(TAPE_REQUEST_REWIND, 1, 0);
    write_piece(TAPE_RESPONSE_HEADER, 1, 20);
    write_piece(TAPE_RESPONSE_BODY, 1, 500);
    write_piece(TAPE_PAUSE, 1, 0);
    write_piece(TAPE_RESUME, 1, 0);
    uint64_t lost = 90;
    (void)tape_write(TAPE_RESPONSE_BODY, 1, tape_now_ns(), "xy", 2, NULL, 0, &lost);
    write_end(2);
    write_end(1);
    scribe_finish(1000);
    CHECK(errno == 77);
    CHECK(read_spool());
    CHECK(out.files == 1 && out.greetings == 1 && out.rows == 1 && out.unfinished == 0);
    CHECK(out.last.value[SPAN_request_bytes].u64 == 300);
    CHECK(out.last.value[SPAN_response_bytes].u64 == 502);
    CHECK(out.last.value[SPAN_lost_bytes].u64 == 90);
    CHECK(out.last.value[SPAN_redirects].u64 == 1);
    CHECK(out.last.value[SPAN_stream_events].u64 == 1);
    CHECK(out.last.value[SPAN_tool_calls].u64 == 11);
    CHECK(out.last.value[SPAN_status].u64 == 200);
    CHECK(out.last.value[SPAN_total_ns].u64 == 5000000);
    CHECK(out.last.value[SPAN_wait_ns].u64 == 2900000);
    return 0;
}

static int finish_again(void)
{
    CHECK(scribe_ensure() == 0);
    write_all(1);
    write_begin(2, "chat"); /* under way when the process ends */
    scribe_finish(1000);
    CHECK(read_spool());
    CHECK(out.rows == 2 && out.unfinished == 1);
    write_all(3); /* another thread goes on meanwhile */
    write_end(2);
    scribe_finish(1000);
    CHECK(read_spool());
    CHECK(out.files == 2 && out.greetings == 2 && out.rows == 3);
    return 0;
}

static int damaged_records(void)
{
    CHECK(scribe_ensure() == 0);
    uint64_t lost = 0;
    struct tape_begin lies = {.url_bytes = UINT32_MAX, .method_bytes = UINT16_MAX, .headers_bytes = UINT32_MAX};
    (void)tape_write(TAPE_BEGIN, 1, 1, &lies, sizeof(lies), "abc", 3, &lost);
    (void)tape_write(TAPE_BEGIN, 2, 1, "abc", 3, NULL, 0, &lost);
    write_begin(3, "chat");
    (void)tape_write(TAPE_END, 3, tape_now_ns(), "abc", 3, NULL, 0, &lost);
    write_begin(4, "chat");
    write_begin(4, "chat"); /* twice the same number */
    (void)tape_write((enum tape_kind)99, 4, tape_now_ns(), "abc", 3, NULL, 0, &lost);
    write_end(4);
    write_end(4);
    write_begin(5, "memory");
    scribe_finish(1000);
    CHECK(read_spool());
    CHECK(out.rows == 2 && out.unfinished == 1);
    CHECK(out.loss.exchanges == 2); /* the second number 4, and 5 */
    return 0;
}

enum { WRITERS = 4, PER_WRITER = 200 };
static void *writer(void *argument)
{
    uint64_t first = *(const uint64_t *)argument;
    if (scribe_ensure() != 0)
        return (void *)1;
    for (uint64_t i = 0; i < PER_WRITER; i++)
        write_all(first + i);
    return NULL;
}

static unsigned scribe_threads(int *ret_tid)
{
    unsigned n = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks != NULL && (entry = readdir(tasks)) != NULL;) {
        char path[300], name[32] = "";
        (void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        int fd = open(path, O_RDONLY);
        if (fd >= 0 && read(fd, name, sizeof(name) - 1) > 0 && strcmp(name, "pprof-scribe\n") == 0) {
            n++;
            *ret_tid = atoi(entry->d_name);
        }
        if (fd >= 0)
            (void)close(fd);
    }
    (void)closedir(tasks);
    return n;
}

static int many_threads(void)
{
    pthread_t thread[WRITERS];
    uint64_t first[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        first[i] = 1 + (uint64_t)i * PER_WRITER;
        CHECK(pthread_create(&thread[i], NULL, writer, &first[i]) == 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        void *failed;
        CHECK(pthread_join(thread[i], &failed) == 0 && failed == NULL);
    }
    int tid = 0;
    scribe_finish(50000);
    CHECK(scribe_threads(&tid) == 1); /* after its work: a thread gives itself its name when it first runs */
    CHECK(read_spool());
    CHECK(tape_losses().records == 0);
    CHECK(out.rows == WRITERS * PER_WRITER && out.unfinished == 0);
    return 0;
}

static int full_table(void)
{
    CHECK(scribe_ensure() == 0);
    for (uint64_t i = 1; i <= FLIGHTS_MAX + 10; i++) {
        write_begin(i, "chat");
        while (tape_backlog_bytes() > TAPE_RING_BYTES / 16)
            (void)usleep(1000); /* that the tape is not full instead */
    }
    CHECK(wait_for(&closed, 10, 50000)); /* those that found no place */
    CHECK(tape_losses().records == 0);
    write_end(5000);
    CHECK(wait_for(&closed, 11, 50000));
    write_all(FLIGHTS_MAX + 11); /* its place is free again */
    scribe_finish(50000);
    CHECK(wait_for_rows(FLIGHTS_MAX + 1)); /* 20 s may be too short on a busy machine */
    CHECK(out.unfinished == FLIGHTS_MAX - 1);
    CHECK(out.loss.exchanges == 10);
    return 0;
}

static void *let_go(void *unused)
{
    (void)unused;
    (void)usleep(50000); /* until the time that scribe_finish allows is over; correct without it, too */
    atomic_store(&held, false);
    return NULL;
}

/* An end that the tape lost: the call is not said to be cancelled, and what was lost is stated. */
static int lost_end(void)
{
    atomic_store(&held, true);
    CHECK(scribe_ensure() == 0);
    write_begin(1, "chat");
    write_begin(2, "hold");
    while (tape_losses().records == 0)
        write_piece(TAPE_RESPONSE_BODY, 3, 1000);
    while (tape_losses().ends == 0)
        write_end(4); /* transfers that nobody began, so that nobody kept room for them */
    write_end(1);
    CHECK(tape_losses().ends == 2);
    atomic_store(&held, false);
    scribe_finish(5000);
    CHECK(read_spool());
    CHECK(out.rows == 2 && out.unseen == 2 && out.lost_bytes == 2 * sizeof(struct tape_end));
    return 0;
}

/* The process ends before the scribe has read what is on the tape: calls that ended did end, what
 * was not read of their bodies is counted. */
static int no_time_to_read(void)
{
    enum { CALLS = 3000 };
    pthread_t thread;
    atomic_store(&held, true);
    CHECK(scribe_ensure() == 0);
    write_begin(1, "hold");
    for (uint64_t i = 2; i < 2 + CALLS; i++)
        write_all(i);
    CHECK(tape_losses().records == 0);
    CHECK(pthread_create(&thread, NULL, let_go, NULL) == 0);
    scribe_finish(0);
    CHECK(pthread_join(thread, NULL) == 0);
    scribe_finish(5000); /* under load, the first did not wait long enough */
    CHECK(read_spool());
    CHECK(out.rows == 1 + CALLS && out.unfinished == 1 && out.unseen == 0);
    CHECK(out.loss.exchanges == 0 && out.loss.tape_bytes == out.lost_bytes);
    return 0;
}

/* The process ends and the scribe has no processor: the calls that it did not come to are said to
 * be lost. */
static int no_time_at_all(void)
{
    atomic_store(&held, true);
    CHECK(scribe_ensure() == 0);
    write_begin(1, "hold");
    while (tape_unheard_calls() > 0)
        (void)usleep(1000);
    for (uint64_t i = 2; i < 7; i++)
        write_all(i);
    errno = 77;
    scribe_finish(0);
    scribe_finish(0); /* said once */
    CHECK(errno == 77);
    CHECK(marks_of("-5.unread") == 1 && marks_of(".unread") == 1 && marks_of(".refused") == 0);
    atomic_store(&held, false); /* the process lives on after all: nothing is lost, and nobody says so any more */
    while (marks_of(".unread") > 0)
        scribe_finish(5000);
    CHECK(read_spool());
    CHECK(out.rows == 6 && out.loss.exchanges == 0);
    return 0;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static int forked_child(void)
{
    CHECK(!scribe_running());
    scribe_finish(1000 * CHILD_SECONDS_MAX); /* captured nothing yet: nothing to wait for */
    scribe_wake_if_asleep();
    CHECK(!scribe_running());
    CHECK(scribe_ensure() == 0);
    write_end(1); /* the parent's request is not ours */
    write_all(1);
    scribe_finish(50000);
    return 0;
}

static int fork_with_requests_in_flight(void)
{
    CHECK(scribe_ensure() == 0);
    write_begin(1, "chat");
    (void)usleep(20000);
    for (uint64_t i = 0; i < 20; i++) {
        write_all(10 + i);
        pid_t child = fork();
        if (child == 0)
            _exit(forked_child() == 0 ? 0 : 1);
        int status;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    write_end(1);
    scribe_finish(50000);
    CHECK(read_spool());
    CHECK(out.files == 21);
    CHECK(out.rows == 20 + 20 + 1 && out.unfinished == 0);
    return 0;
}
#endif

static int child_of_vfork(void)
{
    CHECK(scribe_ensure() == 0);
    write_begin(1, "chat");
    pid_t child = vfork();
    if (child == 0) {
        scribe_finish(5000);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(atomic_load(&closed) == 0); /* the parent's request goes on */
    write_end(1);
    scribe_finish(1000);
    CHECK(read_spool());
    CHECK(out.rows == 1 && out.unfinished == 0);
    return 0;
}

static int hung_collector(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, socket_path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(listener, 8) == 0);
    CHECK(scribe_ensure() == 0);
    for (uint64_t i = 1; i <= 300; i++)
        write_all(i);
    uint64_t before_ns = tape_now_ns();
    scribe_finish(200);
    CHECK(tape_now_ns() - before_ns >=
          150 * MS); /* it waited for the collector, which never answers, and not for ever */
    while (read_spool() && out.rows < 300)
        scribe_finish(200); /* where it had no processor before */
    CHECK(out.rows == 300);
    return 0;
}

/* In place of syscall (linked with --wrap): once this is wanted, a wait of a second or more has no
 * end but the bell. */
static _Atomic bool long_waits_are_endless;
static _Atomic uint64_t endless_waits;
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
    long argument[6];
    va_list list;
    va_start(list, number);
    for (unsigned i = 0; i < 6; i++)
        argument[i] = va_arg(list, long);
    va_end(list);
    const struct timespec *timeout = number == SYS_futex ? (const struct timespec *)argument[3] : NULL;
    bool waits = (argument[1] & FUTEX_CMD_MASK) == FUTEX_WAIT && timeout != NULL && timeout->tv_sec >= 1;
    if (long_waits_are_endless && waits) {
        argument[3] = 0;
        endless_waits++;
    }
    return __real_syscall(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

/* After a second without requests it sleeps until the next one rings. */
static int deep_sleep(void)
{
    CHECK(scribe_ensure() == 0);
    write_all(1);
    CHECK(wait_for(&closed, 1, 50000));
    long_waits_are_endless = true;
    for (uint64_t i = 2; i < 4; i++) {
        CHECK(wait_for(&endless_waits, i - 1, 50000));
        write_all(i);
        CHECK(wait_for(&closed, i, 50000));
    }
    return 0;
}

static int signals_are_not_for_us(void)
{
    CHECK(scribe_ensure() == 0);
    (void)usleep(50000);
    int tid = 0;
    CHECK(scribe_threads(&tid) == 1);
    char path[64], text[4096] = "";
    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
    int fd = open(path, O_RDONLY);
    CHECK(read(fd, text, sizeof(text) - 1) > 0);
    (void)close(fd);
    const char *line = strstr(text, "SigBlk:");
    CHECK(line != NULL);
    uint64_t blocked = strtoull(line + 7, NULL, 16);
    uint64_t libc_own = (1ULL << 31) | (1ULL << 32) | (1ULL << 33) | (1ULL << (SIGKILL - 1)) | (1ULL << (SIGSTOP - 1));
    CHECK((blocked | libc_own) == UINT64_MAX);
    sigset_t mine;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mine) == 0 && sigismember(&mine, SIGUSR1) == 0);
    return 0;
}

#ifndef __SANITIZE_THREAD__
static int told[2];

/* What the test framework's own thread had on its stack looks like a leak once that thread has
 * ended. */
static void leave_without_leak_check(void)
{
    scribe_finish(1000);                          /* as the library's own end does */
    _exit(write(told[1], "x", 1) == 1 ? 33 : 34); /* handlers find their descriptors */
}

static void end_by_pthread_exit(void)
{
    pthread_exit(NULL);
}

/* Nothing of the C library's end then: no handlers, and the code that the thread gave. */
static void end_by_the_system_call(void)
{
    (void)syscall(SYS_exit, 4);
}

static int main_ends(void (*end)(void), int code)
{
    CHECK(pipe(told) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (atexit(leave_without_leak_check) == 0 && scribe_ensure() == 0) {
            write_all(1);
            end();
        }
        _exit(9);
    }
    int status = -1;
    pid_t ended = 0;
    for (int i = 0; i < 500 && ended == 0; i++) {
        (void)usleep(10000);
        ended = waitpid(child, &status, WNOHANG);
    }
    if (ended == 0)
        (void)kill(child, SIGKILL);
    CHECK(ended == child && WIFEXITED(status) && WEXITSTATUS(status) == code);
    CHECK(read_spool());
    CHECK(out.rows == 1);
    return 0;
}

static int main_ends_by_pthread_exit(void)
{
    return main_ends(end_by_pthread_exit, 33);
}

/* Older C libraries do not say how many threads there are. */
static int main_ends_by_pthread_exit_uncounted(void)
{
    own_thread_count = NULL;
    return main_ends(end_by_pthread_exit, 33);
}

static int main_ends_by_the_system_call(void)
{
    return main_ends(end_by_the_system_call, 4);
}

static int all_descriptors_closed(void)
{
    CHECK(scribe_ensure() == 0);
    write_all(1);
    CHECK(wait_for(&closed, 1, 50000));
    CHECK(wait_for_part()); /* it is in an open spool file now */
    for (int fd = 100; fd < 200; fd++)
        CHECK(close(fd) != 0); /* ours lie in a table of their own (own_fd.h) */
    write_all(2);
    CHECK(wait_for(&closed, 2, 50000));
    scribe_finish(1000);
    CHECK(read_spool());
    CHECK(out.rows == 2);
    return 0;
}
#endif

CHILD_TEST(one_exchange)
CHILD_TEST(finish_again)
CHILD_TEST(damaged_records)
CHILD_TEST(many_threads)
CHILD_TEST(full_table)
CHILD_TEST(lost_end)
CHILD_TEST(no_time_to_read)
CHILD_TEST(no_time_at_all)
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
CHILD_TEST(fork_with_requests_in_flight)
#endif
CHILD_TEST(child_of_vfork)
CHILD_TEST(hung_collector)
CHILD_TEST(deep_sleep)
CHILD_TEST(signals_are_not_for_us)
#ifndef __SANITIZE_THREAD__
CHILD_TEST(main_ends_by_pthread_exit)
CHILD_TEST(main_ends_by_pthread_exit_uncounted)
CHILD_TEST(main_ends_by_the_system_call)
CHILD_TEST(all_descriptors_closed)
#endif

/* Numbers that share a home position, removed in every order. */
static void test_flights(void **state)
{
    (void)state;
    struct flights *flights = calloc(1, sizeof(*flights));
    assert_non_null(flights);
    uint64_t numbers[] = {1,
                          1 + FLIGHTS_SLOTS,
                          2,
                          1 + 2 * (uint64_t)FLIGHTS_SLOTS,
                          3,
                          FLIGHTS_SLOTS - 1,
                          2 * FLIGHTS_SLOTS - 1,
                          3 * (uint64_t)FLIGHTS_SLOTS - 1};
    enum { N = sizeof(numbers) / sizeof(numbers[0]) };
    for (size_t first = 0; first < N; first++) {
        for (size_t step = 1; step < N; step += 2) {
            for (size_t i = 0; i < N; i++) {
                assert_non_null(flights_add(flights, numbers[i]));
                assert_null(flights_add(flights, numbers[i]));
            }
            for (size_t i = 0; i < N; i++) {
                flights_remove(flights, flights_find(flights, numbers[(first + i * step) % N]));
                for (size_t k = 0; k < N; k++) {
                    struct flight *flight = flights_find(flights, numbers[(first + k * step) % N]);
                    assert_int_equal(flight != NULL, k > i);
                }
            }
            assert_int_equal(flights->n, 0);
        }
    }
    free(flights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(flights),
        TEST(one_exchange),
        TEST(finish_again),
        TEST(damaged_records),
        TEST(many_threads),
        TEST(full_table),
        TEST(lost_end),
        TEST(no_time_to_read),
        TEST(no_time_at_all),
/* Their allocators' locks stay taken in a child that is forked while the scribe allocates. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        TEST(fork_with_requests_in_flight),
#endif
        TEST(child_of_vfork),
        TEST(hung_collector),
        TEST(deep_sleep),
        TEST(signals_are_not_for_us),
#ifndef __SANITIZE_THREAD__ /* which has a thread of its own, and calls the closing of another thread's descriptors a  \
                               race (it is) */
        TEST(main_ends_by_pthread_exit),
        TEST(main_ends_by_pthread_exit_uncounted),
        TEST(main_ends_by_the_system_call),
        TEST(all_descriptors_closed),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
