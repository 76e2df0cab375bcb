/* Paragraphs for a screen. Any thread. */
#pragma once

#include <stddef.h>
#include <stdio.h>

enum { WRAP_WIDTH = 80 };

/* A paragraph (or several, separated by empty lines), wrapped at `width` and indented. */
void wrap_text(FILE *out, const char *text, size_t indent, size_t width);
/* A paragraph that begins where the cursor is, in column `indent`. */
void wrap_rest(FILE *out, const char *text, size_t indent, size_t width);
