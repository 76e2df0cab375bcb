/* Helpers of the collector's tests: spans that can be made again from (process, sequence), frames
 * of them, a directory of their own, and the proof that a store holds each of them exactly once, as
 * it was sent. */
#pragma once

#include "span_tests.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "collector/store/store.h"

enum { ROWS_PER_FRAME = 16 };

static inline void test_process(struct span_process *process, unsigned number)
{
    memset(process, 0, sizeof(*process));
    memset(process->identity, (int)number + 1, sizeof(process->identity));
    process->start_ns = UINT64_C(1767225600000000000);
    process->pid = number;
    snprintf(process->service, sizeof(process->service), "service-%u", number % 3);
    snprintf(process->executable, sizeof(process->executable), "app-%u", number);
}

/* The span with number `seq` of a process: always the same. */
static inline void test_span(struct span *span, unsigned process, uint64_t seq)
{
    uint64_t state = process * UINT64_C(1000003) + seq;

    make_span(span, seq, &state);
    if (state % 4 == 0)
        set_text(span, SPAN_prompt_name, process % 2 ? "triage" : "summary");
}

/* Frame `sequence` holds the spans (sequence-1)*ROWS_PER_FRAME+1 and on. Caller frees with
 * span_buffer_done. */
static inline void test_frame(struct span_buffer *out, unsigned process, uint64_t sequence)
{
    static struct span spans[ROWS_PER_FRAME];
    const struct span *rows[ROWS_PER_FRAME];
    struct span_process from;
    struct span_buffer block;
    struct span_frame frame = {.kind = SPAN_FRAME_SPANS, .sequence = sequence, .loss.spans = sequence};

    for (unsigned i = 0; i < ROWS_PER_FRAME; i++) {
        test_span(&spans[i], process, (sequence - 1) * ROWS_PER_FRAME + i + 1);
        rows[i] = &spans[i];
    }
    test_process(&from, process);
    memcpy(frame.identity, from.identity, sizeof(frame.identity));
    span_buffer_init(&block, SPAN_FRAME_PAYLOAD_MAX);
    assert_int_equal(span_block_encode(&block, rows, ROWS_PER_FRAME, 1), 0);
    frame.payload = block.data;
    frame.payload_bytes = block.bytes;
    assert_int_equal(span_frame_write(out, &frame), 0);
    span_buffer_done(&block);
}

static inline void test_greeting(struct span_buffer *out, unsigned number)
{
    struct span_process process;
    struct span_buffer payload;
    struct span_frame frame = {.kind = SPAN_FRAME_PROCESS};

    test_process(&process, number);
    memcpy(frame.identity, process.identity, sizeof(frame.identity));
    span_buffer_init(&payload, 65536);
    assert_int_equal(span_process_write(&payload, &process), 0);
    frame.payload = payload.data;
    frame.payload_bytes = payload.bytes;
    assert_int_equal(span_frame_write(out, &frame), 0);
    span_buffer_done(&payload);
}

/* Takes one frame of a process in; the process must be known. Returns the status. */
static inline int test_take(struct store *store, unsigned process, uint64_t sequence, bool *ret_repeat)
{
    struct span_buffer bytes;
    struct span_frame frame;
    int status;

    span_buffer_init(&bytes, SPAN_FRAME_PAYLOAD_MAX);
    test_frame(&bytes, process, sequence);
    assert_true(span_frame_read(&frame, bytes.data, bytes.bytes) > 0);
    status = store_take_frame(store, &frame, ret_repeat);
    span_buffer_done(&bytes);
    return status;
}

/* A store with `frames` frames of each of `processes` processes, in one transaction. */
static inline void test_fill(struct store *store, unsigned processes, uint64_t from, uint64_t frames)
{
    assert_int_equal(store_begin(store), STORE_OK);
    for (unsigned p = 0; p < processes; p++) {
        struct span_process process;

        test_process(&process, p);
        assert_int_equal(store_take_process(store, &process), STORE_OK);
        for (uint64_t s = from; s < from + frames; s++) {
            bool repeat = true;

            assert_int_equal(test_take(store, p, s, &repeat), STORE_OK);
            assert_false(repeat);
        }
    }
    assert_int_equal(store_commit(store), STORE_OK);
}

struct test_seen {
    unsigned processes;
    uint64_t spans; /* of each */
    uint8_t *times;
};

static inline void test_row(const struct store_rows *rows, size_t i, struct span *ret_span)
{
    span_init(ret_span);
    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++) {
        const struct span_column *column = rows->column[f];

        if (!rows->has[f] || !span_bit(column->present, i))
            continue;
        if (span_fields[f].type <= SPAN_ID64)
            span_set_u64(ret_span, (enum span_field)f, column->u64[i]);
        else
            span_set_text(ret_span, (enum span_field)f, column->dict[column->code[i]].data,
                          column->dict[column->code[i]].bytes);
    }
}

static inline int test_each(void *context, const struct store_rows *rows)
{
    static struct span want;
    static struct span have;
    struct test_seen *seen = context;

    for (size_t i = 0; i < rows->n; i++) {
        uint64_t seq = rows->column[SPAN_seq]->u64[i];
        uint64_t process = rows->process[i]->pid;

        assert_true(process < seen->processes && seq >= 1 && seq <= seen->spans);
        test_span(&want, (unsigned)process, seq);
        test_row(rows, i, &have);
        assert_spans_equal(&want, &have);
        seen->times[process * seen->spans + seq - 1]++;
    }
    return 0;
}

/* Each span of each process once, field by field; nothing else. */
static inline void test_holds(struct store *store, unsigned processes, uint64_t frames)
{
    enum span_field all[SPAN_FIELD_COUNT];
    struct store_query query = {0, UINT64_MAX, all, SPAN_FIELD_COUNT};
    struct test_seen seen = {processes, frames * ROWS_PER_FRAME, NULL};
    uint64_t damaged = 1;

    for (unsigned f = 0; f < SPAN_FIELD_COUNT; f++)
        all[f] = (enum span_field)f;
    seen.times = calloc(processes, seen.spans);
    assert_int_equal(store_scan(store, &query, test_each, &seen, &damaged), 0);
    assert_int_equal(damaged, 0);
    for (uint64_t i = 0; i < processes * seen.spans; i++)
        assert_int_equal(seen.times[i], 1);
    free(seen.times);
}

static inline void test_fault(void *context, const char *sentence)
{
    (void)context;
    print_message("check: %s\n", sentence);
}

static inline void test_directory(char path[64])
{
    strcpy(path, "/tmp/pprof-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

static inline void test_remove(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL)
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory != NULL)
        closedir(directory);
    rmdir(path);
}

/* A connection to the socket at `path`. */
static inline int test_dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Begins, and takes in a process and its `n` frames; no memory is never said to be their fault.
 * STORE_OK, or why not; the caller commits or rolls back. */
static inline int test_take_in(struct store *store, const struct span_buffer *frames, unsigned n)
{
    struct span_process process;
    test_process(&process, 0);
    int status = store_begin(store);
    if (status == STORE_OK)
        status = store_take_process(store, &process);
    for (unsigned i = 0; status == STORE_OK && i < n; i++) {
        struct span_frame frame;
        bool repeat = false;
        assert_true(span_frame_read(&frame, frames[i].data, frames[i].bytes) > 0);
        status = store_take_frame(store, &frame, &repeat);
        assert_int_not_equal(status, STORE_DAMAGED); /* it is not the sender's fault: it would be told to forget */
    }
    return status;
}
