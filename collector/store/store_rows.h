/* Rows as the store hands them out: to reports, exports and rollups. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../span/column.h"

/* Rows of one block. Only wanted columns are decoded; `has[f]` is false when no row has the field;
 * start_ns is always there. `process[i]` points to the process of row i. Rows outside [since,
 * until) are not filtered by the scan: test start_ns. Valid during the callback. */
struct store_rows {
    size_t n;
    bool has[SPAN_FIELD_COUNT];
    const struct span_column *column[SPAN_FIELD_COUNT];
    const struct span_process *const *process;
    /* Bit i: the prompt of row i was learned, prompt_id and prompt_version are its. NULL: of
     * none. Only where the scan was asked for a field of the prompt. */
    const uint64_t *learned;
    int64_t of_process; /* the store's number of the process of all rows; 0: they are of several */
};
