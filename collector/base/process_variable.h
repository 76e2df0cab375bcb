/* What a process was started with, by /proc/PID/environ. Any thread; takes no memory. */
#pragma once

#include <stddef.h>

enum process_variable {
    PROCESS_VARIABLE_UNREADABLE = -1, /* no such process, another user's, it is ending, or wrote over it */
    PROCESS_VARIABLE_UNSET = 0,
    PROCESS_VARIABLE_SET = 1,
};

/* The first variable `name` of the process `pid` (its directory's name in /proc). One that does not
 * fit in `room` bytes with a NUL is cut. */
enum process_variable process_variable(const char *pid, const char *name, char *value, size_t room);
