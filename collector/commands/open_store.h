/* Opening a store for a command: the one place that turns a store_status into a sentence for the
 * user. */
#pragma once

#include <stddef.h>

#include "../listen/runs.h"
#include "../store/store.h"

struct arguments;

#define DEFAULT_STORE "pprof.db"

/* Returns the store, or NULL after having said why not and what to do. */
struct store *open_store(const char *path, enum store_mode mode);
/* The FILE operand; without one, pprof.db here when it exists, else the store that pprofd keeps
 * when that exists, else pprof.db. Lies in `buffer` or in argv. */
const char *store_operand(const struct arguments *arguments, char *buffer, size_t buffer_bytes);
/* Takes into the store what recorded runs left behind for it, if anything; says where something
 * waits on. */
void take_in_left(const char *path, struct runs_left *ret_left);
/* Says what went wrong with an open store. */
void complain_store(const char *path, int status);
