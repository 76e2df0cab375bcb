/*
 * The process table of the store, with the processes of late in memory: by identity for what comes
 * in, by number for reading.
 *
 * Called by the store's other files and by the listener (store_take_process). One thread per store.
 */
#include "store_inner.h"

#include <stdlib.h>
#include <string.h>

static size_t hash_identity(const uint8_t identity[16])
{
    uint64_t h;

    memcpy(&h, identity, sizeof(h)); /* random bytes already, unless somebody is hostile, who then only slows himself */
    return (size_t)((h * 0x9E3779B97F4A7C15ull) >> 32);
}

static size_t hash_id(int64_t id)
{
    return (size_t)(((uint64_t)id * 0x9E3779B97F4A7C15ull) >> 32);
}

static void place(struct store_process **table, size_t slots, size_t hash, struct store_process *known)
{
    size_t at = hash & (slots - 1);

    while (table[at] != NULL)
        at = (at + 1) & (slots - 1);
    table[at] = known;
}

static int grow(struct store *store)
{
    size_t slots = store->process_slots == 0 ? 256 : store->process_slots * 2;
    struct store_process **by_identity = calloc(slots, sizeof(struct store_process *));
    struct store_process **by_id = calloc(slots, sizeof(struct store_process *));

    if (by_identity == NULL || by_id == NULL) {
        free(by_identity);
        free(by_id);
        return store_because(STORE_FAILED, "no memory");
    }
    for (size_t i = 0; i < store->process_slots; i++) {
        struct store_process *known = store->by_id[i];

        if (known == NULL)
            continue;
        place(by_id, slots, hash_id(known->id), known);
        if (!known->departed)
            place(by_identity, slots, hash_identity(known->process.identity), known);
    }
    free(store->by_identity);
    free(store->by_id);
    store->by_identity = by_identity;
    store->by_id = by_id;
    store->process_slots = slots;
    return 0;
}

static struct store_process *find_identity(const struct store *store, const uint8_t identity[16])
{
    if (store->process_slots == 0)
        return NULL;
    for (size_t at = hash_identity(identity);; at++) {
        struct store_process *known = store->by_identity[at & (store->process_slots - 1)];

        if (known == NULL || memcmp(known->process.identity, identity, 16) == 0)
            return known;
    }
}

static struct store_process *find_id(const struct store *store, int64_t id)
{
    if (store->process_slots == 0)
        return NULL;
    for (size_t at = hash_id(id);; at++) {
        struct store_process *known = store->by_id[at & (store->process_slots - 1)];

        if (known == NULL || known->id == id)
            return known;
    }
}

static int copy_text(char *to, size_t room, sqlite3_stmt *row, int column)
{
    const char *text;
    size_t bytes;
    int status = store_column_text(row, column, &text, &bytes);

    if (bytes > room - 1)
        bytes = room - 1;
    if (bytes > 0)
        memcpy(to, text, bytes);
    to[bytes] = '\0';
    return status;
}

/* The columns stand in the order of the schema. 0 or STORE_FAILED. */
static int read_row(struct store_process *known, sqlite3_stmt *row)
{
    struct span_process *process = &known->process;
    const struct {
        char *to;
        size_t room;
    } texts[] = {
        {process->executable, sizeof(process->executable)}, {process->host, sizeof(process->host)},
        {process->service, sizeof(process->service)},       {process->team, sizeof(process->team)},
        {process->container, sizeof(process->container)},   {process->labels, sizeof(process->labels)},
        {process->version, sizeof(process->version)},
    };
    const uint8_t *identity;
    size_t bytes;
    int status = store_column_blob(row, 1, &identity, &bytes);
    int column = 5;

    known->id = sqlite3_column_int64(row, 0);
    if (bytes == 16)
        memcpy(process->identity, identity, 16);
    process->pid = (uint64_t)sqlite3_column_int64(row, 2);
    process->has_uid = sqlite3_column_type(row, 3) != SQLITE_NULL;
    process->uid = (uint64_t)sqlite3_column_int64(row, 3);
    process->start_ns = (uint64_t)sqlite3_column_int64(row, 4);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && status == 0; i++)
        status = copy_text(texts[i].to, texts[i].room, row, column++);
#define X(ident) known->loss.ident = (uint64_t)sqlite3_column_int64(row, column++);
    SPAN_LOSSES(X)
#undef X
    known->final = (uint64_t)sqlite3_column_int64(row, column);
    return status;
}

/* Into the tables, which have room for it. */
static void keep(struct store *store, struct store_process *known)
{
    place(store->by_id, store->process_slots, hash_id(known->id), known);
    if (!known->departed)
        place(store->by_identity, store->process_slots, hash_identity(known->process.identity), known);
    store->n_processes++;
}

/* Steps the bound statement and keeps the row it gives. */
static struct store_process *load(struct store *store, sqlite3_stmt *statement, int *ret_status)
{
    struct store_process *known = NULL;
    int code = sqlite3_step(statement);

    *ret_status = 0;
    if (code == SQLITE_ROW) {
        if (store->n_processes * 2 >= store->process_slots)
            *ret_status = grow(store);
        if (*ret_status == 0) {
            known = calloc(1, sizeof(*known));
            *ret_status = known == NULL ? store_because(STORE_FAILED, "no memory") : read_row(known, statement);
        }
        if (*ret_status != 0) {
            free(known);
            known = NULL;
        }
        if (known != NULL)
            keep(store, known);
    } else if (code != SQLITE_DONE) {
        *ret_status = store_sqlite_failed(store, "reading a process");
    }
    (void)sqlite3_reset(statement);
    return known;
}

/* ---- programs ---- */

/* The texts of a program in the order of its columns. */
struct program_text {
    char *to;
    size_t room;
};
enum { PROGRAM_TEXTS = 7 };

static void program_texts(struct span_process *process, struct program_text texts[PROGRAM_TEXTS])
{
    const struct program_text all[PROGRAM_TEXTS] = {
        {process->executable, sizeof(process->executable)}, {process->host, sizeof(process->host)},
        {process->service, sizeof(process->service)},       {process->team, sizeof(process->team)},
        {process->container, sizeof(process->container)},   {process->labels, sizeof(process->labels)},
        {process->version, sizeof(process->version)},
    };

    memcpy(texts, all, sizeof(all));
}

/* Leaves the facts of a program in store->program: 1, 0 when there is none, negative status. */
static int load_program(struct store *store, int64_t id)
{
    struct program_text texts[PROGRAM_TEXTS];
    sqlite3_stmt *statement;
    int status = 0;
    int code;

    if (id > 0 && store->program_id == id)
        return 1;
    store->program_id = 0;
    statement = store_statement(store, STORE_SQL_program_by_id);
    if (statement == NULL)
        return store_sqlite_failed(store, "reading a program");
    (void)sqlite3_bind_int64(statement, 1, id);
    code = sqlite3_step(statement);
    program_texts(&store->program, texts);
    for (int i = 0; code == SQLITE_ROW && status == 0 && i < PROGRAM_TEXTS; i++)
        status = copy_text(texts[i].to, texts[i].room, statement, i);
    if (code == SQLITE_ROW) {
        const int64_t uid = sqlite3_column_int64(statement, PROGRAM_TEXTS);
        store->program.has_uid = uid >= 0;
        store->program.uid = uid >= 0 ? (uint64_t)uid : 0;
    } else if (code != SQLITE_DONE) {
        status = store_sqlite_failed(store, "reading a program");
    }
    (void)sqlite3_reset(statement);
    if (status == 0 && code == SQLITE_ROW)
        store->program_id = id;
    return status != 0 ? status : code == SQLITE_ROW;
}

/* Whether both processes are of one program. */
static bool same_program(struct span_process *a, struct span_process *b)
{
    struct program_text of_a[PROGRAM_TEXTS];
    struct program_text of_b[PROGRAM_TEXTS];

    program_texts(a, of_a);
    program_texts(b, of_b);
    for (int i = 0; i < PROGRAM_TEXTS; i++)
        if (strcmp(of_a[i].to, of_b[i].to) != 0)
            return false;
    return a->has_uid == b->has_uid && (!a->has_uid || a->uid == b->uid);
}

/* The number of the program of these facts: known, found or made. 0 or a status. */
static int find_program(struct store *store, const struct span_process *process, int64_t *ret_id)
{
    static const enum store_sql ways[] = {STORE_SQL_program_get, STORE_SQL_program_put};
    struct span_process facts = *process;
    struct program_text texts[PROGRAM_TEXTS];

    *ret_id = store->program_id != 0 && same_program(&facts, &store->program) ? store->program_id : 0;
    program_texts(&facts, texts);
    for (int way = 0; way < 2 && *ret_id == 0; way++) {
        sqlite3_stmt *statement = store_statement(store, ways[way]);
        int code;

        if (statement == NULL)
            return store_sqlite_failed(store, "storing a program");
        for (int i = 0; i < PROGRAM_TEXTS; i++)
            (void)sqlite3_bind_text(statement, i + 1, texts[i].to, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, PROGRAM_TEXTS + 1, process->has_uid ? store_int(process->uid) : -1);
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            *ret_id = sqlite3_column_int64(statement, 0);
        else if (code == SQLITE_DONE && way == 1)
            *ret_id = sqlite3_last_insert_rowid(store->db);
        else if (code != SQLITE_DONE)
            return store_sqlite_failed(store, "storing a program");
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
    }
    store->program = facts;
    store->program_id = *ret_id;
    return 0;
}

/* One that departed, out of its crowd. NULL with *ret_status 0: there is none. */
static struct store_process *load_departed(struct store *store, int64_t id, int *ret_status)
{
    struct store_process *known = calloc(1, sizeof(*known));
    int64_t program = 0;
    int found =
        known == NULL ? store_because(STORE_FAILED, "no memory") : store_crowd_process(store, id, known, &program);

    if (found == 1 && store->n_processes * 2 >= store->process_slots && grow(store) != 0)
        found = STORE_FAILED;
    if (found == 1)
        found = load_program(store, program);
    *ret_status = found < 0 ? found : 0;
    if (known == NULL || found != 1) {
        free(known);
        return NULL;
    }
    const struct span_process own = known->process;
    known->process = store->program;
    memcpy(known->process.identity, own.identity, sizeof(own.identity));
    known->process.pid = own.pid;
    known->process.start_ns = own.start_ns;
    known->departed = true;
    keep(store, known);
    return known;
}

struct store_process *store_process_by_id(struct store *store, int64_t id, int *ret_status)
{
    struct store_process *known = find_id(store, id);
    sqlite3_stmt *statement;

    *ret_status = 0;
    if (known != NULL)
        return known;
    statement = store_statement(store, STORE_SQL_process_by_id);
    if (statement == NULL) {
        *ret_status = store_sqlite_failed(store, "reading a process");
        return NULL;
    }
    (void)sqlite3_bind_int64(statement, 1, id);
    known = load(store, statement, ret_status);
    return known != NULL || *ret_status != 0 ? known : load_departed(store, id, ret_status);
}

struct store_process *store_process_by_identity(struct store *store, const uint8_t identity[16], int *ret_status)
{
    struct store_process *known = find_identity(store, identity);
    sqlite3_stmt *statement;

    *ret_status = 0;
    if (known != NULL)
        return known;
    statement = store_statement(store, STORE_SQL_process_by_identity);
    if (statement == NULL) {
        *ret_status = store_sqlite_failed(store, "reading a process");
        return NULL;
    }
    (void)sqlite3_bind_blob(statement, 1, identity, 16, SQLITE_STATIC);
    return load(store, statement, ret_status);
}

int store_process_put(struct store *store, const struct span_process *process)
{
    struct store_process *known = find_identity(store, process->identity);
    struct span_process said = *process;
    sqlite3_stmt *statement;
    int64_t program;
    int status;

    if (known != NULL && known->process.pid == said.pid && known->process.start_ns == said.start_ns &&
        same_program(&known->process, &said))
        return 0; /* as it said before */
    status = find_program(store, process, &program);
    if (status != 0)
        return status;
    statement = store_statement(store, STORE_SQL_process_put);
    if (statement == NULL)
        return store_sqlite_failed(store, "storing a process");
    (void)sqlite3_bind_blob(statement, 1, process->identity, 16, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, program);
    (void)sqlite3_bind_int64(statement, 3, store_int(process->pid));
    (void)sqlite3_bind_int64(statement, 4, store_int(process->start_ns));
    status = store_run(store, statement, "storing a process");
    (void)sqlite3_clear_bindings(statement);
    if (status == 0 && known != NULL)
        known->process = *process;
    return status;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Counters are cumulative, and frames may come late or twice: the largest value is the last. One
 * that no process can have reached is no value. */
static uint64_t latest(uint64_t known, uint64_t said, bool *ret_absurd)
{
    if (said <= STORE_LOSS_MAX)
        return larger(known, said);
    *ret_absurd = true;
    return known;
}

int store_process_loss(struct store *store, struct store_process *known, const struct span_frame *frame)
{
    bool absurd = false;
    const struct span_loss *loss = &frame->loss;
    uint64_t final = (frame->flags & SPAN_FRAME_FINAL) ? larger(known->final, frame->sequence) : known->final;
    struct span_loss now;
    sqlite3_stmt *statement;
    int status = 0;
    int at = 1;

#define X(ident) now.ident = latest(known->loss.ident, loss->ident, &absurd);
    SPAN_LOSSES(X)
#undef X
    if (absurd)
        status = store_note_loss(store, STORE_LOSS_counters_absurd, 1, 0);
    if (status != 0 || (final == known->final && memcmp(&now, &known->loss, sizeof(now)) == 0))
        return status;
    statement = store_statement(store, STORE_SQL_process_loss);
    if (statement == NULL)
        return store_sqlite_failed(store, "storing losses");
#define X(ident) (void)sqlite3_bind_int64(statement, at++, store_int(now.ident));
    SPAN_LOSSES(X)
#undef X
    (void)sqlite3_bind_int64(statement, at++, store_int(final));
    (void)sqlite3_bind_int64(statement, at, known->id);
    known->loss = now;
    known->final = final;
    return store_run(store, statement, "storing losses");
}

void store_processes_clear(struct store *store)
{
    for (size_t i = 0; i < store->process_slots; i++) {
        free(store->by_id[i]);
        store->by_id[i] = NULL;
        store->by_identity[i] = NULL;
    }
    store->n_processes = 0;
    store->program_id = 0;
    store_crowd_forget(store);
}

void store_processes_trim(struct store *store)
{
    if (store->n_processes > STORE_PROCESSES_KEPT)
        store_processes_clear(store);
}

/* 1 when the process is in the table or departed, 0, or negative status. */
static int is_known(struct store *store, const uint8_t identity[16])
{
    int64_t process;
    int64_t last;
    int status;

    if (store_process_by_identity(store, identity, &status) != NULL)
        return 1;
    return status != 0 ? status : store_departed(store, identity, &process, &last);
}

int store_take_stranger(struct store *store, const uint8_t identity[16])
{
    struct span_process process = {0};
    int known = is_known(store, identity);

    if (known != 0)
        return known == 1 ? 0 : known;
    memcpy(process.identity, identity, sizeof(process.identity));
    return store_take_process(store, &process);
}

int store_take_process(struct store *store, const struct span_process *process)
{
    int64_t of_departed;
    int64_t last;
    int status;

    if (!store->in_transaction)
        return store_because(STORE_FAILED, "no transaction was begun");
    if (store_process_by_identity(store, process->identity, &status) == NULL) {
        int departed = status != 0 ? status : store_departed(store, process->identity, &of_departed, &last);

        if (departed != 0) /* it says once more what is known of it */
            return departed == 1 ? 0 : departed;
    }
    return store_process_put(store, process);
}

int store_has_process(struct store *store, const uint8_t identity[16])
{
    return is_known(store, identity);
}
