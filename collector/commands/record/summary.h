/* What record says on standard error when the program has ended. */
#pragma once

#include <stdint.h>

#include "../../listen/runs.h"
#include "../../query/loss.h"
#include "../../store/store.h"

struct summary {
    const char *path;          /* of the store */
    uint64_t since_process_ns; /* only processes that began at this time or later */
    struct loss loss;          /* of this run */
    uint64_t still_running;    /* programs that it left behind */
    const char *folder;        /* where their later calls wait */
    struct runs_left left;     /* what earlier runs had left */
};

/* Reads the store and prints. Returns 0, or -1 after having said why not. */
int summary_print(const struct summary *summary, struct store *store);
