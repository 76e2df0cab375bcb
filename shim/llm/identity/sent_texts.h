/*
 * Of which texts of instructions this process has sent the features: each goes once an hour, with
 * the first call that has it. Fixed memory; the text that was met longest ago gives way, and its
 * features are sent again should it come back. Also here, as it lives as long: the seed of the
 * hashes of words.
 *
 * Scribe's thread; hashes alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "text_words.h"

enum { SENT_SETS = 512, SENT_WAYS = 8 };

struct sent_texts {
    struct text_seed seed;
    uint64_t hash[SENT_SETS][SENT_WAYS]; /* the newest first; 0: none */
};

/* The seed of a key of SPAN_KEY_BYTES: equal wherever that is. */
struct text_seed sent_texts_seed(const uint8_t *key);
/* `sent` is all zero bytes, or was used (by the parent of a process that forked). */
void sent_texts_init(struct sent_texts *sent, const uint8_t *key);
bool sent_texts_has(struct sent_texts *sent, uint64_t hash); /* which is then the newest of its set */
void sent_texts_put(struct sent_texts *sent, uint64_t hash);
