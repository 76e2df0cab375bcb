/*
 * Why something with a store failed: one sentence, from SQLite's codes, the system's errors and
 * what the handle knows of its file. Any thread; the sentence is the thread's. Must never give a
 * reason that is not known: SQLite's "unable to open" may be a permission, a limit or a name, and
 * only the system's error tells.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store_inner.h"

static _Thread_local char why[STORE_WHY_BYTES];

const char *store_why(void)
{
    return why;
}

int store_because(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return status;
}

int store_no_memory(void)
{
    return store_because(STORE_FAILED, "no memory");
}

int store_errno(const char *what, int error)
{
    static const struct {
        int error, status;
        const char *text;
    } known[] = {
        {EACCES, STORE_DENIED, "permission denied"},
        {EPERM, STORE_DENIED, "permission denied"},
        {EROFS, STORE_DENIED, "its file system is read-only"},
        {ENOENT, STORE_MISSING, "its directory does not exist; make it first"},
        {ENOTDIR, STORE_FAILED, "a part of its path is no directory; give another path"},
        {ENAMETOOLONG, STORE_FAILED, "its name is too long; give a shorter one"},
        {ELOOP, STORE_FAILED, "its links lead in a circle; remove the link"},
        {EMFILE, STORE_FAILED, "no descriptor is free; raise the limit on open files (ulimit -n)"},
        {ENFILE, STORE_FAILED, "this machine has no descriptor free; raise fs.file-max"},
        {ENOSPC, STORE_FAILED, "its disk is full; make room there"},
        {EDQUOT, STORE_FAILED, "the disk quota is used up; make room there"},
        {EFBIG, STORE_FAILED, "the limit on the size of files is reached; raise it (ulimit -f)"},
        {ENOMEM, STORE_FAILED, "no memory"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (known[i].error == error)
            return store_because(known[i].status, "%s: %s", what, known[i].text);
    return store_because(STORE_FAILED, "%s: %s", what, strerror(error));
}

static int status_of(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return STORE_BUSY;
    case SQLITE_CORRUPT:
        return STORE_DAMAGED;
    case SQLITE_NOTADB:
        return STORE_FOREIGN;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return STORE_DENIED;
    default:
        return STORE_FAILED;
    }
}

static int because_of(const char *what, int code, int error, const char *text)
{
    int kind = code & 0xff;

    if (kind == SQLITE_FULL)
        return store_errno(what, ENOSPC);
    if (code == SQLITE_NOMEM || code == SQLITE_IOERR_NOMEM)
        return store_errno(what, ENOMEM);
    if (status_of(code) == STORE_BUSY)
        return store_because(STORE_BUSY, "another process has kept it locked for %d s; try again when that one is done",
                             STORE_BUSY_MS / 1000);
    if (error != 0 && (kind == SQLITE_CANTOPEN || kind == SQLITE_IOERR))
        return store_errno(what, error);
    return store_because(status_of(code), "%s: %s", what, text);
}

int store_code(const char *what, int code, int error)
{
    return because_of(what, code, error, sqlite3_errstr(code));
}

int store_sqlite_failed(struct store *store, const char *doing)
{
    char what[128];

    if (store->db == NULL)
        return store->away != 0 ? store_because(store->away, "%s", store->away_why) : store_no_memory();
    (void)snprintf(what, sizeof(what), "%s failed", doing);
    return because_of(what, sqlite3_extended_errcode(store->db), sqlite3_system_errno(store->db),
                      sqlite3_errmsg(store->db));
}
