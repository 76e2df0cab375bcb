/*
 * What the loader's side asks of a tap: which functions of a library it stands before, and what is
 * to be handed out in their place. tap/curl/entry.c answers, for the one library that is tapped
 * today. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Every tapped library has this function and nobody wraps it; what is tapped begins with this. */
extern const char tap_hallmark[];
extern const char tap_prefix[];

/* One copy of a tapped library; there can be several in a process. */
struct tap_copy {
    uintptr_t begin; /* where it is mapped */
    unsigned index;
};

/* Whether a function of this name is tapped. */
bool tap_hooks(const char *name);

/* The copy that defines this function; false: none does, or there are too many. */
bool tap_copy_of(const void *function, struct tap_copy *ret_copy);

/* The function of that copy, and what to hand out in its place; NULL: it is not tapped, or that
 * copy has none. */
const void *tap_real(const struct tap_copy *copy, const char *name);
void *tap_instead(const struct tap_copy *copy, const char *name);
