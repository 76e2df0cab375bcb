/*
 * The trampolines: one set of the hooked functions for each libcurl of the process, for callers that looked a function
 * up in a certain library and so cannot be told apart by where they call from.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether libpprof hooks a function of this name. */
bool entry_is_hooked(const char *name);

/* The function to hand out in the place of `name` of the library with this index; NULL when it is not hooked. */
void *entry_trampoline(unsigned library, const char *name);
