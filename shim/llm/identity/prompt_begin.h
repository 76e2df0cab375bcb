/* The part of a user's text that a template wrote, as far as that can be told from the text alone; see prompt.h. */
#pragma once

#include "prompt.h"

/* Normalised (case, white space) beginning of `text` up to the first sign of data. Returns its length. */
size_t prompt_begin(const char *text, size_t bytes, char ret_begin[PROMPT_BEGIN_BYTES]);
