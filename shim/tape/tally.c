/*
 * Counters in static memory (tally.h). Called on the application's threads, where there is perhaps
 * no memory for anything else, and by the scribe. Each word says whose count it is: a forked child
 * finds its parent's, and begins anew.
 */
#include "tally.h"

#include <stdatomic.h>
#include <unistd.h>

enum { COUNT_BITS = 32 };

/* Process id above, count below. */
static _Atomic uint64_t words[TALLY_N];

static uint64_t mine(void)
{
    return (uint64_t)(uint32_t)getpid() << COUNT_BITS;
}

uint64_t tally_add(enum tally tally)
{
    const uint64_t own = mine();
    uint64_t word = atomic_load_explicit(&words[tally], memory_order_relaxed);
    uint64_t next;
    do {
        const uint64_t count = word >> COUNT_BITS == own >> COUNT_BITS ? (uint32_t)word : 0;
        next = own | (count < UINT32_MAX ? count + 1 : count);
    } while (
        !atomic_compare_exchange_weak_explicit(&words[tally], &word, next, memory_order_relaxed, memory_order_relaxed));
    return (uint32_t)next;
}

uint64_t tally_of(enum tally tally)
{
    const uint64_t word = atomic_load_explicit(&words[tally], memory_order_relaxed);
    return word != 0 && word >> COUNT_BITS == mine() >> COUNT_BITS ? (uint32_t)word : 0;
}

uint64_t tally_calls(void)
{
    return tally_of(TALLY_CALLS);
}
