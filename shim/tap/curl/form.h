/*
 * What is known of a form that the application builds with libcurl's MIME functions: its short text
 * parts (hook_mime.c).
 *
 * Application threads only: whoever may use the form. Errno is preserved.
 */
#pragma once

#include <stddef.h>

enum { FORM_TEXT_BYTES_MAX = 2048 };

/*
 * Writes the text parts of `mime` as a multipart body into `out` (at most `room` bytes), in the
 * order in which they were added; files and long values are left out. Returns its bytes, or 0 when
 * nothing of this form was seen.
 */
size_t form_write(const void *mime, char *out, size_t room);
