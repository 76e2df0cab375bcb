/*
 * Opening a store for a command, and what to say when that fails. Called by every command that has a FILE.
 */
#include "open_store.h"

#include <stdlib.h>
#include <unistd.h>

#include "../../span/paths.h"
#include "command.h"
#include "display.h"

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

void complain_store(const char *path, int status)
{
    if (path[0] == '\0') {
        complain("the name of FILE is empty; give the name of a store, or none for %s.", DEFAULT_STORE);
        return;
    }
    switch (status) {
    case STORE_MISSING:
        complain("there is no file %s; `pprofctl record -o %s -- CMD` makes one.", path, path);
        break;
    case STORE_FOREIGN:
        complain("%s is not a store of libpprof; give another FILE (this one was not touched).", path);
        break;
    case STORE_TOO_NEW:
        complain("%s was written by a later libpprof; use that version's pprofctl.", path);
        break;
    case STORE_DENIED:
        complain("%s cannot be opened: permission denied; choose another FILE or change its permissions.", path);
        break;
    case STORE_BUSY:
        complain("%s is in use by another pprofd or `pprofctl record`; choose another FILE or wait for it.", path);
        break;
    case STORE_DAMAGED:
        complain("%s is damaged (%s); `pprofctl check %s` says where, and where that cannot open it either, "
                 "`sqlite3 %s .recover` saves what can be read.",
                 path, store_why(), path, path);
        break;
    default:
        complain("%s cannot be used: %s", path, store_why());
        break;
    }
}

struct store *open_store(const char *path, enum store_mode mode)
{
    struct store *store = NULL;
    int status = store_open(path, mode, &store);
    if (status == STORE_OK)
        return store;
    if (mode == STORE_WRITE && status == STORE_MISSING)
        complain("%s cannot be made: its directory does not exist; make it or choose another FILE.", path);
    else
        complain_store(path, status);
    return NULL;
}

bool loss_sentence(char *out, size_t out_bytes, const struct span_loss *loss, const char *since)
{
    if (loss->spans == 0 && loss->exchanges == 0 && loss->tape_records == 0 && loss->tape_bytes == 0) {
        (void)snprintf(out, out_bytes, "Nothing was lost.");
        return false;
    }
    char spans[DISPLAY_BYTES], exchanges[DISPLAY_BYTES], records[DISPLAY_BYTES], bytes[DISPLAY_BYTES];
    display_count(spans, loss->spans);
    display_count(exchanges, loss->exchanges);
    display_count(records, loss->tape_records);
    display_size(bytes, loss->tape_bytes);
    (void)snprintf(out, out_bytes,
                   "Lost%s: %s finished calls, %s calls that could not be followed, %s pieces of calls (%s).", since,
                   spans, exchanges, records, bytes);
    return true;
}
