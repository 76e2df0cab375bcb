/*
 * Facts about this process. Called by the scribe on its own thread, once per process (again in a
 * forked child). Reads /proc, allocates nothing, never fails: what is not known stays empty. What
 * /proc says of the calling thread and not of the main one is asked: of a main thread that has
 * ended nothing can be read.
 */
#include "process_info.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    CONTAINER_ID_DIGITS = 64,        /* Docker, Podman and containerd all use 256 bits in hex */
    PROC_FILE_BYTES_MAX = 16 * 1024, /* mountinfo of a container is 2 to 6 KiB */
};

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now = {0};
    (void)clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static size_t read_file(const char *path, char *ret_text, size_t capacity)
{
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return 0;
    size_t used = 0;
    while (used < capacity) {
        ssize_t got = read(fd, ret_text + used, capacity - used);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    (void)close(fd);
    return used;
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

void process_info_identity(uint8_t identity[16])
{
    if (syscall(SYS_getrandom, identity, (size_t)16, 1 /* GRND_NONBLOCK */) == 16)
        return;
    if (read_file("/dev/urandom", (char *)identity, 16) == 16)
        return;
    uint64_t half[2];
    half[0] = mix(clock_ns(CLOCK_REALTIME) ^ ((uint64_t)getpid() << 32));
    half[1] = mix(half[0] ^ clock_ns(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)&half);
    memcpy(identity, half, 16);
}

static void set_text(char *to, size_t capacity, const char *from)
{
    size_t bytes = from == NULL ? 0 : strnlen(from, capacity - 1);
    if (bytes > 0)
        memcpy(to, from, bytes);
    to[bytes] = '\0';
}

static void find_executable(char *ret_name, size_t capacity)
{
    static const char deleted[] = " (deleted)";
    char path[4096];
    ssize_t got = readlink("/proc/thread-self/exe", path, sizeof(path) - 1);
    if (got <= 0)
        return;
    path[got] = '\0';
    size_t tail = sizeof(deleted) - 1;
    if ((size_t)got > tail && strcmp(path + (size_t)got - tail, deleted) == 0)
        path[(size_t)got - tail] = '\0';
    const char *slash = strrchr(path, '/');
    set_text(ret_name, capacity, slash == NULL ? path : slash + 1);
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool process_info_container(char *ret_id, size_t capacity, const char *text, size_t bytes, const char *before)
{
    if (capacity <= CONTAINER_ID_DIGITS)
        return false;
    size_t before_bytes = strlen(before);
    size_t run = 0;
    bool found = false;
    for (size_t i = 0; i <= bytes; i++) {
        if (i < bytes && is_hex(text[i])) {
            run++;
            continue;
        }
        size_t start = i - run;
        if (run == CONTAINER_ID_DIGITS && start >= before_bytes &&
            memcmp(text + start - before_bytes, before, before_bytes) == 0) {
            memcpy(ret_id, text + start, CONTAINER_ID_DIGITS);
            ret_id[CONTAINER_ID_DIGITS] = '\0';
            found = true; /* the last one is the innermost */
        }
        run = 0;
    }
    return found;
}

static void find_container(char *ret_id, size_t capacity)
{
    char text[PROC_FILE_BYTES_MAX];
    size_t bytes = read_file("/proc/thread-self/cgroup", text, sizeof(text));
    if (process_info_container(ret_id, capacity, text, bytes, ""))
        return;
    /* With a cgroup namespace of its own the container sees only "/"; its hostname file is mounted
     * from a directory with its id. */
    bytes = read_file("/proc/thread-self/mountinfo", text, sizeof(text));
    (void)process_info_container(ret_id, capacity, text, bytes, "containers/");
}

void process_info_collect(struct span_process *ret_process, const uint8_t identity[16],
                          const struct process_info_names *names)
{
    memset(ret_process, 0, sizeof(*ret_process));
    memcpy(ret_process->identity, identity, sizeof(ret_process->identity));
    ret_process->start_ns = clock_ns(CLOCK_REALTIME);
    ret_process->pid = (uint64_t)getpid();
    ret_process->uid = (uint64_t)geteuid();
    ret_process->has_uid = true;
    find_executable(ret_process->executable, sizeof(ret_process->executable));
    if (gethostname(ret_process->host, sizeof(ret_process->host)) != 0)
        ret_process->host[0] = '\0';
    ret_process->host[sizeof(ret_process->host) - 1] = '\0';
    set_text(ret_process->service, sizeof(ret_process->service), names->service);
    set_text(ret_process->team, sizeof(ret_process->team), names->team);
    set_text(ret_process->labels, sizeof(ret_process->labels), names->labels);
    find_container(ret_process->container, sizeof(ret_process->container));
    set_text(ret_process->version, sizeof(ret_process->version), PPROF_VERSION);
}

/* A number of a stat file of /proc, counted as proc(5) does; 0 where there is none. */
static uint64_t stat_field(const char *path, unsigned wanted)
{
    char text[1024];
    uint64_t value = 0;
    text[read_file(path, text, sizeof(text) - 1)] = '\0';
    /* The name may hold anything; after its last bracket come fields 3 and on. */
    const char *at = strrchr(text, ')');
    for (unsigned field = 2; at != NULL && field < wanted; field++)
        at = strchr(at + 1, ' ');
    for (at = at == NULL ? "" : at + 1; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    return value;
}

void process_info_owner(struct span_journal_owner *ret_owner)
{
    enum { START_TICKS = 22 };
    char text[64];
    struct stat st;
    memset(ret_owner, 0, sizeof(*ret_owner));
    ret_owner->pid = (uint64_t)getpid();
    if (fstatat(AT_FDCWD, "/proc/thread-self/ns/pid", &st, 0) == 0)
        ret_owner->pid_namespace = st.st_ino;
    size_t bytes = read_file("/proc/sys/kernel/random/boot_id", text, sizeof(text));
    if (bytes == 37) /* and a newline */
        memcpy(ret_owner->boot, text, 36);
    ret_owner->start_ticks = stat_field("/proc/self/stat", START_TICKS);
}

/* The link count of the task directory is the number of threads plus two; the executable of an
 * ended main thread cannot be read any more. Neither takes a descriptor. */
enum process_info_threads process_info_threads(pid_t process, int *ret_code)
{
    enum { EXIT_CODE = 52 };
    struct stat tasks;
    char path[64], executable[8];
    if (fstatat(AT_FDCWD, "/proc/self/task", &tasks, 0) != 0)
        return THREADS_UNSEEN;
    if (tasks.st_nlink != 4)
        return THREADS_SEVERAL;
    /* A /proc of another namespace would not know our number at all. */
    int bytes = snprintf(path, sizeof(path), "/proc/self/task/%d", (int)process);
    if (fstatat(AT_FDCWD, path, &tasks, 0) != 0)
        return THREADS_UNSEEN;
    (void)snprintf(path + bytes, sizeof(path) - (size_t)bytes, "/exe");
    if (readlink(path, executable, sizeof(executable)) >= 0 || errno != ENOENT)
        return THREADS_SEVERAL;
    (void)snprintf(path + bytes, sizeof(path) - (size_t)bytes, "/stat");
    *ret_code = (int)(stat_field(path, EXIT_CODE) >> 8 & 0xff); /* as wait(2) says it */
    return THREADS_ONE;
}
