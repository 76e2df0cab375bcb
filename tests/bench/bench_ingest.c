/*
 * How fast the collector takes spans in: frames of 256 spans, verified, stored and rolled up, 64
 * frames a transaction as under load; then the size of the store before and after the merge. One
 * thread; CPU time. Usage: bench_ingest
 * STORE_FILE SPANS [plain|shipped|busy|calls]      STORE_FILE must not exist
 *   plain    microseconds, no ids, no gaps; from 2026-01-01, so that instructions repeat exactly
 *   shipped  as the shim fills spans (workload_as_shipped), ending today
 *   busy     as plain, a thousand times as fast: as many spans at once as a busy collector gets
 *   calls    as plain, with one model for each prompt, but each span is the only one of its
 *            process, which says that it ends
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "collector/store/store.h"
#include "workload.h"

enum { FRAMES_PER_COMMIT = 64 };

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(int code, const char *what)
{
    if (code == 0)
        return;
    fprintf(stderr, "bench_ingest: %s: %s\n", what, store_why());
    exit(1);
}

static void make_process(struct span_process *ret_process, size_t i, uint64_t start_ns)
{
    *ret_process = (struct span_process){.start_ns = start_ns,
                                         .pid = 4711 + i % 30000,
                                         .uid = 1000,
                                         .has_uid = true,
                                         .executable = "bench",
                                         .host = "host-01.example.com",
                                         .service = "bench",
                                         .version = "0.1.0"};
    memcpy(ret_process->identity, "bench-process-id", 16);
    for (int half = 0; i > 0 && half < 2; half++) { /* splitmix64 */
        uint64_t z = (2 * i + (uint64_t)half) * 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        memcpy(ret_process->identity + 8 * half, &z, sizeof(z));
    }
}

static void put_process(struct span_buffer *out, const struct span_process *process)
{
    struct span_buffer payload;
    span_buffer_init(&payload, SPAN_FRAME_PAYLOAD_MAX);
    must(span_process_write(&payload, process), "process");
    struct span_frame frame = {
        .kind = SPAN_FRAME_PROCESS, .payload = payload.data, .payload_bytes = (uint32_t)payload.bytes};
    memcpy(frame.identity, process->identity, sizeof(frame.identity));
    must(span_frame_write(out, &frame), "frame");
    span_buffer_done(&payload);
}

static void put_spans(struct span_buffer *out, const struct span_process *process, const struct span *const *order,
                      size_t n, uint64_t sequence, bool last)
{
    struct span_buffer payload;
    span_buffer_init(&payload, SPAN_FRAME_PAYLOAD_MAX);
    must(span_block_encode(&payload, order, n, SPAN_ZSTD_LEVEL_SHIM), "encode");
    struct span_frame frame = {.kind = SPAN_FRAME_SPANS,
                               .flags = last ? SPAN_FRAME_FINAL : 0,
                               .sequence = sequence,
                               .payload = payload.data,
                               .payload_bytes = (uint32_t)payload.bytes};
    memcpy(frame.identity, process->identity, sizeof(frame.identity));
    must(span_frame_write(out, &frame), "frame");
    span_buffer_done(&payload);
}

/* When the first span starts: so that all are over, and none a month old. */
static uint64_t begin_ns(const struct workload *workload, size_t n)
{
    uint64_t all = 0;
    if (!workload->ns_clocks)
        return 1767225600000000000u;
    for (size_t i = 0; i < n; i++)
        all += workload_gap_ns(workload, i);
    return ((uint64_t)time(NULL) / 3600 - 2) * 3600000000000u - all;
}

/* All frames, one after another. */
static void make_frames(struct span_buffer *out, size_t n, const char *kind)
{
    struct workload workload;
    struct span_process process;
    size_t rows = SPAN_BLOCK_ROWS_SHIM;
    struct span *spans = calloc(rows, sizeof(*spans));
    const struct span *order[SPAN_BLOCK_ROWS_SHIM];
    workload_init(&workload, PPROF_SOURCE_DIR);
    if (strcmp(kind, "shipped") == 0)
        workload_as_shipped(&workload);
    workload.one_call = strcmp(kind, "calls") == 0;
    workload.model_per_prompt |= workload.one_call;
    if (workload.one_call)
        rows = 1;
    uint64_t at = begin_ns(&workload, n);
    make_process(&process, 0, at);
    put_process(out, &process);
    for (size_t i = 0; i < n; i++) {
        at += workload_gap_ns(&workload, i) / (strcmp(kind, "busy") == 0 ? 1000 : 1);
        if (workload.one_call) {
            make_process(&process, i + 1, at - 30000000 - i % 97 * 1000);
            put_process(out, &process);
        }
        workload_span(&workload, i, at, &spans[i % rows]);
        order[i % rows] = &spans[i % rows];
        if ((i + 1) % rows == 0)
            put_spans(out, &process, order, rows, workload.one_call ? 1 : (i + 1) / rows, workload.one_call);
    }
    workload_done(&workload);
    free(spans);
}

static double file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

/* A function of its own, so that its instructions can be counted apart. */
__attribute__((noinline)) static void take_all(struct store *store, const struct span_buffer *frames)
{
    struct span_process process;
    must(store_begin(store), "begin");
    size_t count = 0;
    for (size_t at = 0; at < frames->bytes;) {
        struct span_frame frame;
        bool repeat = false;
        long bytes = span_frame_read(&frame, frames->data + at, frames->bytes - at);
        must(bytes > 0 ? 0 : -1, "frame read");
        at += (size_t)bytes;
        if (frame.kind == SPAN_FRAME_PROCESS) {
            must(span_process_read(&process, frame.payload, frame.payload_bytes), "process read");
            must(store_take_process(store, &process), "process");
            continue;
        }
        must(store_take_frame(store, &frame, &repeat), "take");
        if (++count % FRAMES_PER_COMMIT == 0) {
            must(store_commit(store), "commit");
            must(store_begin(store), "begin");
        }
    }
    must(store_commit(store), "commit");
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4)
        return 2;
    size_t n = (size_t)atol(argv[2]) / SPAN_BLOCK_ROWS_SHIM * SPAN_BLOCK_ROWS_SHIM;
    struct span_buffer frames;
    span_buffer_init(&frames, (size_t)4 << 30);
    make_frames(&frames, n, argc == 4 ? argv[3] : "plain");
    struct store *store = NULL;
    must(store_open(argv[1], STORE_WRITE, &store), "open");
    double start = cpu_ns();
    take_all(store, &frames);
    double taken = cpu_ns();
    bool more = true;
    struct store_totals totals;
    must(store_totals(store, &totals), "totals");
    double before = (double)totals.bytes;
    while (more)
        must(store_merge_step(store, &more), "merge");
    double merged = cpu_ns();
    must(store_totals(store, &totals), "totals");
    store_close(store);
    printf("{\"spans\":%zu,\"ingest_per_s\":%.0f,\"ingest_ns\":%.1f,\"wire_bytes_per_span\":%.2f,\"store_bytes_per_"
           "span_fresh\":%.2f,"
           "\"store_bytes_per_span_merged\":%.2f,\"file_bytes_per_span\":%.2f,\"merge_ns\":%.1f}\n",
           n, (double)n / (taken - start) * 1e9, (taken - start) / (double)n, (double)frames.bytes / (double)n,
           before / (double)n, (double)totals.bytes / (double)n, file_bytes(argv[1]) / (double)n,
           (merged - taken) / (double)n);
    span_buffer_done(&frames);
    return 0;
}
