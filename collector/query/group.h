/*
 * Groups the calls of a store by some keys and sums what a report shows. Called by report and by
 * record's summary; one thread. Owner of a struct grouping: the caller.
 *
 * Memory: some hundred bytes per group, 15 KB per distribution of more than QUANTILES_EXACT_MAX
 * values; at most GROUPS_MAX groups, further ones are summed as "other" and counted.
 */
#pragma once

#include "keys.h"
#include "quantiles.h"

enum { GROUPS_MAX = 1000000 };

enum group_tokens { GROUP_INPUT, GROUP_OUTPUT, GROUP_CACHED, GROUP_REASONING, GROUP_TOKENS };
enum group_phase {
    GROUP_QUEUE,
    GROUP_DNS,
    GROUP_CONNECT,
    GROUP_TLS,
    GROUP_SEND,
    GROUP_WAIT,
    GROUP_DECODE,
    GROUP_PHASES
};
enum group_time { GROUP_TTFT, GROUP_FIRST_TEXT, GROUP_ITL, GROUP_TOTAL, GROUP_TIMES };

/* A sum and the number of calls that stated it. */
struct group_sum {
    uint64_t sum;
    uint64_t calls;
};

struct group {
    uint32_t id[KEYS_MAX]; /* one per key, in struct grouping's names */
    uint64_t calls;
    uint64_t errors;   /* calls with an error type */
    uint64_t answered; /* calls without one: those that could have stated tokens */
    uint64_t lossy;    /* calls of which bytes were lost */
    struct group_sum tokens[GROUP_TOKENS];
    struct group_sum phase[GROUP_PHASES];
    struct group_sum whole;        /* total time */
    uint64_t rate_tokens, rate_ns; /* of calls where both are known */
    struct quantiles time[GROUP_TIMES];
};

struct grouping {
    struct names names;
    const struct key *key[KEYS_MAX];
    struct key_reader *reader; /* n_keys */
    size_t n_keys;
    struct group *group;
    size_t n_groups, groups_capacity;
    uint32_t *slot; /* open addressing: position in group + 1, 0 free */
    size_t n_slots;
    uint32_t *at;         /* of each row of the block at hand: the position of its group */
    struct group **of;    /* and the group */
    size_t rows_capacity; /* of both */
    uint32_t *label;      /* by name id: what is shown instead (a prompt's preview), 0: itself */
    size_t labels_capacity;
    struct group total;
    uint64_t other_groups_calls; /* calls beyond GROUPS_MAX */
    uint64_t learned_calls;      /* of a prompt that the store learned; counted where rows are split by prompts */
    uint64_t first_ns, last_ns;  /* starts of the calls that were counted */
    uint64_t since_ns, until_ns;
    uint64_t since_process_ns; /* only processes that began at this time or later */
    uint64_t damaged;          /* blocks that could not be read */
    bool failed;               /* memory ran out */
};

int grouping_init(struct grouping *grouping, const struct key *const *by, size_t n_by);
void grouping_done(struct grouping *grouping);
/* Reads the store; returns a store_status. Set the period before. */
int grouping_scan(struct grouping *grouping, struct store *store);
/* What a key of a group reads: "-" when it was not seen. Valid until grouping_done. *ret_seen may
 * be NULL. */
const char *grouping_text(const struct grouping *grouping, const struct group *group, size_t key, bool *ret_seen);
