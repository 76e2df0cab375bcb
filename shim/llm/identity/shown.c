/*
 * What of instructions may be seen, see shown.h. Called by prompt_finish on the scribe's thread,
 * once per call and only where previews were asked for. Must never keep text.
 */
#include "shown.h"

#include <sodium/crypto_shorthash.h>
#include <string.h>

#include "shim/llm/privacy/secret.h"

static uint64_t hash_of(const struct shown *shown, char kind, const void *data, size_t bytes)
{
    unsigned char out[crypto_shorthash_BYTES], in[SHOWN_NAME_BYTES_MAX + 1];
    uint64_t hash;
    in[0] = (unsigned char)kind;
    memcpy(in + 1, data, bytes);
    (void)crypto_shorthash(out, in, bytes + 1, shown->key);
    memcpy(&hash, out, sizeof(hash));
    return hash ? hash : 1;
}

static void mark_dirty(struct shown *shown, const struct shown_slot *slot)
{
    if (shown->n_dirty < SHOWN_DIRTY_MAX)
        shown->dirty[shown->n_dirty++] = (uint16_t)(slot - shown->slot);
}

static unsigned weight(const struct shown_slot *slot)
{
    return slot->hash == 0 ? 0 : slot->seen[0] == SHOWN_PUBLIC ? 3 : 1 + (slot->seen[1] != 0);
}

/* The hash's slot; a new one takes the place of what was seen least. */
static struct shown_slot *slot_of(struct shown *shown, uint64_t hash)
{
    struct shown_slot *const bucket = &shown->slot[hash % (SHOWN_SLOTS / SHOWN_WAYS) * SHOWN_WAYS];
    struct shown_slot *least = bucket;
    for (unsigned i = 0; i < SHOWN_WAYS; i++) {
        if (bucket[i].hash == hash)
            return &bucket[i];
        if (weight(&bucket[i]) < weight(least))
            least = &bucket[i];
    }
    *least = (struct shown_slot){.hash = hash};
    return least;
}

/* Counts one more time; true from the third on. */
static bool text_public(struct shown *shown, const uint64_t digest[2])
{
    struct shown_slot *const slot = slot_of(shown, hash_of(shown, 't', digest, 2 * sizeof(*digest)));
    if (slot->seen[0] == SHOWN_PUBLIC)
        return true;
    slot->seen[0] = slot->seen[0] + 1 >= SHOWN_TEXTS ? SHOWN_PUBLIC : slot->seen[0] + 1;
    mark_dirty(shown, slot);
    return slot->seen[0] == SHOWN_PUBLIC;
}

/* Notes that the text has the word; true if three different ones have had it. */
static bool word_public(struct shown *shown, const char *word, size_t bytes, uint32_t text)
{
    struct shown_slot *const slot = slot_of(shown, hash_of(shown, 'w', word, bytes));
    if (slot->seen[0] == SHOWN_PUBLIC)
        return true;
    if (slot->seen[0] == text || slot->seen[1] == text)
        return false;
    if (slot->seen[0] && slot->seen[1])
        slot->seen[0] = SHOWN_PUBLIC;
    else
        slot->seen[slot->seen[0] ? 1 : 0] = text;
    mark_dirty(shown, slot);
    return slot->seen[0] == SHOWN_PUBLIC;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_ascii(const char *word, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)word[i] >= 0x80)
            return false;
    return true;
}

static size_t word_most(bool name)
{
    return name ? SHOWN_NAME_BYTES_MAX : SHOWN_WORD_BYTES_MAX;
}

static const char dots[] = "\xe2\x80\xa6"; /* for what is not seen */

/* Not a word but data: digits, addresses, paths, keys, very long ones, control characters; nor what
 * looks like something left out. Scripts that part no words by blanks have long ones. */
static bool is_data(const char *word, size_t bytes, bool name)
{
    if ((bytes == sizeof(dots) - 1 && memcmp(word, dots, bytes) == 0) ||
        (bytes > word_most(name) && is_ascii(word, bytes)) || secret_key_shaped(word, bytes) ||
        secret_address_shaped(word, bytes))
        return true;
    for (size_t i = 0; i < bytes; i++) {
        const unsigned char c = (unsigned char)word[i];
        if (c == '_' && name)
            continue;
        if ((c >= '0' && c <= '9') || c < 0x20 || c == 0x7f || memchr("@/\\_=<>{}[]|^~`$#%&+*", c, 21) != NULL)
            return true;
    }
    return false;
}

void shown_init(struct shown *shown, const uint8_t key[32])
{
    memset(shown, 0, sizeof(*shown));
    memcpy(shown->key, key, sizeof(shown->key));
}

/* The first `chars` characters. */
static size_t cut(const char *text, size_t bytes, unsigned chars)
{
    size_t at = 0;
    for (unsigned n = 0; at < bytes; at++) {
        n += ((unsigned char)text[at] & 0xc0) != 0x80;
        if (n > chars)
            break;
    }
    return at;
}

struct line {
    char *text;
    size_t bytes, room;
    bool gap, any; /* something was left out before the next word; a word stands there */
};

static bool put(struct line *line, const char *text, size_t bytes)
{
    const size_t blank = line->bytes > 0;
    if (line->bytes + bytes + blank > line->room)
        return false;
    if (blank)
        line->text[line->bytes++] = ' ';
    memcpy(line->text + line->bytes, text, bytes);
    line->bytes += bytes;
    return true;
}

static bool put_word(struct line *line, const char *word, size_t bytes)
{
    if (line->gap)
        (void)put(line, dots, sizeof(dots) - 1);
    line->gap = false;
    line->any = true;
    return put(line, word, bytes);
}

size_t shown_preview(struct shown *shown, const struct shown_text *text, unsigned chars, char *ret_text, size_t room)
{
    const bool all = text->asked || text_public(shown, text->digest);
    const uint32_t tag = (uint32_t)(text->digest[0] % (SHOWN_PUBLIC - 1)) + 1;
    const size_t end = cut(text->text, text->bytes, chars);
    struct line line = {.text = ret_text, .room = room};
    uint64_t bit = 1; /* of the word */
    for (size_t at = 0; at < end; bit <<= 1) {
        size_t bytes = 0;
        while (at < end && is_blank(text->text[at]))
            at++;
        while (at + bytes < end && !is_blank(text->text[at + bytes]))
            bytes++;
        if (!bytes || (!all && at + bytes == end && end < text->bytes && !is_blank(text->text[end])))
            break; /* the piece of a word is nobody's word */
        const char *const word = text->text + at;
        const bool data = is_data(word, bytes, text->names);
        const bool countable = !data && !text->asked && bytes <= word_most(text->names);
        const bool known = countable && word_public(shown, word, bytes, tag);
        if (data || !(all || known))
            line.gap = true;
        else if (put_word(&line, word, bytes) && text->shown != NULL)
            *text->shown |= bit;
        at += bytes;
    }
    return line.any ? line.bytes : 0;
}
