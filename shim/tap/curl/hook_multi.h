/*
 * The way past the hooks of libcurl's multi interface, for entry.c. Application's threads.
 */
#pragma once

#include "handles.h"

/* The record of the multi handle that this thread drove last, where its libcurl lets no callback
 * add to it. Records are never unmapped: one that was given back, or taken over, is quiet for no
 * handle until that is driven. */
extern _Thread_local struct handle *hook_multi_driven;

/* The record of `multi`, when the thread's last call that drove one drove this, and nothing was
 * added since; else NULL, as for a `multi` that is NULL.
 */
static inline const struct handle *hook_multi_quiet(const CURLM *multi)
{
    const struct handle *record = hook_multi_driven;
    if (record == NULL || atomic_load_explicit(&record->quiet, memory_order_acquire) != multi)
        return NULL;
    return record;
}
