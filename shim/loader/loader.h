/* Whether and how often the application's dlopen, dlsym and dlclose are ours to see. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Counts calls of dlclose: what was known about a caller's address may be wrong after one. */
extern _Atomic uint32_t loader_closes;

/* False: the stubs only jump on. Set once by the constructor. */
extern bool loader_active;
