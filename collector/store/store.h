/*
 * The store: one SQLite file with blocks of columns, the process table, what was taken in, and
 * hourly rollups.
 *
 *   process_row(id, identity, program, pid, start_ns, loss counters, final);
 *   program(id, executable, host, …); seen(process, first, last);
 *   crowd(id, n, data), departed(id, process, last): processes that are over;
 *   block(id, process, t_min, t_max, n, merged, raw, ids_until); col(block, field, data);
 *   prompt_text(id, setup, prompt, …), prompt_open(text, features),
 *   prompt_template(prompt, version, …): texts of instructions, what was learned of them;
 *   prompt_rule(prompt, part, name, …): what was said;
 *   rollup_key, rollup_cell, rollup_packed(hour, data); loss(kind, events, spans, last_ns);
 *   meta(key, value);
 *   views process, rollup_hour
 *
 * Fresh blocks lie whole in block.raw as they came; the merge turns an hour's worth into col rows
 * with up to SPAN_BLOCK_ROWS_MAX rows and shared dictionaries. Readers see both alike through
 * store_scan. A handle belongs to one thread. Other processes may read while one writes (WAL).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../../span/block.h"
#include "../../span/frame.h"
#include "store_rows.h"

struct store;

enum store_mode {
    STORE_READ,  /* must exist */
    STORE_WRITE, /* must exist or is created; refuses a file that is not a libpprof store, and leaves it untouched */
};

enum store_status {
    STORE_OK = 0,
    STORE_MISSING = -1,
    STORE_FOREIGN = -2,       /* not a store of ours */
    STORE_OTHER_VERSION = -3, /* a later version wrote it, or one too early, or it may not be written to */
    STORE_DENIED = -4,
    STORE_DAMAGED = -5,
    STORE_BUSY = -6,
    STORE_FAILED = -7, /* memory, disk */
    STORE_MOVED = -8,  /* its file, or what lies beside it, was moved or removed; the next transaction begins anew */
};

/* user_version of the file: raised when the tables or what lies in them change. A store of a
 * version from STORE_OLDEST on is brought up to date when it is opened (store_migrate.c), also for
 * reading; one of another version is refused. */
enum { STORE_VERSION = 5, STORE_OLDEST = 2 };

/* Why the last call failed, one sentence without the file's name; valid until the next call on this
 * thread. */
const char *store_why(void);

int store_open(const char *path, enum store_mode mode, struct store **ret_store);
/* For who lives long: what large work took of memory goes back to the system after it. Of the whole
 * process. */
void store_memory(void);
/* Takes NULL; rolls back what was not committed. */
void store_close(struct store *store);

/* ---- writing: begin, any number of takes, commit; acknowledge to the sender only after commit
 * ---- */
/* When the file is no longer where it was (removed, moved, replaced), it is opened or made anew
 * under its name before the transaction begins: store_times_away tells, and then what senders said
 * of themselves is to be asked again. */
int store_begin(struct store *store);
/* How often that happened to this handle. */
uint64_t store_times_away(const struct store *store);
int store_take_process(struct store *store, const struct span_process *process);
/* A process whose introduction is damaged: unless it is known already, one of which nothing is
 * known. */
int store_take_stranger(struct store *store, const uint8_t identity[16]);
/* 1 when anything of the process was taken in, 0 when not, negative store_status. */
int store_has_process(struct store *store, const uint8_t identity[16]);
/* Takes a SPANS or LOSS frame in. A repeat (same identity and sequence) is accepted and ignored:
 * *ret_repeat tells. A damaged payload is STORE_DAMAGED, one of a later version
 * STORE_OTHER_VERSION; both leave the transaction as it was.
 */
int store_take_frame(struct store *store, const struct span_frame *frame, bool *ret_repeat);
/* After STORE_DAMAGED: takes in what the frame's header says, which its checksum vouches for, and
 * counts its spans as lost: the sender may forget it, since sending it again would not help.
 * STORE_DAMAGED: not even that is possible. */
int store_reject_frame(struct store *store, const struct span_frame *frame);
/* A process' word that `spans` of its finished calls are lost, where no frame could carry it. Said
 * twice it counts once. */
int store_take_lost(struct store *store, const uint8_t identity[16], uint64_t spans);
/* What commits have had and will have to write for what was taken so far, in bytes; only
 * differences mean something. */
uint64_t store_work(const struct store *store);
/* STORE_MOVED: written, but where nobody finds it; to be taken as not written. */
int store_commit(struct store *store);
void store_rollback(struct store *store);
/* One step of merging small blocks; *ret_more tells whether more is due. In a transaction of its
 * own. */
int store_merge_step(struct store *store, bool *ret_more);

/*
 * Learns prompts from the texts that came since (collector/prompts/): one lesson of at most some
 * thousand texts; *ret_more tells whether more is due. Costs nothing where none came.
 */
int store_learn(struct store *store, bool *ret_more);

/* The same in three parts, of which only the first and the last need the store, for some
 * milliseconds each: what is read, what is made of it, by any one thread meanwhile, and what is
 * written. Where something was learned between them by others, nothing is written, and more is
 * due. */
struct store_lesson;
/* *ret_lesson NULL: nothing is to be made of what was read; *ret_more as above. */
int store_lesson_begin(struct store *store, struct store_lesson **ret_lesson, bool *ret_more);
void store_lesson_run(struct store_lesson *lesson);
/* Frees it in any case. */
int store_lesson_end(struct store *store, struct store_lesson *lesson, bool *ret_more);

/* ---- reading ---- */
struct store_query {
    uint64_t since_ns; /* start_ns in [since, until); 0 and UINT64_MAX: everything */
    uint64_t until_ns;
    const enum span_field *fields; /* which columns are wanted; start_ns is always delivered */
    size_t n_fields;
};

/* Calls `each` for every block that may hold rows of the query, in the order of time; stops when it
 * returns non-zero and returns that. Damaged blocks are skipped and counted in *ret_damaged (may be
 * NULL). `each` may take as long as it likes: nothing of the store is held meanwhile. Each row is
 * delivered once, also when blocks are merged between two calls; rows that are stored meanwhile may
 * be delivered or not. */
int store_scan(struct store *store, const struct store_query *query,
               int (*each)(void *context, const struct store_rows *rows), void *context, uint64_t *ret_damaged);

/* Rollups (rollup.h) of the hours in [from_hour, until_hour), hours since 1970, in their order:
 * every call stored so far is in exactly one group. Calls `each` for each group; stops when it
 * returns non-zero and returns that. Reads within one moment of the store, and holds it. The stored
 * tables alone may lack the last commits, and the view rollup_hour lacks the hours that are
 * packed. */
struct rollup_group;
int store_rollups(struct store *store, uint64_t from_hour, uint64_t until_hour,
                  int (*each)(void *context, uint64_t hour, const struct rollup_group *group), void *context);

struct store_totals {
    uint64_t spans, blocks, processes, bytes;
    uint64_t first_ns, last_ns; /* of starts; 0 when there are no spans */
};
int store_totals(struct store *store, struct store_totals *ret_totals);

/* What was learned of one version of a prompt. */
struct store_prompt_version {
    uint64_t prompt; /* as it is shown: what it turned out to be */
    uint32_t version;
    bool settled;               /* it stays so */
    uint64_t texts;             /* that it was learned from */
    unsigned words;             /* known of its texts, at their beginning and end; those that vary count as one each */
    unsigned constant;          /* of them, the same in all texts */
    unsigned begins;            /* of them, before the first that varies */
    uint64_t first_ns, last_ns; /* calls that brought its texts */
    uint64_t own_prompt;        /* what it was learned as: for store_prompt_shape */
    uint32_t own_version;
};
/* Each, prompt after prompt; `each` stops it by what is not 0, which is returned. */
int store_prompt_versions(struct store *store, int (*each)(void *context, const struct store_prompt_version *version),
                          void *context);
/* The prompt that is shown for an id: 1, 0 when nothing was learned or said of it (then it is the
 * id's own), or negative status. */
int store_prompt_shown(struct store *store, uint64_t id, uint64_t *ret_prompt);

/* What people said of a prompt. */
struct store_rule {
    uint64_t prompt;
    const char *part; /* "": of all its calls; "@VERSION", "#VARIANT", "=TEXT_ID" in 16 digits: of those */
    const char *name; /* NULL: none was given */
    uint64_t into; /* the prompt that they are; its own id: none but itself, whatever is learned; 0: nothing was said */
    uint64_t said_ns;
};
int store_rules(struct store *store, int (*each)(void *context, const struct store_rule *rule), void *context);
/* Keeps what people say of prompts that are shown, each in a transaction of its own: a name; that
 * it is `into` (whose name may be given, as its calls say it); that it is none but itself; that
 * some of its calls are a prompt of their own, whose id is the same on every host. */
int store_prompt_name(struct store *store, uint64_t prompt, const char *name);
int store_prompt_merge(struct store *store, uint64_t prompt, uint64_t into, const char *name);
int store_prompt_split(struct store *store, uint64_t prompt);
int store_prompt_split_part(struct store *store, uint64_t prompt, const char *part, uint64_t *ret_new);
/* What turned out to be another prompt, by learning or by people's word: each id, and the prompt
 * that is shown for it. */
int store_prompts_moved(struct store *store, int (*each)(void *context, uint64_t prompt, uint64_t shown, bool said),
                        void *context);
/* What a version looks like, by its own prompt and number (owner of both: the caller), and its
 * preview without what varies, "" where there is none. 1, 0 where nothing is known of it, or
 * negative status. */
enum { STORE_PREVIEW_BYTES = 1024 };
struct shape_told;
int store_prompt_shape(struct store *store, uint64_t prompt, uint32_t version, struct shape_told *ret_told,
                       char ret_preview[STORE_PREVIEW_BYTES]);
/* How many texts of instructions belong to no prompt yet. */
int store_texts_unassigned(struct store *store, uint64_t *ret_texts);

/* When the store began, nanoseconds since 1970; 0: it is not known. */
int store_begun(struct store *store, uint64_t *ret_ns);

struct sqlite3;
struct sqlite3_stmt;
/* SQLite's own handle, for `dump`, which shows what lies there as it lies. The store's; never to be
 * written through. */
struct sqlite3 *store_sqlite(const struct store *store);
/* A column of the row at hand, SQLite's until the statement goes on. NULL where it is NULL or
 * empty, which SQLite says in the same way as that there is no memory: STORE_FAILED is that. All
 * columns are read by these. */
int store_column_blob(struct sqlite3_stmt *row, int column, const uint8_t **ret_data, size_t *ret_bytes);
int store_column_text(struct sqlite3_stmt *row, int column, const char **ret_text, size_t *ret_bytes);

/* ---- what is missing ---- */

/* What the collector saw go wrong: X(identifier, whether calls are certainly missing because of it,
 * one, several). */
#define STORE_LOSSES(X)                                                                                                \
    X(spool_damaged, true, "damaged spool file", "damaged spool files")                                                \
    X(spool_refused, true, "program whose spool took no more", "programs whose spool took no more")                    \
    X(program_unread, true, "program in which there was no memory, thread or processor to read its calls",             \
      "programs in which there was no memory, thread or processor to read their calls")                                \
    X(mapping_damaged, true, "damaged file of a program that was killed",                                              \
      "damaged files of programs that were killed")                                                                    \
    X(frame_rejected, true, "message that could not be read", "messages that could not be read")                       \
    X(frame_too_new, false, "message of a later version was left with its program",                                    \
      "messages of a later version were left with their programs")                                                     \
    X(program_unheard, false, "program ended, or went on alone, before it could say what it called",                   \
      "programs ended, or went on alone, before they could say what they called")                                      \
    X(stream_damaged, false, "connection that sent something else", "connections that sent something else")            \
    X(connection_refused, false, "connection of another user, or beyond a bound, was refused",                         \
      "connections of other users, or beyond a bound, were refused")                                                   \
    X(log_orphaned, false, "log of an earlier store was set aside beside this one",                                    \
      "logs of an earlier store were set aside beside this one")                                                       \
    X(log_missing, false, "copy or cut of this store without the log of what was being written",                       \
      "copies or cuts of this store without the log of what was being written")                                        \
    X(features_damaged, false, "text of a prompt came without what tells it from others",                              \
      "texts of prompts came without what tells them from others")                                                     \
    X(block_left_out, true, "damaged block of a store that was merged into this one was left out",                     \
      "damaged blocks of stores that were merged into this one were left out")                                         \
    X(merge_unfinished, true, "merge of another store into this one was not finished",                                 \
      "merges of other stores into this one were not finished")                                                        \
    X(counters_absurd, false, "message with counts that cannot be right", "messages with counts that cannot be right")
enum store_loss_kind {
#define X(ident, certain, one, many) STORE_LOSS_##ident,
    STORE_LOSSES(X)
#undef X
        STORE_LOSS_COUNT
};

/* Counts `events` of a kind, with `spans` finished calls that are known to be lost by them (0: not
 * known how many). In the transaction that is open, else in one of its own. 0 or store_status. */
int store_note_loss(struct store *store, enum store_loss_kind kind, uint64_t events, uint64_t spans);

/*
 * One event that a file tells, in the transaction that is open. Whoever counts it may die after the
 * commit and before the file is gone: the file of the last such event is remembered, and found
 * again it counts no more. `file` tells it from all others. 1 when it was counted, 0 when it had
 * been, or negative store_status.
 */
int store_note_file(struct store *store, enum store_loss_kind kind, const char *file);

struct store_loss {
    uint64_t processes;
    struct span_loss counted; /* by the processes themselves, sum of their last words */
    uint64_t frames;          /* numbered by a process, and never arrived here */
    uint64_t open;            /* processes that have not said that they are done: they run, or were killed */
    uint64_t older;           /* processes that began before this store and sent elsewhere before */
    uint64_t events[STORE_LOSS_COUNT], spans[STORE_LOSS_COUNT];
};
/* Of all processes whose number in the store is above after_process; events and spans are those of
 * the whole store. */
int store_loss(struct store *store, int64_t after_process, struct store_loss *ret_loss);
/* The highest number of a process; 0 when there is none. */
int store_newest_process(struct store *store, int64_t *ret_id);

/* A collector that writes into the store: the spool that it reads ("": none) and its socket ("":
 * none), absolute, and whether they were named or are the default ones. */
struct store_collector {
    const char *spool, *socket;
    bool spool_said, socket_said;
};
/* Notes it, once however often it is told; as store_note_loss. */
int store_note_collector(struct store *store, const struct store_collector *collector);
/* Each that was ever noted; `each` stops it by what is not 0, which is returned. 0 or
 * store_status. */
int store_collectors(struct store *store, int (*each)(void *context, const struct store_collector *collector),
                     void *context);
/* What a callback of ours returns that had no memory: STORE_FAILED, and store_why() says so. */
int store_no_memory(void);

/* Whether SQLite itself, asked anew, finds the file broken; false when it is busy or cannot be
 * opened. */
bool store_file_is_broken(const char *path);

/* Verifies everything that can be: SQLite's own check, each block's columns, rollups against
 * blocks, loss counters. Calls `found` for each fault with one sentence (which names block and
 * field). Returns the number of faults or a negative status. */
long store_check(struct store *store, void (*found)(void *context, const char *sentence), void *context);
