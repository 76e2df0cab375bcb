/*
 * Words of instructions as keyed hashes. Blanks part them; a line end, with all blank after it, is
 * one; what holds a digit is the word "0" from end to end ("2026-01-31", "a91f-33"), so that dates,
 * numbers and ids are all alike; letters in a row are one; of scripts that part no words each
 * character is one, and so is each other mark.
 *
 * Scribe's thread. Pure, no memory; the same on every machine, as ids of prompts are made of it.
 * The bytes behind what is read are there (TEXT_SLACK) and count for nothing.
 */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TEXT_SLACK = 64 };

#define TEXT_ODD UINT64_C(0x9e3779b97f4a7c15)

/* Both secret; of the key of the installation or the fleet. */
struct text_seed {
    uint64_t a, b;
};

static inline uint64_t text_load(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return le64toh(word);
}

/* The first `bytes` (0 to 8). */
static inline uint64_t text_load_some(const uint8_t *p, size_t bytes)
{
    return bytes ? text_load(p) & UINT64_MAX >> (64 - 8 * bytes) : 0;
}

static inline uint64_t text_multiply(uint64_t a, uint64_t b)
{
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Goes on with `hash`. */
static inline uint64_t text_mix(const struct text_seed *seed, uint64_t hash, uint64_t value)
{
    return text_multiply(hash ^ value ^ seed->a, seed->b ^ TEXT_ODD);
}

/* Words of [at, end), in order. Set `clean` to NULL at the beginning. */
struct text_words {
    const uint8_t *at, *end;
    const uint8_t *clean; /* no run of letters and digits that begins before it holds a digit */
    const uint8_t *from;  /* out: where the word begins; it ends at `at` */
    bool digits;          /* out: it holds one, and counts as "0" */
};

/* False: no more. */
bool text_words_next(struct text_words *words, const struct text_seed *seed, uint64_t *ret_hash);
/* Letters and digits in a row, parts joined: where `at` lies in [from, end). */
struct text_run {
    const uint8_t *begin, *end;
};

struct text_run text_run_around(const uint8_t *at, const uint8_t *from, const uint8_t *end);
/* The first place in [at, end) that surely begins a word, whatever stands before `at`; or `end`. */
const uint8_t *text_words_start(const uint8_t *at, const uint8_t *end);
/* Past blanks, and past line ends where `lines`. */
const uint8_t *text_blank_end(const uint8_t *at, const uint8_t *end, bool lines);
