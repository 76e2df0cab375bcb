/*
 * Who takes a journal over, and when: only of the dead, whatever holds its lock or its pid; by the
 * collector that it names, or by who looks after the orphans.
 */
#include "journal_process.h"

#include <sys/file.h>

#include "collector/listen/journal_state.h"
#include "collector/listen/listen.h"

static char file[96];

/* ---- a dead process' journal and the collector ---- */

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

/* A journal that its writer is making has a lock and no head yet: it lives, and nothing is read of
 * a head. */
static void test_a_journal_without_a_head(void **state)
{
    static const struct journal_reader reads = {.spool = "/default/spool"};
    char path[160];
    (void)state;
    (void)mkdir(journals, 0700);
    (void)snprintf(path, sizeof(path), "%s/new.live", journals);
    int writer = open(path, O_RDWR | O_CREAT, 0600), reader = open(path, O_RDONLY);
    assert_true(writer >= 0 && reader >= 0);
    assert_int_equal(flock(writer, LOCK_EX), 0);
    assert_int_equal(journal_state(reader, &reads), JOURNAL_LIVES);
    (void)close(reader);
    (void)close(writer);
}

/* Whoever asks for a journal that names another spool never holds its lock, which that spool's
 * collector would take for the writer's at that moment, and leave the journal. */
static void test_the_lock_of_anothers_is_left_alone(void **state)
{
    static const struct journal_reader another = {.spool = "/another/spool", .said = true};
    static const struct journal_reader its = {.spool = spool, .said = true};
    (void)state;
    end_by_kill(start_waiting(live_and_wait));
    int passing = open(own_journal(), O_RDWR), taking = open(own_journal(), O_RDWR);
    assert_true(passing >= 0 && taking >= 0);
    assert_int_equal(journal_state(passing, &another), JOURNAL_ANOTHERS);
    assert_int_equal(journal_state(taking, &its), JOURNAL_DEAD);
    (void)close(passing);
    (void)close(taking);
}

/* A recorded run's spool has gone with its run: who has the default spool looks after its
 * journals. */
static void test_orphans_are_taken_over(void **state)
{
    (void)state;
    end_by_kill(start_waiting(live_and_wait));
    struct listen_stats stats = collect("/default/spool", false);
    assert_int_equal(stats.journals, 0);
    test_remove(spool);
    stats = collect("/default/spool", false);
    assert_int_equal(stats.journals, 0); /* its own collector may be about to come */
    struct timespec before[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - 700}};
    assert_int_equal(utimensat(AT_FDCWD, own_journal(), before, 0), 0);
    stats = collect("/another/spool", true);
    assert_int_equal(stats.journals, 0);
    stats = collect("/default/spool", false);
    assert_int_equal(stats.journals, 1);
    assert_int_equal(stats.spans, 3);
}

static void live_without_spool(int to)
{
    live_with(NULL, to); /* as LIBPPROF_SPOOL=off has it: said, and none */
}

/* Whose program wants no spool is owed to no other collector: who has the default spool, or none,
 * takes it over at once. */
static void taken_over_without_a_spool(const char *spool_dir)
{
    end_by_kill(start_waiting(live_without_spool));
    struct listen_stats stats = collect("/another/spool", true);
    assert_int_equal(stats.journals, 0);
    stats = collect(spool_dir, false);
    assert_int_equal(stats.journals, 1);
    assert_int_equal(stats.spans, 3);
}

static void test_journals_without_a_spool_are_taken_over(void **state)
{
    (void)state;
    taken_over_without_a_spool("/default/spool");
}

static void test_journals_without_a_spool_are_taken_over_by_none(void **state)
{
    (void)state;
    taken_over_without_a_spool(NULL);
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

/* A child that was forked in the instant in which the lock was on a descriptor: it holds it, and
 * its parent is dead. */
static void test_an_inherited_lock(void **state)
{
    (void)state;
    struct stat st;
    pid_t child = start_waiting(live_and_wait);
    end_by_kill(child);
    int fd = open(own_journal(), O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(collect(spool, true).journals, 0); /* it does not say where its pid counts */
    /* The head again, with the namespace and the boot. */
    uint8_t head[SPAN_JOURNAL_AT_LOSS];
    struct span_journal_head known;
    struct span_buffer greeting;
    assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
    assert_int_equal(span_journal_head_read(&known, head, sizeof(head)), 0);
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
        assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
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
    /* The kernel lets go of the pipe and of the image one after the other. */
    uint64_t taken = 0;
    for (unsigned i = 0; i < 1000 && taken == 0; i++) {
        taken = collect(spool, true).journals;
        (void)usleep(taken == 0 ? 10000 : 0);
    }
    end_by_kill(child);
    assert_int_equal(taken, 1);
}

/* No collector and no spool: what the ring holds is not lost when the process ends, and what it
 * does not hold is a number in it. */
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

/* One flipped byte of a frame in the ring, in its head or in its spans: that frame's calls are
 * gone, which is said. */
static void test_flipped_frame_is_damage(void **state)
{
    static const size_t places[] = {8, 60, SPAN_FRAME_HEADER_BYTES - 1, SPAN_FRAME_HEADER_BYTES + 9};

    (void)state;
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct store_loss loss;
        struct dirent *entry;
        char name[400] = "";
        uint8_t byte;
        int from;

        assert_int_equal(in_child(no_way_out, -1, &from), 0);
        close(from);
        DIR *files = opendir(journals);
        while ((entry = readdir(files)) != NULL)
            if (strstr(entry->d_name, ".live") != NULL)
                snprintf(name, sizeof(name), "%s/%s", journals, entry->d_name);
        closedir(files);
        int fd = open(name, O_RDWR);
        const off_t at = (off_t)(SPAN_JOURNAL_AT_RING + places[i]);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
        struct listen_stats stats = collect("/default/spool", false);
        assert_int_equal(stats.journals, 1); /* what else is in it is taken over */
        assert_int_equal(stats.damaged, 1);
        assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
        assert_int_equal(loss.events[STORE_LOSS_mapping_damaged], i + 1);
    }
}

static void test_not_a_journal_is_set_aside(void **state)
{
    (void)state;
    char name[200];
    assert_int_equal(mkdir(journals, 0700), 0);
    snprintf(name, sizeof(name), "%s/noise-1.live", journals);
    int fd = open(name, O_WRONLY | O_CREAT, 0600);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(write(fd, &name, 100), 100);
    close(fd);
    struct listen_stats stats = collect("/default/spool", false);
    assert_int_equal(stats.damaged, 1);
    assert_int_equal(count_files(journals, ".live.damaged"), 1);
    assert_int_equal(collect("/default/spool", false).damaged, 0);
}

/* Whatever names files have: each damaged one counts once, and is kept under a name that a file can
 * have. */
static void test_damaged_files_of_any_name_count_once(void **state)
{
    static const size_t lengths[] = {20, 246, 247, 248, 250, 255};
    static const char *const ends[] = {".live", ".frames"};
    struct listen_stats stats;
    char name[256], path[400];
    const unsigned files = 2 * sizeof(lengths) / sizeof(*lengths);
    (void)state;
    (void)mkdir(journals, 0700);
    (void)mkdir(spool, 0700);
    for (unsigned i = 0; i < files; i++) {
        memset(name, 'a', sizeof(name));
        memcpy(name + lengths[i / 2] - strlen(ends[i % 2]), ends[i % 2], strlen(ends[i % 2]) + 1);
        (void)snprintf(path, sizeof(path), "%s/%s", i % 2 == 0 ? journals : spool, name);
        const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
        assert_true(fd >= 0);
        for (unsigned j = 0; j < 700; j++)
            assert_int_equal(write(fd, name, 100), 100);
        assert_int_equal(close(fd), 0);
    }
    stats = collect(spool, true);
    assert_int_equal(stats.damaged, files);
    assert_true(count_files(journals, ".damaged") > 0 && count_files(spool, ".damaged") > 0);
    stats = collect(spool, true);
    assert_int_equal(stats.damaged, 0);
}

/* The mark of this process is in `journals`, and may not be taken away any more: is it counted as
 * unheard? */
static void leave_mark(unsigned number, bool has_identity)
{
    struct span_mark mark = {.pid = 0x7ffffffe, .has_identity = has_identity, .spool_said = true, .spool = spool};
    struct span_process process;
    char text[SPAN_MARK_TEXT_BYTES], path[200];
    struct timespec before[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - JOURNAL_ORPHAN_S - 100}};
    test_process(&process, number);
    memcpy(mark.identity, process.identity, sizeof(mark.identity));
    assert_true(span_mark_write(text, &mark));
    (void)snprintf(path, sizeof(path), "%s/00%u%d.mark", journals, number, has_identity);
    assert_int_equal(symlink(text, path), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, before, AT_SYMLINK_NOFOLLOW), 0);
}

/* Whose journal or frames came was heard, though its mark still lies there; a mark made later,
 * without an identity, and that of a process of which nothing came stand for one death each. */
static void test_who_was_heard_is_not_unheard(void **state)
{
    struct store_loss loss;
    (void)state;
    end_by_kill(start_waiting(live_and_wait)); /* its journal is of process 0 */
    leave_mark(0, true);
    assert_int_equal(collect(spool, true).journals, 1);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_program_unheard], 0);
    assert_int_equal(count_files(journals, ".mark"), 0);
    leave_mark(0, true); /* found again later */
    leave_mark(0, false);
    leave_mark(1, true);
    (void)collect(spool, true);
    assert_int_equal(store_loss(store, 0, &loss), STORE_OK);
    assert_int_equal(loss.events[STORE_LOSS_program_unheard], 2);
    assert_int_equal(count_files(journals, ".mark"), 0);
}

static int setup(void **state)
{
    (void)directories_setup(state);
    snprintf(file, sizeof(file), "%s/pprof.db", directory);
    return store_open(file, STORE_WRITE, &store);
}

static int teardown(void **state)
{
    store_close(store);
    return directories_teardown(state);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(test_only_the_dead_are_taken_over),
        WITH_DIRECTORY(test_a_journal_without_a_head),
        WITH_DIRECTORY(test_the_lock_of_anothers_is_left_alone),
        WITH_DIRECTORY(test_orphans_are_taken_over),
        WITH_DIRECTORY(test_journals_without_a_spool_are_taken_over),
        WITH_DIRECTORY(test_journals_without_a_spool_are_taken_over_by_none),
        WITH_DIRECTORY(test_a_forked_child_holds_nothing),
        WITH_DIRECTORY(test_an_inherited_lock),
        WITH_DIRECTORY(test_exec),
        WITH_DIRECTORY(test_no_way_out),
        WITH_DIRECTORY(test_flipped_frame_is_damage),
        WITH_DIRECTORY(test_not_a_journal_is_set_aside),
        WITH_DIRECTORY(test_damaged_files_of_any_name_count_once),
        WITH_DIRECTORY(test_who_was_heard_is_not_unheard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
