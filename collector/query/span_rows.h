/*
 * The calls of a period, one by one, as spans: for export, and whatever else hands single calls on.
 * The store's thread.
 */
#pragma once

#include "../store/store.h"

/* One call; valid during the call. Not 0: that is enough. */
typedef int span_rows_each(void *context, const struct span_process *process, const struct span *span);

/* 8 KB: of the caller, and better not on the stack. */
struct span_rows {
    uint64_t since_ns, until_ns; /* by the calls' start */
    span_rows_each *each;
    void *context;
    uint64_t damaged; /* blocks that could not be read */
    struct span span;
};

/* Returns what store_scan() does: a store_status, or what `each` said. Memory is that of one
 * block. */
int span_rows_scan(struct span_rows *rows, struct store *store);
