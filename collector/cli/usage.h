/* --help, from the table of what can be typed. One thread. */
#pragma once

#include "arguments.h"

/* On standard output: examples, usage, words, options, exit code. */
void usage_print(const struct command *command);
