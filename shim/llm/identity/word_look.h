/*
 * What a word of instructions looks like, its kind and its length (span/prompt_features.h): by that
 * the collector tells what stands in a slot, of which no hash stays.
 *
 * Scribe's thread. Pure, no memory; the same on every machine.
 */
#pragma once

#include "text_words.h"

/* Of the word that text_words_next gave last; what lies between `before` and it is blank and counts
 * to its length. */
uint8_t text_word_look(const struct text_words *words, const uint8_t *before, const struct text_seed *seed);
