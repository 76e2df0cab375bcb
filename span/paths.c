/*
 * The default paths, see paths.h. Called by the shim's constructor and by pprofd and pprofctl at their start.
 *
 * Must never read the environment or the file system, allocate or print: it also runs inside the application.
 */
#include "paths.h"

#include <string.h>

static int join(char *out, size_t cap, const char *base, const char *rest)
{
    size_t base_bytes = strlen(base);
    size_t rest_bytes = strlen(rest);

    if (cap > 0)
        out[0] = '\0';
    while (base_bytes > 0 && base[base_bytes - 1] == '/')
        base_bytes--;
    if (base_bytes >= cap || rest_bytes >= cap - base_bytes)
        return -1;
    memcpy(out, base, base_bytes);
    memcpy(out + base_bytes, rest, rest_bytes + 1);
    return 0;
}

static int absolute(const char *value)
{
    return value != NULL && value[0] == '/';
}

int span_path_socket(char *out, size_t cap, const char *xdg_runtime_dir)
{
    return join(out, cap, absolute(xdg_runtime_dir) ? xdg_runtime_dir : "/run/pprofd", "/pprofd.sock");
}

int span_path_spool(char *out, size_t cap, const char *xdg_state_home, const char *home)
{
    if (absolute(xdg_state_home))
        return join(out, cap, xdg_state_home, "/libpprof/spool");
    if (absolute(home))
        return join(out, cap, home, "/.local/state/libpprof/spool");
    if (cap > 0)
        out[0] = '\0';
    return -1;
}

int span_path_store(char *out, size_t cap, const char *xdg_state_home, const char *home)
{
    if (absolute(xdg_state_home))
        return join(out, cap, xdg_state_home, "/libpprof/pprof.db");
    if (absolute(home))
        return join(out, cap, home, "/.local/state/libpprof/pprof.db");
    return join(out, cap, "/var/lib/pprofd", "/pprof.db");
}
