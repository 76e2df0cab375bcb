/*
 * What is missing from a store, as far as that can be known: what programs count themselves, frames
 * that were numbered and never came, programs that never said that they were done, and what the
 * collector saw go wrong.
 *
 * Called by pprofd and record (to note) and by every command that says something about loss (to
 * read). One thread per store. Must never make a sum smaller than it was.
 */
#include "store_inner.h"

#include <string.h>
#include <time.h>

static const char *const kinds[STORE_LOSS_COUNT] = {
#define X(ident, certain, one, many) #ident,
    STORE_LOSSES(X)
#undef X
};

static uint64_t add_capped(uint64_t a, uint64_t b)
{
    return b > INT64_MAX || a + b > INT64_MAX ? INT64_MAX : a + b;
}

static int note(struct store *store, enum store_loss_kind kind, uint64_t events, uint64_t spans)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_loss_add);
    struct timespec now;

    if (statement == NULL)
        return store_sqlite_failed(store, "noting a loss");
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)sqlite3_bind_text(statement, 1, kinds[kind], -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)(events < STORE_LOSS_MAX ? events : STORE_LOSS_MAX));
    (void)sqlite3_bind_int64(statement, 3, (int64_t)(spans < STORE_LOSS_MAX ? spans : STORE_LOSS_MAX));
    (void)sqlite3_bind_int64(statement, 4, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec);
    return store_run(store, statement, "noting a loss");
}

int store_note_loss(struct store *store, enum store_loss_kind kind, uint64_t events, uint64_t spans)
{
    int status;

    if (store->in_transaction)
        return note(store, kind, events, spans);
    status = store_begin(store);
    if (status != 0)
        return status;
    status = note(store, kind, events, spans);
    if (status == 0)
        return store_commit(store);
    store_rollback(store);
    return status;
}

/* 1 when it is the one that counted last. */
static int is_noted(struct store *store, const char *file)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_file_noted);

    if (statement == NULL)
        return store_sqlite_failed(store, "reading losses");
    (void)sqlite3_bind_text(statement, 1, file, -1, SQLITE_STATIC);
    const int code = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_sqlite_failed(store, "reading losses");
    return code == SQLITE_ROW;
}

int store_note_file(struct store *store, enum store_loss_kind kind, const char *file)
{
    sqlite3_stmt *statement;
    int status;

    if (!store->in_transaction)
        return store_because(STORE_FAILED, "no transaction was begun");
    status = is_noted(store, file);
    if (status != 0)
        return status == 1 ? 0 : status;
    status = note(store, kind, 1, 0);
    statement = status == 0 ? store_statement(store, STORE_SQL_file_note) : NULL;
    if (statement == NULL)
        return status != 0 ? status : store_sqlite_failed(store, "noting a loss");
    (void)sqlite3_bind_text(statement, 1, file, -1, SQLITE_STATIC);
    status = store_run(store, statement, "noting a loss");
    (void)sqlite3_clear_bindings(statement);
    return status == 0 ? 1 : status;
}

static uint64_t column(sqlite3_stmt *row, int at)
{
    int64_t value = sqlite3_column_int64(row, at);

    return value < 0 ? 0 : (uint64_t)value;
}

static int read_noted(struct store *store, struct store_loss *loss)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_losses);
    int status = 0;
    int code;

    if (statement == NULL)
        return store_sqlite_failed(store, "reading losses");
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *kind;
        size_t bytes;

        if (store_column_text(statement, 0, &kind, &bytes) != 0)
            break;
        for (int k = 0; kind != NULL && k < STORE_LOSS_COUNT; k++)
            if (strcmp(kind, kinds[k]) == 0) {
                loss->events[k] = column(statement, 1);
                loss->spans[k] = column(statement, 2);
            }
    }
    if (code != SQLITE_DONE)
        status = store_sqlite_failed(store, "reading losses");
    (void)sqlite3_reset(statement);
    return status;
}

/* One process while its ranges come by. */
struct account {
    int64_t id;
    uint64_t final, start_ns;
    uint64_t from;        /* frames before went to another store; 0: it is not known */
    uint64_t first, last; /* of all ranges; 0: nothing came */
    uint64_t held;        /* frames in them */
};

static void settle(const struct account *account, uint64_t begun_ns, struct store_loss *loss)
{
    uint64_t missing;

    if (account->id == 0)
        return;
    loss->processes++;
    if (account->last == 0 || account->final != account->last)
        loss->open++;
    if (account->last == 0)
        return;
    missing = account->last - account->held;
    /* What a process sent before this store began went to another one. */
    if (account->first > 1 && (account->start_ns < begun_ns || account->from > 1)) {
        const uint64_t from =
            account->start_ns < begun_ns || account->from > account->first ? account->first : account->from;

        loss->older++;
        missing -= from - 1;
    }
    loss->frames = add_capped(loss->frames, missing);
}

int store_begun(struct store *store, uint64_t *ret_ns)
{
    int64_t value = 0;
    int code = store_pragma_int(store->db, "SELECT value FROM meta WHERE key='begun_ns'", &value);

    *ret_ns = value < 0 ? 0 : (uint64_t)value;
    return code == SQLITE_OK || code == SQLITE_ERROR ? 0 : store_sqlite_failed(store, "reading losses");
}

/* They were done, and nothing of them is missing. */
static int count_departed(struct store *store, int64_t after_process, struct store_loss *loss)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_departed_count);

    if (statement == NULL)
        return store_sqlite_failed(store, "reading losses");
    (void)sqlite3_bind_int64(statement, 1, after_process);
    if (sqlite3_step(statement) != SQLITE_ROW)
        return store_sqlite_failed(store, "reading losses");
    loss->processes += column(statement, 0);
    (void)sqlite3_reset(statement);
    return 0;
}

static int count_uniting(struct store *store, struct store_loss *loss)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_uniting);

    if (statement == NULL || sqlite3_step(statement) != SQLITE_ROW)
        return store_sqlite_failed(store, "reading losses");
    loss->events[STORE_LOSS_merge_unfinished] += column(statement, 0);
    (void)sqlite3_reset(statement);
    return 0;
}

int store_loss(struct store *store, int64_t after_process, struct store_loss *ret_loss)
{
    sqlite3_stmt *rows = store_statement(store, STORE_SQL_accounts);
    struct account account = {0};
    uint64_t begun_ns = 0;
    bool log_gone = false;
    int status = store_begun(store, &begun_ns);
    int code;

    memset(ret_loss, 0, sizeof(*ret_loss));
    if (status != 0)
        return status;
    if (rows == NULL)
        return store_sqlite_failed(store, "reading losses");
    (void)sqlite3_bind_int64(rows, 1, after_process);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        struct span_loss *counted = &ret_loss->counted;
        uint64_t first = column(rows, 4);
        uint64_t last = column(rows, 5);
        int at = 6;

        if (sqlite3_column_int64(rows, 0) != account.id) {
            settle(&account, begun_ns, ret_loss);
            account = (struct account){.id = sqlite3_column_int64(rows, 0),
                                       .start_ns = column(rows, 1),
                                       .final = column(rows, 2),
                                       .from = column(rows, 3),
                                       .first = first};
#define X(ident) counted->ident = add_capped(counted->ident, column(rows, at++));
            SPAN_LOSSES(X)
#undef X
        }
        if (last >= first && first > account.last) {
            account.last = last;
            account.held += last - first + 1;
        }
    }
    if (code != SQLITE_DONE)
        status = store_sqlite_failed(store, "reading losses");
    (void)sqlite3_reset(rows);
    if (status != 0)
        return status;
    settle(&account, begun_ns, ret_loss);
    status = count_departed(store, after_process, ret_loss);
    if (status == 0)
        status = read_noted(store, ret_loss);
    if (status == 0)
        status = count_uniting(store, ret_loss);
    if (status == 0)
        status = store_log_is_gone(store, &log_gone);
    ret_loss->events[STORE_LOSS_log_missing] += log_gone; /* not noted yet: the next writer does */
    return status;
}

int store_newest_process(struct store *store, int64_t *ret_id)
{
    *ret_id = 0;
    if (store_pragma_int(store->db, "SELECT coalesce(max(seq),0) FROM sqlite_sequence WHERE name='process_row'",
                         ret_id) != SQLITE_OK)
        return store_sqlite_failed(store, "reading losses");
    return 0;
}
