/*
 * Taking frames in: each (process, sequence) once, the block as it came, its hour's rollups.
 *
 * Called by the listener between store_begin and store_commit. A damaged payload must leave the
 * transaction as it was, so everything that can be found wrong is looked for before the first
 * write.
 */
#include "store_inner.h"

#include <string.h>

static int refuse(const char *why)
{
    return store_because(STORE_DAMAGED, "%s", why);
}

/* Every column, so that nothing is stored that cannot be read: one of a field that this version
 * does not know is passed on as it came. The decoders refuse what is too long, too many or too
 * large before they make room for it. */
static int decode_all(struct store *store, const struct span_block_view *view, struct store_rows *rows)
{
    for (size_t i = 0; i < view->n_columns; i++) {
        enum span_field field = span_field_by_number(view->column[i].number);
        int status;

        if (field == SPAN_FIELD_COUNT)
            continue;
        status = store_decode(&store->column[field], field, view->column[i].data, view->column[i].bytes, view->n);
        if (status != 0)
            return status;
        rows->has[field] = true;
        rows->column[field] = &store->column[field];
    }
    return 0;
}

static bool in_all_rows(const struct store_rows *rows, enum span_field field)
{
    if (!rows->has[field])
        return false;
    for (size_t i = 0; i < rows->n; i++)
        if (!span_bit(rows->column[field]->present, i))
            return false;
    return true;
}

/* Times are in rows of every kind of table, and each hour is a group of its own: they must be few
 * and possible. */
static int prove_times(const struct store_rows *rows)
{
    const uint64_t *start_ns = rows->column[SPAN_start_ns]->u64;
    uint64_t hour[SPAN_BLOCK_HOURS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++) {
        uint64_t number = start_ns[i] / STORE_HOUR_NS;
        size_t at = n;

        if (start_ns[i] > INT64_MAX)
            return refuse("a span's time is not possible");
        while (at > 0 && hour[at - 1] != number)
            at--;
        if (at > 0)
            continue;
        if (n == SPAN_BLOCK_HOURS_MAX)
            return refuse("the spans of a block lie too far apart");
        hour[n++] = number;
    }
    return 0;
}

/* Numbers tell a span from all others of its process; readers and ids rely on them. */
static int prove_numbers(const struct store_rows *rows)
{
    const uint64_t *seq = rows->column[SPAN_seq]->u64;

    for (size_t i = 0; i < rows->n; i++)
        if (seq[i] == 0 || seq[i] > STORE_SEQUENCE_MAX)
            return refuse("the number of a span is not possible");
    return 0;
}

/* What store_check would find wrong is found here, before anything is written. */
static int prove(struct store *store, const struct span_frame *frame, struct store_rows *ret_rows)
{
    struct span_block_view view;
    int status;

    memset(ret_rows, 0, sizeof(*ret_rows));
    status = span_block_open(&view, frame->payload, frame->payload_bytes);
    if (status == SPAN_BLOCK_TOO_NEW)
        return store_because(STORE_OTHER_VERSION, "a block is of a later version");
    if (status != 0 || view.n == 0)
        return refuse("a block's directory is damaged");
    if (view.n > SPAN_BLOCK_ROWS_SHIM)
        return refuse("a block has more spans than a sender may put into one");
    ret_rows->n = view.n;
    status = decode_all(store, &view, ret_rows);
    if (status != 0)
        return status;
    if (!in_all_rows(ret_rows, SPAN_start_ns) || !in_all_rows(ret_rows, SPAN_seq))
        return refuse("a span has no time or no number");
    status = prove_times(ret_rows);
    return status == 0 ? prove_numbers(ret_rows) : status;
}

static void time_range(const struct store_rows *rows, int64_t *ret_min, int64_t *ret_max)
{
    const uint64_t *start_ns = rows->column[SPAN_start_ns]->u64;
    uint64_t min = UINT64_MAX;
    uint64_t max = 0;

    for (size_t i = 0; i < rows->n; i++) {
        min = start_ns[i] < min ? start_ns[i] : min;
        max = start_ns[i] > max ? start_ns[i] : max;
    }
    *ret_min = store_int(min);
    *ret_max = store_int(max);
}

/* The range of taken sequence numbers at or below `sequence`. 1, 0 when there is none, negative
 * status. */
static int seen_below(struct store *store, int64_t process, int64_t sequence, int64_t *ret_first, int64_t *ret_last)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_seen_below);
    int code;

    if (statement == NULL)
        return store_sqlite_failed(store, "looking for repeats");
    (void)sqlite3_bind_int64(statement, 1, process);
    (void)sqlite3_bind_int64(statement, 2, sequence);
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        *ret_first = sqlite3_column_int64(statement, 0);
        *ret_last = sqlite3_column_int64(statement, 1);
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
        int status = store_sqlite_failed(store, "looking for repeats");

        (void)sqlite3_reset(statement);
        return status;
    }
    (void)sqlite3_reset(statement);
    return code == SQLITE_ROW;
}

/* Where the range that begins at `first` ends, when there is one: 1, 0, or negative status. */
static int seen_at(struct store *store, int64_t process, int64_t first, int64_t *ret_last)
{
    int64_t begins = 0;
    int found = seen_below(store, process, first, &begins, ret_last);

    return found == 1 && begins != first ? 0 : found;
}

static int seen_write(struct store *store, enum store_sql which, int64_t process, int64_t first, int64_t last)
{
    sqlite3_stmt *statement = store_statement(store, which);

    if (statement == NULL)
        return store_sqlite_failed(store, "noting a sequence number");
    (void)sqlite3_bind_int64(statement, 1, process);
    (void)sqlite3_bind_int64(statement, 2, first);
    if (which == STORE_SQL_seen_put)
        (void)sqlite3_bind_int64(statement, 3, last);
    return store_run(store, statement, "noting a sequence number");
}

/* Adds a number that no range holds; `below` is the range under it, if any. Joins what has become
 * one. */
static int seen_add(struct store *store, int64_t process, int64_t sequence, bool has_below, int64_t below_first,
                    int64_t below_last)
{
    int64_t first = has_below && below_last == sequence - 1 ? below_first : sequence;
    int64_t last = sequence;
    int64_t above_last = 0;
    int above = sequence == INT64_MAX ? 0 : seen_at(store, process, sequence + 1, &above_last);

    if (above < 0)
        return above;
    if (above == 1) {
        int status = seen_write(store, STORE_SQL_seen_drop, process, sequence + 1, 0);

        if (status != 0)
            return status;
        last = above_last;
    }
    return seen_write(store, STORE_SQL_seen_put, process, first, last);
}

static int put_block(struct store *store, int64_t process, const uint8_t *data, size_t bytes,
                     const struct store_rows *rows)
{
    sqlite3_stmt *statement = store_statement(store, STORE_SQL_block_put);
    int64_t t_min;
    int64_t t_max;
    int status;

    if (statement == NULL)
        return store_sqlite_failed(store, "storing a block");
    time_range(rows, &t_min, &t_max);
    (void)sqlite3_bind_int64(statement, 1, process);
    (void)sqlite3_bind_int64(statement, 2, t_min);
    (void)sqlite3_bind_int64(statement, 3, t_max);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)rows->n);
    (void)sqlite3_bind_int64(statement, 5, STORE_FRESH);
    (void)sqlite3_bind_blob64(statement, 6, data, bytes, SQLITE_STATIC);
    status = store_run(store, statement, "storing a block");
    (void)sqlite3_clear_bindings(statement);
    store->block_bytes += bytes;
    store->counted = sqlite3_last_insert_rowid(store->db);
    store->unsaved_rows += rows->n;
    return status;
}

/* What a block says of texts of instructions goes where they are learned from, the rest as it
 * came. */
static int put_spans(struct store *store, int64_t process, const struct span_frame *frame,
                     const struct store_rows *rows)
{
    struct span_buffer rest;
    int status;

    if (!rows->has[SPAN_prompt_features])
        return put_block(store, process, frame->payload, frame->payload_bytes, rows);
    span_buffer_init(&rest, SPAN_FRAME_PAYLOAD_MAX);
    status = store_texts_take(store, rows);
    if (status == 0)
        status = store_without_features(frame->payload, frame->payload_bytes, &rest);
    if (status == 0)
        status = put_block(store, process, rest.data, rest.bytes, rows);
    span_buffer_done(&rest);
    return status;
}

/* The sender's row; made without any facts when its PROCESS frame has not come (a damaged spool
 * file). */
static struct store_process *sender(struct store *store, const uint8_t identity[16], int *ret_status)
{
    struct store_process *known = store_process_by_identity(store, identity, ret_status);
    struct span_process blank = {0};
    int64_t process;
    int64_t last;
    int departed;

    if (known != NULL || *ret_status != 0)
        return known;
    memcpy(blank.identity, identity, 16);
    departed = store_departed(store, identity, &process, &last);
    *ret_status = departed < 0    ? departed
                  : departed == 1 ? store_revive(store, identity)
                                  : store_process_put(store, &blank);
    if (*ret_status != 0)
        return NULL;
    known = store_process_by_identity(store, identity, ret_status);
    if (known == NULL && *ret_status == 0)
        *ret_status = store_because(STORE_FAILED, "a process that was just stored cannot be found");
    return known;
}

static int take(struct store *store, const struct span_frame *frame, struct store_process *known, int64_t sequence,
                struct store_rows *rows)
{
    int64_t first = 0;
    int64_t last = 0;
    int below = seen_below(store, known->id, sequence, &first, &last);
    int status = below < 0 ? below : seen_add(store, known->id, sequence, below == 1, first, last);

    if (status == 0)
        status = store_process_loss(store, known, frame);
    if (status != 0 || frame->kind != SPAN_FRAME_SPANS)
        return status;
    status = put_spans(store, known->id, frame, rows);
    if (status == 0)
        status = store_texts_count(store, rows);
    if (status == 0)
        status = store_row_processes(store, 0, known->id, rows->n);
    if (status != 0)
        return status;
    rows->process = store->row_process;
    return rollup_add(store->rollup, rows) == 0 ? 0 : store_because(STORE_FAILED, "counting a block failed");
}

/* Whether the frame says nothing that is not known of a process that departed: 1, 0 or negative
 * status. */
static int repeat_of_departed(struct store *store, const struct span_frame *frame)
{
    static const struct span_loss none;
    int64_t process;
    int64_t last = 0;
    int departed = store_departed(store, frame->identity, &process, &last);

    if (departed != 1)
        return departed;
    return (int64_t)frame->sequence <= last && memcmp(&frame->loss, &none, sizeof(none)) == 0;
}

int store_take_frame(struct store *store, const struct span_frame *frame, bool *ret_repeat)
{
    struct store_rows rows = {0};
    struct store_process *known;
    int64_t first = 0;
    int64_t last = 0;
    int status;

    if (!store->in_transaction)
        return store_because(STORE_FAILED, "no transaction was begun");
    if (frame->kind != SPAN_FRAME_SPANS && frame->kind != SPAN_FRAME_LOSS)
        return store_because(STORE_DAMAGED, "a frame of kind %u is not for the store", frame->kind);
    if (frame->sequence == 0 || frame->sequence > STORE_SEQUENCE_MAX)
        return store_because(STORE_DAMAGED, "a frame's sequence number is not possible");
    known = store_process_by_identity(store, frame->identity, &status);
    if (known == NULL && status == 0) {
        int repeat = repeat_of_departed(store, frame);

        if (repeat == 1)
            *ret_repeat = true;
        if (repeat != 0)
            return repeat == 1 ? 0 : repeat;
        /* It says more, or again with counts: then as one that is known. */
        if (store_departed(store, frame->identity, &first, &last) == 1)
            known = sender(store, frame->identity, &status);
    }
    if (status != 0)
        return status;
    if (known != NULL) {
        int below = seen_below(store, known->id, (int64_t)frame->sequence, &first, &last);

        if (below < 0)
            return below;
        if (below == 1 && (int64_t)frame->sequence <= last) {
            *ret_repeat = true;
            return store_process_loss(store, known, frame);
        }
    }
    if (frame->kind == SPAN_FRAME_SPANS) {
        status = prove(store, frame, &rows);
        if (status != 0)
            return status;
    }
    known = sender(store, frame->identity, &status);
    if (known != NULL)
        status = take(store, frame, known, (int64_t)frame->sequence, &rows);
    if (status == 0)
        *ret_repeat = false;
    return status;
}

int store_reject_frame(struct store *store, const struct span_frame *frame)
{
    struct span_frame without = *frame;
    struct span_block_view view;
    bool repeat = false;
    uint64_t spans = 0;
    int status;

    without.kind = SPAN_FRAME_LOSS;
    without.payload_bytes = 0;
    status = store_take_frame(store, &without, &repeat);
    if (status != 0 || repeat)
        return status;
    if (span_block_open(&view, frame->payload, frame->payload_bytes) == 0)
        spans = view.n < SPAN_BLOCK_ROWS_SHIM ? view.n : SPAN_BLOCK_ROWS_SHIM;
    return store_note_loss(store, STORE_LOSS_frame_rejected, 1, spans);
}

int store_take_lost(struct store *store, const uint8_t identity[16], uint64_t spans)
{
    struct span_frame word = {.kind = SPAN_FRAME_LOSS, .loss = {.spans = spans}};
    struct store_process *known;
    int status;

    if (!store->in_transaction)
        return store_because(STORE_FAILED, "no transaction was begun");
    memcpy(word.identity, identity, sizeof(word.identity));
    known = sender(store, identity, &status);
    return known == NULL ? status : store_process_loss(store, known, &word);
}
