/* Whether other users can get somewhere. Looks at the file system only; any thread. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* Whether processes of other users can go through every directory of the path that there is, its
 * last part included when it is a directory. When not, `closed` (if not NULL) gets the first that
 * lets nobody through. */
bool others_reach(const char *path, char closed[PATH_MAX]);
