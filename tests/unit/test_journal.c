/*
 * The journal: a process dies at each single write of it, and what a collector makes of the file is always right:
 * finished spans once, calls in flight once as killed, nothing twice, nothing torn. And what the file's surroundings do
 * to it: cut short, no space, a limit on files, closed descriptors, forks.
 */
#include "collector_tests.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "collector/listen.h"
#include "shim/outbox.h"
#include "shim/tape.h"
#include "span/journal.h"

enum { CALLS = 12, MS = 1000000 };

static char directory[64], spool[96], journals[96], file[96];
static const struct span_loss no_loss;

void shim_say_once(const char *message);
void shim_say_once(const char *message)
{
    (void)message;
}

/* ---- the process that dies ---- */

/* pwrite of the process under test: at the chosen one it dies, with nothing, half or all of it written. */
static int writes_left = -1;
static enum { DIE_BEFORE, DIE_WITHIN, DIE_AFTER } die_when;
ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    bool now = writes_left >= 0 && writes_left-- == 0;
    if (now && die_when == DIE_BEFORE)
        raise(SIGKILL);
    /* Within a page a write is whole or not there: death comes between pages. */
    size_t to_page = 4096 - (size_t)at % 4096;
    if (now && die_when == DIE_WITHIN) {
        if (bytes > to_page)
            (void)__real_pwrite(fd, data, to_page, at);
        raise(SIGKILL);
    }
    ssize_t wrote = __real_pwrite(fd, data, bytes, at);
    if (now)
        raise(SIGKILL);
    return wrote;
}

static uint64_t now_ns;

static void begin(const char *spool_dir)
{
    struct outbox_config config = {.socket_path = "/nobody", .spool_dir = spool_dir};
    test_process(&config.process, 0);
    config.owner = (struct span_journal_owner){.pid = (uint64_t)getpid()};
    config.journal[0].directory = journals;
    config.journal_disk_first = true;
    config.spool_said = spool_dir != NULL;
    assert_int_equal(outbox_start(&config), 0);
    now_ns = tape_now_ns();
}

static void make_call(struct span *span, unsigned n)
{
    char id[32];
    span_init(span);
    span_set_u64(span, SPAN_start_ns, UINT64_C(1700000000000000000) + n);
    snprintf(id, sizeof id, "call-%u", n);
    span_set_text(span, SPAN_response_id, id, strlen(id));
    span_set_text(span, SPAN_path, "/v1/chat/completions", 20);
    static const char pad[400] = {[0 ... 399] = 'p'}; /* so that entries cross pages */
    span_set_text(span, SPAN_prompt_name, pad, n * 31 % sizeof pad);
}

/* What the child did is told to the parent through a pipe, after each step. */
struct step {
    char what; /* 'b' begun, 'e' ended, 'x' in between */
    unsigned call;
};

static void tell(int to, char what, unsigned call)
{
    struct step step = {what, call};
    if (write(to, &step, sizeof step) != (ssize_t)sizeof step)
        _exit(9);
}

/* Begins calls and ends some of them, with a turn now and then; the last three stay in flight. */
static void live(int to)
{
    struct journal_slot slot[CALLS + 1] = {{0, 0}};
    struct span span;
    begin(spool);
    for (unsigned n = 1; n <= CALLS; n++) {
        make_call(&span, n);
        tell(to, 'x', n);
        if (outbox_flight(now_ns, &slot[n], n, now_ns, &span))
            tell(to, 'b', n);
        if (n > 3) {
            make_call(&span, n - 3);
            tell(to, 'x', n - 3);
            outbox_add(now_ns, &span, n - 3, &slot[n - 3]);
            tell(to, 'e', n - 3);
        }
        now_ns += 9 * MS;
        outbox_alive(now_ns);
        (void)outbox_turn(now_ns, &no_loss);
    }
}

/* ---- what is found ---- */

struct found {
    unsigned ended[CALLS + 1], killed[CALLS + 1], frames, other;
    uint64_t sequences[64];
    uint64_t seq_seen; /* bits of span numbers */
    bool doubled;
};

static bool had_frame(struct found *found, uint64_t sequence)
{
    for (unsigned i = 0; i < found->frames; i++)
        if (found->sequences[i] == sequence)
            return true;
    found->sequences[found->frames++] = sequence;
    return false;
}

/* As the store would: a repeated frame is ignored. */
static void take_frames(struct found *found, const uint8_t *data, size_t bytes)
{
    size_t at = 0;
    struct span_frame frame;
    for (long length; at < bytes && (length = span_frame_read(&frame, data + at, bytes - at)) > 0;
         at += (size_t)length) {
        if (frame.kind != SPAN_FRAME_SPANS || had_frame(found, frame.sequence))
            continue;
        static struct span_block block;
        span_block_init(&block);
        assert_int_equal(span_block_decode(&block, frame.payload, frame.payload_bytes), 0);
        for (size_t i = 0; i < block.n; i++) {
            static struct span span;
            char id[33] = "";
            unsigned n = 0;
            span_block_row(&block, i, &span);
            memcpy(id, span.value[SPAN_response_id].text.data, span.value[SPAN_response_id].text.bytes);
            assert_int_equal(sscanf(id, "call-%u", &n), 1);
            assert_in_range(n, 1, CALLS);
            bool killed = span_has(&span, SPAN_completeness);
            found->ended[n] += !killed;
            found->killed[n] += killed;
            uint64_t bit = UINT64_C(1) << span.value[SPAN_seq].u64;
            found->doubled |= (found->seq_seen & bit) != 0;
            found->seq_seen |= bit;
        }
        span_block_done(&block);
    }
}

static uint8_t *slurp(const char *path, size_t *ret_bytes)
{
    static uint8_t data[SPAN_JOURNAL_BYTES_MAX];
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = read(fd, data, sizeof data);
    assert_true(got >= 0);
    close(fd);
    *ret_bytes = (size_t)got;
    return data;
}

/* Everything in the directory; returns how many files ended so. */
static unsigned take_directory(struct found *found, const char *path, const char *ending)
{
    DIR *names = opendir(path);
    unsigned n = 0;
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;) {
        char name[400];
        size_t bytes;
        if (strstr(entry->d_name, ending) == NULL)
            continue;
        n++;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        uint8_t *data = slurp(name, &bytes);
        if (strcmp(ending, ".live") == 0) {
            struct span_journal_found what;
            struct span_buffer frames;
            span_buffer_init(&frames, 16 << 20);
            assert_int_equal(span_journal_frames(&frames, data, bytes, &what), 0);
            assert_int_equal(what.damaged, 0);
            take_frames(found, frames.data, frames.bytes);
            take_frames(found, frames.data, frames.bytes); /* twice is once */
            span_buffer_done(&frames);
        } else {
            take_frames(found, data, bytes);
        }
        unlink(name);
    }
    if (names != NULL)
        closedir(names);
    return n;
}

static void hear_steps(int from, bool begun[CALLS + 1], bool ended[CALLS + 1], unsigned *ret_open)
{
    struct step step;
    *ret_open = 0;
    while (read(from, &step, sizeof step) == (ssize_t)sizeof step) {
        *ret_open = step.what == 'x' ? step.call : 0;
        if (step.what == 'b')
            begun[step.call] = true;
        if (step.what == 'e')
            ended[step.call] = true;
    }
}

static void assert_right(const struct found *found, const bool begun[CALLS + 1], const bool ended[CALLS + 1],
                         unsigned open)
{
    assert_false(found->doubled);
    for (unsigned n = 1; n <= CALLS; n++) {
        unsigned times = found->ended[n] + found->killed[n];
        assert_in_range(times, 0, 1);
        if (ended[n])
            assert_int_equal(found->ended[n], 1);
        else if (begun[n])
            assert_int_equal(times, 1); /* in flight, or at that very moment ending */
        else if (n != open)
            assert_int_equal(times, 0);
        if (begun[n] && !ended[n] && n != open)
            assert_int_equal(found->killed[n], 1);
    }
}

/* Runs `what` in a child; returns its wait status and what it said. */
static int in_child(void (*what)(int), int die_at, int *ret_from)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        writes_left = die_at;
        what(ends[1]);
        _exit(0);
    }
    close(ends[1]);
    *ret_from = ends[0];
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_death_at_every_write(void **state)
{
    (void)state;
    unsigned deaths = 0;
    for (unsigned when = DIE_BEFORE; when <= DIE_AFTER; when++) {
        int status = SIGKILL;
        for (int at = 0; WIFSIGNALED(status); at++) {
            bool begun[CALLS + 1] = {false}, ended[CALLS + 1] = {false};
            struct found found = {0};
            unsigned open;
            int from;
            die_when = when;
            status = in_child(live, at, &from);
            hear_steps(from, begun, ended, &open);
            close(from);
            deaths += WIFSIGNALED(status);
            (void)take_directory(&found, spool, ".frames");
            (void)take_directory(&found, spool, ".part");
            (void)take_directory(&found, journals, ".live");
            (void)take_directory(&found, journals, ".new"); /* died while making it: nothing is due */
            assert_right(&found, begun, ended, open);
        }
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    print_message("%u deaths\n", deaths);
    assert_true(deaths > 100); /* each of the writes, three times */
}

/* ---- a dead process' journal and the collector ---- */

static unsigned count_files(const char *path, const char *ending)
{
    DIR *names = opendir(path);
    unsigned n = 0;
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;)
        n += strstr(entry->d_name, ending) != NULL;
    if (names != NULL)
        closedir(names);
    return n;
}

static struct store *store;

/* What a collector takes over now. */
static struct listen_stats collect(const char *spool_dir, bool said)
{
    const char *dirs[] = {journals, NULL};
    struct listen_config config = {.spool_dir = spool_dir, .spool_said = said, .journal_dirs = dirs, .store = store};
    struct listener *listener;
    struct listen_stats stats;
    assert_int_equal(listen_open(&config, &listener), 0);
    assert_true(listen_spool(listener) >= 0);
    listen_get_stats(listener, &stats);
    assert_int_equal(listen_close(listener), 0);
    return stats;
}

/* Two finished, one in flight, then it waits for a byte. */
static void live_and_wait(int to)
{
    struct journal_slot slot = {0};
    struct span span;
    begin(spool);
    for (unsigned n = 1; n <= 2; n++) {
        make_call(&span, n);
        outbox_add(now_ns, &span, n, &(struct journal_slot){0});
    }
    make_call(&span, 3);
    assert_true(outbox_flight(now_ns, &slot, 3, now_ns, &span));
    outbox_alive(now_ns + 70 * MS);
    tell(to, 'r', 0);
    for (;;)
        pause();
}

static pid_t start_waiting(void (*what)(int))
{
    int ends[2];
    struct step step;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        what(ends[1]);
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &step, sizeof step), sizeof step);
    close(ends[0]);
    return child;
}

static void end_by_kill(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void test_only_the_dead_are_taken_over(void **state)
{
    (void)state;
    pid_t child = start_waiting(live_and_wait);
    assert_int_equal(count_files(journals, ".live"), 1);
    struct listen_stats stats = collect(spool, true);
    assert_int_equal(stats.journals + stats.spans + stats.damaged, 0);
    end_by_kill(child);
    stats = collect("/another/spool", true); /* it names another one */
    assert_int_equal(stats.journals, 0);
    stats = collect(spool, true);
    assert_int_equal(stats.journals, 1);
    assert_int_equal(stats.killed, 1);
    assert_int_equal(stats.spans, 3);
    assert_int_equal(stats.damaged, 0);
    assert_int_equal(count_files(journals, ""), 2); /* . and .. */
}

/* A recorded run's spool has gone with its run: who has the default spool looks after its journals. */
static void test_orphans_are_taken_over(void **state)
{
    (void)state;
    end_by_kill(start_waiting(live_and_wait));
    struct listen_stats stats = collect("/default/spool", false);
    assert_int_equal(stats.journals, 0);
    test_remove(spool);
    stats = collect("/default/spool", false);
    assert_int_equal(stats.journals, 1);
    assert_int_equal(stats.spans, 3);
}

/* Forks a child that lives on, as daemons do; its number is told. */
static void fork_and_wait(int to)
{
    struct span span;
    begin(spool);
    make_call(&span, 1);
    outbox_add(now_ns, &span, 1, &(struct journal_slot){0});
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(60); /* the test ends it before */
        for (;;)
            pause();
    }
    tell(to, 'r', (unsigned)child);
    for (;;)
        pause();
}

static pid_t start_and_hear(void (*what)(int), struct step *ret_step)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        what(ends[1]);
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], ret_step, sizeof *ret_step), sizeof *ret_step);
    close(ends[0]);
    return child;
}

static void test_a_forked_child_holds_nothing(void **state)
{
    (void)state;
    struct step step;
    pid_t child = start_and_hear(fork_and_wait, &step);
    assert_int_equal(collect(spool, true).journals, 0);
    end_by_kill(child);
    assert_int_equal(collect(spool, true).journals, 1);
    assert_int_equal(kill((pid_t)step.call, SIGKILL), 0);
}

/* A child that was forked in the instant in which the lock was on a descriptor: it holds it, and its parent is dead. */
static void test_an_inherited_lock(void **state)
{
    (void)state;
    char name[400] = "";
    struct stat st;
    pid_t child = start_waiting(live_and_wait);
    end_by_kill(child);
    DIR *names = opendir(journals);
    for (struct dirent *entry; (entry = readdir(names)) != NULL;)
        if (strstr(entry->d_name, ".live") != NULL)
            snprintf(name, sizeof name, "%s/%s", journals, entry->d_name);
    closedir(names);
    int fd = open(name, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(collect(spool, true).journals, 0); /* it does not say where its pid counts */
    /* The head again, with the namespace and the boot. */
    uint8_t head[SPAN_JOURNAL_AT_LOSS];
    struct span_journal_head known;
    struct span_buffer greeting;
    assert_int_equal(pread(fd, head, sizeof head, 0), sizeof head);
    assert_int_equal(span_journal_head_read(&known, head, sizeof head), 0);
    assert_int_equal(stat("/proc/self/ns/pid", &st), 0);
    known.owner.pid_namespace = st.st_ino;
    int boot = open("/proc/sys/kernel/random/boot_id", O_RDONLY);
    assert_int_equal(read(boot, known.owner.boot, 36), 36);
    close(boot);
    span_buffer_init(&greeting, 65536);
    test_greeting(&greeting, 0);
    for (unsigned alive = 2; alive-- > 0;) {
        known.owner.pid = alive ? (uint64_t)getpid() : (uint64_t)child;
        assert_int_equal(span_journal_head_write(head, &known, greeting.data, greeting.bytes), 0);
        assert_int_equal(pwrite(fd, head, sizeof head, 0), sizeof head);
        assert_int_equal(collect(spool, true).journals, alive ? 0 : 1);
    }
    span_buffer_done(&greeting);
    close(fd);
}

/* exec ends the process image and with it the journal's life, though the pid goes on. */
static void exec_sleep(int to)
{
    struct span span;
    begin(spool);
    make_call(&span, 1);
    outbox_add(now_ns, &span, 1, &(struct journal_slot){0});
    (void)fcntl(to, F_SETFD, FD_CLOEXEC); /* end of file tells the parent that exec is done */
    (void)execl("/bin/sleep", "sleep", "60", (char *)NULL);
}

static void test_exec(void **state)
{
    (void)state;
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        exec_sleep(ends[1]);
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    assert_int_equal(collect(spool, true).journals, 1);
    end_by_kill(child);
}

/* ---- surroundings ---- */

static const char *own_journal(void)
{
    static char path[400];
    DIR *names = opendir(journals);
    path[0] = '\0';
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;)
        if (strstr(entry->d_name, ".live") != NULL)
            snprintf(path, sizeof path, "%s/%s", journals, entry->d_name);
    if (names != NULL)
        closedir(names);
    return path;
}

static void add_call(unsigned n)
{
    struct span span;
    make_call(&span, n);
    outbox_add(now_ns, &span, n, &(struct journal_slot){0});
}

static void turns(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        now_ns += UINT64_C(1100) * MS;
        (void)outbox_turn(now_ns, &no_loss);
    }
}

/* Somebody cuts the file short, or removes it, while its writer goes on: no signal, and a new journal. */
static void cut_short(int to)
{
    begin(NULL);
    add_call(1);
    if (truncate(own_journal(), 0) != 0)
        _exit(2);
    add_call(2);
    turns(2);
    add_call(3);
    if (unlink(own_journal()) != 0)
        _exit(3);
    add_call(4);
    turns(2);
    add_call(5);
    tell(to, 'r', 0);
    raise(SIGKILL);
}

static void test_cut_short_by_another(void **state)
{
    (void)state;
    struct found found = {0};
    int from;
    int status = in_child(cut_short, -1, &from);
    close(from);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(take_directory(&found, journals, ".live"), 1);
    for (unsigned n = 1; n <= 5; n++)
        assert_int_equal(found.ended[n], 1);
}

static void closes_everything(int to)
{
    begin(NULL);
    add_call(1);
    for (int fd = 3; fd < 300; fd++)
        if (fd != to)
            (void)close(fd);
    add_call(2);
    turns(1);
    add_call(3);
    tell(to, 'r', 0);
    raise(SIGKILL);
}

static void test_descriptors_closed(void **state)
{
    (void)state;
    struct found found = {0};
    int from;
    int status = in_child(closes_everything, -1, &from);
    close(from);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(take_directory(&found, journals, ".live"), 1);
    for (unsigned n = 1; n <= 3; n++)
        assert_int_equal(found.ended[n], 1);
}

/* SIGXFSZ would end it. */
static void limited_files(int to)
{
    struct rlimit limit = {100000, 100000};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        _exit(2);
    begin(spool);
    for (unsigned n = 1; n <= 5; n++)
        add_call(n);
    if (own_journal()[0] != '\0')
        _exit(3);
    turns(1);
    outbox_finish(0, &no_loss);
    tell(to, 'r', 0);
}

static void test_limit_on_files(void **state)
{
    (void)state;
    struct found found = {0};
    int from;
    assert_int_equal(in_child(limited_files, -1, &from), 0);
    close(from);
    assert_int_equal(take_directory(&found, spool, ".frames"), 1); /* the old way */
    for (unsigned n = 1; n <= 5; n++)
        assert_int_equal(found.ended[n], 1);
}

/* A file system of 1 MiB, full but for what the parameter leaves. */
static void full_memory(int to)
{
    char filler[128];
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(journals, 0700) != 0 || mount("tmpfs", journals, "tmpfs", 0, "size=1m,mode=0700") != 0)
        _exit(77);
    snprintf(filler, sizeof filler, "%s/filler", journals);
    int fd = open(filler, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || fallocate(fd, 0, 0, 900 * 1024) != 0)
        _exit(2);
    begin(spool);
    for (unsigned n = 1; n <= 3; n++)
        add_call(n);
    if (own_journal()[0] != '\0' || count_files(journals, ".new") != 0)
        _exit(3);
    if (ftruncate(fd, 0) != 0)
        _exit(4);
    turns(1); /* spooled by now */
    add_call(4);
    turns(2); /* there is room again */
    add_call(5);
    struct found found = {0};
    if (own_journal()[0] == '\0')
        _exit(5);
    (void)take_directory(&found, journals, ".live");
    (void)take_directory(&found, spool, ".part");
    (void)take_directory(&found, spool, ".frames");
    for (unsigned n = 1; n <= 5; n++)
        if (found.ended[n] != 1)
            _exit(6);
    tell(to, 'r', 0);
}

static void test_full_file_system(void **state)
{
    (void)state;
    int from;
    int status = in_child(full_memory, -1, &from);
    close(from);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* needs the right to mount */
    assert_int_equal(status, 0);
}

/* More in flight than the file has places at first. */
static void many_flights(int to)
{
    static struct journal_slot slot[300];
    begin(NULL);
    for (unsigned n = 0; n < 300; n++) {
        struct span span;
        make_call(&span, 1 + n % CALLS);
        if (!outbox_flight(now_ns, &slot[n], n + 1, now_ns, &span))
            _exit(2);
    }
    for (unsigned n = 0; n < 290; n++)
        outbox_flight_end(&slot[n]);
    tell(to, 'r', 0);
    raise(SIGKILL);
}

static void test_many_flights(void **state)
{
    (void)state;
    struct found found = {0};
    unsigned killed = 0;
    int from;
    assert_int_equal(WTERMSIG(in_child(many_flights, -1, &from)), SIGKILL);
    close(from);
    struct stat st;
    assert_int_equal(stat(own_journal(), &st), 0);
    assert_int_equal(st.st_size, SPAN_JOURNAL_BYTES + 4 * SPAN_JOURNAL_FLIGHTS_FIRST * SPAN_JOURNAL_FLIGHT_BYTES);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(take_directory(&found, journals, ".live"), 1);
    for (unsigned n = 1; n <= CALLS; n++)
        killed += found.killed[n];
    assert_int_equal(killed, 10);
}

/* No collector and no spool: what the ring holds is not lost when the process ends, and what it does not hold is a
 * number in it. */
static void no_way_out(int to)
{
    begin(NULL);
    for (unsigned n = 1; n <= CALLS; n++)
        add_call(n);
    struct span_loss loss = {.exchanges = 3};
    outbox_finish(0, &loss);
    tell(to, 'r', 0);
}

static void test_no_way_out(void **state)
{
    (void)state;
    struct store_loss loss;
    int from;
    assert_int_equal(in_child(no_way_out, -1, &from), 0);
    close(from);
    struct listen_stats stats = collect("/default/spool", false);
    assert_int_equal(stats.journals, 1);
    assert_int_equal(stats.spans, CALLS);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.counted.exchanges, 3);
    assert_int_equal(loss.counted.spans, 0);
}

/* ---- hostile files ---- */

static void test_any_bit_may_be_wrong(void **state)
{
    (void)state;
    static uint8_t good[SPAN_JOURNAL_BYTES_MAX], bad[SPAN_JOURNAL_BYTES_MAX];
    uint64_t random = 5;
    size_t bytes;
    end_by_kill(start_waiting(live_and_wait));
    memcpy(good, slurp(own_journal(), &bytes), sizeof good);
    struct guard guard = guard_make(bytes);
    for (unsigned i = 0; i < 3000; i++) {
        struct span_journal_found found;
        struct span_buffer frames;
        size_t cut = i % 3 == 0 ? random_next(&random) % bytes : bytes;
        memcpy(bad, good, bytes);
        for (unsigned flips = i % 7; flips > 0; flips--) {
            /* Mostly where something stands. */
            size_t at = random_next(&random) % (i % 2 ? bytes : 16384);
            bad[i % 5 == 0 ? SPAN_JOURNAL_AT_FLIGHTS + at % 1024 : at] ^= (uint8_t)(1 << i % 8);
        }
        span_buffer_init(&frames, 16 << 20);
        if (span_journal_frames(&frames, guard_place(&guard, bad, cut), cut, &found) == 0)
            assert_in_range(found.spans + found.killed, 0, 3);
        span_buffer_done(&frames);
    }
    guard_free(&guard);
}

static void test_not_a_journal_is_set_aside(void **state)
{
    (void)state;
    char name[200];
    assert_int_equal(mkdir(journals, 0700), 0);
    snprintf(name, sizeof name, "%s/noise-1.live", journals);
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(write(fd, &name, 100), 100);
    close(fd);
    struct listen_stats stats = collect("/default/spool", false);
    assert_int_equal(stats.damaged, 1);
    assert_int_equal(count_files(journals, ".live.damaged"), 1);
    assert_int_equal(collect("/default/spool", false).damaged, 0);
}

static void test_records(void **state)
{
    (void)state;
    static struct span span, back;
    static uint8_t record[SPAN_RECORD_BYTES_MAX];
    struct guard guard = guard_make(sizeof record);
    uint64_t random = 77;
    for (unsigned i = 0; i < 2000; i++) {
        bool all = false;
        make_span(&span, i + 1, &random);
        size_t bytes = span_record_write(record, sizeof record, &span, &all);
        assert_true(all);
        assert_int_equal(span_record_read(&back, guard_place(&guard, record, bytes), bytes), 0);
        assert_memory_equal(span.present, back.present, sizeof span.present);
        for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
            if (!span_has(&span, f))
                continue;
            if (span_fields[f].type <= SPAN_ID64)
                assert_int_equal(span.value[f].u64, back.value[f].u64);
            else if (span.value[f].text.bytes > 0)
                assert_memory_equal(span.value[f].text.data, back.value[f].text.data, span.value[f].text.bytes);
        }
        size_t room = random_next(&random) % (bytes + 1);
        size_t some = span_record_write(record, room, &span, &all);
        assert_true(some <= room && (all == (some == bytes)));
        assert_int_equal(span_record_read(&back, guard_place(&guard, record, some), some), 0);
        record[random_next(&random) % (some + 1)] ^= (uint8_t)random_next(&random);
        (void)span_record_read(&back, guard_place(&guard, record, some), some);
    }
    /* A field of a later version is skipped, a known one of the wrong kind is not believed. */
    const uint8_t unknown[] = {0xfe, 0x03, 0x05, 0xff, 0x03, 0x02, 'a', 'b'};
    assert_int_equal(span_field_by_number(255), SPAN_FIELD_COUNT);
    assert_int_equal(span_record_read(&back, unknown, sizeof unknown), 0);
    const uint8_t wrong[] = {SPAN_F_seq << 1 | 1, 0x01, 'a'};
    assert_int_equal(span_record_read(&back, wrong, sizeof wrong), -1);
    guard_free(&guard);
}

static int setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(spool, sizeof spool, "%s/spool", directory);
    snprintf(journals, sizeof journals, "%s/journals", directory);
    snprintf(file, sizeof file, "%s/pprof.db", directory);
    return store_open(file, STORE_WRITE, &store);
}

static int teardown(void **state)
{
    (void)state;
    store_close(store);
    test_remove(spool);
    test_remove(journals);
    test_remove(directory);
    return 0;
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        WITH_DIRECTORY(test_death_at_every_write),
        WITH_DIRECTORY(test_only_the_dead_are_taken_over),
        WITH_DIRECTORY(test_orphans_are_taken_over),
        WITH_DIRECTORY(test_a_forked_child_holds_nothing),
        WITH_DIRECTORY(test_an_inherited_lock),
        WITH_DIRECTORY(test_exec),
        WITH_DIRECTORY(test_cut_short_by_another),
        WITH_DIRECTORY(test_descriptors_closed),
        WITH_DIRECTORY(test_limit_on_files),
        WITH_DIRECTORY(test_full_file_system),
        WITH_DIRECTORY(test_many_flights),
        WITH_DIRECTORY(test_no_way_out),
        WITH_DIRECTORY(test_any_bit_may_be_wrong),
        WITH_DIRECTORY(test_not_a_journal_is_set_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
