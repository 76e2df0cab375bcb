/* Paragraphs for a screen. Any thread. */
#pragma once

#include <stddef.h>
#include <stdio.h>

enum { WRAP_WIDTH = 80 };

/* A paragraph (or several, separated by empty lines), wrapped at `width` and indented. */
void wrap_text(FILE *out, const char *text, size_t indent, size_t width);
