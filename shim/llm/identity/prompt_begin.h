/* The part of a user's text that a template wrote, as far as that can be told from the text alone;
 * see prompt.h. */
#pragma once

#include <stddef.h>

enum {
    PROMPT_BEGIN_WORDS = 8, /* of the user's text, when there are no instructions */
    PROMPT_BEGIN_BYTES = 96,
};

/* Normalised (case, white space) beginning of `text` up to the first sign of data. Returns its
 * length. */
size_t prompt_begin(const char *text, size_t bytes, char ret_begin[PROMPT_BEGIN_BYTES]);
