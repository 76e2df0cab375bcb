/*
 * A program that calls a model again and again until it is killed, and keeps a ledger of what it
 * got: on a descriptor that it is given, one line per completed call, "ID PROCESS LIVED_US
 * MONOTONIC_NS", written when curl_easy_perform has returned. A pipe holds what its writer wrote,
 * however the writer ended.
 *
 *   ledger_client URL LEDGER COUNTS THREADS STREAMS [fork]
 *
 * LEDGER and COUNTS are numbers of open descriptors: the pipe, and a file of zeros. THREADS threads
 * with an easy handle each; STREAMS of them ask for streams. "fork": after every tenth call of the
 * first thread a child is forked, makes one call, and is killed by SIGKILL or ends by _exit, in
 * turns.
 *
 * How long a process went on after a call is counted without the time in which the thread that
 * records was ready to run and got no processor, and without its running while it had to share one:
 * then it works off what came while it waited. All else that it does or waits for counts. A thread
 * of this program looks every 2 ms at what the kernel says of it; of a longer time between two
 * looks, in which nothing of this process may have run, 4 ms count. So the count is 8 ms behind at
 * most: one look, and one whose share the next decides. It lies in the file
 * (struct process), which the killer reads afterwards.
 */
#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_US = 2000,
    LOOK_US_MAX = 4000,
    PROCESSES_MAX = 4096,   /* a file of 64 KiB */
    CHILD_US_AFTER = 80000, /* a child that is killed lives longer than any bound after its call */
    THREADS_MAX = 16,
};

/* In the file, by number; this program itself is number 0. */
struct process {
    _Atomic uint64_t lived_us;
    _Atomic uint64_t exited; /* 1: by _exit, so none of its calls may be missing */
};

static const char *url;
static int ledger;
static int n_callers;
static int streams;
static int forks;
static struct process *processes;
static unsigned long long begun_ns; /* this program */
static unsigned self;               /* which of them this one is */
static unsigned n_processes = 1;

static unsigned long long now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
}

/* The threads that this program makes in this process, and how many. */
static _Atomic int n_threads;
static _Atomic long threads[THREADS_MAX];
static int n_threads_to_come;

static void enroll(void)
{
    atomic_store(&threads[atomic_fetch_add(&n_threads, 1)], syscall(SYS_gettid));
}

static void wait_for_threads(void)
{
    for (int i = 0; i < n_threads_to_come; i++)
        while (atomic_load(&threads[i]) == 0)
            (void)usleep(100);
}

/* The thread that records: what is known of it from /proc. */
struct recorder {
    int stat, schedstat; /* descriptors; -1: none seen yet */
    /* By the last look: for how many nanoseconds it ran and waited for a processor, and when that
     * was. */
    unsigned long long ran, waited, looked;
    unsigned long long open_us; /* found on or before a processor: which, the next look tells */
};

static int open_of_task(long task, const char *what)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "/proc/self/task/%ld/%s", task, what);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* The first that is none of ours, all of which are known by now. Not by its name, which it gives
 * itself when it first runs: until then it may wait for long. */
static void find_recorder(struct recorder *recorder)
{
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *entry; tasks != NULL && recorder->stat < 0 && (entry = readdir(tasks)) != NULL;) {
        const long task = strtol(entry->d_name, NULL, 10);
        int known = task <= 0;
        for (int i = 0; i < n_threads_to_come; i++)
            known |= threads[i] == task;
        if (known)
            continue;
        recorder->stat = open_of_task(task, "stat");
        recorder->schedstat = open_of_task(task, "schedstat");
    }
    if (tasks != NULL)
        (void)closedir(tasks);
}

/* Adds what has passed since the last look, unless the recorder waits for a processor right now:
 * how long it did is known when it has one. So what passed until a look that found it ready to run
 * is added by the next look, less what it had waited by then. */
static void look(struct recorder *recorder)
{
    char stat[512] = "", schedstat[128] = "";
    unsigned long long ran = 0, waited = 0;
    if (recorder->stat < 0)
        find_recorder(recorder);
    if (pread(recorder->stat, stat, sizeof(stat) - 1, 0) > 0 &&
        pread(recorder->schedstat, schedstat, sizeof(schedstat) - 1, 0) > 0)
        (void)sscanf(schedstat, "%llu %llu", &ran, &waited);
    const char *state = strrchr(stat, ')');
    const bool ready = state != NULL && strncmp(state, ") R", 3) == 0;
    if (ready && ran == recorder->ran)
        return;
    const unsigned long long now = now_ns(), passed = now - recorder->looked;
    unsigned long long others = waited > recorder->waited ? waited - recorder->waited : 0;
    if (others > passed / 10 && ran > recorder->ran)
        others += ran - recorder->ran;
    const unsigned long long counts = passed > others ? (passed - others) / 1000 : 0;
    const unsigned long long too_many = passed < others ? (others - passed) / 1000 : 0;
    const unsigned long long added = recorder->open_us > too_many ? recorder->open_us - too_many : 0;
    recorder->open_us = counts < LOOK_US_MAX ? counts : LOOK_US_MAX;
    atomic_fetch_add(&processes[self].lived_us, ready ? added : added + recorder->open_us);
    if (!ready)
        recorder->open_us = 0;
    recorder->ran = ran;
    recorder->waited = waited;
    recorder->looked = now;
}

static void *count(void *context)
{
    struct recorder recorder = {.stat = -1, .schedstat = -1, .looked = now_ns()};
    (void)context;
    enroll();
    wait_for_threads();
    for (;;) {
        (void)usleep(LOOK_US);
        look(&recorder);
    }
    return NULL;
}

/* The calling thread is the first; n: how many there will be. Nobody makes a call before all are
 * known. */
static void start_threads(int n, void *(*caller)(void *))
{
    pthread_t thread;
    n_threads_to_come = n;
    enroll();
    if (pthread_create(&thread, NULL, count, NULL) != 0)
        abort();
    for (long i = 1; i < n - 1; i++)
        if (pthread_create(&thread, NULL, caller, (void *)i) != 0)
            abort();
    wait_for_threads();
}

struct answer {
    char id[64];
    size_t bytes;
    char start[512];
};

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
    struct answer *answer = context;
    size_t room = sizeof(answer->start) - 1 - answer->bytes;
    size_t take = n * size < room ? n * size : room;
    memcpy(answer->start + answer->bytes, data, take);
    answer->bytes += take;
    return n * size;
}

/* The id that the answer states is what the span will have. */
static void note(const struct answer *answer)
{
    char line[128];
    char id[64] = "";
    const char *at = strstr(answer->start, "\"id\":");
    if (at == NULL || sscanf(at + 5, " \"%63[^\"]\"", id) != 1)
        return;
    int bytes = snprintf(line, sizeof(line), "%s %u %llu %llu\n", id, self,
                         (unsigned long long)atomic_load(&processes[self].lived_us), now_ns());
    (void)!write(ledger, line, (size_t)bytes);
}

/* The server makes an answer's id of the request; pids come again. */
static void one_call(CURL *easy, unsigned long long number, int stream)
{
    struct answer answer = {0};
    char body[256];
    (void)snprintf(body, sizeof(body),
                   "{\"model\":\"gpt-4o\",\"stream\":%s,\"max_tokens\":8,\"messages\":[{\"role\":\"user\","
                   "\"content\":\"number %ld.%llu.%llu\"}]}",
                   stream ? "true" : "false", (long)getpid(), begun_ns, number);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    if (curl_easy_perform(easy) == CURLE_OK)
        note(&answer);
}

static _Noreturn void be_child(int killed)
{
    CURL *easy = curl_easy_init();
    n_threads = 0;
    for (int i = 0; i < THREADS_MAX; i++)
        threads[i] = 0;
    start_threads(2, NULL);
    one_call(easy, 1, 0);
    uint64_t until = atomic_load(&processes[self].lived_us) + CHILD_US_AFTER;
    while (killed && atomic_load(&processes[self].lived_us) < until)
        (void)usleep(LOOK_US);
    if (killed)
        (void)raise(SIGKILL);
    _exit(0);
}

static void one_child(int killed)
{
    unsigned number = n_processes;
    if (number == PROCESSES_MAX)
        return;
    n_processes++;
    pid_t child = fork();
    if (child == 0) {
        self = number;
        be_child(killed);
    }
    int status = 0;
    if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status))
        atomic_store(&processes[number].exited, 1);
}

static void *run(void *context)
{
    const long thread = (long)context;
    if (thread > 0) {
        enroll();
        wait_for_threads();
    }
    CURL *easy = curl_easy_init();
    for (unsigned long long i = 1;; i++) {
        one_call(easy, (unsigned long long)thread * 1000000000ULL + i, thread < streams);
        if (forks && thread == 0 && i % 10 == 0)
            one_child(i % 20 == 0);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 6)
        return 2;
    url = argv[1];
    ledger = (int)strtol(argv[2], NULL, 10);
    int file = (int)strtol(argv[3], NULL, 10);
    n_callers = (int)strtol(argv[4], NULL, 10);
    streams = (int)strtol(argv[5], NULL, 10);
    forks = argc > 6 && strcmp(argv[6], "fork") == 0;
    (void)signal(SIGPIPE, SIG_DFL);
    begun_ns = now_ns();
    processes = mmap(NULL, PROCESSES_MAX * sizeof(*processes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (processes == MAP_FAILED || n_callers + 1 > THREADS_MAX)
        return 1;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    start_threads(n_callers + 1, run);
    run(NULL);
    return 0;
}
