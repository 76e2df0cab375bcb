/*
 * Whether libpprof does anything in this process. Set once by the constructor; before it ran, and where it decided
 * against, every hook only forwards.
 */
#pragma once

#include <stdbool.h>

extern bool shim_active;
