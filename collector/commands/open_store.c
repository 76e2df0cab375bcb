/*
 * Opening a store for a command, and what to say when that fails. Called by every command that has
 * a FILE.
 */
#include "open_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../span/paths.h"
#include "../listen/runs.h"
#include "command.h"
#include "waits.h"

const char *store_operand(const struct arguments *arguments, char *buffer, size_t buffer_bytes)
{
    if (arguments->n_operands > 0)
        return arguments->operand[0];
    if (access(DEFAULT_STORE, F_OK) != 0 &&
        span_path_store(buffer, buffer_bytes, getenv("XDG_STATE_HOME"), getenv("HOME")) == 0 &&
        access(buffer, F_OK) == 0)
        return buffer;
    return DEFAULT_STORE;
}

/* SQLite's own tool is named only where SQLite's own check, in a fresh look, finds the file broken:
 * run on a sound one it would make a copy that lacks what it does not know of. */
static void complain_damaged(const char *path)
{
    char why[512];
    (void)snprintf(why, sizeof(why), "%s", store_why());
    if (store_file_is_broken(path))
        complain("%s is damaged (%s); `pprofctl check %s` says where, and where that cannot open it either, "
                 "`sqlite3 %s .recover` saves what can be read.",
                 path, why, path, path);
    else
        complain("%s is damaged (%s); `pprofctl check %s` says where.", path, why, path);
}

void complain_store(const char *path, int status)
{
    struct stat st;
    struct runs_left left;
    if (path[0] == '\0') {
        complain("the name of FILE is empty; give the name of a store, or none for %s.", DEFAULT_STORE);
        return;
    }
    switch (status) {
    case STORE_MISSING:
        complain("there is no file %s%s; `pprofctl record -o %s -- CMD` makes one.", path,
                 lstat(path, &st) == 0 ? ", only a link of that name, which leads nowhere" : "", path);
        runs_look(path, &left);
        waits_print_runs(stderr, path, &left);
        if (strcmp(path, DEFAULT_STORE) == 0)
            waits_print_default(stderr);
        break;
    case STORE_FOREIGN:
        complain("%s is not a store of libpprof: %s; give another FILE (this one was not touched).", path, store_why());
        break;
    case STORE_OTHER_VERSION:
        complain("%s is of another version: %s; read it with that version's pprofctl, and give another FILE here.",
                 path, store_why());
        break;
    case STORE_DENIED:
        complain("%s cannot be opened: %s; choose another FILE or change its permissions.", path, store_why());
        break;
    case STORE_BUSY:
        complain("%s is in use by another pprofd or `pprofctl record`; choose another FILE or wait for it.", path);
        break;
    case STORE_DAMAGED:
        complain_damaged(path);
        break;
    default:
        complain("%s cannot be used: %s.", path, store_why());
        break;
    }
}

void take_in_left(const char *path, struct runs_left *ret_left)
{
    struct store *store = NULL;
    runs_look(path, ret_left);
    if (ret_left->waiting == 0 || access(path, F_OK) != 0)
        return; /* one that is not there is made by record alone */
    int status = store_open(path, STORE_WRITE, &store);
    if (status == STORE_OK) {
        runs_take_in(store, path, false, ret_left);
        store_close(store);
    }
    if (ret_left->waiting > 0 && status != STORE_OK)
        complain("calls of a recorded run wait in %s and cannot be taken into %s now: %s; the next report of it tries "
                 "again.",
                 ret_left->where, path, store_why());
    else if (ret_left->waiting > 0 && ret_left->newer > 0)
        complain("calls of a recorded run wait in %s: a later version of libpprof wrote them; upgrade this one, whose "
                 "report of %s then takes them in.",
                 ret_left->where, path);
    else if (ret_left->waiting > 0)
        complain("calls of a recorded run wait in %s and could not be taken in now; the next report of %s tries again.",
                 ret_left->where, path);
}

struct store *open_store(const char *path, enum store_mode mode)
{
    struct stat st;
    struct store *store = NULL;
    int status = store_open(path, mode, &store);
    if (status == STORE_OK)
        return store;
    if (mode == STORE_WRITE && status == STORE_MISSING && path[0] != '\0')
        complain("%s cannot be made: %sdirectory does not exist; make it or choose another FILE.", path,
                 lstat(path, &st) == 0 ? "it is a link, whose target's " : "its ");
    else
        complain_store(path, status);
    return NULL;
}
