/*
 * What may be said about loss: the one place that decides between "Nothing was lost.", "No loss is
 * known of" and the list of losses. Used by report, check and record's summary; whatever speaks of
 * loss goes through here.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "../store/store.h"

enum loss_verdict {
    LOSS_NONE,      /* every program said that it was done, everything that it numbered is here, nothing went wrong */
    LOSS_NOT_KNOWN, /* nothing is known to be lost, and it cannot be known that nothing was */
    LOSS_SOME,
};

struct loss {
    struct store_loss known;
    uint64_t waiting;  /* files with calls that no collector has taken in yet */
    uint64_t living;   /* journals of programs that run on and keep in them what no collector has */
    bool of_the_whole; /* store: that it never heard of a program is a doubt then */
};

/* Reads what is known of a whole store; leaves `waiting` and `living`. 0 or what store_loss()
 * returns. */
int loss_of_store(struct loss *loss, struct store *store);

enum loss_verdict loss_verdict(const struct loss *loss);

/* One or two sentences of at most LOSS_SENTENCE_BYTES; `since` comes after "Lost" (" since the
 * store began"). */
enum { LOSS_SENTENCE_BYTES = 1024 };
enum loss_verdict loss_sentence(char out[LOSS_SENTENCE_BYTES], const struct loss *loss, const char *since);

/* The same for programs: the members of an object, without its braces. */
void loss_json(FILE *out, const struct loss *loss);

/* What came to `before` until it became `after`, where both were read from one store: `after` is of
 * newer processes only, so just the counts of the whole store are subtracted. */
void loss_subtract(struct loss *after, const struct loss *before);
