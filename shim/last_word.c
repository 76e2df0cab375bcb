/*
 * The last word of a process, see last_word.h. Written on the application's last thread, taken back on the scribe's.
 * Must never allocate, lock or wait: it may be a signal handler that ends the process.
 */
#include "last_word.h"

#include "config.h"
#include "process_info.h"
#include "spool.h"

enum stage { NOTHING, BEING_SAID, SAID };

static struct spool
    spool; /* whoever moved the stage on to BEING_SAID, then the scribe; not on a stack that may be small */

void last_word_say(struct last_word *word, uint64_t calls)
{
    uint64_t told = atomic_load(&word->told);
    uint32_t stage = NOTHING;
    if (calls <= told || !atomic_compare_exchange_strong(&word->stage, &stage, BEING_SAID)) {
        return;
    }
    uint8_t identity[16];
    process_info_identity(identity);
    spool_init(&spool, shim_config.spool, identity, 0);
    spool_say_refused(&spool, calls - told);
    shim_say_once("calls are lost: the process ended and no processor was free to read what was noted of them");
    atomic_store(&word->stage, SAID);
}

void last_word_unsay(struct last_word *word)
{
    if (atomic_load(&word->stage) == SAID) {
        spool_unsay_refused(&spool);
        atomic_store(&word->stage, NOTHING);
    }
}
