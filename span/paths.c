/*
 * The default paths, see paths.h. Called by the shim's scribe and by pprofd and pprofctl at their
 * start.
 *
 * Must never read the environment or the file system, allocate or print: it also runs inside the
 * application.
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

static int none(char *out, size_t cap)
{
    if (cap > 0)
        out[0] = '\0';
    return -1;
}

/* `base`, the character, and the number in decimal. */
static int join_number(char *out, size_t cap, const char *base, char between, uint64_t number)
{
    char digits[22];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    digits[--at] = between;
    return join(out, cap, base, digits + at);
}

int span_path_runtime(char *out, size_t cap, const struct span_path_base *base, unsigned i)
{
    if (cap > SPAN_PATH_RUNTIME_BYTES_MAX + 1)
        cap = SPAN_PATH_RUNTIME_BYTES_MAX + 1;
    if (i == 0 && absolute(base->runtime_dir))
        return join(out, cap, base->runtime_dir, "");
    if (i == 1 && base->uid == 0)
        return join(out, cap, "/run/pprofd", "");
    if (i == 1)
        return join_number(out, cap, "/run/user", '/', base->uid);
    if (i == 2 && absolute(base->state_home))
        return join(out, cap, base->state_home, "/libpprof/run");
    if (i == 3 && absolute(base->home))
        return join(out, cap, base->home, "/.local/state/libpprof/run");
    if (i == 4)
        return join_number(out, cap, "/tmp/libpprof", '-', base->uid);
    return none(out, cap);
}

int span_path_socket(char *out, size_t cap, const char *runtime)
{
    return join(out, cap, runtime, "/pprofd.sock");
}

size_t span_path_abstract(char out[SPAN_PATH_ABSTRACT_BYTES], const char *socket, bool any_user)
{
    size_t bytes = strlen(socket);

    if (!absolute(socket) || bytes >= SPAN_PATH_ABSTRACT_BYTES)
        return 0;
    out[0] = '\0';
    memcpy(out + 1, socket, bytes);
    if (any_user)
        out[1] = '*';
    return 1 + bytes;
}

int span_path_journals(char *out, size_t cap, const char *runtime)
{
    return join(out, cap, runtime, "/libpprof");
}

int span_path_journals_in_memory(char *out, size_t cap, uint64_t uid)
{
    return join_number(out, cap, "/dev/shm/libpprof", '-', uid);
}

int span_path_state(char *out, size_t cap, const char *xdg_state_home, const char *home)
{
    if (absolute(xdg_state_home))
        return join(out, cap, xdg_state_home, "/libpprof");
    if (absolute(home))
        return join(out, cap, home, "/.local/state/libpprof");
    return none(out, cap);
}

static int below_state(char *out, size_t cap, const char *xdg_state_home, const char *home, const char *name)
{
    if (span_path_state(out, cap, xdg_state_home, home) != 0)
        return none(out, cap);
    size_t bytes = strlen(out);
    return join(out + bytes, cap - bytes, "", name) == 0 ? 0 : none(out, cap);
}

int span_path_spool(char *out, size_t cap, const char *xdg_state_home, const char *home)
{
    return below_state(out, cap, xdg_state_home, home, "/spool");
}

int span_path_store(char *out, size_t cap, const char *xdg_state_home, const char *home)
{
    if (absolute(xdg_state_home) || absolute(home))
        return below_state(out, cap, xdg_state_home, home, "/pprof.db");
    return join(out, cap, "/var/lib/pprofd", "/pprof.db");
}
