/*
 * Which collectors write into a store: the spool that each reads and the socket on which it
 * listens. So whoever reads the store can tell which journals and marks of living programs speak of
 * it. In `meta`, one key each, never removed: a program may live longer than its collector.
 *
 * Called by pprofd (to note) and by every command that says something about loss. One thread per
 * store.
 */
#include "store_inner.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLLECTOR_KEY "collector "

static int put(struct store *store, const char *key)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_collector_put);

    if (statement == NULL)
        return store_sqlite_failed(store, "noting the collector");
    (void)sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    int status = store_run(store, statement, "noting the collector");
    (void)sqlite3_clear_bindings(statement);
    return status;
}

int store_note_collector(struct store *store, const struct store_collector *collector)
{
    char key[2 * PATH_MAX + 64];
    int bytes = snprintf(key, sizeof(key), COLLECTOR_KEY "%d %d %zu %s%s", collector->spool_said,
                         collector->socket_said, strlen(collector->spool), collector->spool, collector->socket);

    if (bytes < 0 || (size_t)bytes >= sizeof(key))
        return store_because(STORE_FAILED, "the spool's or the socket's name is too long");
    if (store->in_transaction)
        return put(store, key);
    int status = store_begin(store);
    if (status != 0)
        return status;
    status = put(store, key);
    if (status == 0)
        return store_commit(store);
    store_rollback(store);
    return status;
}

/* Cuts the key, which is changed, into its parts. False when nobody of ours wrote it. */
static bool read_key(char *key, struct store_collector *ret)
{
    char *next;
    unsigned long said[2];

    key += strlen(COLLECTOR_KEY);
    for (int i = 0; i < 2; i++) {
        said[i] = strtoul(key, &next, 10);
        if (next == key || *next != ' ')
            return false;
        key = next + 1;
    }
    size_t spool = strtoul(key, &next, 10);
    if (next == key || *next != ' ' || spool > strlen(next + 1))
        return false;
    /* The spool moves over the space before it, so that its end has room. */
    memmove(next, next + 1, spool);
    next[spool] = '\0';
    *ret = (struct store_collector){
        .spool = next, .spool_said = said[0] != 0, .socket = next + spool + 1, .socket_said = said[1] != 0};
    return true;
}

int store_collectors(struct store *store, int (*each)(void *context, const struct store_collector *collector),
                     void *context)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_collectors);
    int status = 0;
    int code = SQLITE_DONE;

    if (statement == NULL)
        return store_sqlite_failed(store, "reading losses");
    while (status == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        char key[2 * PATH_MAX + 64];
        struct store_collector collector;
        const char *text;
        size_t bytes;

        status = store_column_text(statement, 0, &text, &bytes);
        if (status != 0 || text == NULL || bytes >= sizeof(key))
            continue;
        memcpy(key, text, bytes + 1);
        if (read_key(key, &collector))
            status = each(context, &collector);
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(store, "reading losses");
    (void)sqlite3_reset(statement);
    return status;
}
