/* Sentences about what no collector has taken in yet, and where calls would go now. Used by report,
 * check and doctor.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "../listen/runs.h"
#include "../listen/waiting.h"
#include "../query/loss.h"

/* Adds to `loss` what waits for the open store `path`: what was left of recorded runs and what its
 * collectors will take in, which `ret_waiting` has alone. 0 or store_status. */
int waits_add(struct loss *loss, struct waiting *ret_waiting, const struct runs_left *left, struct store *store,
              const char *path);
/* What waits for the store `path`, and how it is taken in; nothing when nothing waits. */
void waits_print(FILE *out, const struct waiting *waiting, const char *path);
/* The same of this user's default collector. */
void waits_print_default(FILE *out);
/* The folders of recorded runs that wait for the store `path`, and how they are taken in; nothing
 * for none. */
void waits_print_runs(FILE *out, const char *path, const struct runs_left *left);
/* What to do with the logs of a removed store that lie beside the store `path`; nothing where it
 * has noted none. */
void waits_print_orphans(FILE *out, const char *path, uint64_t noted);
/* Where programs of this user keep what no collector has, and how many that run do. */
void waits_print_journals(FILE *out);
/* Where the calls of a program that is started now by this user would go. */
void waits_print_way(FILE *out);
