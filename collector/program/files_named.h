/* The files that a pattern with `*` names, as glob(3) finds them. */
#pragma once

#include <stdbool.h>

/* Of one file; true: that is enough. The path is gone when it returns. */
typedef bool files_named_visit(const char *path, void *context);

/*
 * Visits the files that an absolute pattern names, in the order of their names in each directory.
 * 1: a visit was enough; 0: none was; -1 with errno ENOMEM: memory ran out, some were not seen. Any
 * thread.
 */
int files_named(const char *pattern, files_named_visit *visit, void *context);
