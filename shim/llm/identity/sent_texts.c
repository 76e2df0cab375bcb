/* Which features were sent, see sent_texts.h. Called by prompt.c on the scribe's thread, by
 * exchange_keys.c when that begins. */
#include "sent_texts.h"

#include <string.h>

#include "span/alias.h"

static uint64_t part_of_seed(const uint8_t *key, const char *name)
{
    return span_keyed_hash(key, name, strlen(name));
}

struct text_seed sent_texts_seed(const uint8_t *key)
{
    return (struct text_seed){part_of_seed(key, "words of instructions, a"),
                              part_of_seed(key, "words of instructions, b")};
}

void sent_texts_init(struct sent_texts *sent, const uint8_t *key)
{
    if (sent->seed.a) /* else it is zero, and its pages need not be there */
        memset(sent, 0, sizeof(*sent));
    sent->seed = sent_texts_seed(key);
}

static void to_front(uint64_t *set, unsigned way, uint64_t hash)
{
    memmove(set + 1, set, way * sizeof(*set));
    set[0] = hash;
}

static uint64_t *set_of(struct sent_texts *sent, uint64_t hash)
{
    return sent->hash[hash % SENT_SETS];
}

bool sent_texts_has(struct sent_texts *sent, uint64_t hash)
{
    uint64_t *const set = set_of(sent, hash);
    for (unsigned way = 0; way < SENT_WAYS; way++)
        if (set[way] == hash) {
            to_front(set, way, hash);
            return true;
        }
    return false;
}

void sent_texts_put(struct sent_texts *sent, uint64_t hash)
{
    to_front(set_of(sent, hash), SENT_WAYS - 1, hash);
}
