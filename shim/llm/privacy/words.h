/*
 * Is this text one of the words that services use, or made of their parts? What is not is free
 * text, in which a server may echo a key, a name or an address. The lists: words.def.
 *
 * Scribe's thread (the table is made at the first question); also tests. Pure otherwise, no
 * allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { WORDS_BYTES_MAX = 64, WORDS_PARTS_MAX = 10, WORDS_NUMBER_DIGITS_MAX = 6 };

/* Error types and codes, finish reasons, states, tiers: a whole value of the list, several of its
 * parts put together by
 * - _ . : blanks or humps, with numbers of up to three digits among them, or a number of up to six
 * digits. */
bool words_known(const char *text, size_t bytes);
/* One segment of a path, decoded: parts of the list, those for paths alone included, and numbers of
 * up to four digits.
 */
bool words_of_path(const char *segment, size_t bytes);
