/* The synthetic spans of the benchmarks; see workload.c. */
#pragma once

#include "span/span.h"

struct workload {
    size_t n_trace; /* requests read from the public traces; 0: none found, token counts are then log-normal */
    struct {
        uint64_t gap_ns;
        uint32_t input, output;
    } * trace;
    uint64_t random;
    bool response_ids; /* random 24-character ids, as some providers send: about 18 bytes that nothing can compress */
    bool gap_sketches;
};

/* Reads the traces from $LIBPPROF_TRACES or ../shared/azure-llm-trace below the source tree. */
void workload_init(struct workload *workload, const char *source_dir);
void workload_done(struct workload *workload);
/* The i-th span of a process that has lived since `start_ns`. */
void workload_span(struct workload *workload, size_t i, uint64_t start_ns, struct span *ret_span);
