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
    bool ns_clocks;        /* times as clocks give them, not whole microseconds */
    bool model_per_prompt; /* each prompt asks one model, as programs do */
    bool one_call;         /* each span is its process' only one */
};

/* Reads the traces from $LIBPPROF_TRACES or ../shared/azure-llm-trace below the source tree. */
void workload_init(struct workload *workload, const char *source_dir);
void workload_done(struct workload *workload);
/* What the shim fills for a program: response ids, sketches of gaps, clocks in nanoseconds, one
 * model for each prompt.
 */
void workload_as_shipped(struct workload *workload);
/* Between the starts of spans i - 1 and i. */
uint64_t workload_gap_ns(const struct workload *workload, size_t i);
/* The i-th span of a process that has lived since `start_ns`. */
void workload_span(struct workload *workload, size_t i, uint64_t start_ns, struct span *ret_span);
