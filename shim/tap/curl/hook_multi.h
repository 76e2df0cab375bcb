/*
 * The way past the hooks of libcurl's multi interface, for entry.c. Application's threads.
 */
#pragma once

#include "handles.h"

/* The record of the multi handle that this thread drove last, where its libcurl lets no callback
 * add to it; or of the easy handle that it performed last, for which libcurl drives a multi handle
 * that nobody else knows. Records are never unmapped: one that was given back, or taken over, is
 * quiet for no handle until that is driven. */
extern _Thread_local struct handle *hook_multi_driven;

/* That record, when it is `multi` that the thread's last call drove, and nothing was added since;
 * else NULL, as for a `multi` that is NULL. */
static inline const struct handle *hook_multi_quiet(const CURLM *multi)
{
    const struct handle *record = hook_multi_driven;
    if (record == NULL || atomic_load_explicit(&record->quiet, memory_order_acquire) != multi)
        return NULL;
    return record;
}
