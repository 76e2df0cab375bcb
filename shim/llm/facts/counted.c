/* See counted.h. Called by exchange_close on the scribe's thread; must not allocate. */
#include "counted.h"

#include <stdint.h>
#include <string.h>

enum { IDS_MAX = 2048 }; /* what an application waits for at the same time, many times over */

/* An answer whose tokens were counted, and how many. */
static struct {
    uint64_t id;
    uint64_t input, output;
} counted[IDS_MAX];
static unsigned next;

/* FNV-1a; 0 stands for an empty place. */
static uint64_t hash_of(const char *id, size_t bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)id[i]) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

/* The answer's place; *ret_new: nothing of it was counted. */
static unsigned place_of(const char *id, size_t bytes, bool *ret_new)
{
    const uint64_t hash = hash_of(id, bytes);
    *ret_new = false;
    for (unsigned i = 0; i < IDS_MAX; i++)
        if (counted[i].id == hash)
            return i;
    const unsigned place = next;
    next = (next + 1) % IDS_MAX;
    counted[place].id = hash;
    counted[place].input = counted[place].output = 0;
    *ret_new = true;
    return place;
}

bool counted_first(const char *id, size_t bytes)
{
    bool first = true;
    if (bytes)
        (void)place_of(id, bytes, &first);
    return first;
}

/* Takes off what was counted, and notes what is counted now. True: something is left. */
static bool take_off(struct facts *facts, enum facts_number which, uint64_t *counted_so_far)
{
    const uint64_t stated = facts_number(facts, which), before = *counted_so_far;
    if (stated <= before)
        return false;
    *counted_so_far = stated;
    facts_set_number(facts, which, stated - before);
    return true;
}

void counted_once(struct facts *facts, const char *path, size_t path_bytes, bool tail_id, bool asked_after)
{
    const char *const slash = tail_id && path_bytes ? memrchr(path, '/', path_bytes) : NULL;
    const char *const name = slash != NULL ? slash + 1 : path;
    const size_t name_bytes = path_bytes - (size_t)(name - path);
    const size_t bytes = facts->text_bytes[FACT_RESPONSE_ID];
    bool first;
    if (!(facts_number(facts, FACT_INPUT) | facts_number(facts, FACT_OUTPUT)))
        return;
    const unsigned place = place_of(bytes ? facts->text[FACT_RESPONSE_ID] : name, bytes ? bytes : name_bytes, &first);
    if (first || !asked_after) {
        counted[place].input = facts_number(facts, FACT_INPUT);
        counted[place].output = facts_number(facts, FACT_OUTPUT);
        return;
    }
    const bool input = take_off(facts, FACT_INPUT, &counted[place].input);
    const bool output = take_off(facts, FACT_OUTPUT, &counted[place].output);
    facts->usage.present &= (input ? 1u << FACT_INPUT : 0) | (output ? 1u << FACT_OUTPUT : 0);
}

void counted_forget(void)
{
    memset(counted, 0, sizeof(counted));
    next = 0;
}
