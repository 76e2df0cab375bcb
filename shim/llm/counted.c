/* See counted.h. Called by exchange_close on the scribe's thread; must not allocate. */
#include "counted.h"

#include <stdint.h>
#include <string.h>

enum { IDS_MAX = 2048 }; /* what an application waits for at the same time, many times over */

static uint64_t ids[IDS_MAX];
static unsigned next;

/* FNV-1a; 0 stands for an empty place. */
static uint64_t hash_of(const char *id, size_t bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)id[i]) * UINT64_C(0x100000001b3);
    return hash ? hash : 1;
}

bool counted_first(const char *id, size_t bytes)
{
    const uint64_t hash = hash_of(id, bytes);
    if (!bytes)
        return true;
    for (unsigned i = 0; i < IDS_MAX; i++)
        if (ids[i] == hash)
            return false;
    ids[next] = hash;
    next = (next + 1) % IDS_MAX;
    return true;
}

void counted_once(struct facts *facts, const char *path, size_t path_bytes, bool asked_after)
{
    const size_t bytes = facts->text_bytes[FACT_RESPONSE_ID];
    if (!(facts_number(facts, FACT_INPUT) | facts_number(facts, FACT_OUTPUT)))
        return;
    if (!counted_first(bytes ? facts->text[FACT_RESPONSE_ID] : path, bytes ? bytes : path_bytes) && asked_after)
        facts->usage.present = 0;
}

void counted_forget(void)
{
    memset(ids, 0, sizeof(ids));
    next = 0;
}
