/* The PROCESS frame of this process, which begins every connection, spool file and journal. Scribe
 * thread only. */
#pragma once

#include "span/frame.h"

/* Writes it to `to`; *ret_bytes. Returns 0, or -ENOMEM. */
int greeting_make(const struct span_process *process, uint8_t *to, size_t capacity, size_t *ret_bytes);
