/* A span as one JSON object, with the names of fields.def. Used by the export commands and the web
 * page; pure. */
#pragma once

#include "column.h"

/*
 * Appends one object without line end. What was not seen has no key; integers are written as
 * integers; bytes that are not UTF-8 become U+FFFD. Returns 0, or -1 when the buffer failed.
 */
int span_json_write(struct span_buffer *out, const struct span_process *process, const struct span *span);

/* Appends a JSON string with its quotes, under the same rules. */
void span_json_string(struct span_buffer *out, const char *data, size_t bytes);
