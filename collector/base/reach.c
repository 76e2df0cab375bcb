/*
 * See reach.h. Called by record, pprofd and the commands that look for folders of runs. Must never
 * change anything.
 */
#include "reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

bool others_reach(const char *path, char closed[PATH_MAX])
{
    char part[PATH_MAX];
    struct stat st;
    int bytes = snprintf(part, sizeof(part), "%s/", path);
    if (bytes < 0 || (size_t)bytes >= sizeof(part))
        return false;
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (stat(part, &st) != 0)
            return errno == ENOENT;
        if (S_ISDIR(st.st_mode) && (st.st_mode & S_IXOTH) == 0) {
            if (closed != NULL)
                (void)snprintf(closed, PATH_MAX, "%s", part);
            return false;
        }
        *slash = '/';
    }
    return true;
}
