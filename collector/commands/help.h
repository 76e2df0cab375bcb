/* The pages of help that are made from lists: keys, fields, environment; and all pages as manual
 * pages. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "command.h"

/* help_pages.c */
void help_keys(FILE *out);
void help_fields(FILE *out, bool md);
void help_environment(FILE *out, bool md);

/*
 * help_man.c: the manual page of this name (a verb, "pprofctl", "libpprof", or "pprofd", whose
 * --help it reads from standard input). Returns 0, -1: no such page.
 */
int help_man(FILE *out, const char *name);
/* The bash completion script. */
void help_completion(FILE *out);
