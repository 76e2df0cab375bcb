/*
 * What of the beginning of instructions, or of names of tools, may be seen outside: a word when
 * three different texts have had it, or all words of a text that has come three times. Instructions
 * hold names and data of single users; those are in one text or few. Only keyed hashes are kept, no
 * text.
 *
 * Scribe's thread only; fixed size, no allocation. Counts may be read from and written to a file
 * (shown_file.c), so that programs that make one call each are counted together. Forgetting (the
 * table is bounded) shows less, never more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SHOWN_SLOTS = 4096,
    SHOWN_WAYS = 4,
    SHOWN_TEXTS = 3,           /* so many texts, or times, make a word public */
    SHOWN_WORD_BYTES_MAX = 24, /* longer "words" are data */
    SHOWN_NAME_BYTES_MAX = 64, /* the same of names of tools */
    SHOWN_DIRTY_MAX = 128,     /* slots changed and not yet saved; more are saved when they change again */
};

/* A word: two of the texts that had it. A text: how often it came, and 0. SHOWN_PUBLIC in
 * `seen[0]`: enough. */
struct shown_slot {
    uint64_t hash; /* 0: free */
    uint32_t seen[2];
};
#define SHOWN_PUBLIC UINT32_MAX

struct shown {
    uint8_t key[16];
    struct shown_slot slot[SHOWN_SLOTS];
    unsigned n_dirty;
    uint16_t dirty[SHOWN_DIRTY_MAX];
};

struct shown_text {
    const char *text; /* the beginning that may be shown */
    size_t bytes;
    uint64_t digest[2]; /* of the whole text */
    bool names;         /* of tools: words may be long and hold _ */
    bool asked;         /* the user's text, explicitly asked for: its words count as public */
    uint64_t *shown;    /* out, where not NULL: a bit for each of its first 64 words, parted by blanks */
};

/* An empty table for hashes under this key (32 bytes). */
void shown_init(struct shown *shown, const uint8_t key[32]);

/*
 * Counts the text and the words among its first `chars` characters, and writes those of them that
 * may be seen, separated by one blank; "…" stands for others before them. Words with digits,
 * addresses, paths and keys are never seen. Returns the bytes written to ret_text; 0: nothing may
 * be seen.
 */
size_t shown_preview(struct shown *shown, const struct shown_text *text, unsigned chars, char *ret_text, size_t room);
