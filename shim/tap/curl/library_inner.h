/*
 * What entry.c needs of library.c beyond library.h. Any thread.
 */
#pragma once

#include "library.h"

/* The entries in place, so that trampolines can name theirs before it is made. */
extern struct library library_table[LIBRARIES_MAX];

/* The entry of the libcurl that defines this function; NULL when no libcurl does, or no place is
 * left. */
struct library *library_defining(const void *function);
