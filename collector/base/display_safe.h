/*
 * Texts that came from outside (names of files and programs, what others sent), made harmless for a
 * terminal. Everything that pprofd and pprofctl print of them passes here.
 *
 * The programs' one thread (display_name has static memory); otherwise pure.
 */
#pragma once

#include <stddef.h>

#include "../../span/span.h"

enum { DISPLAY_CHARACTER_BAD = 0 };

/* At the start of a program: texts are UTF-8, whatever the locale. */
void display_begin(void);
/* The character at `text` (at most `bytes` long): its length, or DISPLAY_CHARACTER_BAD;
 * *ret_columns is its width. */
size_t display_character(const char *text, size_t bytes, size_t *ret_columns);
/* Copies a text that came from outside so that it is harmless in a terminal and on one line:
 * characters that are not seen or turn others around (span/hidden.h) and broken UTF-8 become '?'.
 * Always NUL-terminated; cut at a character. */
void display_safe(char *out, size_t out_bytes, struct span_text text);
/* The same of a name of a file or a program, in static memory: the next but seven calls overwrite
 * it. */
const char *display_name(const char *name);
