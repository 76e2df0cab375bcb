/*
 * How fast the collector takes spans in: frames of 256 spans, verified, stored and rolled up, 64 frames a transaction
 * as under load; then the size of the store before and after the merge. One thread; CPU time. Usage: bench_ingest
 * STORE_FILE SPANS      STORE_FILE must not exist
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "collector/store.h"
#include "workload.h"

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

/* All frames, one after another. */
static void make_frames(struct span_buffer *out, size_t n, const struct span_process *process)
{
    struct workload workload;
    struct span *spans = calloc(SPAN_BLOCK_ROWS_SHIM, sizeof *spans);
    const struct span *order[SPAN_BLOCK_ROWS_SHIM];
    struct span_buffer payload;
    workload_init(&workload, PPROF_SOURCE_DIR);
    span_buffer_init(&payload, SPAN_FRAME_PAYLOAD_MAX);
    uint64_t at = 1767225600000000000u;
    for (size_t i = 0; i < n; i++) {
        at += workload.n_trace ? workload.trace[i % workload.n_trace].gap_ns / 1000 * 1000 : 86000000;
        workload_span(&workload, i, at, &spans[i % SPAN_BLOCK_ROWS_SHIM]);
        order[i % SPAN_BLOCK_ROWS_SHIM] = &spans[i % SPAN_BLOCK_ROWS_SHIM];
        if ((i + 1) % SPAN_BLOCK_ROWS_SHIM != 0)
            continue;
        payload.bytes = 0;
        struct span_frame frame = {.kind = SPAN_FRAME_SPANS, .sequence = (i + 1) / SPAN_BLOCK_ROWS_SHIM};
        must(span_block_encode(&payload, order, SPAN_BLOCK_ROWS_SHIM, SPAN_ZSTD_LEVEL_SHIM), "encode");
        memcpy(frame.identity, process->identity, sizeof frame.identity);
        frame.payload = payload.data;
        frame.payload_bytes = payload.bytes;
        must(span_frame_write(out, &frame), "frame");
    }
    span_buffer_done(&payload);
    workload_done(&workload);
    free(spans);
}

static double file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

/* A function of its own, so that its instructions can be counted apart. */
__attribute__((noinline)) static void take_all(struct store *store, const struct span_buffer *frames,
                                               const struct span_process *process)
{
    must(store_begin(store), "begin");
    must(store_take_process(store, process), "process");
    size_t count = 0;
    for (size_t at = 0; at < frames->bytes;) {
        struct span_frame frame;
        bool repeat = false;
        long bytes = span_frame_read(&frame, frames->data + at, frames->bytes - at);
        must(bytes > 0 ? 0 : -1, "frame read");
        must(store_take_frame(store, &frame, &repeat), "take");
        at += (size_t)bytes;
        if (++count % 64 == 0) {
            must(store_commit(store), "commit");
            must(store_begin(store), "begin");
        }
    }
    must(store_commit(store), "commit");
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    size_t n = (size_t)atol(argv[2]) / SPAN_BLOCK_ROWS_SHIM * SPAN_BLOCK_ROWS_SHIM;
    struct span_process process = {
        .start_ns = 1767225600000000000u, .pid = 4711, .executable = "bench", .service = "bench", .host = "bench"};
    memcpy(process.identity, "bench-process-id", 16);
    struct span_buffer frames;
    span_buffer_init(&frames, (size_t)4 << 30);
    make_frames(&frames, n, &process);
    struct store *store = NULL;
    must(store_open(argv[1], STORE_WRITE, &store), "open");
    double start = cpu_ns();
    take_all(store, &frames, &process);
    double taken = cpu_ns();
    bool more = true;
    double before = file_bytes(argv[1]);
    while (more)
        must(store_merge_step(store, &more), "merge");
    double merged = cpu_ns();
    struct store_totals totals;
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
