/*
 * How small and how fast the span format is: encodes the workload as blocks of 256 (what the shim
 * sends) and of 65,536 rows (what the store keeps), decodes it, and prints bytes and nanoseconds of
 * CPU per span, one JSON object a line. One thread. Usage: bench_format SPANS
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "span/block.h"
#include "workload.h"

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *what, struct span *spans, size_t n, size_t rows, int level)
{
    const struct span **order = calloc(rows, sizeof(*order));
    struct span_buffer out;
    struct span_block block;
    double encode = 0, decode = 0, bytes = 0;
    span_buffer_init(&out, SPAN_FRAME_PAYLOAD_MAX * 8);
    span_block_init(&block);
    for (size_t at = 0; at + rows <= n; at += rows) {
        for (size_t i = 0; i < rows; i++)
            order[i] = &spans[at + i];
        out.bytes = 0;
        double t0 = cpu_ns();
        if (span_block_encode(&out, order, rows, level) != 0)
            exit(1);
        double t1 = cpu_ns();
        if (span_block_decode(&block, out.data, out.bytes) != 0)
            exit(1);
        encode += t1 - t0;
        decode += cpu_ns() - t1;
        bytes += (double)out.bytes;
    }
    double whole = (double)(n / rows * rows);
    printf("{\"workload\":\"%s\",\"rows\":%zu,\"level\":%d,\"bytes_per_span\":%.2f,\"encode_ns\":%.1f,\"decode_all_"
           "ns\":%.1f}\n",
           what, rows, level, bytes / whole, encode / whole, decode / whole);
    span_block_done(&block);
    span_buffer_done(&out);
    free(order);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    size_t n = (size_t)atol(argv[1]);
    struct span *spans = malloc(n * sizeof(*spans));
    if (n < SPAN_BLOCK_ROWS_MAX || spans == NULL) {
        fprintf(stderr, "bench_format: at least %d spans\n", SPAN_BLOCK_ROWS_MAX);
        return 2;
    }
    static const char *const names[] = {"plain", "with response ids", "with gap sketches"};
    for (int kind = 0; kind < 3; kind++) {
        struct workload workload;
        workload_init(&workload, PPROF_SOURCE_DIR);
        workload.response_ids = kind == 1;
        workload.gap_sketches = kind == 2;
        uint64_t at = 1767225600000000000u;
        for (size_t i = 0; i < n; i++) {
            at += workload_gap_ns(&workload, i);
            workload_span(&workload, i, at, &spans[i]);
        }
        if (kind == 0)
            printf("{\"traces\":%zu}\n", workload.n_trace);
        measure(names[kind], spans, n, SPAN_BLOCK_ROWS_SHIM, SPAN_ZSTD_LEVEL_SHIM);
        measure(names[kind], spans, n, SPAN_BLOCK_ROWS_MAX, SPAN_ZSTD_LEVEL_STORE);
        workload_done(&workload);
    }
    free(spans);
    return 0;
}
