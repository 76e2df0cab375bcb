/* What the files of uniting share. One thread. */
#pragma once

#include "../prompts/store_study.h"
#include "../store_inner.h"
#include "unite.h"

/* Rows first to last of a process of the store that is written. */
struct unite_run {
    int64_t process;
    uint64_t first, last;
};

/* A version of a prompt of the store that is written that is one of the other store; shared 0:
 * there is none. */
struct unite_match {
    uint64_t prompt;
    uint32_t version;
    uint32_t shared;
};

struct template_index;
struct miner_template;

struct unite {
    struct store *into, *from;
    struct unite_told *told;
    void (*progress)(void *context, const struct unite_told *told);
    void *context;
    int64_t origin; /* what tells the store that is read from others */
    int64_t from_begun_ns;
    /* What the store that is written has of a period, in order. */
    struct unite_run *run;
    size_t n_runs, runs_capacity;
    int64_t from_ns, to_ns;
    int64_t data_version; /* of then; -1: nothing was looked at */
    /* Versions whose numbers the store that is written has given to something else. */
    struct unite_renumbered {
        uint64_t prompt;
        uint32_t from, to;
    } * renumbered;
    size_t n_renumbered;
    struct template_index *index; /* of the templates of the store that is written, as they were before */
    /* Of the block at hand. */
    uint64_t *process; /* of each row, in the store that is written */
    const struct span_process **facts;
    uint32_t *kept; /* rows that are new */
    size_t n_kept, rows_capacity;
    struct span_buffer out, versions; /* `versions`: the column instead of the one that lies there; empty: that */
    uint64_t *values, *present;
    struct span_text *texts;
};

/* Statements of a moment: prepared, and to be finalized by the caller. 0 or status. */
int unite_prepare(struct store *store, const char *sql, sqlite3_stmt **ret_statement);

/* unite_rows.c: the block with this number of the store that is read; in a transaction of its
 * own. */
int unite_block(struct unite *unite, int64_t block);
/* unite_processes.c: the number of the process in the store that is written, made if need be. */
int unite_process(struct unite *unite, const struct span_process *process, int64_t *ret_id);
/* unite_processes.c: what is known of each process beside its calls: frames, losses, ends. */
int unite_accounts(struct unite *unite);
/* unite_processes.c: begins, and notes that something is missing until the end. */
int unite_begin(struct unite *unite);
/* unite_processes.c: what the store that is read counted as lost; and nothing is missing any more.
 * */
int unite_end(struct unite *unite);
/* unite_templates.c: what templates are looked for among; and which one is the same. */
int unite_templates_begin(struct unite *unite);
void unite_templates_end(struct unite *unite);
int unite_template_find(struct unite *unite, const struct miner_template *template, struct unite_match *ret_match);
/* unite_prompts.c: texts and templates, before any block; what people said. */
int unite_prompts(struct unite *unite);
int unite_rules(struct unite *unite);
/* unite_prompts.c: the number that a version of the store that is read has in the other one. */
uint32_t unite_version(const struct unite *unite, uint64_t prompt, uint32_t version);
