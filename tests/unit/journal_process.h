/*
 * For test_journal.c and test_takeover.c: a process with an outbox and a journal that does as told
 * and dies, and what is found of it.
 */
#pragma once

#include "collector_tests.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "shim/outbox/outbox.h"
#include "shim/tape/tape.h"
#include "span/journal.h"

enum { CALLS = 12, MS = 1000000 };

static char directory[64], spool[96], journals[96];
static const struct span_loss no_loss;

/* What the outbox says where LIBPPROF_LOG asks for it. */
void shim_say_once(const char *message);
void shim_say_once(const char *message)
{
    (void)message;
}

static int writes_left = -1; /* see test_journal.c */
static uint64_t now_ns;

static inline void begin(const char *spool_dir)
{
    struct outbox_config config = {.socket_path = "/nobody", .spool_dir = spool_dir};
    test_process(&config.process, 0);
    config.owner = (struct span_journal_owner){.pid = (uint64_t)getpid()};
    config.journal[0].directory = journals;
    config.journal_disk_first = true;
    config.spool_said = true;
    assert_int_equal(outbox_start(&config), 0);
    now_ns = tape_now_ns();
}

static inline void make_call(struct span *span, unsigned n)
{
    char id[32];
    span_init(span);
    span_set_u64(span, SPAN_start_ns, UINT64_C(1700000000000000000) + n);
    snprintf(id, sizeof(id), "call-%u", n);
    span_set_text(span, SPAN_response_id, id, strlen(id));
    span_set_text(span, SPAN_path, "/v1/chat/completions", 20);
    static const char pad[400] = {[0 ... 399] = 'p'}; /* so that entries cross pages */
    span_set_text(span, SPAN_prompt_name, pad, n * 31 % sizeof(pad));
}

/* What the child did is told to the parent through a pipe, after each step. */
struct step {
    char what; /* 'b' begun, 'e' ended, 'x' in between */
    unsigned call;
};

static inline void tell(int to, char what, unsigned call)
{
    struct step step = {what, call};
    if (write(to, &step, sizeof(step)) != (ssize_t)sizeof(step))
        _exit(9);
}

/* ---- what is found ---- */

struct found {
    unsigned ended[CALLS + 1], killed[CALLS + 1], frames, other;
    uint64_t sequences[64];
    uint64_t seq_seen; /* bits of span numbers */
    bool doubled;
};

static inline bool had_frame(struct found *found, uint64_t sequence)
{
    for (unsigned i = 0; i < found->frames; i++)
        if (found->sequences[i] == sequence)
            return true;
    found->sequences[found->frames++] = sequence;
    return false;
}

/* As the store would: a repeated frame is ignored. */
static inline void take_frames(struct found *found, const uint8_t *data, size_t bytes)
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

static inline uint8_t *slurp(const char *path, size_t *ret_bytes)
{
    static uint8_t data[SPAN_JOURNAL_BYTES_MAX];
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t got = read(fd, data, sizeof(data));
    assert_true(got >= 0);
    close(fd);
    *ret_bytes = (size_t)got;
    return data;
}

static inline void take_file(struct found *found, const char *path, const char *ending)
{
    size_t bytes;
    uint8_t *data = slurp(path, &bytes);
    if (strcmp(ending, ".live") != 0) {
        take_frames(found, data, bytes);
        return;
    }
    struct span_journal_found what;
    struct span_buffer frames;
    span_buffer_init(&frames, 16 << 20);
    assert_int_equal(span_journal_frames(&frames, data, bytes, &what), 0);
    assert_int_equal(what.damaged, 0);
    take_frames(found, frames.data, frames.bytes);
    take_frames(found, frames.data, frames.bytes); /* twice is once */
    span_buffer_done(&frames);
}

/* Everything in the directory; returns how many files ended so. */
static inline unsigned take_directory(struct found *found, const char *path, const char *ending)
{
    DIR *names = opendir(path);
    unsigned n = 0;
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;) {
        char name[400];
        if (strstr(entry->d_name, ending) == NULL)
            continue;
        n++;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        take_file(found, name, ending);
        unlink(name);
    }
    if (names != NULL)
        closedir(names);
    return n;
}

/* Runs `what` in a child; returns its wait status and what it said. */
static inline int in_child(void (*what)(int), int die_at, int *ret_from)
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

static inline unsigned count_files(const char *path, const char *ending)
{
    DIR *names = opendir(path);
    unsigned n = 0;
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;)
        n += strstr(entry->d_name, ending) != NULL;
    if (names != NULL)
        closedir(names);
    return n;
}

static inline const char *own_journal(void)
{
    static char path[400];
    DIR *names = opendir(journals);
    path[0] = '\0';
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;)
        if (strstr(entry->d_name, ".live") != NULL)
            snprintf(path, sizeof(path), "%s/%s", journals, entry->d_name);
    if (names != NULL)
        closedir(names);
    return path;
}

static inline void add_call(unsigned n)
{
    struct span span;
    make_call(&span, n);
    outbox_add(now_ns, &span, n, &(struct journal_slot){0});
}

static inline void turns(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        now_ns += UINT64_C(1100) * MS;
        (void)outbox_turn(now_ns, &no_loss);
    }
}

/* Two finished, one in flight, then it waits for a byte. */
static inline void live_with(const char *spool_dir, int to)
{
    struct journal_slot slot = {0};
    struct span span;
    begin(spool_dir);
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

static inline void live_and_wait(int to)
{
    live_with(spool, to);
}

/* A child that does so; returns when it has said its first word. */
static inline pid_t start_and_hear(void (*what)(int), struct step *ret_step)
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
    assert_int_equal(read(ends[0], ret_step, sizeof(*ret_step)), sizeof(*ret_step));
    close(ends[0]);
    return child;
}

static inline pid_t start_waiting(void (*what)(int))
{
    struct step step;
    return start_and_hear(what, &step);
}

static inline void end_by_kill(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* ---- around each test ---- */

static inline int directories_setup(void **state)
{
    (void)state;
    test_directory(directory);
    snprintf(spool, sizeof(spool), "%s/spool", directory);
    snprintf(journals, sizeof(journals), "%s/journals", directory);
    return 0;
}

static inline int directories_teardown(void **state)
{
    (void)state;
    test_remove(spool);
    test_remove(journals);
    test_remove(directory);
    return 0;
}
