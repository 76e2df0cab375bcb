/*
 * Uniting stores: processes by their identities, with the frames that came of each, what they lost
 * and their ends; what the store itself counted as lost, by the store that counted it, so that
 * nothing counts twice however stores are united.
 *
 * Called by unite.c.
 */
#include "unite_inner.h"

#include <stdio.h>
#include <string.h>

enum { PROCESSES_A_STEP = 1024 };

/* ---- one process ---- */

int unite_process(struct unite *unite, const struct span_process *process, int64_t *ret_id)
{
    int64_t last;
    int status;
    const struct store_process *known = store_process_by_identity(unite->into, process->identity, &status);

    if (known == NULL && status == 0) {
        status = store_departed(unite->into, process->identity, ret_id, &last);
        if (status != 0)
            return status < 0 ? status : 0;
        status = store_process_put(unite->into, process);
        if (status == 0)
            known = store_process_by_identity(unite->into, process->identity, &status);
    }
    if (known == NULL)
        return status != 0 ? status : store_because(STORE_FAILED, "a process that was just stored cannot be found");
    *ret_id = known->id;
    return 0;
}

/* One statement with two numbers; what it gives goes into `ret`, if it gives anything. */
static int ask(struct store *store, const char *sql, int64_t a, int64_t b, int64_t ret[2])
{
    sqlite3_stmt *statement = NULL;
    int status = unite_prepare(store, sql, &statement);
    int code = SQLITE_DONE;

    if (status == 0) {
        (void)sqlite3_bind_int64(statement, 1, a);
        (void)sqlite3_bind_int64(statement, 2, b);
        code = sqlite3_step(statement);
    }
    if (status == 0 && code == SQLITE_ROW) {
        ret[0] = sqlite3_column_int64(statement, 0);
        ret[1] = sqlite3_column_int64(statement, 1);
    } else if (status == 0 && code != SQLITE_DONE) {
        status = store_sqlite_failed(store, "uniting");
    }
    (void)sqlite3_finalize(statement);
    return status;
}

/* The range joins all that it touches. */
static int add_range(struct unite *unite, int64_t process, int64_t first, int64_t last)
{
    sqlite3_stmt *put = store_statement(unite->into, STORE_SQL_seen_put);
    int64_t range[2] = {first, last};
    int64_t none[2];
    int64_t touched[2] = {0, 0};
    int status = ask(unite->into,
                     "SELECT coalesce(min(first),0),coalesce(max(last),0) FROM seen WHERE process=?1 AND first<=?2+1",
                     process, last, touched);

    /* Those that end before it begins do not touch it. */
    if (status == 0 && touched[0] > 0) {
        char sql[160];

        (void)snprintf(sql, sizeof(sql),
                       "SELECT coalesce(min(first),0),coalesce(max(last),0) FROM seen WHERE process=?1 AND "
                       "first<=?2+1 AND last>=%lld",
                       (long long)(first - 1));
        status = ask(unite->into, sql, process, last, touched);
        if (touched[0] > 0) {
            range[0] = touched[0] < first ? touched[0] : first;
            range[1] = touched[1] > last ? touched[1] : last;
            (void)snprintf(sql, sizeof(sql), "DELETE FROM seen WHERE process=?1 AND first<=?2+1 AND last>=%lld",
                           (long long)(first - 1));
            if (status == 0)
                status = ask(unite->into, sql, process, last, none);
        }
    }
    if (status != 0 || put == NULL)
        return status != 0 ? status : store_sqlite_failed(unite->into, "noting a sequence number");
    (void)sqlite3_bind_int64(put, 1, process);
    (void)sqlite3_bind_int64(put, 2, range[0]);
    (void)sqlite3_bind_int64(put, 3, range[1]);
    return store_run(unite->into, put, "noting a sequence number");
}

static int add_ranges(struct unite *unite, int64_t from, int64_t to)
{
    sqlite3_stmt *list = NULL;
    int status = unite_prepare(unite->from, "SELECT first,last FROM seen WHERE process=?1 ORDER BY first", &list);
    int code = SQLITE_DONE;

    if (status == 0)
        (void)sqlite3_bind_int64(list, 1, from);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW)
        status = add_range(unite, to, sqlite3_column_int64(list, 0), sqlite3_column_int64(list, 1));
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->from, "reading a process");
    (void)sqlite3_finalize(list);
    return status;
}

/* What it sent before its store began went to another one: the first frame that was for this one,
 * where that is not the first; 0 else. */
static int first_frame(struct unite *unite, int64_t process, int64_t *ret_first)
{
    int64_t first[2] = {0, 0};
    int status = ask(unite->from,
                     "SELECT max(p.from_frame,CASE WHEN p.start_ns<?2 THEN coalesce((SELECT min(first) FROM seen "
                     "WHERE process=p.id),0) ELSE 0 END),0 FROM process_row p WHERE p.id=?1",
                     process, unite->from_begun_ns, first);

    *ret_first = first[0] > 1 ? first[0] : 0;
    return status;
}

static int note_first_frame(struct unite *unite, int64_t process, int64_t first)
{
    int64_t none[2];

    return ask(unite->into, "UPDATE process_row SET from_frame=max(from_frame,?2) WHERE id=?1", process, first, none);
}

/* A process of the store that is read, with all that is known of it there; last > 0: it departed,
 * and that many frames came. */
static int unite_account(struct unite *unite, const struct store_process *process, int64_t last)
{
    const struct span_frame word = {.kind = SPAN_FRAME_LOSS,
                                    .loss = process->loss,
                                    .sequence = last > 0 ? (uint64_t)last : process->final,
                                    .flags = last > 0 || process->final > 0 ? SPAN_FRAME_FINAL : 0};
    static const struct span_loss none;
    int64_t to = 0;
    int64_t first = 0;
    int64_t departed = 0;
    int64_t departed_last = 0;
    struct store_process *known;
    int status = unite_process(unite, &process->process, &to);

    unite->told->processes++;
    if (status == 0)
        status = store_departed(unite->into, process->process.identity, &departed, &departed_last);
    if (status < 0)
        return status;
    known = store_process_by_identity(unite->into, process->process.identity, &status);
    if (status != 0)
        return status;
    if (known == NULL && (int64_t)word.sequence <= departed_last && word.flags != 0 &&
        memcmp(&word.loss, &none, sizeof(none)) == 0)
        return 0; /* nothing that is not known of it */
    if (known == NULL) {
        status = store_revive(unite->into, process->process.identity);
        known = status == 0 ? store_process_by_identity(unite->into, process->process.identity, &status) : NULL;
    }
    if (known == NULL)
        return status != 0 ? status : store_because(STORE_FAILED, "a process that was just stored cannot be found");
    status = store_process_loss(unite->into, known, &word);
    if (status == 0 && last == 0)
        status = first_frame(unite, process->id, &first);
    if (status == 0 && first > 0)
        status = note_first_frame(unite, known->id, first);
    if (status != 0)
        return status;
    return last > 0 ? add_range(unite, known->id, 1, last) : add_ranges(unite, process->id, known->id);
}

/* ---- all of them ---- */

/* The next numbers of a list after `*after`, and what stands beside them. */
static int next_numbers(struct unite *unite, const char *sql, int64_t *after, int64_t (*ret)[2], size_t *ret_n)
{
    sqlite3_stmt *list = NULL;
    int status = unite_prepare(unite->from, sql, &list);
    int code = SQLITE_DONE;

    *ret_n = 0;
    if (status == 0) {
        (void)sqlite3_bind_int64(list, 1, *after);
        (void)sqlite3_bind_int64(list, 2, PROCESSES_A_STEP);
    }
    while (status == 0 && *ret_n < PROCESSES_A_STEP && (code = sqlite3_step(list)) == SQLITE_ROW) {
        ret[*ret_n][0] = sqlite3_column_int64(list, 0);
        ret[(*ret_n)++][1] = sqlite3_column_int64(list, 1);
        *after = sqlite3_column_int64(list, 2);
    }
    if (status == 0 && code != SQLITE_DONE && code != SQLITE_ROW)
        status = store_sqlite_failed(unite->from, "reading processes");
    (void)sqlite3_finalize(list);
    return status;
}

static int step(struct unite *unite, int64_t (*number)[2], size_t n)
{
    int status = store_begin(unite->into);

    if (status != 0)
        return status;
    store_processes_trim(unite->from);
    for (size_t i = 0; status == 0 && i < n; i++) {
        const struct store_process *process = store_process_by_id(unite->from, number[i][0], &status);

        store_processes_trim(unite->into);
        if (process != NULL)
            status = unite_account(unite, process, number[i][1]);
    }
    if (status == 0)
        return store_commit(unite->into);
    store_rollback(unite->into);
    return status;
}

int unite_accounts(struct unite *unite)
{
    static const char *const lists[] = {"SELECT id,0,id FROM process_row WHERE id>?1 ORDER BY id LIMIT ?2",
                                        "SELECT process,last,id FROM departed WHERE id>?1 ORDER BY id LIMIT ?2"};
    int64_t number[PROCESSES_A_STEP][2];
    int status = 0;

    for (size_t l = 0; status == 0 && l < sizeof(lists) / sizeof(lists[0]); l++) {
        int64_t after = -1;
        size_t n = 1;

        while (status == 0 && n > 0) {
            status = next_numbers(unite, lists[l], &after, number, &n);
            if (status == 0 && n > 0)
                status = step(unite, number, n);
        }
    }
    return status;
}

/* ---- the store itself ---- */

/* Statements with the origin and the time at which the other store began. */
static int run_all(struct unite *unite, struct store *store, const char *const *sql, size_t n)
{
    int64_t none[2];
    int status = 0;

    for (size_t i = 0; status == 0 && i < n; i++)
        status = ask(store, sql[i], unite->origin, unite->from_begun_ns, none);
    return status;
}

static int in_transaction(struct unite *unite, int (*doing)(struct unite *unite))
{
    int status = store_begin(unite->into);

    if (status == 0)
        status = doing(unite);
    if (status == 0)
        return store_commit(unite->into);
    store_rollback(unite->into);
    return status;
}

/* The store began as early as the first of those that are in it. What its own processes sent before
 * it began is no less gone elsewhere. */
static int begin(struct unite *unite)
{
    static const char *const sql[] = {
        "INSERT OR REPLACE INTO meta(key,value) VALUES('" STORE_META_UNITING "'||?1,1)",
        "UPDATE process_row SET from_frame=max(from_frame,coalesce((SELECT min(first) FROM seen WHERE process=id),0)) "
        "WHERE start_ns<(SELECT value FROM meta WHERE key='begun_ns') AND "
        "?2<(SELECT value FROM meta WHERE key='begun_ns') AND ?1=?1",
        "UPDATE meta SET value=?2 WHERE key='begun_ns' AND ?2<value AND ?1=?1"};

    return run_all(unite, unite->into, sql, sizeof(sql) / sizeof(sql[0]));
}

/* One kind of loss that some store counted. */
static int put_loss(struct unite *unite, int64_t origin, const char *kind, int64_t events, int64_t spans)
{
    sqlite3_stmt *put = NULL;
    int status = unite_prepare(unite->into,
                               "INSERT INTO origin_loss(origin,kind,events,spans) SELECT ?1,?2,?3,?4 WHERE "
                               "?1<>(SELECT value FROM meta WHERE key='store_id') ON CONFLICT(origin,kind) DO UPDATE "
                               "SET events=max(events,excluded.events), spans=max(spans,excluded.spans)",
                               &put);

    if (status != 0)
        return status;
    (void)sqlite3_bind_int64(put, 1, origin);
    (void)sqlite3_bind_text(put, 2, kind, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(put, 3, events);
    (void)sqlite3_bind_int64(put, 4, spans);
    if (sqlite3_step(put) != SQLITE_DONE)
        status = store_sqlite_failed(unite->into, "noting losses");
    (void)sqlite3_finalize(put);
    return status;
}

static int unite_losses(struct unite *unite)
{
    sqlite3_stmt *list = NULL;
    int status = unite_prepare(unite->from,
                               "SELECT ?1,kind,events,spans FROM loss UNION ALL SELECT origin,kind,events,spans FROM "
                               "origin_loss",
                               &list);
    int code = SQLITE_DONE;

    if (status == 0)
        (void)sqlite3_bind_int64(list, 1, unite->origin);
    while (status == 0 && (code = sqlite3_step(list)) == SQLITE_ROW) {
        const char *kind;
        size_t bytes;

        status = store_column_text(list, 1, &kind, &bytes);
        if (status == 0 && kind != NULL)
            status = put_loss(unite, sqlite3_column_int64(list, 0), kind, sqlite3_column_int64(list, 2),
                              sqlite3_column_int64(list, 3));
    }
    if (status == 0 && code != SQLITE_DONE)
        status = store_sqlite_failed(unite->from, "reading losses");
    (void)sqlite3_finalize(list);
    return status;
}

static int end(struct unite *unite)
{
    static const char *const sql[] = {"DELETE FROM meta WHERE key='" STORE_META_UNITING "'||?1 AND ?2=?2"};
    int status = unite_losses(unite);

    if (status == 0 && unite->told->damaged > 0)
        status = put_loss(unite, unite->origin, "block_left_out", store_int(unite->told->damaged), 0);
    return status == 0 ? run_all(unite, unite->into, sql, 1) : status;
}

int unite_begin(struct unite *unite)
{
    int64_t meta[2] = {0, 0};
    int status = ask(unite->from,
                     "SELECT (SELECT value FROM meta WHERE key='store_id'),(SELECT value FROM meta WHERE "
                     "key='begun_ns') WHERE ?1=?2",
                     0, 0, meta);

    unite->origin = meta[0];
    unite->from_begun_ns = meta[1];
    return status == 0 ? in_transaction(unite, begin) : status;
}

int unite_end(struct unite *unite)
{
    return in_transaction(unite, end);
}
