/*
 * The last word of a process that ends before its scribe got a processor: how many calls nobody will hear of, as a mark
 * in the spool (spool_say_refused). Without it a program whose scribe never ran would end as if it had made no call.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* In the scribe's memory, so zero in a forked child. */
struct last_word {
    _Atomic uint64_t told;  /* lost calls of which the outbox knows */
    _Atomic uint32_t stage; /* enum stage of last_word.c */
};

/*
 * `calls`: unheard of, those that were told included. On the thread that ends the process, when it can wait no longer:
 * system calls only, little stack. The mark has an identity of its own, as the process may have none.
 */
void last_word_say(struct last_word *word, uint64_t calls);

/* The process lived on, and the scribe has read everything: the mark goes, unless a collector was faster. Scribe's
 * thread. */
void last_word_unsay(struct last_word *word);
