/*
 * The last word of a process that ends before its scribe got a processor: how many calls nobody
 * will hear of, as a file in the spool (spool_say_refused). Without it a program whose scribe never
 * ran would end as if it had made no call.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mark.h"
#include "shim/tape/tape.h"

/* In the scribe's memory, so zero in a forked child. */
struct last_word {
    _Atomic uint64_t told;  /* lost calls of which the outbox knows */
    _Atomic uint32_t stage; /* enum stage of last_word.c */
    _Atomic bool taking;    /* the scribe takes a record off the tape */
    _Atomic uint64_t said_ns;
};

/*
 * On the thread that ends the process, when it can wait no longer: system calls only, little stack.
 * `calls`: unheard of, those that were told included; asked only when the scribe takes nothing any
 * more, so that no call is both read and said to be lost. Where the scribe lost its processor while
 * it took one, nothing is said, and the mark (NULL: there is none), which goes when the word is
 * said, stays. The file has an identity of its own, as the process may have none.
 */
void last_word_say(struct last_word *word, struct mark *mark, uint64_t (*calls)(void));

/* tape_read, as long as nothing was said. Scribe's thread. */
bool last_word_read_tape(struct last_word *word, struct tape_record *ret_record);

bool last_word_is_said(const struct last_word *word);
/* Where the process lives on a second later, what was said goes, unless a collector was faster, the
 * mark is there again, and the tape is read: before, it would both be read and be said to be lost.
 * Scribe's thread. */
void last_word_take_back(struct last_word *word, struct mark *mark);
