/* The lines of a request's headers, and what stands beside them, on the tape. Application threads
 * only. */
#pragma once

#include "handles.h"

/* The request's lines as they are, for header_lines_write; reads the application's list. Returns
 * their bytes. */
size_t transfer_headers_write(const struct shadow *shadow, char *out, size_t room);
/* libcurl is about to read the request's headers: writes them on the tape. Errno is preserved. */
void transfer_note_headers(struct handle *handle);
