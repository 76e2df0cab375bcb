/*
 * Bytes of instructions, 64 at a time: where line ends and digits stand, and their hashes. This is
 * where the scribe's time for long instructions goes, so there is a second way to each with AVX2,
 * taken where the processor has it; both give the same.
 *
 * Scribe's thread. Pure, no memory; the same on every machine. Up to TEXT_SLACK bytes before and
 * behind what is read are looked at, and count for nothing.
 */
#pragma once

#include "text_words.h"

enum { TEXT_GROUP = 64 };

struct text_hash_pair {
    uint64_t exact; /* of the bytes as they are */
    uint64_t alike; /* with each digit as '0': how many there are matters */
    bool digits;    /* there are some; else both are the same */
};

/* A bit for each of 64 bytes: a digit. */
uint64_t text_group_digits(const uint8_t *p);

/* Either way: a bit for each of 64 bytes: a line ends there; the hashes of at least one byte. The
 * second way is only there where text_groups_way() says so. */
uint64_t text_group_ends_plain(const uint8_t *p);
uint64_t text_group_ends_wide(const uint8_t *p);
struct text_hash_pair text_groups_hash_plain(const uint8_t *p, size_t bytes, const struct text_seed *seed);
struct text_hash_pair text_groups_hash_wide(const uint8_t *p, size_t bytes, const struct text_seed *seed);

enum text_way { TEXT_WAY_NOT_ASKED, TEXT_WAY_PLAIN, TEXT_WAY_WIDE };
extern enum text_way text_groups_known __attribute__((visibility("hidden")));
/* Asks the processor, once: a virtual machine takes its time to answer. */
enum text_way text_groups_ask(void);

static inline enum text_way text_groups_way(void)
{
    return text_groups_known != TEXT_WAY_NOT_ASKED ? text_groups_known : text_groups_ask();
}

static inline uint64_t text_group_ends(const uint8_t *p)
{
    return text_groups_way() == TEXT_WAY_WIDE ? text_group_ends_wide(p) : text_group_ends_plain(p);
}

static inline struct text_hash_pair text_groups_hash(const uint8_t *p, size_t bytes, const struct text_seed *seed)
{
    return text_groups_way() == TEXT_WAY_WIDE ? text_groups_hash_wide(p, bytes, seed)
                                              : text_groups_hash_plain(p, bytes, seed);
}

/* ---- what both ways share ---- */

/* A lane is eight bytes. Each adds the product of its halves under its key, which is another one in
 * each group, and to its neighbour itself, so that nothing is lost where a product is 0. At the end
 * those of the second half, their halves swapped, are added to those of the first. */
enum { TEXT_LANES = TEXT_GROUP / 8, TEXT_SUMS = TEXT_LANES / 2 };

/* The last byte that counts in a group is that before the middle. */
extern const uint8_t text_group_masks[2 * TEXT_GROUP] __attribute__((visibility("hidden")));

static inline uint64_t text_sums_end(const uint64_t sum[TEXT_SUMS], size_t bytes, const struct text_seed *seed)
{
    const uint64_t hash = bytes + text_multiply(sum[0] ^ seed->b, sum[1] ^ seed->a) +
                          text_multiply(sum[2] ^ (seed->b + TEXT_ODD), sum[3] ^ seed->a);
    return text_multiply(hash ^ seed->b, seed->a ^ TEXT_ODD);
}
