/*
 * The last word of a process, see last_word.h. Written on the application's last thread, taken back
 * on the scribe's. Must never allocate, lock or wait: it may be a signal handler that ends the
 * process.
 */
#include "last_word.h"

#include "shim/base/config.h"
#include "shim/base/say.h"
#include "shim/base/process_info.h"
#include "shim/outbox/spool.h"

enum stage { NOTHING, BEING_SAID, SAID };

enum {
    STILL_LOOKS = 100000, /* less than a millisecond */
};

static const uint64_t LIVES_ON_NS = 1000000000; /* since it said its last word */

static struct spool
    spool; /* whoever moved the stage on to BEING_SAID, then the scribe; not on a stack that may be small */

/* The scribe is not between its look at the stage and the tape, where it stays for a few
 * instructions. */
static bool is_still(const struct last_word *word)
{
    for (unsigned i = 0; i < STILL_LOOKS; i++)
        if (!atomic_load(&word->taking))
            return true;
    return false;
}

void last_word_say(struct last_word *word, struct mark *mark, uint64_t (*calls)(void))
{
    uint32_t stage = NOTHING;
    if (!atomic_compare_exchange_strong(&word->stage, &stage, BEING_SAID))
        return;
    const uint64_t told = atomic_load(&word->told), unheard = is_still(word) ? calls() : 0;
    if (unheard <= told) {
        atomic_store(&word->stage, NOTHING);
        return;
    }
    uint8_t identity[16];
    process_info_identity(identity);
    spool_init(&spool, shim_config.spool, identity, 0);
    spool.unread = true;
    spool_say_refused(&spool, unheard - told);
    shim_say_once("calls are lost: the process ended and no processor was free to read what was noted of them");
    if (spool.refused > 0 && mark != NULL)
        mark_turn(mark, MARK_KNOWN, tape_is_unread);
    atomic_store(&word->said_ns, tape_now_ns());
    atomic_store(&word->stage, SAID);
}

bool last_word_read_tape(struct last_word *word, struct tape_record *ret_record)
{
    atomic_store(&word->taking, true);
    const bool got = atomic_load(&word->stage) == NOTHING && tape_read(ret_record);
    atomic_store(&word->taking, false);
    return got;
}

bool last_word_is_said(const struct last_word *word)
{
    return atomic_load(&word->stage) != NOTHING;
}

void last_word_take_back(struct last_word *word, struct mark *mark)
{
    if (atomic_load(&word->stage) != SAID || tape_now_ns() - atomic_load(&word->said_ns) < LIVES_ON_NS)
        return;
    mark_turn(mark, MARK_NEEDED, tape_is_unread); /* never without any trace */
    spool_unsay_refused(&spool);
    atomic_store(&word->stage, NOTHING);
}
