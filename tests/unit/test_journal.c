/*
 * The journal: a process dies at each single write of it, and what a collector makes of the file is
 * always right: finished spans once, calls in flight once as killed, nothing twice, nothing torn.
 * And what the file's surroundings do to it: cut short, no space, a limit on files, closed
 * descriptors; and any bit of it wrong.
 */
#include "journal_process.h"
#include "span/varint.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* pwrite of the process under test: at the chosen one it dies, with nothing, half or all of it
 * written. */
static enum { DIE_BEFORE, DIE_WITHIN, DIE_AFTER } die_when;
ssize_t __real_pwrite(int fd, const void *data, size_t bytes, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at);

/* A disk that takes nothing for now: threads beside the one that asked for it wait. */
static _Atomic bool disk_waits;
static pthread_t asked;

ssize_t __wrap_pwrite(int fd, const void *data, size_t bytes, off_t at)
{
    while (disk_waits && !pthread_equal(pthread_self(), asked))
        (void)usleep(1000);
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
        now_ns += n == 8 ? (OUTBOX_SPOOL_AFTER_MS + 1) * (uint64_t)MS : 9 * MS; /* then all goes to the spool */
        outbox_alive(now_ns);
        (void)outbox_turn(now_ns, &no_loss);
    }
}

static void hear_steps(int from, bool begun[CALLS + 1], bool ended[CALLS + 1], unsigned *ret_open)
{
    struct step step;
    *ret_open = 0;
    while (read(from, &step, sizeof(step)) == (ssize_t)sizeof(step)) {
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

/* ---- surroundings ---- */

/* Somebody cuts the file short, or removes it, while its writer goes on: no signal, and a new
 * journal. */
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

/* The calls, and one that says as much as a span can. */
static void say_much(int to)
{
    static char text[SPAN_TEXT_MAX];
    struct span span;
    begin(spool);
    for (unsigned n = 1; n < CALLS; n++)
        add_call(n);
    make_call(&span, CALLS);
    memset(text, 'x', sizeof(text));
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        if (span_fields[f].type == SPAN_STR && f != SPAN_response_id)
            span_set_text(&span, (enum span_field)f, text, sizeof(text));
        if (span_fields[f].type == SPAN_U64 && f != SPAN_seq && f != SPAN_start_ns)
            span_set_u64(&span, (enum span_field)f, UINT64_MAX);
    }
    span_clear(&span, SPAN_completeness);
    outbox_add(now_ns, &span, CALLS, &(struct journal_slot){0});
    tell(to, 'r', 0);
    (void)raise(SIGKILL);
}

/* Calls of any size are kept, and between them there is nothing: no bytes of whatever else the
 * program had in its memory. */
static void test_nothing_between_calls(void **state)
{
    (void)state;
    struct found found = {0};
    size_t bytes, gaps = 0, at = SPAN_JOURNAL_AT_PENDING + SPAN_JOURNAL_PENDING_HEAD;
    int from;
    (void)in_child(say_much, -1, &from);
    close(from);
    const uint8_t *const data = slurp(own_journal(), &bytes);
    for (unsigned n = 1; n <= CALLS; n++) {
        const size_t record = (size_t)span_load64(data + at + 16);
        const size_t end = at + span_journal_entry_bytes(record);
        assert_true(record > 0 && end < SPAN_JOURNAL_AT_PENDING + SPAN_JOURNAL_PENDING_BYTES);
        for (at += SPAN_JOURNAL_ENTRY_HEAD + record; at < end; at++, gaps++)
            assert_int_equal(data[at], 0);
    }
    assert_true(gaps > 0);
    assert_int_equal(take_directory(&found, journals, ".live"), 1);
    for (unsigned n = 1; n <= CALLS; n++)
        assert_int_equal(found.ended[n], 1);
}

static uint64_t last_alive(void)
{
    size_t bytes;
    return span_load64(slurp(own_journal(), &bytes) + SPAN_JOURNAL_AT_ALIVE);
}

/* That a process lives is noted now and then, not at each opportunity: each note is a write. */
static void live_on(int to)
{
    begin(spool);
    add_call(1);
    outbox_alive(now_ns + 70 * MS);
    const uint64_t first = last_alive();
    outbox_alive(now_ns + 71 * MS);
    const uint64_t soon = last_alive();
    outbox_alive(now_ns + 90 * MS);
    const uint64_t later = last_alive();
    tell(to, first == now_ns + 70 * MS && soon == first && later == now_ns + 90 * MS ? 'x' : 'e', 0);
}

static void test_alive_now_and_then(void **state)
{
    (void)state;
    struct step step;
    int from;
    assert_int_equal(in_child(live_on, -1, &from), 0);
    assert_int_equal(read(from, &step, sizeof(step)), sizeof(step));
    close(from);
    assert_int_equal(step.what, 'x');
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

/* Turns until the spool has a file that ends so. */
static void turns_until(const char *ending)
{
    for (unsigned i = 0; i < 20000 && count_files(spool, ending) == 0; i++) {
        (void)usleep(1000);
        (void)outbox_turn(now_ns, &no_loss);
    }
}

/* Writes to a disk may wait: what the journal holds goes to the spool seldom, and then all of it,
 * and nobody waits for it: what ends meanwhile is in the journal. */
static void spool_waits(int to)
{
    begin(spool);
    for (unsigned n = 1; n <= 4; n++) {
        add_call(n);
        now_ns += (OUTBOX_AGE_MAX_MS + 1) * (uint64_t)MS;
        (void)outbox_turn(now_ns, &no_loss);
    }
    if (count_files(spool, ".part") != 0)
        _exit(2);
    asked = pthread_self();
    disk_waits = true;
    turns(1);
    for (unsigned n = 5; n <= 7; n++) {
        add_call(n);
        now_ns += (OUTBOX_AGE_MAX_MS + 1) * (uint64_t)MS;
        (void)outbox_turn(now_ns, &no_loss);
    }
    add_call(8);
    struct found held = {0}, found = {0};
    if (count_files(spool, ".part") != 0)
        _exit(3);
    take_file(&held, own_journal(), ".live");
    for (unsigned n = 1; n <= 8; n++)
        if (held.ended[n] != 1)
            _exit(4);
    disk_waits = false;
    turns_until(".part");
    if (take_directory(&found, spool, ".part") != 1 || found.frames < 4)
        _exit(5);
    outbox_finish(0, &no_loss);
    take_directory(&found, spool, ".frames");
    for (unsigned n = 1; n <= 8; n++)
        if (found.ended[n] != 1)
            _exit(6);
    tell(to, 'r', 0);
}

static void test_spool_waits(void **state)
{
    (void)state;
    int from;
    assert_int_equal(in_child(spool_waits, -1, &from), 0);
    close(from);
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
    snprintf(filler, sizeof(filler), "%s/filler", journals);
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

/* ---- hostile files ---- */

static void test_any_bit_may_be_wrong(void **state)
{
    (void)state;
    static uint8_t good[SPAN_JOURNAL_BYTES_MAX], bad[SPAN_JOURNAL_BYTES_MAX];
    uint64_t random = 5;
    size_t bytes;
    end_by_kill(start_waiting(live_and_wait));
    memcpy(good, slurp(own_journal(), &bytes), sizeof(good));
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

static void test_records(void **state)
{
    (void)state;
    static struct span span, back;
    static uint8_t record[SPAN_RECORD_BYTES_MAX];
    struct guard guard = guard_make(sizeof(record));
    uint64_t random = 77;
    for (unsigned i = 0; i < 2000; i++) {
        bool all = false;
        make_span(&span, i + 1, &random);
        size_t bytes = span_record_write(record, sizeof(record), &span, &all);
        assert_true(all);
        assert_int_equal(span_record_read(&back, guard_place(&guard, record, bytes), bytes), 0);
        assert_memory_equal(span.present, back.present, sizeof(span.present));
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
    assert_int_equal(span_record_read(&back, unknown, sizeof(unknown)), 0);
    const uint8_t wrong[] = {SPAN_F_seq << 1 | 1, 0x01, 'a'};
    assert_int_equal(span_record_read(&back, wrong, sizeof(wrong)), -1);
    guard_free(&guard);
}

#define WITH_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, directories_setup, directories_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        WITH_DIRECTORY(test_death_at_every_write),
        WITH_DIRECTORY(test_cut_short_by_another),
        WITH_DIRECTORY(test_nothing_between_calls),
        WITH_DIRECTORY(test_alive_now_and_then),
        WITH_DIRECTORY(test_descriptors_closed),
        WITH_DIRECTORY(test_spool_waits),
        WITH_DIRECTORY(test_limit_on_files),
        WITH_DIRECTORY(test_full_file_system),
        WITH_DIRECTORY(test_many_flights),
        WITH_DIRECTORY(test_any_bit_may_be_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
